package store

import (
	"encoding/binary"
	"fmt"

	"memlens/memimage/paging"
)

const (
	pageSize = 4096
	// maxDepth bounds the levels of a tree: with 255 entries a node, four levels hold all possible keys.
	maxDepth = 8
)

// form is the layout of nodes of trees (B_TREE) for pointers of a size.
type form struct{ pointer int }

// Offsets in a node: the number of entries (u16) and whether it is a leaf (u8) are the same for all forms.
const (
	nodeCount = 0
	nodeLeaf  = 3
)

// first is the offset of the first entry: behind the pointer to the leftmost child.
func (f form) first() int { return 2 * f.pointer }

// inner is the size of an entry of an inner node: a key and a pointer, which is aligned.
func (f form) inner() int { return 2 * f.pointer }

const leafEntry = 8 // a key and a value of 32 bits

// node is a checked node of a tree: its keys ascend.
type node struct {
	form
	leaf  bool
	n     int // entries
	bytes []byte
}

// newNode checks a page that should be a node.
func newNode(f form, page []byte) (*node, error) {
	d := &node{form: f, leaf: page[nodeLeaf] != 0, n: int(binary.LittleEndian.Uint16(page[nodeCount:])), bytes: page}
	if most := (pageSize - f.first()) / d.size(); d.n > most {
		return nil, fmt.Errorf("a node of a tree claims %d entries", d.n)
	}
	for i := 1; i < d.n; i++ {
		if d.key(i) <= d.key(i-1) {
			return nil, fmt.Errorf("the keys of a node of a tree do not ascend")
		}
	}
	return d, nil
}

// size is the size of the node's entries.
func (d *node) size() int {
	if d.leaf {
		return leafEntry
	}
	return d.inner()
}

func (d *node) at(i int) []byte { return d.bytes[d.first()+i*d.size():] }

func (d *node) key(i int) uint32 { return binary.LittleEndian.Uint32(d.at(i)) }

// value returns the value of an entry of a leaf.
func (d *node) value(i int) uint32 { return binary.LittleEndian.Uint32(d.at(i)[4:]) }

// child returns the child of an entry of an inner node; for -1, the leftmost child.
func (d *node) child(i int) paging.Virt {
	if i < 0 {
		return pointer(d.bytes[d.pointer:], d.pointer)
	}
	return pointer(d.at(i)[d.pointer:], d.pointer)
}

// last returns the last entry whose key is not above key; -1 when there is none.
func (d *node) last(key uint32) int {
	low, high := 0, d.n
	for low < high {
		if mid := (low + high) / 2; d.key(mid) <= key {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low - 1
}

// pointer reads a pointer of a size.
func pointer(b []byte, size int) paging.Virt {
	if size == 4 {
		return paging.Virt(binary.LittleEndian.Uint32(b))
	}
	return paging.Virt(binary.LittleEndian.Uint64(b))
}

// find looks a key up in the tree whose root is at a kernel address; ok is false if the tree does not have it. The
// error says why a node could not be read, or wraps a *[sparse.ReadError].
func (g *Global) find(root paging.Virt, key uint32) (value uint32, ok bool, err error) {
	at := root
	for range maxDepth {
		d, err := g.node(at)
		if err != nil {
			return 0, false, err
		}
		i := d.last(key)
		if d.leaf {
			if i < 0 || d.key(i) != key {
				return 0, false, nil
			}
			return d.value(i), true, nil
		}
		at = d.child(i)
	}
	return 0, false, fmt.Errorf("the tree at %#x has more than %d levels", uint64(root), maxDepth)
}

// node reads a node of a tree, which is a page. The nodes that were read last are kept.
func (g *Global) node(at paging.Virt) (*node, error) {
	if d, ok := g.nodes.Get(at); ok {
		return d, nil
	}
	if at%pageSize != 0 || !g.system.IsKernel(at) {
		return nil, fmt.Errorf("a tree leads to %#x, where no node can be", uint64(at))
	}
	page := make([]byte, pageSize)
	if _, err := g.system.Kernel.ReadVirt(page, at); err != nil {
		return nil, fmt.Errorf("a node of a tree: %w", err)
	}
	d, err := newNode(form{g.layout.Pointer}, page)
	if err == nil {
		g.nodes.Add(at, d)
	}
	return d, err
}

// keys calls yield with each entry of the tree, in order, from at most most nodes; yield returns false to end the
// walk. Nodes that cannot be read are skipped.
func (g *Global) keys(root paging.Virt, most int, yield func(key, value uint32) bool) {
	g.walk(root, maxDepth, &most, yield)
}

func (g *Global) walk(at paging.Virt, depth int, left *int, yield func(key, value uint32) bool) bool {
	if depth == 0 || *left == 0 {
		return true
	}
	*left--
	d, err := g.node(at)
	if err != nil {
		return true
	}
	if !d.leaf && !g.walk(d.child(-1), depth-1, left, yield) {
		return false
	}
	for i := range d.n {
		if d.leaf && !yield(d.key(i), d.value(i)) || !d.leaf && !g.walk(d.child(i), depth-1, left, yield) {
			return false
		}
	}
	return true
}
