package synth

import "slices"

// region is memory of MemCompression that holds compressed pages.
type region struct {
	va    uint64
	gone  bool // its pointer is 0
	data  []byte
	next  int                 // first free place
	pages map[int]*StoredPage // the pages that hold data; nil: they are in memory
}

// dataPlace is where the data of a page lies: its key in the record, and its address.
type dataPlace struct {
	key uint32
	va  uint64
}

// addData puts the data of a page into a region, 16-aligned. Data that is not in memory shares its pages with no
// other data.
func (m *smkm) addData(data []byte, p *StoredPage) dataPlace {
	k, n := p.Kind, max(len(data), 1)
	i, at := m.room(n, k)
	r := m.regions[i]
	copy(r.data[at:], data)
	r.next = at + n
	for page := at / pageSize; page <= (at+n-1)/pageSize; page++ {
		if k.alone() && !(k == StoreHalfOut && page == at/pageSize) {
			r.pages[page] = p
			r.next = (page + 1) * pageSize
		} else {
			r.pages[page] = nil
		}
	}
	return dataPlace{uint32(i)<<m.RegionBits | uint32(at/16), r.va + uint64(at)}
}

// alone says whether data shares its pages with no other data.
func (k StoreKind) alone() bool {
	return k == StoreOut || k == StoreHalfOut || k == StorePageFile || k == StoreRegionPage || k == StoreOwnPage
}

// room finds the place for n bytes.
func (m *smkm) room(n int, k StoreKind) (i, at int) {
	i = slices.IndexFunc(m.regions, func(r *region) bool { return r.gone == (k == StoreNoRegion) && m.place(r, n, k)+n <= len(r.data) })
	if i < 0 {
		i = len(m.regions)
		m.regions = append(m.regions, m.newRegion(k == StoreNoRegion))
	}
	return i, m.place(m.regions[i], n, k)
}

// place is where data would lie in a region.
func (m *smkm) place(r *region, n int, k StoreKind) int {
	at := alignUp(r.next, 16)
	switch {
	case k == StoreHalfOut:
		return alignUp(at, pageSize) + pageSize/2
	case k.alone():
		return alignUp(at, pageSize)
	case k == StoreStraddle && n > 16:
		return alignUp(at+16, pageSize) + pageSize - 16*(1+n/40)
	case at%pageSize != 0 && at%pageSize+n > pageSize && n < pageSize:
		return alignUp(at, pageSize)
	}
	return at
}

func (m *smkm) newRegion(gone bool) *region {
	size := 16 << m.RegionBits
	return &region{va: m.st.proc.newRegion(m.st, uint64(size)), gone: gone, data: make([]byte, size), pages: make(map[int]*StoredPage)}
}

// Where MemCompression has its regions.
const (
	storeRegionsX86 = 0x00400000
	storeRegionsX64 = 0x1c1cf000000
)

// newRegion reserves a range of addresses in MemCompression, a multiple of 64 KiB.
func (p *proc) newRegion(st *storeBuilder, size uint64) uint64 {
	const step = 0x10000
	va := uint64(storeRegionsX64)
	if !st.b.x64() {
		va = storeRegionsX86
	}
	if n := len(p.vads); n > 0 {
		va = p.vads[n-1].end + 1 + st.rng.Uint64N(8)*step
	}
	va = alignUp(va, step)
	p.vads = append(p.vads, vad{start: va, end: va + size - 1, protect: ReadWrite})
	return va
}

// writeRegions puts the regions' pages where they belong, and returns the address of the array of pointers to the regions.
func (m *smkm) writeRegions() uint64 {
	st, ptr := m.st, int(m.st.l.ptr)
	array := st.b.nonpaged.alloc("smRA", max(len(m.regions), 16)*ptr)
	for i, r := range m.regions {
		if !r.gone {
			st.b.k.write(array+uint64(i*ptr), le(r.va, ptr))
		}
		for page := range len(r.data) / pageSize {
			if p, ok := r.pages[page]; ok {
				st.proc.space.set(r.va+uint64(page)*pageSize, st.regionEntry(r.data[page*pageSize:][:pageSize], p))
			}
		}
	}
	return array
}

// regionEntry puts a page of a region at the place that the kind of its stored page demands, and returns its
// page-table entry.
func (st *storeBuilder) regionEntry(content []byte, p *StoredPage) uint64 {
	state := Valid
	if st.rng.IntN(3) == 0 {
		state = Transition
	}
	if p != nil {
		switch p.Kind {
		case StoreOwnPage:
			return p.PTE
		case StoreRegionPage:
			state = None
		case StorePageFile:
			state = PageFile
		default:
			st.outNext += 1 + st.rng.Uint64N(9)
			return st.b.softPTE().pageFile(st.outFile, st.outNext, protReadWrite)
		}
	}
	entry, _ := st.b.privateEntry(st.proc, 0, state, content, pteUserPage)
	return entry
}
