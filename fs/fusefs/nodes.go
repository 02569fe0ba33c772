//go:build linux

package fusefs

import "sync"

// node is the number of a file or directory that the kernel knows in the table of nodes.
type node uint32

const root node = 0

// nodes are the files and directories that the kernel knows. A node is only a place in the tree, and has no pointer in
// it: the kernel may know a million nodes, and the garbage collector would have to look at all of them.
type nodes struct {
	mu    sync.Mutex
	byID  map[uint64]node
	all   [][]place // in blocks, which stay where they are when nodes are added
	count int       // of the places that have been used
	free  []node
	names names
}

// placesInBlock is how many places a block of the table has: 32 KiB.
const placesInBlock = 1 << 10

// place is where a node stands in the tree.
type place struct {
	id      uint64 // by which the kernel calls it: its inode number, or one near it where another has that
	lookups uint64 // how often the kernel learned of it; it forgets as often
	below   uint32 // how many nodes it is the parent of
	parent  node
	name    nameNumber
}

func newNodes() *nodes {
	t := &nodes{byID: map[uint64]node{rootIno: root}, all: [][]place{make([]place, placesInBlock)}, count: 1, names: newNames()}
	t.at(root).id = rootIno
	return t
}

// at returns the place of a node.
func (t *nodes) at(n node) *place { return &t.all[n/placesInBlock][n%placesInBlock] }

// find returns the node that the kernel calls by a number; false if the kernel has forgotten it.
func (t *nodes) find(id uint64) (node, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, ok := t.byID[id]
	return n, ok
}

// path returns the path of a node as io/fs spells it; "." for the root.
func (t *nodes) path(n node) string {
	if n == root {
		return "."
	}
	return t.child(n, "")
}

// child returns the path of a name in a directory; the directory's path where the name is empty.
func (t *nodes) child(n node, name string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var room [8]string
	parts := room[:0]
	if name != "" {
		parts = append(parts, name)
	}
	for n != root {
		p := t.at(n)
		parts = append(parts, t.names.all[p.name].text)
		n = p.parent
	}
	return joinBackwards(parts)
}

// joinBackwards joins the parts of a path, the last one first.
func joinBackwards(parts []string) string {
	size := len(parts) - 1
	for _, p := range parts {
		size += len(p)
	}
	out := make([]byte, 0, max(size, 0))
	for i := len(parts) - 1; i >= 0; i-- {
		out = append(out, parts[i]...)
		if i > 0 {
			out = append(out, '/')
		}
	}
	return string(out)
}

// ids returns the numbers of a directory and of its parent; for the root, its own number twice.
func (t *nodes) ids(n node) (self, up uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.at(n)
	return p.id, t.at(p.parent).id
}

// tell notes that the kernel learns of a name in a directory, and returns the number that the kernel uses for it. ino
// is the inode number that the kernel learns, too; two files with the same inode number are still two nodes.
func (t *nodes) tell(parent node, name string, ino uint64) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := max(ino, rootIno+1)
	n, known := t.byID[id]
	for known && !t.is(n, parent, name) {
		id = max(id+1, rootIno+1)
		n, known = t.byID[id]
	}
	if !known {
		n = t.add(place{id: id, parent: parent, name: t.names.take(name)})
	}
	t.at(n).lookups++
	return id
}

func (t *nodes) is(n, parent node, name string) bool {
	p := t.at(n)
	return n != root && p.parent == parent && t.names.all[p.name].text == name
}

// add adds a node.
func (t *nodes) add(p place) node {
	n := node(t.count)
	if last := len(t.free) - 1; last >= 0 {
		n, t.free = t.free[last], t.free[:last]
	} else if t.count++; t.count > len(t.all)*placesInBlock {
		t.all = append(t.all, make([]place, placesInBlock))
	}
	*t.at(n) = p
	t.byID[p.id] = n
	t.at(p.parent).below++
	return n
}

// forget reverses so many calls of tell. A directory stays as long as there are nodes in it.
func (t *nodes) forget(id, times uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, ok := t.byID[id]
	if !ok || n == root {
		return
	}
	p := t.at(n)
	p.lookups -= min(times, p.lookups)
	for ; n != root && p.lookups == 0 && p.below == 0; p = t.at(n) {
		delete(t.byID, p.id)
		t.names.drop(p.name)
		t.free = append(t.free, n)
		n = p.parent
		t.at(n).below--
	}
}
