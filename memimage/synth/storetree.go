package synth

import "cmp"

// treeEntry is an entry of a leaf: the key of a page, and the index of its store or its region key.
type treeEntry struct{ key, value uint32 }

func byKey(a, b treeEntry) int { return cmp.Compare(a.key, b.key) }

// treeNode is a node that has been written, with its smallest key.
type treeNode struct {
	key uint32
	va  uint64
}

// Offsets in a node (B_TREE): the number of entries, the level, whether it is a leaf; then a pointer and the entries.
const (
	nodeLevel = 2
	nodeLeaf  = 3
)

// nodeEntries is where the entries of a node begin; the pointer before them leads to the leftmost child or, in a
// leaf, to the next leaf.
func (st *storeBuilder) nodeEntries() uint64 { return 2 * st.l.ptr }

// leafMost and innerMost are the most entries of a node.
func (st *storeBuilder) leafMost() int  { return int(pageSize-st.nodeEntries()) / 8 }
func (st *storeBuilder) innerMost() int { return int((pageSize - st.nodeEntries()) / (2 * st.l.ptr)) }

// writeTree writes a B+tree of sorted entries that has the number of levels, and returns the address of its root. Its
// nodes have few entries, as in trees that were changed often; there must be at least 1 << levels entries.
func (st *storeBuilder) writeTree(entries []treeEntry, levels int) uint64 {
	const fill = 24
	if levels == 1 {
		return st.writeLeaf(entries, 0).va
	}
	most := st.innerMost() / 2
	if levels == 3 {
		most *= most
	}
	groups := min(max(1<<(levels-1), len(entries)/fill), most)
	nodes := st.writeLeaves(split(entries, groups))
	if levels == 3 {
		groups = max(2, len(nodes)/10)
		nodes = st.writeInner(nodes, min(groups, st.innerMost()/2), 1)
	}
	return st.writeInner(nodes, 1, levels-1)[0].va
}

// split divides a list into n parts, as even as can be.
func split[T any](list []T, n int) (parts [][]T) {
	for i := range n {
		parts = append(parts, list[len(list)*i/n:len(list)*(i+1)/n])
	}
	return parts
}

// writeLeaves writes the leaves from the last to the first: each names the next.
func (st *storeBuilder) writeLeaves(parts [][]treeEntry) []treeNode {
	nodes := make([]treeNode, len(parts))
	next := uint64(0)
	for i := len(parts) - 1; i >= 0; i-- {
		nodes[i] = st.writeLeaf(parts[i], next)
		next = nodes[i].va
	}
	return nodes
}

// writeLeaf writes a leaf. Remains of deleted entries lie behind its entries.
func (st *storeBuilder) writeLeaf(entries []treeEntry, next uint64) treeNode {
	if len(entries) > st.leafMost() {
		panic(buildError{errTreeFull})
	}
	node := make([]byte, pageSize)
	putN(node, 0, uint64(len(entries)), 2)
	node[nodeLeaf] = 1
	putN(node, int(st.l.ptr), next, int(st.l.ptr))
	at := int(st.nodeEntries())
	for _, e := range entries {
		put32(node, at, e.key)
		put32(node, at+4, e.value)
		at += 8
	}
	if at+8 <= pageSize {
		put32(node, at, st.key(st.newOffset()))
		put32(node, at+4, st.rng.Uint32N(1<<20))
	}
	return treeNode{entries[0].key, st.writeNode(node)}
}

// writeInner writes inner nodes: each has its first child as the leftmost, and the others in its entries.
func (st *storeBuilder) writeInner(children []treeNode, n, level int) (nodes []treeNode) {
	for _, part := range split(children, n) {
		node := make([]byte, pageSize)
		if len(part)-1 > st.innerMost() {
			panic(buildError{errTreeFull})
		}
		putN(node, 0, uint64(len(part)-1), 2)
		node[nodeLevel] = byte(level)
		ptr := int(st.l.ptr)
		putN(node, ptr, part[0].va, ptr)
		at := int(st.nodeEntries())
		for _, c := range part[1:] {
			put32(node, at, c.key)
			putN(node, at+ptr, c.va, ptr)
			at += 2 * ptr
		}
		nodes = append(nodes, treeNode{part[0].key, st.writeNode(node)})
	}
	return nodes
}

func (st *storeBuilder) writeNode(node []byte) uint64 {
	va := st.b.nonpaged.allocPages(pageSize)
	st.b.k.write(va, node)
	return va
}
