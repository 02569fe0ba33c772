package synth

import (
	"slices"

	"memlens/memimage/synth/compress"
)

// pack returns the data of a page and the size in its record. A page that does not become smaller is stored raw.
func (st *storeBuilder) pack(p *StoredPage) (data []byte, size int) {
	switch p.Kind {
	case StoreRaw, StoreHalfOut:
		return p.Content, pageSize
	case StoreSize0:
		return nil, 0
	}
	if p.Kind.fate() == fateDamaged && p.Kind != StoreNextLoop {
		return st.damaged(p)
	}
	data = st.encode(p.Content, st.way(p.Kind))
	if len(data) >= pageSize || p.Kind == StoreStraddle && len(data) <= 16 {
		return p.Content, pageSize
	}
	return data, len(data)
}

// sizeFlags are the bits above the size in a record.
func (st *storeBuilder) sizeFlags(p *StoredPage) uint32 {
	if p.Kind != StoreFlags || p.Size == pageSize {
		return 0
	}
	return (1+st.rng.Uint32N(15))<<12 | st.rng.Uint32N(2)*0x5a0000
}

// way is how a page of a kind is compressed.
func (st *storeBuilder) way(k StoreKind) compress.Way {
	named := map[StoreKind]compress.Way{
		StoreXpress: compress.Greedy, StoreLazy: compress.Lazy, StoreLiteral: compress.Half, StoreMixed: compress.Mixed,
		StoreShort3: compress.Short3, StoreWide16: compress.Wide16, StoreWide32: compress.Wide32,
	}
	if w, ok := named[k]; ok {
		return w
	}
	others := []compress.Way{compress.Greedy, compress.Lazy, compress.Mixed, compress.Byte, compress.Nibble}
	return others[st.rng.IntN(len(others))]
}

func (st *storeBuilder) encode(page []byte, w compress.Way) []byte {
	if st.l.lz4 {
		return compress.LZ4(page, w)
	}
	return compress.Xpress(page, w)
}

// damaged returns data that does not unpack to a page. A part of the page is written twice or more often to make it
// fit.
func (st *storeBuilder) damaged(p *StoredPage) (data []byte, size int) {
	part := p.Content[:pageSize/4]
	switch p.Kind {
	case StoreBadDistance:
		data = compress.XpressBeyond(part)
		if st.l.lz4 {
			data = compress.LZ4Beyond(part)
		}
	case StoreShortOutput:
		data = st.encode(p.Content[:pageSize/2], compress.Greedy)
	case StoreLongOutput:
		data = st.encode(slices.Repeat(part, 5), compress.Greedy)
	case StoreCut:
		data = st.encode(slices.Concat(part, part, part, part), compress.Nibble)
		return data, len(data) - 8
	}
	return data, len(data)
}
