//go:build linux

package fusefs

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
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
	out := fuse.NewDirEntryList(make([]byte, 1<<16), 0)
	if status := k.tree.ReadDirPlus(nil, &fuse.ReadIn{InHeader: k.header(), Fh: open.Fh}, out); status != fuse.OK {
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
