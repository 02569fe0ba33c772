package format

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// readAll reads all memory of an image, gaps or not.
func readAll(im *Image) {
	buf := make([]byte, pageSize)
	for off := int64(0); off < im.Memory.Size(); off += pageSize {
		_, _ = im.Memory.ReadAt(buf, off)
	}
}

// TestDamagedBlocksAreTold changes a byte in the middle of each container that is made of blocks.
func TestDamagedBlocksAreTold(t *testing.T) {
	corpus.Long(t)
	kinds := map[string]string{
		"zstd, many frames": "compressed blocks", "xz, many blocks": "compressed blocks", "AVML": "snappy blocks", "E01 of LiME": "EWF chunks",
		"zdmp": ".zdmp blocks", "kdump": "kdump pages",
	}
	told := map[string]bool{}
	for _, w := range wrappings() {
		kind := kinds[w.name]
		if kind == "" {
			continue
		}
		src := w.write(t, testMemory())
		whole := make([]byte, src.Size())
		_, _ = src.ReadAt(whole, 0)
		said := func() string {
			im, err := Open(&memSource{sparse.Bytes(whole), src.name, src.siblings}, Options{})
			if err != nil {
				t.Fatalf("%s: %v", w.name, err)
			}
			readAll(im)
			return strings.Join(im.Damage(), "\n")
		}
		if s := said(); s != "" {
			t.Errorf("%s is sound, and this is said: %s", w.name, s)
		}
		for at := len(whole) * 4 / 10; at < len(whole)*9/10; at += len(whole) / 40 {
			whole[at] ^= 0x55
			if s := said(); strings.Contains(s, kind+" cannot be unpacked") || strings.Contains(s, kind+" that were tried") {
				told[w.name] = true
			}
			whole[at] ^= 0x55
		}
	}
	if len(told) != len(kinds) {
		t.Errorf("only of %v it was told", told)
	}
}

// damagedFrames are frames of zstd, each of which has a wrong checksum.
func damagedFrames(t *testing.T, data []byte) []byte {
	code, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(true))
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for i := 0; i < len(data); i += 100000 {
		out = code.EncodeAll(data[i:min(i+100000, len(data))], out)
		out[len(out)-1] ^= 1
	}
	return out
}

func TestEveryBlockIsDamaged(t *testing.T) {
	data := damagedFrames(t, testPages(0, 100))
	im, err := Open(newMemSource("a.raw.zst", data), Options{})
	if err != nil {
		t.Fatal(err)
	}
	readAll(im)
	if said := im.Damage(); len(said) != 1 || !strings.HasPrefix(said[0], "None of the 5 compressed blocks can be unpacked") {
		t.Errorf("said %q", said)
	}
	if what := im.Describe(); !strings.HasPrefix(what, "nothing that could be looked at") || !strings.Contains(what, "in none of") {
		t.Errorf("described as %q", what)
	}
}

func TestBlocksCountThoseThatCannotBeUnpacked(t *testing.T) {
	in := newInput(newMemSource("a", nil), Options{})
	bad := errors.New("format: a wrong checksum")
	b := in.newBlocks(uniform{10, 100}, 10, nil)
	for i := range 4 {
		b.remember(i, nil)
		b.remember(i, nil)
	}
	if s := b.tried("blocks"); s != "" {
		t.Errorf("%q", s)
	}
	b.remember(9, fmt.Errorf("format: later: %w", bad))
	b.remember(9, bad)
	b.remember(5, bad)
	b.remember(6, &sparse.ReadError{Err: syscall.EIO})
	if s, want := b.tried("blocks"), "2 of the 6 blocks that were tried (of 10) cannot be unpacked: these bytes are missing. The first, block 5: a wrong checksum."; s != want {
		t.Errorf("%q, want %q", s, want)
	}
	one := in.newBlocks(uniform{10, 10}, 10, nil)
	one.remember(0, bad)
	if s := one.tried("blocks"); !strings.HasPrefix(s, "The only one of the blocks that was tried (of 1) cannot be unpacked") {
		t.Errorf("%q", s)
	}
}

// TestBlockNumbersAreHostile has an index with more blocks than any memory could count, as a header can claim them.
func TestBlockNumbersAreHostile(t *testing.T) {
	in := newInput(newMemSource("a", nil), Options{})
	b := in.newBlocks(uniform{1, maxPhysical}, 1, func(int) ([]byte, error) { return nil, errors.New("format: no such block") })
	for off := int64(1); off < maxPhysical; off *= 2 {
		if _, err := b.Probe(off); !sparse.IsHole(err) {
			t.Fatalf("at %#x: %v", off, err)
		}
	}
	if n := len(b.failed.words); n > 64 {
		t.Errorf("%d words are kept of 52 numbers", n)
	}
	if s := b.tried("blocks"); !strings.HasPrefix(s, "None of the 52 blocks that were tried") {
		t.Errorf("%q", s)
	}
}
