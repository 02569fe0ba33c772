package format

import (
	"crypto/sha1"
	"encoding/hex"
	"io"
	"path/filepath"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// TestAFF4ReferenceImage reads an image of the standard's reference set: half of its map is in symbolic streams.
func TestAFF4ReferenceImage(t *testing.T) {
	im := openPath(t, filepath.Join(corpus.Case(t, "aff4-symbolic"), "Base-Linear.aff4"))
	if n, err := sparse.Present(im.Memory); n != 268435456 || err != nil {
		t.Errorf("%d bytes are there, want all (%v)", n, err)
	}
	h := sha1.New()
	if _, err := io.Copy(h, io.NewSectionReader(im.Memory, 0, im.Memory.Size())); err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != "7d3d27f667f95f7ec5b9d32121622c0f4b60b48d" {
		t.Errorf("SHA-1 %s", got)
	}
	if len(im.Digests) != 4 || len(im.BlockDigests) != 2 {
		t.Fatalf("%d digests and %d of blocks, want 4 and 2", len(im.Digests), len(im.BlockDigests))
	}
	checkVerified(t, im)
}

// TestAFF4Members opens volumes in which the memory is one of several streams, or a file of the archive.
func TestAFF4Members(t *testing.T) {
	corpus.Long(t)
	base := openPath(t, corpus.UnpackCase(t, "image-base", "image.raw"))
	want := digest(t, base.Memory, base.Memory.Size())
	for _, name := range []string{"with-files.aff4", "raw-member.aff4"} {
		im := openPath(t, corpus.UnpackCase(t, "aff4-streams", name))
		if im.Format != "AFF4: raw" || digest(t, im.Memory, im.Memory.Size()) != want {
			t.Errorf("%s: %s of %d bytes, which are not those of the image in it", name, im.Format, im.Memory.Size())
		}
	}
}
