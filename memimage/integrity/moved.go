package integrity

import (
	"encoding/binary"

	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

// moved is a number that the loader has moved, or should have.
type moved struct {
	at, n int // in the page
	right bool
	sure  bool
	value uint64 // in memory; 0 where part of it lies in another page
}

// distance is how far an image was moved from the address in its file's page.
type distance struct {
	by    uint64
	known bool
	sure  bool
}

// baseUnit divides the addresses of images.
const baseUnit = 0x10000

// wrap cuts an address to the image's width.
func (c *comparison) wrap(v uint64) uint64 {
	if c.header.Plus {
		return v
	}
	return v & 0xffffffff
}

// inImage reports whether va is an address in the image, or its end.
func (c *comparison) inImage(va uint64) bool {
	return c.wrap(va-c.in.LoadBase) <= uint64(c.header.SizeOfImage)
}

// distance returns how far the page was moved, by the headers, unless its own numbers agree on another distance.
func (p *pageDiff) distance(slots []restore.Relocation) distance {
	linked, sure, section := p.c.tables.Bases()
	d := distance{by: p.c.wrap(p.c.in.LoadBase - section), known: true, sure: true}
	if p.from == fromCache || !p.c.in.KernelRelocates {
		d = distance{by: p.c.wrap(p.c.in.LoadBase - linked), known: sure != restore.Left, sure: sure == restore.Exact}
	}
	const enough = 2
	votes := map[uint64]int{}
	for _, s := range slots {
		if by, ok := p.vote(s); ok {
			votes[by]++
		}
	}
	d.sure = d.sure || votes[d.by] >= enough
	best := votes[d.by]
	if !d.known {
		best = 0
	}
	for by, n := range votes {
		if by != d.by && n >= enough && (n > best || n == best && by < d.by && !d.sure) {
			d, best = distance{by: by, known: true}, n
		}
	}
	return d
}

// vote returns the distance that a number shows for the page.
func (p *pageDiff) vote(s restore.Relocation) (uint64, bool) {
	at, n := s.RVA()-int64(p.rva), int64(s.Width())
	if int(n) != p.c.header.PointerSize() || at < 0 || at+n > pageSize {
		return 0, false
	}
	is := number(p.c.is[at : at+n])
	by := p.c.wrap(is - number(p.c.was[at:at+n]))
	return by, by != 0 && by%baseUnit == 0 && p.c.inImage(is)
}

// relocate moves the file's numbers in the page as the loader does, and notes which numbers are the same in memory.
func (p *pageDiff) relocate() error {
	slots := p.c.tables.Relocations(p.rva)
	p.dist = p.distance(slots)
	for _, s := range slots {
		m, err := p.move(s)
		if err != nil {
			return err
		}
		if m.n > 0 {
			p.moved = append(p.moved, m)
		}
	}
	return nil
}

// move moves one number. Its part in the page is empty where there is no difference.
func (p *pageDiff) move(s restore.Relocation) (moved, error) {
	start := s.RVA() - int64(p.rva)
	m := moved{at: int(max(0, start)), sure: p.dist.sure}
	m.n = int(min(start+int64(s.Width()), pageSize)) - m.at
	was, is := p.c.was[m.at:m.at+m.n], p.c.is[m.at:m.at+m.n]
	if string(was) == string(is) {
		return moved{}, nil
	}
	old, whole, err := p.number(s, start)
	if err != nil {
		return m, err
	}
	if !whole || !p.dist.known { // without a known distance, any value in memory counts as right
		m.right, m.sure = true, false
		copy(was, is)
		return m, nil
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], s.Moved(old, p.dist.by))
	copy(was, b[int64(m.at)-start:])
	if m.right = string(was) == string(is); !m.right && m.n == s.Width() {
		m.value = number(is)
	}
	return m, nil
}

// number returns a number of the file that begins at offset start of the page and may reach over an end of it. whole
// says that all its bytes are present.
func (p *pageDiff) number(s restore.Relocation, start int64) (v uint64, whole bool, err error) {
	var b [8]byte
	for i := range int64(s.Width()) {
		if at := start + i; at >= 0 && at < pageSize {
			b[i] = p.c.was[at]
			continue
		}
		if n, err := p.c.file.ReadAt(b[i:i+1], s.RVA()+i); n == 0 {
			if sparse.Failed(err) {
				return 0, false, err
			}
			return 0, false, nil
		}
	}
	return binary.LittleEndian.Uint64(b[:]), true, nil
}

// number returns the little-endian number in b, of up to eight bytes.
func number(b []byte) uint64 {
	var all [8]byte
	copy(all[:], b)
	return binary.LittleEndian.Uint64(all[:])
}

// unlisted returns a number with the byte at offset i that was moved by the right distance, but that no readable table
// names. It is looked for only where the table of relocations is missing or damaged.
func (p *pageDiff) unlisted(i int) (moved, bool) {
	n := p.c.header.PointerSize()
	if !p.dist.known || p.dist.by == 0 || p.c.tables.KnowsRelocations(p.rva) {
		return moved{}, false
	}
	for at := max(0, i-n+1); at <= min(i, pageSize-n); at++ {
		is := number(p.c.is[at : at+n])
		if p.c.wrap(is-number(p.c.was[at:at+n])) == p.dist.by && p.c.inImage(is) {
			return moved{at: at, n: n, right: true}, true
		}
	}
	return moved{}, false
}
