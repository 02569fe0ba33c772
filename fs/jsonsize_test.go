package fs

import (
	"testing"
	"time"

	"memlens/memimage/report"
)

// TestEncodedSize compares the size of JSON with the bytes.
func TestEncodedSize(t *testing.T) {
	text := func(s string) *string { return &s }
	for _, v := range []any{
		nil, 0, "", []int{}, []int{1}, [][]int{{}, {1, 2}, nil}, map[string]any{}, map[string]any{"a": map[string]int{}, "b": []any{nil, true, "x"}},
		"{[,:]}", `a"b\\"{`, []string{`\`, `"`, `\"`, "\u202e\x1b\n<>&", "\xff", "ünïcode \u2028"}, map[string]string{`{"a":[`: "]}"},
		&processInfo{Name: "a\x7f", Warnings: []string{"\u202e"}, Modules: []report.ListedModule{{}, {Path: `C:\a,b`}}, PE: &peInfo{Imports: []importInfo{{DLL: text("x")}}}},
		&moduleDescription{Lists: []report.LoaderEntry{{Loaded: new(time.Time)}}, Pages: map[string]int64{"zero": 1}},
	} {
		raw, err := encode(v)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := encodedSize(v); n != int64(len(raw)) || err != nil {
			t.Errorf("%d bytes, want %d: %v of\n%s", n, len(raw), err, raw)
		}
	}
	if _, err := encodedSize(func() {}); err == nil {
		t.Error("a function has a size")
	}
}
