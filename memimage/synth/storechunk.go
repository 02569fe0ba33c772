package synth

import "math/bits"

// chunk is a page of records. Chunks are numbered from 1; the highest bit of the number selects a row, and the other
// bits the chunk in that row.
type chunk struct {
	kind    StoreKind // StoreNoChunk: its pointer is 0; StoreNoRecord: its page is not in memory
	records []record32
}

// record32 is a record (ST_PAGE_RECORD).
type record32 struct {
	used      bool
	key, size uint32
}

// newRecord adds a record and returns its region key. Some records in between stay free, like the records of pages
// that are gone.
func (m *smkm) newRecord(k StoreKind, key, size uint32) uint32 {
	if k != StoreNoChunk && k != StoreNoRecord {
		k = StoreXpress
	}
	free := min(m.st.rng.IntN(2), m.Records-1)
	c := m.openChunk(k, free+1)
	c.records = append(c.records, make([]record32, free)...)
	c.records = append(c.records, record32{true, key, size})
	return uint32(m.numberOf(c))<<m.bitValue() | uint32(len(c.records)-1)
}

// openChunk is a chunk of a kind with n free records, the last of its kind or a new one.
func (m *smkm) openChunk(k StoreKind, n int) *chunk {
	for i := len(m.chunks) - 1; i >= 0; i-- {
		if c := m.chunks[i]; c.kind == k && len(c.records)+n <= m.Records {
			return c
		}
	}
	c := &chunk{kind: k}
	m.chunks = append(m.chunks, c)
	return c
}

func (m *smkm) numberOf(c *chunk) int {
	for i, have := range m.chunks {
		if have == c {
			return i + 1
		}
	}
	panic("synth: a chunk of another store")
}

// record finds the record of a region key.
func (m *smkm) record(key uint32) *record32 {
	return &m.chunks[key>>m.bitValue()-1].records[key&uint32(m.Records-1)]
}

// writeChunks writes the pages of records and the rows of pointers to them, and returns the rows' addresses.
func (m *smkm) writeChunks() (rows []uint64) {
	st := m.st
	for i, c := range m.chunks {
		number := uint64(i + 1)
		row := bits.Len64(number) - 1
		if row == len(rows) {
			rows = append(rows, st.b.nonpaged.alloc("smBA", int(st.l.chunkStride)<<row))
		}
		entry := rows[row] + (number^1<<row)*st.l.chunkStride
		st.b.k.write(entry+st.l.ptr, le(uint64(len(c.records)), int(st.l.ptr)))
		if c.kind != StoreNoChunk {
			st.b.k.write(entry, le(m.writeChunk(c), int(st.l.ptr)))
		}
	}
	return rows
}

// writeChunk writes a page of records and returns its address. The bytes behind key and size are not needed by any
// reader.
func (m *smkm) writeChunk(c *chunk) uint64 {
	st := m.st
	if c.kind == StoreNoRecord {
		return st.unmapped()
	}
	va := st.b.nonpaged.allocPages(pageSize)
	page := make([]byte, pageSize)
	for i := range m.Header {
		page[i] = byte(st.rng.Uint32())
	}
	for i, r := range c.records {
		at := m.Header + i*m.RecordSize
		if r.used {
			put32(page, at, r.key)
			put32(page, at+4, r.size)
		}
		for j := at + 8; r.used && j < at+m.RecordSize; j++ {
			page[j] = byte(st.rng.Uint32())
		}
	}
	st.b.k.write(va, page)
	return va
}

// unmapped is the address of a page of the paged pool that is not in memory.
func (st *storeBuilder) unmapped() uint64 {
	const poolSize = 0x4000000 // as MmPagedPoolEnd has it
	return st.b.regions.paged + poolSize - pageSize
}
