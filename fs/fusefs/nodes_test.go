//go:build linux

package fusefs

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// told gives the kernel a child and returns its number and its node.
func told(t *testing.T, table *nodes, parent node, name string, ino uint64) (uint64, node) {
	t.Helper()
	id := table.tell(parent, name, ino)
	n, ok := table.find(id)
	if !ok {
		t.Fatalf("%s is not in the table", name)
	}
	return id, n
}

func TestNodes(t *testing.T) {
	table := newNodes()
	_, sub := told(t, table, root, "sub", 7)
	_, deep := told(t, table, sub, "deep.txt", 8)
	if got := table.path(deep); got != "sub/deep.txt" || table.path(root) != "." || table.child(root, "x") != "x" || table.child(deep, "x") != "sub/deep.txt/x" {
		t.Errorf("path %q", got)
	}
	if self, up := table.ids(sub); self != 7 || up != rootIno {
		t.Errorf("numbers %d, %d", self, up)
	}
	if _, again := told(t, table, root, "sub", 7); again != sub {
		t.Error("a node is not found again")
	}
	table.forget(7, 2)
	if got := table.path(deep); got != "sub/deep.txt" {
		t.Errorf("after its directory was forgotten: %q", got)
	}
	table.forget(rootIno, 99)
	table.forget(99, 1)
	if _, ok := table.find(rootIno); !ok {
		t.Error("the root is gone")
	}
	table.forget(8, 1)
	if len(table.byID) != 1 || len(table.names.byText) != 0 {
		t.Errorf("%v, %v are left", table.byID, table.names.byText)
	}
}

// TestNodesOfOneNumber has files with the same inode number.
func TestNodesOfOneNumber(t *testing.T) {
	for _, ino := range []uint64{0, rootIno, 7, math.MaxUint64} {
		table := newNodes()
		a, first := told(t, table, root, "a", ino)
		b, second := told(t, table, root, "b", ino)
		if first == second || a == b || a <= rootIno || b <= rootIno {
			t.Errorf("%d: %d, %d", ino, a, b)
		}
		if again, n := told(t, table, root, "b", ino); again != b || n != second {
			t.Errorf("%d: b is not found again", ino)
		}
	}
}

// TestNodesComeAndGo gives files to the kernel and lets it forget them, in any order, and compares the nodes with a
// plain record.
func TestNodesComeAndGo(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	table := newNodes()
	type known struct {
		path    string
		node    node
		lookups uint64
	}
	kernel := map[uint64]*known{}
	dirs := []string{"", "a", "b", "a/a", "a/b"}
	for range 20000 {
		dir, name := dirs[r.IntN(len(dirs))], fmt.Sprintf("%c", 'a'+r.IntN(6))
		parent := root
		for _, k := range kernel {
			if k.path == dir {
				parent = k.node
			}
		}
		if r.IntN(2) == 0 && (dir == "" || parent != root) {
			p := table.child(parent, name)
			id, n := told(t, table, parent, name, uint64(len(p))+uint64(p[0]))
			if kernel[id] == nil {
				kernel[id] = &known{p, n, 0}
			}
			kernel[id].lookups++
			continue
		}
		for id, k := range kernel {
			if got := table.path(k.node); got != k.path {
				t.Fatalf("%q is now %q", k.path, got)
			}
			times := 1 + r.Uint64N(k.lookups)
			table.forget(id, times)
			if k.lookups -= times; k.lookups == 0 {
				delete(kernel, id)
			}
			break
		}
	}
	for id, k := range kernel {
		table.forget(id, k.lookups)
	}
	if len(table.byID) != 1 || len(table.names.byText) != 0 || len(table.free) != table.count-1 || len(table.names.free) != len(table.names.all) {
		t.Errorf("%d nodes, %d names are left", len(table.byID)-1, len(table.names.byText))
	}
}

// BenchmarkNodes gives the kernel a hundred thousand files of thirty names, and lets it forget them.
func BenchmarkNodes(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		table := newNodes()
		for i := range uint64(4000) {
			dir, _ := table.find(table.tell(root, fmt.Sprintf("%d-worker.exe", i), 100+i))
			for j := range uint64(30) {
				table.tell(dir, benchmarkNames[j], 1<<20+i<<10+j)
			}
		}
		for i := range uint64(4000) {
			for j := range uint64(30) {
				table.forget(1<<20+i<<10+j, 1)
			}
			table.forget(100+i, 1)
		}
	}
}

var benchmarkNames = func() (out [30]string) {
	for i := range out {
		out[i] = fmt.Sprintf("file%d.csv", i)
	}
	return out
}()
