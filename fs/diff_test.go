package fs

import "testing"

// TestListingOpensAComparisonOnce lists a folder of comparisons: the recovered file is opened once for each reference, and
// closed as often, however many kinds of files are made of the two.
func TestListingOpensAComparisonOnce(t *testing.T) {
	f, _ := demo(t)
	dir, err := f.table().lookup(f, f.root.at, "3256-cmd.exe")
	if err != nil {
		t.Fatal(err)
	}
	found, err := dir.(dirNode).lookup(t.Context(), "diff-vs")
	if err != nil {
		t.Fatal(err)
	}
	d, opened, closed := found.(*diffDir), 0, 0
	counted := *d.form
	open := d.form.open
	counted.open = func(m *module) (*body, error) {
		opened++
		b, err := open(m)
		if err == nil {
			b.close = func() error { closed++; return nil }
		}
		return b, err
	}
	d.form = &counted
	entries, err := d.list(t.Context())
	if err != nil || len(entries) != len(diffKinds) {
		t.Fatalf("%v, %v", entries, err)
	}
	if opened != 1 || closed != 1 {
		t.Errorf("the recovered file was opened %d times and closed %d times, want 1", opened, closed)
	}
}
