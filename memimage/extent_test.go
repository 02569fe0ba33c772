package memimage

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"memlens/memimage/restore"

	"memlens/memimage/synth/corpus"
)

// TestFilesMappedAsTheyAre restores programs with sections that are aligned to less than a page: each file lies in
// memory as a whole.
func TestFilesMappedAsTheyAre(t *testing.T) {
	corpus.Long(t)
	dir := corpus.Case(t, "low-alignment")
	for _, tt := range []struct {
		image, file string
		pid         uint64
	}{
		{"xp", "nosec.exe", 8100}, {"xp", "nosoh.exe", 8104}, {"xp", "small.exe", 8108},
		{"win7x86", "nosec.exe", 8100}, {"win7x86", "small2.exe", 8108},
	} {
		t.Run(tt.image+"/"+tt.file, func(t *testing.T) {
			im, err := Open(context.Background(), filepath.Join(dir, tt.image+".raw.xz"), Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer im.Close()
			want, err := os.ReadFile(filepath.Join(dir, "originals", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			found := false
			list, _ := im.Processes()
			for _, p := range list {
				if p.PID == tt.pid {
					found = true
					checkRestored(t, p, want)
				}
			}
			if !found {
				t.Fatalf("there is no process %d", tt.pid)
			}
		})
	}
}

func checkRestored(t *testing.T, p *Process, want []byte) {
	t.Helper()
	r, err := p.Restored()
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, r.Reader.Size())
	if n, err := r.Reader.ReadAt(got, 0); n < len(got) {
		t.Fatalf("%d of %d bytes: %v", n, len(got), err)
	}
	if len(got) != len(want) {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
	for _, row := range r.Rows {
		end := min(row.FileOffset+row.Length, int64(len(want)))
		if same := string(got[row.FileOffset:end]) == string(want[row.FileOffset:end]); row.Certainty() == restore.Exact && !same {
			t.Errorf("a row that is said to be exact is not the file: %+v", row)
		}
		t.Logf("%#x+%#x %v: %q", row.FileOffset, row.Length, row.Certainty(), row.Note)
	}
	t.Logf("size %d: %s (%v); base %s (%v)", len(got), r.SizeProof, r.SizeCertainty, r.Proof, r.BaseCertainty)
}
