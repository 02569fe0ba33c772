package volume

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"unicode/utf16"
)

// The index of a folder's names is a tree of nodes: one within the folder's record, the others in blocks.
const (
	indexName    = "$I30"
	indexMaxDeep = 32      // nodes from the first one down
	indexMaxSeen = 1 << 20 // nodes of one folder
)

// The namespaces of a name.
const namespaceDOS = 2

// indexEntry is an entry of a node.
type indexEntry struct {
	ref       reference
	name      []uint16 // empty: the last entry of a node has none
	namespace byte
	folder    bool
	last      bool
	below     int64 // the node with the names before the entry, or -1
}

// index is the names of a folder.
type index struct {
	volume *ntfs
	root   []byte  // the first node
	blocks *stream // nil: no blocks
	block  int64   // bytes
	unit   int64   // bytes that the number of a block counts
	number int64   // of the folder's record
}

// index opens the index of a folder.
func (v *ntfs) index(ctx context.Context, r *record) (*index, error) {
	const header = 16
	root := r.own(indexName, typeIndexRoot)
	if r.find(typeAttributeList) != nil {
		var err error
		if root, err = v.attributes(ctx, r, typeIndexRoot, indexName); err != nil {
			return nil, err
		}
	}
	if len(root) != 1 || root[0].headerDamage != "" || len(root[0].content) < 2*header {
		return nil, damaged("folder %d of $MFT has no index", r.number)
	}
	b := root[0].content
	x := &index{volume: v, root: b[header:], number: r.number}
	x.block = int64(v.profile.INDEX_ROOT(bytes.NewReader(b), 0).Idxalloc_size_b())
	if x.block < 512 || x.block > maxRecord || x.block%512 != 0 {
		return nil, damaged("the index of folder %d has blocks of %d bytes", r.number, x.block)
	}
	if x.unit = v.cluster; x.block < v.cluster {
		x.unit = 512
	}
	pieces, err := v.attributes(ctx, r, typeIndexAllocation, indexName)
	if err != nil {
		return nil, err
	}
	if len(pieces) > 0 {
		x.blocks, err = v.stream(pieces)
	}
	return x, err
}

// find returns the entry of a name. Names are in order, so that only one node of each level is read.
func (x *index) find(ctx context.Context, name []uint16) (*indexEntry, error) {
	name = x.volume.upper(name)
	node, err := x.entries(x.root)
	for range indexMaxDeep {
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var next *indexEntry
		for i := range node {
			e := &node[i]
			order := -1
			if !e.last {
				order = slices.Compare(name, x.volume.upper(e.name))
			}
			if order == 0 {
				return e, nil
			}
			if order < 0 {
				next = e
				break
			}
		}
		if next == nil || next.below < 0 {
			return nil, ErrNotFound
		}
		node, err = x.kept(next.below)
	}
	return nil, damaged("the index of folder %d is too deep", x.number)
}

// nodeKey names a node among all nodes of a volume.
type nodeKey struct{ folder, node int64 }

// kept returns the entries of a block. They are kept, for most modules are in the same few folders.
func (x *index) kept(number int64) ([]indexEntry, error) {
	key := nodeKey{x.number, number}
	if node, ok := x.volume.nodes.Get(key); ok {
		return node, nil
	}
	node, err := x.node(number)
	if err == nil {
		x.volume.nodes.Add(key, node)
	}
	return node, err
}

// all calls f with all entries that have a name, in order, until it returns false.
func (x *index) all(ctx context.Context, f func(*indexEntry) bool) error {
	node, err := x.entries(x.root)
	if err != nil {
		return err
	}
	w := indexWalk{index: x, seen: map[int64]bool{}, f: f}
	_, err = w.run(ctx, node)
	return err
}

// indexWalk is a walk through all nodes of an index.
type indexWalk struct {
	index *index
	seen  map[int64]bool
	deep  int
	f     func(*indexEntry) bool
}

// run walks a node and the nodes below it; false: the caller wants no more.
func (w *indexWalk) run(ctx context.Context, node []indexEntry) (bool, error) {
	if w.deep++; w.deep > indexMaxDeep || len(w.seen) > indexMaxSeen {
		return false, damaged("the index of folder %d has too many nodes", w.index.number)
	}
	defer func() { w.deep-- }()
	for i := range node {
		e := &node[i]
		if e.below >= 0 {
			if more, err := w.below(ctx, e.below); err != nil || !more {
				return false, err
			}
		}
		if !e.last && !w.f(e) {
			return false, nil
		}
	}
	return true, nil
}

func (w *indexWalk) below(ctx context.Context, number int64) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if w.seen[number] {
		return false, damaged("the index of folder %d leads back to node %d", w.index.number, number)
	}
	w.seen[number] = true
	node, err := w.index.node(number)
	if err != nil {
		return false, err
	}
	return w.run(ctx, node)
}

// node returns the entries of a block.
func (x *index) node(number int64) ([]indexEntry, error) {
	const header = 24
	if x.blocks == nil || number < 0 || number > (x.blocks.size-x.block)/x.unit {
		return nil, damaged("the index of folder %d has no node %d", x.number, number)
	}
	b, err := read(x.blocks, number*x.unit, x.block)
	if err != nil {
		return nil, err
	}
	if err := fixUp(b, "INDX", "a node of an index"); err != nil {
		return nil, err
	}
	if own := x.volume.profile.STANDARD_INDEX_HEADER(bytes.NewReader(b), 0).VcnOfINDX(); own != uint64(number) {
		return nil, damaged("node %d of the index of folder %d says that it is %d", number, x.number, own)
	}
	return x.entries(b[header:])
}

// entries takes apart a node, which begins with its header.
func (x *index) entries(b []byte) ([]indexEntry, error) {
	header := x.volume.profile.INDEX_NODE_HEADER(bytes.NewReader(b), 0)
	off, end := int64(header.Offset_to_index_entry()), int64(header.Offset_to_end_index_entry())
	if off < 16 || end > int64(len(b)) || off > end {
		return nil, damaged("a node of the index of folder %d has entries from %d to %d", x.number, off, end)
	}
	b = b[off:end]
	var out []indexEntry
	for len(b) >= 16 {
		e, n, ok := x.entry(b)
		if !ok {
			break
		}
		out = append(out, e)
		if e.last {
			return out, nil
		}
		b = b[n:]
	}
	return nil, damaged("the entries of a node of the index of folder %d have no end", x.number)
}

// entry takes apart the first entry in b, of n bytes.
func (x *index) entry(b []byte) (e indexEntry, n int, ok bool) {
	const (
		hasBelow, isLast = 1, 2
		header           = 16
		nameHeader       = 66
		isFolder         = 0x10000000
	)
	view := x.volume.profile.INDEX_RECORD_ENTRY(bytes.NewReader(b), 0)
	n = int(view.SizeOfIndexEntry())
	flags := view.Flags()
	e = indexEntry{ref: referenceOf(uint64(x.volume.leU64(b))), below: -1, last: flags&isLast != 0}
	content := n
	if flags&hasBelow != 0 {
		content -= 8
	}
	if content < header || n > len(b) || n%8 != 0 {
		return e, 0, false
	}
	if flags&hasBelow != 0 {
		e.below = max(int64(binary.LittleEndian.Uint64(b[n-8:])), 0)
	}
	if e.last {
		return e, n, true
	}
	if content < header+nameHeader {
		return e, 0, false
	}
	name := b[header:content]
	length := int(name[64])
	if nameHeader+2*length > len(name) || length == 0 {
		return e, 0, false
	}
	e.name, e.namespace = units(name[nameHeader:nameHeader+2*length]), name[65]
	e.folder = binary.LittleEndian.Uint32(name[56:])&isFolder != 0
	return e, n, true
}

// upper returns the form by which the volume compares names.
func (v *ntfs) upper(name []uint16) []uint16 {
	out := make([]uint16, len(name))
	for i, u := range name {
		out[i] = v.upcase[u]
	}
	return out
}

// text returns UTF-16 text as a string.
func text(b []byte) string { return string(utf16.Decode(units(b))) }
