package pdb

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strings"

	"memlens/memimage/profile/internal/layout"
)

const symPublic = 0x110e // S_PUB32

// section is an image section as far as addresses go.
type section struct{ rva, size uint32 }

// move is an entry of the map (OMAP) from the addresses before the linker's output was rearranged to the addresses
// after.
type move struct{ from, to uint32 }

// Publics are the public symbols whose names, in the form of C, are wanted, with addresses relative to the image's
// base. There are none if the file has no section headers.
func (f *File) Publics(want func(name string) bool) ([]layout.Symbol, error) {
	sections, moves, err := f.addresses()
	if err != nil || len(sections) == 0 || f.dbi.symbols == noStream {
		return nil, err
	}
	b, err := f.msf.stream(int(f.dbi.symbols))
	if err != nil {
		return nil, err
	}
	var out []layout.Symbol
	for c := (cursor{b: b}); len(c.b) > 0; {
		kind, body := c.record()
		if c.bad {
			return nil, errors.New("pdb: symbol record cut short")
		}
		if kind != symPublic {
			continue
		}
		body.take(4) // flags
		offset, number, name := body.u32(), int(body.u16()), f.undecorate(body.str())
		if body.bad || number == 0 || number > len(sections) || !want(name) {
			continue
		}
		if rva, ok := relocate(sections[number-1], offset, moves); ok {
			out = append(out, layout.Symbol{Name: name, RVA: rva})
		}
	}
	return out, nil
}

// undecorate removes the additions of C++ to the name of a variable, and the underscore that C names have on 32-bit
// x86.
func (f *File) undecorate(name string) string {
	if f.Machine == MachineX86 {
		name = strings.TrimPrefix(name, "_")
	}
	return layout.Undecorated(name)
}

// addresses reads the section headers that symbols refer to: if the image was rearranged, the headers from before.
func (f *File) addresses() (sections []section, moves []move, err error) {
	number := f.dbi.sections
	if f.dbi.fromOrig != noStream && f.dbi.original != noStream {
		number = f.dbi.original
		b, err := f.msf.stream(int(f.dbi.fromOrig))
		if err != nil {
			return nil, nil, err
		}
		for c := (cursor{b: b}); len(c.b) >= 8; {
			moves = append(moves, move{c.u32(), c.u32()})
		}
		slices.SortStableFunc(moves, func(a, b move) int { return cmp.Compare(a.from, b.from) })
	}
	if number == noStream {
		return nil, nil, nil
	}
	b, err := f.msf.stream(int(number))
	if err != nil {
		return nil, nil, err
	}
	for c := (cursor{b: b}); len(c.b) >= 40; { // IMAGE_SECTION_HEADER
		c.take(8)
		s := section{size: c.u32(), rva: c.u32()}
		c.take(24)
		sections = append(sections, s)
	}
	return sections, moves, nil
}

// relocate is the address of an offset in a section. It is not ok if the code there was left out of the image.
func relocate(s section, offset uint32, moves []move) (rva uint32, ok bool) {
	if uint64(s.rva)+uint64(offset) > math.MaxUint32 {
		return 0, false
	}
	rva = s.rva + offset
	if len(moves) == 0 {
		return rva, true
	}
	i, exact := slices.BinarySearchFunc(moves, rva, func(m move, rva uint32) int { return cmp.Compare(m.from, rva) })
	if !exact {
		i--
	}
	if i < 0 || moves[i].to == 0 {
		return 0, false
	}
	return moves[i].to + (rva - moves[i].from), true
}
