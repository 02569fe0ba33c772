//go:build linux

package fusefs

import (
	iofs "io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// faultyFS is a tree of which some read fails while a directory is listed, as long as it is broken.
type faultyFS struct {
	fstest.MapFS
	broken bool
	faults int64
	lists  int
}

func (f *faultyFS) Faults() int64 { return f.faults }

func (f *faultyFS) ReadDir(name string) ([]iofs.DirEntry, error) {
	f.lists++
	if f.broken {
		f.faults++
	}
	return f.MapFS.ReadDir(name)
}

// readUnopened reads the root from an offset on, without having opened it, and returns the offset behind what it got.
func readUnopened(t *testing.T, tree *tree, off uint64) uint64 {
	t.Helper()
	out := fuse.NewDirEntryList(make([]byte, 150), off) // room for some entries
	in := fuse.ReadIn{InHeader: fuse.InHeader{NodeId: rootIno}, Offset: off}
	if status := tree.ReadDir(nil, &in, out); status != fuse.OK {
		t.Fatal(status)
	}
	return out.Offset
}

// TestListingsOfUnopened reads a directory in pieces, as the kernel does: it is listed once, and what leaned on a read that
// failed is forgotten when its end has been read.
func TestListingsOfUnopened(t *testing.T) {
	fsys := &faultyFS{MapFS: fstest.MapFS{}}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		fsys.MapFS[name] = &fstest.MapFile{}
	}
	tree, _ := testTree(fsys)
	var forgotten []uint64
	tree.listings = newListings(func(id uint64) { forgotten = append(forgotten, id) })
	if status := tree.OpenDir(nil, &fuse.OpenIn{InHeader: fuse.InHeader{NodeId: rootIno}}, &fuse.OpenOut{}); status != fuse.ENOSYS {
		t.Errorf("opening: %v", status)
	}
	for _, fsys.broken = range []bool{false, true, false} {
		fsys.lists, forgotten = 0, nil
		pieces := 0
		for off, next := uint64(0), readUnopened(t, tree, 0); next != off; pieces++ {
			if len(forgotten) > 0 {
				t.Error("it is forgotten before its end")
			}
			off, next = next, readUnopened(t, tree, next)
		}
		want := []uint64(nil)
		if fsys.broken {
			want = []uint64{rootIno}
		}
		if pieces < 2 || fsys.lists != 1 || !slices.Equal(forgotten, want) {
			t.Errorf("broken: %v: %d pieces of %d listings, forgotten: %v", fsys.broken, pieces, fsys.lists, forgotten)
		}
	}
	tree.nodes.forget(9, 1)
	in := fuse.ReadIn{InHeader: fuse.InHeader{NodeId: 9}}
	if status := tree.ReadDir(nil, &in, fuse.NewDirEntryList(make([]byte, 150), 0)); status == fuse.OK {
		t.Error("a directory that the kernel does not know is listed")
	}
}
