package synth

import (
	"errors"
	"math/bits"
	"slices"
)

var errTreeFull = errors.New("synth: a tree of the compression store has more pages than its levels hold")

// smkm is a store that is being built.
type smkm struct {
	SMKM
	st      *storeBuilder
	va      uint64
	root    uint64
	entries []treeEntry // of its tree: key and region key
	chunks  []*chunk    // the first is number 1
	regions []*region
}

// add puts a page into the store and returns its region key.
func (m *smkm) add(p *StoredPage) uint32 {
	data, size := m.st.pack(p)
	place := m.addData(data, p)
	p.Store, p.Record, p.Size, p.DataVA = m.Index, place.key, size, place.va
	if p.Kind == StoreNoStore {
		p.Store = -1
	}
	p.RegionKey = m.newRecord(p.Kind, place.key, uint32(size)|m.st.sizeFlags(p))
	if p.Kind == StoreNext || p.Kind == StoreNextMore || p.Kind == StoreNextLoop {
		p.RegionKey = m.lead(p.Kind, p.RegionKey)
	}
	return p.RegionKey
}

// noRecord is the key of a record that only names another: a region key in the place of the size.
const noRecord = 0xffffffff

// lead puts records before a record, and returns the region key of the first record.
func (m *smkm) lead(k StoreKind, to uint32) uint32 {
	switch k {
	case StoreNextMore:
		for range 3 {
			to = m.newRecord(k, noRecord, to)
		}
	case StoreNext:
		to = m.newRecord(k, noRecord, to)
	case StoreNextLoop:
		second := m.newRecord(k, noRecord, 0)
		to = m.newRecord(k, noRecord, second)
		m.record(second).size = to
	}
	return to
}

// write writes the store with all structures that belong to it.
func (m *smkm) write() {
	st, l := m.st, &m.st.l
	slices.SortFunc(m.entries, byKey)
	m.root = st.writeTree(m.entries, m.Levels)
	regions := m.writeRegions()
	m.va = st.b.nonpaged.allocPages(l.size())
	put := func(at, v uint64, n int) { st.b.k.write(m.va+at, le(v, n)) }
	ptr := int(l.ptr)
	put(l.data, m.root, ptr)
	put(l.data+l.ptr, uint64(len(m.entries)), ptr)
	chunks := l.data + l.chunks
	for row, va := range m.writeChunks() {
		put(chunks+uint64(row)*l.ptr, va, ptr)
	}
	put(chunks+l.bitValue, uint64(m.bitValue()), 4)
	put(chunks+l.recordsMask, uint64(m.Records-1), 4)
	put(chunks+l.recordSize, uint64(m.RecordSize), 4)
	put(chunks+l.header, uint64(m.Header), 4)
	put(l.data+l.back, m.va, ptr)
	put(l.data+l.regionSizeMask, 1<<m.RegionBits-1, 4)
	put(l.data+l.regionLSB, uint64(m.RegionBits), 4)
	if l.format != 0 {
		put(l.data+l.format, uint64(orDefaultInt(m.Format, 3)), 2)
	}
	put(l.regions, regions, ptr)
	put(l.owner, st.proc.eprocess.va, ptr)
}

// bitValue is the number of bits of a region key that say which record of a chunk it is.
func (m *smkm) bitValue() int { return bits.TrailingZeros(uint(m.Records)) }

// truth describes the store that was built.
func (m *smkm) truth() SMKMTruth {
	t := SMKMTruth{SMKM: m.SMKM, Address: m.va, Tree: m.root, Entries: len(m.entries)}
	for _, r := range m.regions {
		t.Regions = append(t.Regions, r.va)
	}
	return t
}
