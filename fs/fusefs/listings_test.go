//go:build linux

package fusefs

import (
	"errors"
	iofs "io/fs"
	"slices"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// faultyFS is a tree in which a read fails during each listing, as long as it is broken.
type faultyFS struct {
	fstest.MapFS
	broken bool
	faults int64
	lists  int
}

func (f *faultyFS) Faults() int64 { return f.faults }

func (f *faultyFS) FaultSince(n int64) error {
	if f.faults == n {
		return nil
	}
	return errors.New("a read failed")
}

func (f *faultyFS) Stat(name string) (iofs.FileInfo, error) {
	if f.broken {
		f.faults++
	}
	return f.MapFS.Stat(name)
}

func (f *faultyFS) ReadDir(name string) ([]iofs.DirEntry, error) {
	f.lists++
	if f.broken {
		f.faults++
	}
	return f.MapFS.ReadDir(name)
}

// readUnopened reads the root from an offset on, without having opened it, and returns the offset behind the entries
// that it read.
func readUnopened(t *testing.T, tree *tree, off uint64) uint64 {
	t.Helper()
	out := fuse.NewDirEntryList(make([]byte, 150), off) // room for some entries
	in := fuse.ReadIn{InHeader: fuse.InHeader{NodeId: rootIno}, Offset: off}
	if status := tree.ReadDir(nil, &in, out); status != fuse.OK {
		t.Fatal(status)
	}
	return out.Offset
}

// TestListingsOfUnopened reads a directory in pieces, as the kernel does: it is listed once, and a listing in which a
// read failed is forgotten when its end has been read.
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

// lackingFS is a tree whose listing fails after its entries.
type lackingFS struct {
	fstest.MapFS
	err error
}

func (f *lackingFS) ReadDir(name string) ([]iofs.DirEntry, error) {
	list, _ := f.MapFS.ReadDir(name)
	return list, f.err
}

// TestListingThatLacks reads a directory in which some entries could not be found: the found entries are listed, and
// the error comes behind them. Nothing of it is kept.
func TestListingThatLacks(t *testing.T) {
	fsys := &lackingFS{fstest.MapFS{"a": {}, "b": {}}, syscall.EIO}
	tree, _ := testTree(fsys)
	open := func() (fh uint64, flags uint32) {
		var out fuse.OpenOut
		if status := tree.OpenDir(nil, &fuse.OpenIn{InHeader: fuse.InHeader{NodeId: rootIno}}, &out); status != fuse.OK {
			t.Fatal(status)
		}
		return out.Fh, out.OpenFlags
	}
	for _, read := range []func(<-chan struct{}, *fuse.ReadIn, *fuse.DirEntryList) fuse.Status{tree.ReadDir, tree.ReadDirPlus} {
		fh, flags := open()
		if flags&fuse.FOPEN_CACHE_DIR != 0 {
			t.Error("the kernel may keep the listing")
		}
		out := fuse.NewDirEntryList(make([]byte, 4096), 0)
		in := fuse.ReadIn{InHeader: fuse.InHeader{NodeId: rootIno}, Fh: fh}
		if status := read(nil, &in, out); status != fuse.OK || out.Offset != 2+dots {
			t.Fatalf("%v, up to %d", status, out.Offset)
		}
		in.Offset = out.Offset
		if status := read(nil, &in, fuse.NewDirEntryList(make([]byte, 4096), in.Offset)); status != fuse.EIO {
			t.Errorf("behind the last entry: %v", status)
		}
	}
	fsys.MapFS = nil
	if status := tree.OpenDir(nil, &fuse.OpenIn{InHeader: fuse.InHeader{NodeId: rootIno}}, new(fuse.OpenOut)); status != fuse.EIO {
		t.Errorf("a directory of which nothing is known: %v", status)
	}
	fsys.MapFS, fsys.err = fstest.MapFS{"a": {}}, nil
	fh, _ := open()
	in := fuse.ReadIn{InHeader: fuse.InHeader{NodeId: rootIno}, Fh: fh, Offset: 1 + dots}
	if status := tree.ReadDir(nil, &in, fuse.NewDirEntryList(make([]byte, 4096), in.Offset)); status != fuse.OK {
		t.Errorf("of a sound directory: %v", status)
	}
}

// TestAnswersDuringAFault looks names up while reads fail: that there is no such file is not said then, and what is said is
// not for the kernel to keep.
func TestAnswersDuringAFault(t *testing.T) {
	fsys := &faultyFS{MapFS: fstest.MapFS{"a": &fstest.MapFile{}}}
	tree, _ := testTree(fsys)
	root := &fuse.InHeader{NodeId: rootIno}
	for _, fsys.broken = range []bool{false, true, false} {
		keeps := !fsys.broken
		var out fuse.EntryOut
		if status := tree.Lookup(nil, root, "a", &out); status != fuse.OK || (out.EntryValid > 0) != keeps || (out.AttrValid > 0) != keeps {
			t.Errorf("broken: %v: %v, to be kept for %d and %d s", fsys.broken, status, out.EntryValid, out.AttrValid)
		}
		var attr fuse.AttrOut
		if status := tree.GetAttr(nil, &fuse.GetAttrIn{InHeader: fuse.InHeader{NodeId: out.NodeId}}, &attr); status != fuse.OK || (attr.AttrValid > 0) != keeps {
			t.Errorf("broken: %v: attributes: %v, to be kept for %d s", fsys.broken, status, attr.AttrValid)
		}
		want := fuse.OK // nothing, for ever
		if fsys.broken {
			want = fuse.EIO
		}
		var none fuse.EntryOut
		if status := tree.Lookup(nil, root, "none", &none); status != want || none.NodeId != 0 || (none.EntryValid > 0) != keeps {
			t.Errorf("broken: %v: a name that is not there: %v, to be kept for %d s", fsys.broken, status, none.EntryValid)
		}
	}
}
