package restore

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
)

// Types of base relocations on x86 and x64 (IMAGE_REL_BASED_…).
const (
	relAbsolute = 0
	relHigh     = 1
	relLow      = 2
	relHighLow  = 3
	relHighAdj  = 4
	relDir64    = 10
)

const (
	relocBlockHeader = 8       // sizeof(_IMAGE_BASE_RELOCATION)
	maxRelocTable    = 8 << 20 // bytes; the largest programs have some two million
)

// slot is one base relocation: a number in the image that the loader adds to.
type slot struct {
	rva   uint32
	typ   uint8
	param int16 // the low half that goes with a HIGHADJ
}

// width returns how many bytes the slot has.
func (s slot) width() int {
	switch s.typ {
	case relHigh, relLow, relHighAdj:
		return 2
	case relHighLow:
		return 4
	}
	return 8
}

// amount returns the number that the loader adds to the slot when it moves the image by delta, modulo the slot's
// width.
func (s slot) amount(delta uint64) uint64 {
	switch s.typ {
	case relHigh:
		return delta >> 16 & 0xffff
	case relLow:
		return delta & 0xffff
	case relHighLow:
		return delta & 0xffffffff
	case relHighAdj:
		return uint64(uint32(int32(s.param))+uint32(delta)+0x8000) >> 16
	}
	return delta
}

// relocations is the table of base relocations, as far as it could be read.
type relocations struct {
	slots     []slot // by page, within a page in the order of the table
	present   bool   // the image has a table
	complete  bool   // the whole table could be read
	last      uint32 // the page of the last block
	ascending bool   // blocks are in the order of their pages
	unknown   map[uint32]bool
}

// known reports whether all relocations of the page at rva are known.
func (r *relocations) known(rva uint32) bool {
	if r.unknown[rva] {
		return false
	}
	return !r.present || r.complete || r.ascending && rva < r.last
}

// page returns the slots that begin in the page at rva.
func (r *relocations) page(rva uint32) []slot {
	from := sort.Search(len(r.slots), func(i int) bool { return r.slots[i].rva >= rva })
	to := from + sort.Search(len(r.slots)-from, func(i int) bool { return r.slots[from+i].rva>>12 > rva>>12 })
	return r.slots[from:to]
}

// touching returns the slots with bytes in the page at rva: first the slots that reach into it from the page before,
// then the slots that begin in it.
func (r *relocations) touching(rva uint32) []slot {
	own := r.page(rva)
	if rva == 0 {
		return own
	}
	var in []slot
	for _, s := range r.page(rva - pageSize) {
		if int(s.rva%pageSize)+s.width() > pageSize {
			in = append(in, s)
		}
	}
	if in == nil {
		return own
	}
	return append(in, own...)
}

// readRelocations reads the relocation table up to its first missing page, or the first block that makes no sense.
func (w *work) readRelocations() {
	dir := w.h.directories[dirReloc]
	r := &w.relocs
	r.ascending = true
	r.present = dir.rva != 0 && dir.size != 0 && w.h.characteristics&relocsStripped == 0
	if !r.present {
		return
	}
	size := int64(min(dir.size, maxRelocTable))
	table := w.readSome(int64(dir.rva), size)
	w.relocsTouched = w.touched(int64(dir.rva), int64(len(table)))
	r.complete = r.parse(table, int64(dir.size) == size && int64(len(table)) == size)
}

// readSome returns the bytes of the image from rva on, up to size or the first missing page.
func (w *work) readSome(rva, size int64) []byte {
	var b []byte
	for size > 0 {
		n, have := min(size, pageSize-rva%pageSize), len(b)
		b = slices.Grow(b, int(n))[:have+int(n)]
		if !w.read(b[have:], rva) {
			return b[:have]
		}
		rva, size = rva+n, size-n
	}
	return b
}

// parse splits the blocks and sorts the slots. It reports whether the table ends as it should; all says that nothing
// is missing behind it.
func (r *relocations) parse(table []byte, all bool) bool {
	defer func() {
		slices.SortStableFunc(r.slots, func(a, b slot) int { return cmp.Compare(a.rva>>12, b.rva>>12) })
	}()
	r.slots = make([]slot, 0, len(table)/2)
	for len(table) >= relocBlockHeader {
		page, size := binary.LittleEndian.Uint32(table), binary.LittleEndian.Uint32(table[4:])
		if page == 0 && size == 0 {
			return all // padding
		}
		if size < relocBlockHeader || int64(size) > int64(len(table)) {
			return false
		}
		r.ascending = r.ascending && page >= r.last
		r.last = page
		r.block(page, table[relocBlockHeader:size])
		table = table[size:]
	}
	return all
}

// block adds the entries of one block: 4 bits of type, 12 bits of offset from page.
func (r *relocations) block(page uint32, entries []byte) {
	for len(entries) >= 2 {
		e := binary.LittleEndian.Uint16(entries)
		entries = entries[2:]
		s := slot{rva: page + uint32(e&0xfff), typ: uint8(e >> 12)}
		switch s.typ {
		case relAbsolute:
			continue
		case relHighAdj:
			if len(entries) < 2 {
				r.doubt(s.rva)
				return
			}
			s.param = int16(binary.LittleEndian.Uint16(entries))
			entries = entries[2:]
		case relHigh, relLow, relHighLow, relDir64:
		default:
			r.doubt(s.rva)
			continue
		}
		r.slots = append(r.slots, s)
	}
}

// doubt notes that a page has a relocation of an unknown type, which cannot be undone.
func (r *relocations) doubt(rva uint32) {
	if r.unknown == nil {
		r.unknown = map[uint32]bool{}
	}
	r.unknown[rva&^(pageSize-1)] = true
}
