package integrity

import (
	"memlens/memimage/pe"
	"memlens/memimage/restore"
)

// Notes on differences.
const (
	noteDistance = "how far the image was moved is assumed"
	noteDynamic  = "the kernel may have changed it by the dynamic relocation table: the file's page is as on disk"
	noteNumber   = "a number that is moved with the image, and does not lead where the file says"
)

// pageDiff is the difference of one page.
type pageDiff struct {
	c     *comparison
	rva   uint32
	from  origin
	dist  distance
	moved []moved // in the order of the table, mostly by address
}

// piece is a part of a page that differs for one cause.
type piece struct {
	rva       uint32
	was, is   []byte
	section   string
	cause     Cause
	certainty restore.Certainty
	target    uint64
	note      string
}

// walk goes through the bytes that differ, and through the numbers that were moved between them.
func (p *pageDiff) walk() error {
	for i := 0; i < pageSize; {
		if p.c.was[i] == p.c.is[i] {
			i++
			continue
		}
		if err := p.emitMoved(i); err != nil {
			return err
		}
		end, err := p.difference(i)
		if err != nil {
			return err
		}
		i = end
	}
	return p.emitMoved(pageSize)
}

// emitMoved lists the numbers that the loader has moved before offset end.
func (p *pageDiff) emitMoved(end int) error {
	for len(p.moved) > 0 && p.moved[0].at < end {
		m := p.moved[0]
		if !m.right && m.at+m.n > end { // it is the difference at end
			return nil
		}
		p.moved = p.moved[1:]
		if !m.right {
			continue
		}
		if err := p.emit(m.at, m.at+m.n, p.movedPiece(m)); err != nil {
			return err
		}
	}
	return nil
}

func (p *pageDiff) movedPiece(m moved) piece {
	out := piece{cause: Relocation}
	if !m.sure {
		out.certainty, out.note = restore.Assumed, noteDistance
	}
	return out
}

// difference lists the difference that begins at offset i, and returns where it ends.
func (p *pageDiff) difference(i int) (end int, err error) {
	at := p.rva + uint32(i)
	if place, ok := p.c.places.at(at); ok {
		from := max(0, int(int64(place.rva)-int64(p.rva)))
		end = min(pageSize, int(int64(place.rva)-int64(p.rva))+place.width)
		found, err := p.c.judge(place)
		if err != nil {
			return end, err
		}
		return end, p.emit(from, end, found)
	}
	cause := p.c.plainCause(at)
	if m, ok := p.wrong(i); ok && cause == ConstantChanged {
		return m.at + m.n, p.emit(m.at, m.at+m.n, piece{cause: cause, note: noteNumber, target: m.value})
	}
	if m, ok := p.unlisted(i); ok {
		return m.at + m.n, p.emit(m.at, m.at+m.n, p.movedPiece(m))
	}
	end = p.plainEnd(i, cause)
	return end, p.emit(i, end, piece{cause: cause})
}

// wrong returns the moved number at offset i that memory does not have as it should.
func (p *pageDiff) wrong(i int) (moved, bool) {
	for _, m := range p.moved {
		if m.at > i {
			break
		}
		if !m.right && i < m.at+m.n {
			return m, true
		}
	}
	return moved{}, false
}

// plainEnd returns the end of a difference that begins at offset i, outside of the places that the loader writes to. A
// few equal bytes do not end it.
func (p *pageDiff) plainEnd(i int, cause Cause) int {
	end := i + 1
	for j := end; j < pageSize && int64(j-end) <= cause.gap(); j++ {
		if p.c.was[j] == p.c.is[j] {
			continue
		}
		at := p.rva + uint32(j)
		_, place := p.c.places.at(at)
		_, wrong := p.wrong(j)
		_, unlisted := p.unlisted(j)
		if place || wrong && cause == ConstantChanged || unlisted || p.c.plainCause(at) != cause || p.c.section(at) != p.c.section(p.rva+uint32(i)) {
			break
		}
		end = j + 1
	}
	return end
}

// plainCause returns the cause of a difference at rva, by the section's header.
func (c *comparison) plainCause(rva uint32) Cause {
	s := c.section(rva)
	switch {
	case s == nil && int64(rva) < int64(c.header.SizeOfHeaders)+pageSize-1:
		return HeaderChanged
	case s == nil:
		return ConstantChanged
	case s.Characteristics&pe.SectionWritable != 0:
		return DataSection
	case s.Characteristics&pe.SectionExecutable != 0:
		return CodeChanged
	}
	return ConstantChanged
}

// emit passes the piece from one offset to another to the runs.
func (p *pageDiff) emit(from, end int, found piece) error {
	found.rva, found.was, found.is = p.rva+uint32(from), p.c.was[from:end], p.c.is[from:end]
	if found.cause == Relocation {
		found.was = p.c.original[from:end]
	}
	s := p.c.section(found.rva)
	if s != nil {
		found.section = s.Name
		if found.cause == DataSection && s.Characteristics&pe.SectionExecutable != 0 {
			found.note = "its code may be written, too"
		}
	}
	if p.from == fromCache && p.c.tables.Dynamic() && !found.cause.Innocent() {
		found.certainty, found.note = restore.Assumed, join(found.note, noteDynamic)
	}
	if p.c.doubt != "" {
		found.certainty, found.note = restore.Assumed, join(found.note, p.c.doubt)
	}
	return p.c.runs.add(&found)
}

// join puts two notes together.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}
