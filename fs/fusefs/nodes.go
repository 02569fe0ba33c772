//go:build linux

package fusefs

import (
	"path"
	"sync"
)

// node is a file or directory that the kernel knows. It holds nothing but its place: the kernel may know a million of
// them.
type node struct {
	id      uint64 // by which the kernel calls it: its inode number, or one near it where another has that
	parent  *node  // nil: the root
	name    string
	lookups uint64 // how often the kernel was told of it; it forgets as often
}

// path returns the path as io/fs spells it; "." for the root.
func (n *node) path() string {
	if n.parent == nil {
		return "."
	}
	size := -1
	for at := n; at.parent != nil; at = at.parent {
		size += len(at.name) + 1
	}
	out := make([]byte, size)
	for at, end := n, size; at.parent != nil; at = at.parent {
		end -= len(at.name)
		copy(out[end:], at.name)
		if end--; end > 0 {
			out[end] = '/'
		}
	}
	return string(out)
}

// child returns the path of a name in the directory.
func (n *node) child(name string) string { return path.Join(n.path(), name) }

// nodes are the nodes that the kernel knows, by number.
type nodes struct {
	mu   sync.Mutex
	byID map[uint64]*node
	root *node
}

func newNodes() *nodes {
	root := &node{id: rootIno}
	return &nodes{byID: map[uint64]*node{rootIno: root}, root: root}
}

// get returns the node of a number; nil if the kernel has forgotten it.
func (t *nodes) get(id uint64) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id]
}

// tell returns the node of a name in a directory, of which the kernel is being told. ino is the inode number that it will
// be told, too; two files that have the same one are still two nodes.
func (t *nodes) tell(parent *node, name string, ino uint64) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := max(ino, rootIno+1)
	for t.byID[id] != nil && !t.byID[id].is(parent, name) {
		id = max(id+1, rootIno+1)
	}
	n := t.byID[id]
	if n == nil {
		n = &node{id: id, parent: parent, name: name}
		t.byID[id] = n
	}
	n.lookups++
	return n
}

func (n *node) is(parent *node, name string) bool { return n.parent == parent && n.name == name }

// forget takes back what the kernel was told so many times.
func (t *nodes) forget(id, times uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.byID[id]
	if n == nil || n == t.root {
		return
	}
	if n.lookups -= min(times, n.lookups); n.lookups == 0 {
		delete(t.byID, id)
	}
}
