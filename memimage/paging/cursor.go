package paging

import (
	"encoding/binary"

	"memlens/memimage/sparse"
)

// Cursor translates addresses of a space in ascending order. It keeps the page tables that led to the last address, and
// reads each of these only once. Its results equal [Space.Translate]'s. It is for one goroutine, and for one walk: it
// keeps what it has read.
type Cursor struct {
	space  *Space
	tables []keptTable // of each level
	// readable to readableEnd are physical addresses that are known to be in the image.
	readable, readableEnd int64
}

// keptTable is the page table of a level that led to the last address.
type keptTable struct {
	known  bool
	number Virt // the addresses that it covers, without the bits that it and the tables below it translate
	at     frame
	whole  bool // its entries are in bytes; false: each entry is read by itself
	bytes  []byte
}

// Cursor returns a cursor of the space.
func (s *Space) Cursor() *Cursor {
	return &Cursor{space: s, tables: make([]keptTable, len(s.mode.Levels))}
}

// Undescribed returns a cursor of [Space.Undescribed]. Both cursors share the kept page tables, which are the same.
func (c *Cursor) Undescribed() *Cursor {
	return &Cursor{space: c.space.Undescribed(), tables: c.tables, readable: c.readable, readableEnd: c.readableEnd}
}

// Translate finds the page that va lies in, as [Space.Translate] does.
func (c *Cursor) Translate(va Virt) (Page, error) {
	s := c.space
	if s.dumped || !s.mode.Canonical(va) {
		return s.Translate(va)
	}
	level, entry, err := c.find(va)
	if err != nil {
		return Page{}, err
	}
	return s.end(va, level, entry)
}

// find returns the entry with which the walk of the tables for va ends, and its level. The error is the same as in
// [Space.Translate].
func (c *Cursor) find(va Virt) (level int, entry uint64, err error) {
	s := c.space
	for i := c.deepest(va); ; i++ {
		l := s.mode.Levels[i]
		entry, err := c.entry(i, s.mode.index(l, va))
		if err != nil {
			return 0, 0, s.tableError(va, l, c.tables[i].at, err)
		}
		if entry == 0 || i == s.mode.last() || s.mode.valid(i, entry) && s.mode.maps(i, entry) {
			return i, entry, nil
		}
		below, fault := s.below(i, entry)
		if fault != nil {
			return 0, 0, s.fault(va, l, *fault)
		}
		c.keep(i+1, va, below)
	}
}

// below finds the table that an entry of level i names. The walk must not end with that entry.
func (s *Space) below(i int, entry uint64) (frame, *FaultError) {
	if s.mode.valid(i, entry) {
		return s.valid(s.mode.frame(entry, 12)), nil
	}
	return s.decode(entry)
}

// end finds the page of the entry of level i with which the walk of the tables for va ends.
func (s *Space) end(va Virt, i int, entry uint64) (Page, error) {
	l := s.mode.Levels[i]
	if s.mode.valid(i, entry) {
		return s.page(va, l, s.valid(s.mode.frame(entry, l.Shift)), ViaTable, entry)
	}
	return s.resolve(va, l, entry)
}

// deepest returns the lowest level with a kept table for va.
func (c *Cursor) deepest(va Virt) int {
	for i := c.space.mode.last(); i > 0; i-- {
		if t := &c.tables[i]; t.known && t.number == c.number(i, va) {
			return i
		}
	}
	if !c.tables[0].known {
		c.keep(0, va, c.space.valid(c.space.root))
	}
	return 0
}

// number returns the common high bits of the addresses that a table of a level translates.
func (c *Cursor) number(level int, va Virt) Virt {
	if level == 0 {
		return 0
	}
	return va >> c.space.mode.Levels[level-1].Shift
}

// keep takes a table for va's table at a level. The tables of lower levels may belong to other addresses then; their
// numbers show for which addresses they are used.
func (c *Cursor) keep(level int, va Virt, at frame) {
	t := &c.tables[level]
	t.known, t.number, t.at = true, c.number(level, va), at
	if t.bytes == nil {
		t.bytes = make([]byte, c.space.mode.EntrySize<<c.space.mode.Levels[level].Bits)
	}
	t.whole = at.fill(t.bytes)
}

// fill reads a whole table, and reports whether it could.
func (f frame) fill(b []byte) bool {
	if f.src == nil { // a table of zeros
		clear(b)
		return true
	}
	if cache, ok := f.src.(*sparse.Cache); ok {
		return cache.Fill(b, f.off)
	}
	_, err := readFull(f.src, b, f.off)
	return err == nil
}

// entry returns the entry at byte offset index of the table of a level.
func (c *Cursor) entry(level int, index int64) (uint64, error) {
	t := &c.tables[level]
	if !t.whole {
		return c.space.entry(t.at, index)
	}
	if c.space.mode.EntrySize == 4 {
		return uint64(binary.LittleEndian.Uint32(t.bytes[index:])), nil
	}
	return binary.LittleEndian.Uint64(t.bytes[index:]), nil
}
