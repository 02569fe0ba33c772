package integrity

import (
	"cmp"
	"slices"
	"sort"

	"memlens/memimage/pe"
	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

// placeKind is the kind of number at a place.
type placeKind uint8

const (
	importPlace placeKind = iota
	delayPlace
	strayPlace // in the table of import addresses, and of no known import
	guardPlace
	slotPlace // set by the loader or at the start
	lockPlace // a lock prefix
	basePlace // the header's ImageBase
	functionPlace
	exportPlace // in the export tables otherwise
)

// place is a number in the image that Windows may set, or that leads somewhere.
type place struct {
	rva   uint32
	width int
	kind  placeKind
	dll   string
	fn    *pe.Function // nil where its name is not known
}

// places are all places of an image.
type places struct {
	list      []place // by RVA
	exports   pe.Directory
	addresses pe.Directory // of exported functions
	iat       pe.Directory
	pointer   int
	assumed   bool // the tables were read from pages that the process may have written to
}

// at returns the place that the byte at rva belongs to.
func (p *places) at(rva uint32) (place, bool) {
	i := sort.Search(len(p.list), func(i int) bool { return p.list[i].rva > rva })
	if i > 0 && int64(rva) < int64(p.list[i-1].rva)+int64(p.list[i-1].width) {
		return p.list[i-1], true
	}
	switch {
	case rva-p.addresses.Address < p.addresses.Size:
		return place{rva: rva - (rva-p.addresses.Address)%4, width: 4, kind: functionPlace}, true
	case rva-p.exports.Address < p.exports.Size:
		return place{rva: rva, width: 1, kind: exportPlace}, true
	case rva-p.iat.Address < p.iat.Size:
		return place{rva: rva - (rva-p.iat.Address)%uint32(p.pointer), width: p.pointer, kind: strayPlace}, true
	}
	return place{}, false
}

// findPlaces reads the tables of an image. The error is of a source that fails.
func (c *comparison) findPlaces() (*places, error) {
	c.either.used = false
	p := &places{pointer: c.header.PointerSize(), exports: c.header.Directory(dirExport), iat: c.header.Directory(dirIAT)}
	imports, err := c.header.Imports()
	if err != nil {
		return nil, err
	}
	p.addImports(imports, importPlace)
	if imports, err = c.header.DelayImports(); err != nil {
		return nil, err
	}
	p.addImports(imports, delayPlace)
	if err := p.addExports(c.header); err != nil {
		return nil, err
	}
	kinds := map[restore.SlotKind]placeKind{restore.GuardSlot: guardPlace, restore.CookieSlot: slotPlace, restore.IndexSlot: slotPlace}
	for _, s := range c.tables.Slots() {
		p.add(place{rva: s.RVA, width: s.Width, kind: kinds[s.Kind]})
	}
	for _, rva := range c.lockPrefixes() {
		p.add(place{rva: rva, width: 1, kind: lockPlace})
	}
	p.add(place{rva: uint32(c.header.ImageBaseAt()), width: p.pointer, kind: basePlace})
	slices.SortStableFunc(p.list, func(a, b place) int { return cmp.Compare(a.rva, b.rva) })
	p.assumed = c.either.used
	return p, nil
}

func (p *places) add(at place) { p.list = append(p.list, at) }

func (p *places) addImports(imports *pe.Imports, kind placeKind) {
	for i := range imports.DLLs {
		d := &imports.DLLs[i]
		for k := range d.Functions {
			p.add(place{d.Functions[k].Thunk, p.pointer, kind, d.Name, &d.Functions[k]})
		}
		for _, rva := range d.Nameless {
			p.add(place{rva: rva, width: p.pointer, kind: kind, dll: d.Name})
		}
		if d.Handle != 0 {
			p.add(place{rva: d.Handle, width: p.pointer, kind: slotPlace})
		}
	}
}

func (p *places) addExports(h *pe.File) error {
	if p.exports.Address == 0 {
		p.exports.Size = 0
		return nil
	}
	e, err := h.Exports()
	if err == nil {
		p.addresses = pe.Directory{Address: e.Addresses, Size: 4 * e.Count}
	} else if sparse.Failed(err) {
		return err
	}
	return nil
}

// maxLockPrefixes bounds the list of lock prefixes.
const maxLockPrefixes = 1 << 12

// lockPrefixes returns the RVAs of the lock prefixes that the loader removes on machines with one processor, from the
// load configuration of x86 programs (LockPrefixTable).
func (c *comparison) lockPrefixes() []uint32 {
	const table = 0x20
	at := int64(c.header.Directory(dirConfig).Address)
	if c.header.Plus || at == 0 {
		return nil
	}
	list, ok := c.addressAt(at + table)
	var out []uint32
	for i := int64(0); ok && len(out) < maxLockPrefixes; i++ {
		var rva int64
		if rva, ok = c.addressAt(list + 4*i); ok {
			out = append(out, uint32(rva))
		}
	}
	return out
}

// addressAt reads an address of the image and returns its RVA.
func (c *comparison) addressAt(rva int64) (int64, bool) {
	b := make([]byte, c.header.PointerSize())
	if n, _ := c.either.ReadAt(b, rva); n < len(b) {
		return 0, false
	}
	linked, _, section := c.tables.Bases()
	for _, base := range []uint64{c.in.LoadBase, section, linked} {
		if rva := c.wrap(number(b) - base); rva > 0 && rva < uint64(c.header.SizeOfImage) {
			return int64(rva), true
		}
	}
	return 0, false
}
