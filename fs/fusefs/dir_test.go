//go:build linux

package fusefs

import (
	"context"
	"errors"
	iofs "io/fs"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"memlens/memimage/rescue"
)

// kernel is a process that uses a tree as the kernel would for it.
type kernel struct {
	*testing.T
	tree *tree
	pid  uint32
}

func (k kernel) header() fuse.InHeader {
	return fuse.InHeader{NodeId: rootIno, Caller: fuse.Caller{Pid: k.pid}}
}

// list lists the root, and returns the entries whose facts for stat are in the listing.
func (k kernel) list() string {
	k.Helper()
	var open fuse.OpenOut
	if status := k.tree.OpenDir(nil, &fuse.OpenIn{InHeader: k.header()}, &open); status != fuse.OK {
		k.Fatal(status)
	}
	before := k.lookups()
	const room = 1 << 16
	out := fuse.NewDirEntryList(make([]byte, room), 0)
	if status := k.tree.ReadDirPlus(nil, &fuse.ReadIn{InHeader: k.header(), Fh: open.Fh, Size: room}, out); status != fuse.OK {
		k.Fatal(status)
	}
	k.tree.ReleaseDir(&fuse.ReleaseIn{Fh: open.Fh})
	var names []string
	for name, n := range k.lookups() {
		if n > before[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// lookups returns how often the kernel learned of each node.
func (k kernel) lookups() map[string]uint64 {
	out := map[string]uint64{}
	for _, n := range k.tree.nodes.byID {
		out[k.tree.nodes.path(n)] = k.tree.nodes.at(n).lookups
	}
	return out
}

// look looks at files of the root.
func (k kernel) look(names ...string) {
	k.Helper()
	for _, name := range names {
		h := k.header()
		var out fuse.EntryOut
		if status := k.tree.Lookup(nil, &h, name, &out); status != fuse.OK || out.NodeId <= rootIno {
			k.Fatalf("%s: %v, %+v", name, status, out)
		}
	}
}

// TestListingsTellThoseWhoLook: a listing has the facts of files for a process that looks at half of the listed files,
// and the facts of directories for every process.
func TestListingsTellThoseWhoLook(t *testing.T) {
	tree, _ := testTree(fstest.MapFS{"a": {}, "b": {}, "c": {}, "d": {}, "dir/x": {}})
	one, other := kernel{t, tree, 1}, kernel{t, tree, 2}
	if got := one.list(); got != "dir" {
		t.Errorf("at first: %q", got)
	}
	one.look("a", "dir")
	if got := one.list(); got != "dir" {
		t.Errorf("after a look at a file: %q", got)
	}
	one.look("a", "c")
	if got := one.list(); got != "a b c d dir" {
		t.Errorf("after a look at half of them: %q", got)
	}
	other.look("a", "b", "c", "d")
	if got := other.list(); got != "dir" {
		t.Errorf("to one who has not listed them: %q", got)
	}
	for pid := range uint32(8) {
		kernel{t, tree, 10 + pid}.list()
	}
	if got := one.list(); got != "dir" {
		t.Errorf("when others have listed: %q", got)
	}
}

// TestRequestEnds ends the context of a request in each way.
func TestRequestEnds(t *testing.T) {
	for name, end := range map[string]func(*work, chan struct{}, *request){
		"interrupted": func(_ *work, c chan struct{}, _ *request) { close(c) },
		"unmounted":   func(w *work, _ chan struct{}, _ *request) { w.end() },
		"answered":    func(_ *work, _ chan struct{}, r *request) { r.end() },
	} {
		t.Run(name, func(t *testing.T) {
			w, c := newWork(), make(chan struct{})
			r := w.request(c)
			done := r.Done()
			if err := r.Err(); err != nil {
				t.Fatal(err)
			}
			end(w, c, r)
			select {
			case <-done:
			case <-time.After(20 * time.Second):
				t.Fatal("it does not end")
			}
			if r.Err() == nil {
				t.Error("no error")
			}
		})
	}
}

// TestFittingEntriesAreThoseOfTheAnswer: the entries that fit are those that the library puts into an answer of that size.
func TestFittingEntriesAreThoseOfTheAnswer(t *testing.T) {
	files := fstest.MapFS{}
	for n := range 40 {
		files[strings.Repeat("x", 1+n*n%97)+strconv.Itoa(n)] = &fstest.MapFile{}
	}
	tree, _ := testTree(files)
	d, errno := openDir(t.Context(), tree, tree.nodes.byID[rootIno])
	if errno != 0 {
		t.Fatal(errno)
	}
	for size := 0; size < 9000; size += 7 {
		for _, off := range []uint64{0, 1, 2, 3, 20, 41, 42, 43, 1000} {
			answer := fuse.NewDirEntryList(make([]byte, size), off)
			var want []string
			d.each(off, func(e fuse.DirEntry, of iofs.DirEntry) bool {
				added := answer.AddDirLookupEntry(e) != nil
				if added && of != nil {
					want = append(want, e.Name)
				}
				return added
			})
			var got []string
			for _, e := range d.fitting(off, size) {
				got = append(got, e.Name())
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%d bytes from offset %d on: %d entries fit, and the answer has %d", size, off, len(got), len(want))
			}
		}
	}
}

// slowEntry is an entry that is described when others are described, too.
type slowEntry struct {
	iofs.DirEntry
	all *sync.WaitGroup
}

func (e slowEntry) Info() (iofs.FileInfo, error) {
	e.all.Done()
	e.all.Wait()
	return nil, iofs.ErrInvalid
}

type panickingEntry struct{ iofs.DirEntry }

func (panickingEntry) Info() (iofs.FileInfo, error) { panic("on purpose") }

// TestEntriesAreDescribedTogether: as many as the program has processors for are described at the same time. A panic is an
// error of its entry, and nothing is described for those who have gone.
func TestEntriesAreDescribedTogether(t *testing.T) {
	var all sync.WaitGroup
	entries := []iofs.DirEntry{panickingEntry{}}
	for range min(together, runtime.GOMAXPROCS(0)) {
		all.Add(1)
		entries = append(entries, slowEntry{all: &all})
	}
	got := describeAll(t.Context(), entries, true)
	var panicked *rescue.PanicError
	if !errors.As(got[0].err, &panicked) {
		t.Errorf("a panic is %v", got[0].err)
	}
	for _, f := range got[1:] {
		if f.err != iofs.ErrInvalid {
			t.Errorf("an entry's error is %v", f.err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, f := range describeAll(gone, entries, true) {
		if f.fi != nil || f.err != nil {
			t.Errorf("it is described for nobody: %+v", f)
		}
	}
}
