package format

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
)

// checkDigests checks that an image carries digests of these algorithms, and that all are right.
func checkDigests(t *testing.T, im *Image, algorithms ...string) {
	t.Helper()
	results, err := im.Verify(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range results {
		got = append(got, r.Algorithm)
		if !r.Good() || r.Differs() || !strings.HasPrefix(r.Result(), "right") {
			t.Errorf("%s of %s is %s", r.Algorithm, r.Of, r.Result())
		}
	}
	if !slices.Equal(got, algorithms) {
		t.Errorf("digests %q, want %q", got, algorithms)
	}
}

// checkVerified checks that an image carries digests, and that all are right, also the digests of blocks.
func checkVerified(t *testing.T, im *Image) {
	t.Helper()
	results, err := im.Verify(context.Background(), nil)
	if err != nil || len(results) == 0 {
		t.Fatalf("%d digests, %v", len(results), err)
	}
	for _, r := range results {
		if !r.Good() {
			t.Errorf("%s of %s is %s", r.Algorithm, r.Of, r.Result())
		}
	}
}

// verifiedEWF opens an EWF image after a change to its file, and checks its digests.
func verifiedEWF(t *testing.T, change func(file []byte) []byte) (*Image, []Verification) {
	t.Helper()
	src := writeEWF(flat(testMemory()[:2]), 1000)
	im, err := Open(newMemSource("a.E01", change(src.siblings[".e01"])), Options{})
	if err != nil {
		t.Fatal(err)
	}
	results, err := im.Verify(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return im, results
}

// TestVerify has EWF images with right digests, with wrong ones, and with missing content.
func TestVerify(t *testing.T) {
	data := flat(testMemory()[:2])
	sum := md5.Sum(data)
	t.Run("sound", func(t *testing.T) {
		im, results := verifiedEWF(t, func(b []byte) []byte { return b })
		checkDigests(t, im, "MD5", "SHA-1")
		if !bytes.Equal(results[0].Recorded, sum[:]) || !bytes.Equal(results[0].Computed, sum[:]) {
			t.Errorf("MD5 %x, computed %x, want %x", results[0].Recorded, results[0].Computed, sum)
		}
	})
	t.Run("another digest", func(t *testing.T) {
		_, results := verifiedEWF(t, func(b []byte) []byte {
			for at := bytes.Index(b, sum[:]); at >= 0; at = bytes.Index(b, sum[:]) {
				b[at+3] ^= 0x10
				end := at + 76
				if b[at+32] == 0 { // "digest" has SHA-1 behind it
					end = at + 32
				}
				copy(b[end:], adler(b[at:end]))
			}
			return b
		})
		for _, r := range results {
			if wrong := r.Algorithm == "MD5"; r.Good() == wrong || r.Differs() != wrong || strings.Contains(r.Result(), "different: that of the content is ") != wrong {
				t.Errorf("%s: %s", r.Algorithm, r.Result())
			}
		}
	})
	t.Run("a damaged chunk", func(t *testing.T) {
		_, results := verifiedEWF(t, func(b []byte) []byte {
			b[bytes.Index(b, []byte("The quick brown fox"))] ^= 1
			return b
		})
		for _, r := range results {
			if r.Good() || r.Differs() || !sparse.IsHole(r.Err) || !strings.HasPrefix(r.Result(), "could not be checked") {
				t.Errorf("%s: %s", r.Algorithm, r.Result())
			}
		}
	})
	t.Run("a damaged section", func(t *testing.T) {
		im, results := verifiedEWF(t, func(b []byte) []byte {
			for at := bytes.Index(b, sum[:]); at >= 0; at = bytes.Index(b, sum[:]) {
				b[at] ^= 1 // its checksum stays
			}
			return b
		})
		if len(results) != 0 || !noteWith(im, `The section "digest" of a.E01, which has digests of the EWF image, is damaged`) {
			t.Errorf("%v, notes %q", results, im.Notes)
		}
	})
}

// TestVerifyOnABrokenDisk checks that a digest does not count as wrong when its content could not be read.
func TestVerifyOnABrokenDisk(t *testing.T) {
	file := writeEWF(flat(testMemory()[:2]), 1000).siblings[".e01"]
	disk := &sparsetest.Disk{ReaderAt: bytes.NewReader(file), Bad: []sparse.Run{{Off: int64(len(file) / 2), Len: 512}}}
	var all []*sparsetest.Disk
	im, err := Open(&diskSource{sparse.Whole(disk, int64(len(file))), disk, newMemSource("a.E01", file), &all}, Options{CacheBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	disk.Break(true)
	results, err := im.Verify(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Good() || r.Differs() || !sparse.Failed(r.Err) {
			t.Errorf("%s: %s", r.Algorithm, r.Result())
		}
	}
	disk.Break(false)
	im.Faults.Forget()
	checkDigests(t, im, "MD5", "SHA-1")
}

// TestVerifyBlocks has digests of blocks; some are missing.
func TestVerifyBlocks(t *testing.T) {
	const block = 1000
	data := testPages(0, 3)
	var values []byte
	for at := 0; at < len(data); at += block {
		sum := md5.Sum(data[at:min(at+block, len(data))])
		values = append(values, sum[:]...)
	}
	blocks := int64(len(values) / 16)
	check := func(name string, src, values sparse.Source, want Verification, result string) {
		t.Helper()
		im := &Image{BlockDigests: []BlockDigests{{"MD5", "it", src, block, values}}}
		results, err := im.Verify(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r := results[0]
		if r.Blocks != want.Blocks || r.Wrong != want.Wrong || r.FirstWrong != want.FirstWrong || !strings.HasPrefix(r.Result(), result) {
			t.Errorf("%s: %+v: %s", name, r, r.Result())
		}
	}
	check("right", sparse.Bytes(data), sparse.Bytes(values), Verification{Blocks: blocks}, "right for all 13 blocks")
	changed := bytes.Clone(data)
	changed[5*block+7] ^= 1
	changed[9*block] ^= 1
	check("changed", sparse.Bytes(changed), sparse.Bytes(values), Verification{Blocks: blocks, Wrong: 2, FirstWrong: 5 * block}, "different: 2 of 13 blocks, the first at offset 0x1388")
	holed, err := sparse.NewReader(int64(len(data)), sparse.Extent{Len: 4096, Src: sparse.Bytes(data)})
	if err != nil {
		t.Fatal(err)
	}
	check("content missing", holed, sparse.Bytes(values), Verification{Blocks: 4}, "right for 4 blocks; others could not be checked")
	check("digests missing", sparse.Bytes(data), sparse.Bytes(values[:5*16]), Verification{Blocks: 5}, "right for 5 blocks; 8 others have no digest")
}

// TestVerifyStops checks that the end of the context ends the work.
func TestVerifyStops(t *testing.T) {
	im, err := Open(writeEWF(testPages(0, 600), 1000), Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var last, total int64
	_, err = im.Verify(ctx, func(d, of int64) { last, total = d, of; cancel() })
	if !errors.Is(err, context.Canceled) || last != verifyStep || total != 600*pageSize {
		t.Errorf("%v after %d of %d bytes", err, last, total)
	}
}

// TestVerifyWithoutDigests has block digests, some or all of which are missing: a block that was not checked does not
// count as right.
func TestVerifyWithoutDigests(t *testing.T) {
	const block = 4096
	data := testPages(0x1000, 4)
	sum := md5.Sum(data[:block])
	for _, c := range []struct {
		values []byte
		size   int64
		says   string
	}{
		{sum[:], 4 * block, "right for 1 block; 3 others have no digest"},
		{sum[:5], 4 * block, "could not be checked: no digest of any block is there"},
		{sum[:], 1 << 51, "right for 1 block; 549755813887 others have no digest"},
	} {
		values, err := sparse.NewReader((c.size/block)*md5.Size, sparse.Extent{Len: int64(len(c.values)), Src: sparse.Bytes(c.values)})
		if err != nil {
			t.Fatal(err)
		}
		content, err := sparse.NewReader(c.size, sparse.Extent{Len: int64(len(data)), Src: sparse.Bytes(data)})
		if err != nil {
			t.Fatal(err)
		}
		im := &Image{BlockDigests: []BlockDigests{{"MD5", "it", content, block, values}}}
		results, err := im.Verify(context.Background(), nil)
		if err != nil || results[0].Result() != c.says || results[0].Good() != (results[0].Blocks > 0) {
			t.Errorf("%v, good: %v, %q, want %q", err, results[0].Good(), results[0].Result(), c.says)
		}
	}
}

// TestVerifyContainersInsideEachOther has digests of two contents with the same name.
func TestVerifyContainersInsideEachOther(t *testing.T) {
	im := &Image{}
	for _, content := range [][]byte{testPages(0, 1), testPages(0x1000, 1)} {
		sum := md5.Sum(content)
		im.Digests = append(im.Digests, Digest{"MD5", sum[:], "the medium in the EWF image", sparse.Bytes(content)})
	}
	checkVerified(t, im)
}
