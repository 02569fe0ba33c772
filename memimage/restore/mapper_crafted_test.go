package restore_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
)

// crafted describes a PE file that no compiler here makes.
type crafted struct {
	plus, dll       bool
	machine         uint16 // 0: by plus
	base            uint64
	align           uint32 // SectionAlignment; 0 is a page
	fileAlign       uint32 // 0 is 512
	characteristics uint16
	dllFlags        uint16
	lfanew          uint32 // 0 is 0x80
	headers         uint32 // SizeOfHeaders; 0 is the size of the headers, rounded up to FileAlignment
	sections        []craftedSection
	dirs            map[int][2]uint32
	sum             bool   // set CheckSum
	tail            []byte // behind the sections
	linker          byte   // MajorLinkerVersion
	image           uint32 // SizeOfImage; 0 is the sections' end
	target          uint32 // where pointers lead, from the base on; 0 is 0x1234
	kind            uint16 // of relocations; 0 is a whole pointer
	twice           bool   // each number is relocated twice
	split           bool   // the last of the first page's relocations come last in the table
	before          []byte // blocks of relocations before the others
}

// craftedSection lies where the one before ends. Its raw data begins at the next multiple of FileAlignment, plus
// skew, or at rawPointer.
type craftedSection struct {
	name       string
	data       []byte
	vsize      uint32
	flags      uint32
	skew       uint32
	rawPointer uint32
	rawSize    uint32 // 0: the data rounded up to FileAlignment
}

const (
	code     = sectionExecute | sectionRead | 0x20
	constant = sectionRead | 0x40
	data     = sectionRead | sectionWrite | 0x40
)

func orElse[T uint16 | uint32](v, other T) T {
	if v == 0 {
		return other
	}
	return v
}

// build writes the file.
func (c *crafted) build() []byte {
	put16, put32 := binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32
	align, fileAlign, nt := orElse(c.align, page), orElse(c.fileAlign, 512), orElse(c.lfanew, 0x80)
	optional := uint32(224)
	if c.plus {
		optional = 240
	}
	end := nt + 24 + optional + 40*uint32(len(c.sections))
	headers := orElse(c.headers, uint32(roundUp(int64(end), int64(fileAlign))))
	b := make([]byte, max(headers, end))
	copy(b, "MZ")
	put32(b[60:], nt)
	copy(b[nt:], "PE\x00\x00")
	machine := uint16(0x14c)
	if c.plus {
		machine = 0x8664
	}
	put16(b[nt+4:], orElse(c.machine, machine))
	put16(b[nt+6:], uint16(len(c.sections)))
	put16(b[nt+20:], uint16(optional))
	flags := c.characteristics | 2
	if c.dll {
		flags |= fileDLL
	}
	put16(b[nt+22:], flags)
	b[nt+26] = c.linker
	rva := uint32(roundUp(int64(headers), int64(align)))
	for i := range c.sections {
		b, rva = c.sections[i].add(b, nt+24+optional+40*uint32(i), rva, align, fileAlign)
	}
	o := b[nt+24:]
	magic, dirs := uint16(0x10b), o[92:]
	put32(o[28:], uint32(c.base))
	if c.plus {
		magic, dirs = 0x20b, o[108:]
		binary.LittleEndian.PutUint64(o[24:], c.base)
	}
	put16(o, magic)
	put32(o[32:], align)
	put32(o[36:], fileAlign)
	put16(o[40:], 4)
	put16(o[48:], 4)
	put32(o[56:], orElse(c.image, rva))
	put32(o[60:], headers)
	put16(o[68:], 3)
	put16(o[70:], c.dllFlags)
	put32(dirs, 16)
	for i, d := range c.dirs {
		put32(dirs[4+8*i:], d[0])
		put32(dirs[8+8*i:], d[1])
	}
	b = append(b, c.tail...)
	if c.sum {
		return withCheckSum(b)
	}
	return b
}

// add writes the section and its header, and returns the next RVA.
func (s *craftedSection) add(b []byte, header, rva, align, fileAlign uint32) ([]byte, uint32) {
	put32 := binary.LittleEndian.PutUint32
	raw := s.rawPointer
	if raw == 0 && len(s.data) > 0 {
		b = append(b, make([]byte, roundUp(int64(len(b)), int64(fileAlign))-int64(len(b))+int64(s.skew))...)
		raw = uint32(len(b))
		b = append(b, s.data...)
		if s.rawSize == 0 {
			b = append(b, make([]byte, roundUp(int64(len(s.data)), int64(fileAlign))-int64(len(s.data)))...)
		}
	}
	size := orElse(s.rawSize, uint32(roundUp(int64(len(s.data)), int64(fileAlign))))
	if raw == 0 {
		size = 0
	}
	vsize := orElse(s.vsize, uint32(len(s.data)))
	copy(b[header:header+8], s.name)
	put32(b[header+8:], vsize)
	put32(b[header+12:], rva)
	put32(b[header+16:], size)
	put32(b[header+20:], raw)
	put32(b[header+36:], s.flags)
	return b, rva + uint32(roundUp(int64(vsize), int64(align)))
}

// noise returns n bytes that look like code: no zeros among them.
func noise(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(1 + rng.IntN(255))
	}
	return b
}

// pointed returns noise with n pointers, gap bytes apart, and the table of their relocations.
func (c *crafted) pointed(seed uint64, rva uint32, size, n, gap int) (b, table []byte) {
	b = noise(seed, size)
	kind, width := uint16(3), 4
	if c.plus {
		kind, width = 10, 8
	}
	kind = orElse(c.kind, kind)
	byPage := map[uint32][]uint16{}
	for i := range n {
		at := 16 + i*gap
		copy(b[at:at+width], binary.LittleEndian.AppendUint64(nil, c.base+uint64(int32(orElse(c.target, 0x1234)))+uint64(i%0x800)))
		where := rva + uint32(at)
		for range map[bool]int{false: 1, true: 2}[c.twice] {
			if byPage[where>>12] = append(byPage[where>>12], kind<<12|uint16(where&0xfff)); kind == 4 {
				byPage[where>>12] = append(byPage[where>>12], uint16(0x7f00+i*0x31))
			}
		}
	}
	for p := rva >> 12; p <= (rva+uint32(size))>>12; p++ {
		e := byPage[p]
		if len(e) == 0 {
			continue
		}
		if len(e)%2 != 0 {
			e = append(e, 0)
		}
		table = binary.LittleEndian.AppendUint32(table, p<<12)
		table = binary.LittleEndian.AppendUint32(table, uint32(8+2*len(e)))
		for _, v := range e {
			table = binary.LittleEndian.AppendUint16(table, v)
		}
	}
	if c.split {
		n := binary.LittleEndian.Uint32(table[4:])
		half := n / 2 &^ 3
		moved := table[half:n]
		last := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, rva), 8+uint32(len(moved)))
		rest := append(append(bytes.Clone(table[n:]), last...), moved...)
		table = append(bytes.Clone(table[:half]), rest...)
		binary.LittleEndian.PutUint32(table[4:], half)
	}
	return b, append(c.before, table...)
}

// withPointers is a file with code that has n pointers, gap bytes apart, with data, the sections of c, and a table of
// relocations.
func withPointers(c crafted, seed uint64, size, n, gap int) crafted {
	first := c.first(3 + len(c.sections))
	b, table := c.pointed(seed, first, size, n, gap)
	align := int64(orElse(c.align, page))
	reloc := first + uint32(roundUp(int64(size), align)+roundUp(0x800, align))
	for _, s := range c.sections {
		reloc += uint32(roundUp(int64(max(s.vsize, uint32(len(s.data)))), align))
	}
	c.sections = append([]craftedSection{{name: ".text", data: b, flags: code}, {name: ".data", data: noise(seed+1, 0x800), flags: data}}, c.sections...)
	c.sections = append(c.sections, craftedSection{name: ".reloc", data: table, flags: constant | 0x2000000})
	if c.dirs == nil {
		c.dirs = map[int][2]uint32{}
	}
	c.dirs[dirRelocation] = [2]uint32{reloc, uint32(len(table))}
	return c
}

// first returns the RVA of the first of n sections.
func (c *crafted) first(n int) uint32 {
	end := c.headers
	if end == 0 {
		end = orElse(c.lfanew, 0x80) + 24 + 240 + 40*uint32(n)
		end = uint32(roundUp(int64(end), int64(orElse(c.fileAlign, 512))))
	}
	return uint32(roundUp(int64(end), int64(orElse(c.align, page))))
}

// craftedFiles are the files by name.
func craftedFiles() map[string][]byte {
	files := map[string]crafted{
		"packed":              packed(0x400000, false, 0),
		"packed, dynamic":     packed(0x140000000, true, dllDynamicBase),
		"no section":          {base: 0x400000, align: 0x10, fileAlign: 0x10, headers: 0x138, tail: noise(3, 1600-0x178), image: 1600, characteristics: fileRelocsStripped},
		"no section, 3 pages": {base: 0x400000, align: 0x10, fileAlign: 0x10, tail: noise(4, 10000), image: 0x3000},
		"low alignment": {base: 0x10000, align: 0x20, fileAlign: 0x20, characteristics: fileRelocsStripped,
			sections: []craftedSection{{name: ".text", data: noise(5, 0x1340), flags: code}, {name: ".data", data: noise(6, 0x400), flags: data}}},
		"odd raw pointer": {base: 0x400000, characteristics: fileRelocsStripped,
			sections: []craftedSection{{name: ".text", data: noise(7, 0x30e), skew: 1, rawSize: 0x30e, vsize: 0x1000, flags: code}}, tail: noise(8, 0xf1)},
		"ends unaligned": {base: 0x400000, characteristics: fileRelocsStripped,
			sections: []craftedSection{{name: ".text", data: noise(9, 0x30e), rawSize: 0x30e, vsize: 0x1000, flags: code}}},
		"raw behind pages": {base: 0x400000, characteristics: fileRelocsStripped,
			sections: []craftedSection{{name: ".text", data: noise(10, 0x3400), vsize: 0x1100, flags: code}, {name: ".data", data: noise(11, 0x600), flags: data}}},
		"same raw data": {base: 0x400000, characteristics: fileRelocsStripped,
			sections: []craftedSection{{name: ".text", data: noise(12, 0x1800), flags: code}, {name: ".copy", rawPointer: 0x200, rawSize: 0x1800, vsize: 0x1800, flags: data}}},
		"headers as section": {base: 0x7340000, dllFlags: dllDynamicBase, dll: true,
			sections: []craftedSection{{name: ".hdr", rawPointer: 0x10, rawSize: 0x200, vsize: 0x1000, flags: constant}, {name: ".text", data: noise(13, 0x1800), flags: code}}},
		"large file alignment": withPointers(crafted{base: 0x400000, fileAlign: 0x4000, dllFlags: dllDynamicBase}, 14, 0x2345, 40, 99),
		"header at end of page": withPointers(crafted{base: 0x5550000, lfanew: page - 24 - 30, dllFlags: dllDynamicBase, dll: true,
			headers: 0x1200}, 16, 0x1800, 60, 79),
		"resources only":      {base: 0x12340000, dll: true, dllFlags: dllDynamicBase, sections: []craftedSection{{name: ".rsrc", data: noise(17, 0x2345), flags: constant}}},
		"resources only, 64":  {base: 0x181110000, plus: true, dll: true, dllFlags: dllDynamicBase, sections: []craftedSection{{name: ".rsrc", data: noise(18, 0x2345), flags: constant}}},
		"sum fits usual base": withPointers(crafted{base: 0x400000 + 257<<16, dllFlags: dllDynamicBase, sum: true}, 19, 0x2000, 254, 31),
		"sum fits usual base, 64": withPointers(crafted{base: 0x140000000 + 257<<16, plus: true, dllFlags: dllDynamicBase, sum: true}, 20,
			0x2000, 254, 32),
		"sum fits any base": withPointers(crafted{base: 0x23450000, dll: true, dllFlags: dllDynamicBase, sum: true}, 21, 0x42000, 65534, 4),
		"stale sum":         withPointers(crafted{base: 0x400000, dllFlags: dllDynamicBase, sum: true}, 22, 0x2000, 100, 40),
		"shared": withPointers(crafted{base: 0x400000, dllFlags: dllDynamicBase,
			sections: []craftedSection{{name: ".shr", data: noise(23, 0x1234), flags: data | sectionShared}}}, 24, 0x2000, 100, 40),
		"pointers outside": withPointers(crafted{base: 0x10000000, dll: true, dllFlags: dllDynamicBase, target: 0xfff00000}, 29, 0x2000, 200, 17),
		"pointers outside, 64": withPointers(crafted{base: 0x180000000, plus: true, dll: true, dllFlags: dllDynamicBase, target: 0x9000}, 30,
			0x2000, 200, 21),
		"pointers to the other base": withPointers(crafted{base: 0x400000, dllFlags: dllDynamicBase, target: 0x11000}, 31, 0x2000, 200, 17),
		"halves":                     withPointers(crafted{base: 0x2220000, dllFlags: dllDynamicBase, kind: 1}, 32, 0x2000, 100, 41),
		"low halves":                 withPointers(crafted{base: 0x2220000, dllFlags: dllDynamicBase, kind: 2}, 33, 0x2000, 100, 41),
		"relocated twice":            withPointers(crafted{base: 0x400000, dllFlags: dllDynamicBase, twice: true}, 34, 0x2000, 100, 40),
		"raw data reversed": {base: 0x400000, characteristics: fileRelocsStripped, sections: []craftedSection{
			{name: ".text", rawPointer: 0x1600, rawSize: 0x1200, vsize: 0x1200, flags: code},
			{name: ".data", rawPointer: 0x200, rawSize: 0x1000, vsize: 0x1000, flags: data}}, tail: noise(35, 0x2600)},
		"unordered relocations":   withPointers(crafted{base: 0x400000, dllFlags: dllDynamicBase, split: true}, 37, 0x8000, 4000, 8),
		"overlapping relocations": withPointers(crafted{base: 0x400000, dllFlags: dllDynamicBase}, 38, 0x2000, 300, 2),
		"relocated headers":       withPointers(crafted{base: 0x5100000, dllFlags: dllDynamicBase, before: []byte{0, 0, 0, 0, 12, 0, 0, 0, 0x44, 0x30, 0x70, 0x30}}, 39, 0x2000, 100, 40),
		"gnu dll":                 withPointers(crafted{base: 0x368e80000, plus: true, dll: true, dllFlags: dllDynamicBase, linker: 2}, 44, 0x4800, 4, 0x1000),
		"section alignment":       withPointers(crafted{base: 0x400000, align: 0x4000, dllFlags: dllDynamicBase}, 36, 0x2000, 100, 40),
		"overlay":                 withPointers(crafted{base: 0x400000, dllFlags: dllDynamicBase, sum: true, tail: noise(25, 5000)}, 26, 0x2000, 100, 40),
		"debug behind sections": withPointers(crafted{base: 0x140000000, plus: true, dllFlags: dllDynamicBase, dirs: map[int][2]uint32{dirDebug: {0x4000, 28}},
			sections: []craftedSection{{name: ".debug", data: debugEntry(0x3000, 700), flags: constant}}, tail: noise(27, 700)}, 28, 0x2000, 30, 40),
	}
	out := map[string][]byte{}
	for name, c := range files {
		out[name] = c.build()
	}
	out["no virtual sizes"] = withoutVirtualSizes(bytes.Clone(out["overlay"]))
	out["few directories"] = withoutDirectories(bytes.Clone(out["shared"]))
	out["stale sum"] = append(out["stale sum"], "an overlay that came after the sum"...)
	out["debug behind sections"] = withDebugPointer(out["debug behind sections"], 700)
	return out
}

// withoutVirtualSizes clears the VirtualSize of all sections, as Watcom's linker does.
func withoutVirtualSizes(b []byte) []byte {
	f, err := parsePE("", b)
	if err != nil {
		panic(err)
	}
	for i := range f.sections {
		clear(b[f.tableAt+40*int64(i)+8:][:4])
	}
	return b
}

// withoutDirectories makes the header end before the directory of relocations: then Windows sees none.
func withoutDirectories(b []byte) []byte {
	f, err := parsePE("", b)
	if err != nil {
		panic(err)
	}
	b[f.dirsAt-4] = dirRelocation
	return b
}

// debugEntry is an IMAGE_DEBUG_DIRECTORY of data that no section has.
func debugEntry(pointer, size uint32) []byte {
	b := make([]byte, 28)
	b[12] = 2
	binary.LittleEndian.PutUint32(b[16:], size)
	binary.LittleEndian.PutUint32(b[24:], pointer)
	return b
}

// withDebugPointer has the file's debug directory, in a section named .debug, point at the last size bytes.
func withDebugPointer(b []byte, size int) []byte {
	f, err := parsePE("", b)
	if err != nil {
		panic(err)
	}
	at := f.offset(int64(f.dirs[dirDebug].rva))
	binary.LittleEndian.PutUint32(b[at+24:], uint32(len(b)-size))
	return b
}

// packed is laid out as UPX does: a section without raw data for the unpacked program, a section that holds it
// packed, both writable and executable, and resources.
func packed(base uint64, plus bool, flags uint16) crafted {
	return crafted{base: base, plus: plus, dllFlags: flags, sections: []craftedSection{
		{name: "UPX0", vsize: 0x6000, flags: sectionRead | sectionWrite | sectionExecute | 0x80},
		{name: "UPX1", data: noise(1, 0x2a00), vsize: 0x3000, flags: sectionRead | sectionWrite | sectionExecute | 0x40},
		{name: ".rsrc", data: noise(2, 0x600), vsize: 0x1000, flags: data},
	}}
}
