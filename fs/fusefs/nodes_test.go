//go:build linux

package fusefs

import (
	"math"
	"testing"
)

func TestNodes(t *testing.T) {
	table := newNodes()
	sub := table.tell(table.root, "sub", 7)
	deep := table.tell(sub, "deep.txt", 8)
	if got := deep.path(); got != "sub/deep.txt" {
		t.Errorf("path %q", got)
	}
	if table.tell(table.root, "sub", 7) != sub || table.get(7) != sub || table.get(rootIno) != table.root || table.root.path() != "." {
		t.Error("a node is not found again")
	}
	table.forget(7, 1)
	if table.get(7) != sub {
		t.Error("forgotten though the kernel was told of it twice")
	}
	table.forget(7, 1)
	table.forget(rootIno, 99)
	table.forget(99, 1)
	if table.get(7) != nil || len(table.byID) != 2 || deep.path() != "sub/deep.txt" {
		t.Errorf("%d nodes, %v", len(table.byID), table.get(7))
	}
}

// TestNodesOfOneNumber tells of files that have the same inode number.
func TestNodesOfOneNumber(t *testing.T) {
	for _, ino := range []uint64{0, rootIno, 7, math.MaxUint64} {
		table := newNodes()
		a, b := table.tell(table.root, "a", ino), table.tell(table.root, "b", ino)
		if a == b || a.id == b.id || a.id <= rootIno || b.id <= rootIno {
			t.Errorf("%d: %+v, %+v", ino, a, b)
		}
		if table.tell(table.root, "b", ino) != b || table.get(b.id) != b {
			t.Errorf("%d: b is not found again", ino)
		}
	}
}
