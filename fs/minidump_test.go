package fs

import (
	"bytes"
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"math/rand/v2"
	"testing"

	"memlens/memimage/synth"
)

// TestMinidump: the size is known before a byte is read, every piece equals the same piece of the whole file, the file
// has no holes, and looking up its name does not find its size.
func TestMinidump(t *testing.T) {
	m, err := synth.Build(synth.Demo())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := openTree(m.Reader, Options{})
	if err != nil {
		t.Fatal(err)
	}
	const name = "3256-cmd.exe/minidump.dmp"
	if info, sized, err := tree.NameContext(context.Background(), name); err != nil || sized || info.Size() != 0 {
		t.Errorf("the name: %v, %v, %v", info, sized, err)
	}
	whole, err := iofs.ReadFile(tree, name)
	if err != nil || !bytes.HasPrefix(whole, []byte("MDMP\x93\xa7")) {
		t.Fatalf("%d bytes, %v", len(whole), err)
	}
	f, err := tree.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() != int64(len(whole)) || info.Sys().(*Attr).Blocks != (info.Size()+511)/512 {
		t.Fatalf("%v, %v, want %d bytes", info, err, len(whole))
	}
	file := f.(interface {
		io.ReaderAt
		Holer
		Xattrer
	})
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		off := rng.IntN(len(whole))
		p := make([]byte, min(rng.IntN(20000), len(whole)-off))
		if n, err := file.ReadAt(p, int64(off)); n != len(p) || !bytes.Equal(p, whole[off:off+n]) {
			t.Fatalf("%d bytes at %#x: %d, %v", len(p), off, n, err)
		}
	}
	if hole, err := file.NextHole(0); err != nil || hole != info.Size() {
		t.Errorf("a hole at %#x, %v", hole, err)
	}
	for _, name := range []string{"pages_present", "pages_missing", "ranges", "modules", "threads", "all_addresses"} {
		if v, ok := file.Xattr(xattrPrefix + name); !ok || len(v) == 0 {
			t.Errorf("no attribute %s", name)
		}
	}
	if _, err := tree.Open("4-System/minidump.dmp"); !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("that of System: %v", err)
	}
}
