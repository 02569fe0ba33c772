package format

import (
	"bytes"
	"path/filepath"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// TestHibernationOfAnotherEncoder compares the pages of a hibernation file, whose sets wimlib's encoder packed, with
// a raw image of the same memory. The file has all pages except pages of zeros.
func TestHibernationOfAnotherEncoder(t *testing.T) {
	im, raw := openPath(t, filepath.Join(corpus.Case(t, "xpress-huffman"), "hib19041.sys")), openPath(t, corpus.Unpack(t, "Win10x64_19041.raw"))
	compared, missing := 0, 0
	got, want := make([]byte, pageSize), make([]byte, pageSize)
	for off := int64(0); off < raw.Memory.Size(); off += pageSize {
		if _, err := raw.Memory.ReadAt(want, off); err != nil {
			t.Fatal(err)
		}
		switch _, err := im.Memory.ReadAt(got, off); {
		case sparse.IsHole(err):
			missing++
			if !bytes.Equal(want, make([]byte, pageSize)) {
				t.Errorf("the page at %#x is missing, and is not zeros", off)
			}
		case err != nil:
			t.Fatalf("at %#x: %v", off, err)
		case !bytes.Equal(got, want):
			t.Errorf("the page at %#x differs", off)
		default:
			compared++
		}
	}
	t.Logf("%d pages are equal, %d are missing", compared, missing)
	if said := im.Damage(); len(said) > 0 || compared == 0 || im.Memory.Size() != raw.Memory.Size() {
		t.Errorf("%d pages compared, %#x bytes; said %q", compared, im.Memory.Size(), said)
	}
}
