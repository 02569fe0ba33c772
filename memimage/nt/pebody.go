package nt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// peBody is the memory, from base on, of a possible executable without headers. Bytes that cannot be read are zeros in
// it.
type peBody struct {
	b     []byte
	base  uint64
	inDLL func(va uint64) bool // whether a module is loaded at the address
	steps int                  // entries of relocation chains looked at so far
}

// maxSteps bounds the entries of relocation chains that are read in one body: hostile memory may have a chain on each
// page.
const maxSteps = 1 << 19

// bodyTraces are the proofs of an executable without its headers: tables that linkers write and loaders need. The kinds
// have different forms, so that two kinds cannot be there by chance.
type bodyTraces struct {
	bits  int
	kinds []string
}

// leastTraces is how many kinds of tables prove an executable.
const leastTraces = 2

func (t *bodyTraces) proof() bool { return len(t.kinds) >= leastTraces }

func (t *bodyTraces) String() string { return strings.Join(t.kinds, ", ") }

// traces looks for the tables.
func (p *peBody) traces() bodyTraces {
	var t bodyTraces
	if n, bits := p.relocations(); n > 0 {
		t.bits = bits
		t.kinds = append(t.kinds, fmt.Sprintf("a relocation table, %d of whose pointers lead into it", n))
	}
	imports, exports := p.namedTables()
	if imports > 0 {
		t.kinds = append(t.kinds, fmt.Sprintf("import descriptors of %d DLLs", imports))
	}
	if exports != "" {
		t.kinds = append(t.kinds, fmt.Sprintf("the export directory of %q", exports))
	}
	if n := p.unwindTable(); n > 0 {
		t.bits = 64
		t.kinds = append(t.kinds, fmt.Sprintf("an unwind table of %d functions", n))
	}
	return t
}

// u32 reads a number at an RVA; 0 where there is none.
func (p *peBody) u32(rva uint32) uint32 {
	if uint64(rva)+4 > uint64(len(p.b)) {
		return 0
	}
	return binary.LittleEndian.Uint32(p.b[rva:])
}

// pointer reads a pointer at an RVA.
func (p *peBody) pointer(rva uint32, size int) uint64 {
	if uint64(rva)+uint64(size) > uint64(len(p.b)) {
		return 0
	}
	var w [8]byte
	copy(w[:], p.b[rva:int(rva)+size])
	return binary.LittleEndian.Uint64(w[:])
}

// inside reports whether an address lies in the body.
func (p *peBody) inside(va uint64) bool { return va >= p.base && va-p.base < uint64(len(p.b)) }

// leastRelocated is how many relocated pointers a relocation table must lead to.
const leastRelocated = 4

// relocations looks at each page for a chain of relocation blocks (IMAGE_BASE_RELOCATION), and returns how many of the
// named pointers lead into the body, and the width of these pointers. Nearly all must.
func (p *peBody) relocations() (n, bits int) {
	for at := uint32(pageSize); int64(at) < int64(len(p.b)) && p.steps < maxSteps; at += pageSize {
		good, bad, bits := p.relocationChain(at)
		if good >= leastRelocated && bad*8 <= good {
			return good, bits
		}
	}
	return 0, 0
}

// relocationChain follows the blocks from an RVA on.
func (p *peBody) relocationChain(at uint32) (good, bad, bits int) {
	const header, most = 8, 8 + 2*2*pageSize
	page := uint32(0)
	for {
		rva, size := p.u32(at), p.u32(at+4)
		if rva%pageSize != 0 || rva <= page || int64(rva) >= int64(len(p.b)) || size <= header || size > most || size%2 != 0 {
			return good, bad, bits
		}
		for off := uint32(header); off < size && p.steps < maxSteps; off += 2 {
			p.steps++
			e := uint32(p.pointer(at+off, 2))
			width := map[uint32]int{0: 0, 3: 4, 10: 8}[e>>12] // ABSOLUTE, HIGHLOW, DIR64
			switch target := p.pointer(rva+e&0xfff, width); {
			case e>>12 == 0 || width != 0 && target == 0: // filling, or a page that cannot be read
			case width == 0 || !p.inside(target):
				bad++
			default:
				good, bits = good+1, 8*width
			}
		}
		page, at = rva, at+size
	}
}

// maxModuleNames bounds the names of modules that are looked for.
const maxModuleNames = 1 << 12

// moduleNames finds the names of modules in the body by their RVAs.
func (p *peBody) moduleNames() map[uint32]string {
	const ending, most = 4, 64 // bytes from the dot on, and before it
	out := map[uint32]string{}
	for dot := 0; len(out) < maxModuleNames; dot++ {
		i := bytes.IndexByte(p.b[dot:], '.')
		if i < 0 || dot+i+ending >= len(p.b) {
			break
		}
		dot += i
		if !isModuleEnding([ending]byte(p.b[dot:])) || p.b[dot+ending] != 0 {
			continue
		}
		start := dot
		for start > 0 && dot-start < most && isNameByte(p.b[start-1]) {
			start--
		}
		if start < dot {
			out[uint32(start)] = string(p.b[start : dot+ending])
		}
	}
	return out
}

// isModuleEnding reports whether b ends the name of a file with exports, in any case.
func isModuleEnding(b [4]byte) bool {
	for i := range b[1:] {
		b[1+i] |= 0x20
	}
	switch string(b[:]) {
	case ".dll", ".exe", ".drv", ".ocx", ".sys":
		return true
	}
	return false
}

func isNameByte(c byte) bool { return c > ' ' && c <= '~' }

// namedTables looks for import descriptors and for an export directory: both have the RVA of a module's name as their
// fourth number. It returns the number of descriptors, and the exported name.
func (p *peBody) namedTables() (imports int, exported string) {
	names := p.moduleNames()
	if len(names) == 0 {
		return 0, ""
	}
	for at := uint32(12); int64(at)+4 <= int64(len(p.b)) && imports < maxModuleNames; at += 4 {
		rva := binary.LittleEndian.Uint32(p.b[at:])
		if rva < pageSize/4 || int64(rva) >= int64(len(p.b)) {
			continue
		}
		name, ok := names[rva]
		switch {
		case !ok:
		case p.isImport(at - 12):
			imports++
		case exported == "" && p.isExport(at-12):
			exported = name
		}
	}
	return imports, exported
}

// isImport reports whether there is an IMAGE_IMPORT_DESCRIPTOR at an RVA: its lookup table leads to the name of a
// function, or its address table into a loaded module.
func (p *peBody) isImport(at uint32) bool {
	lookup, thunks := p.u32(at), p.u32(at+16)
	if thunks == 0 || int64(thunks) >= int64(len(p.b)) || int64(lookup) >= int64(len(p.b)) || thunks%4 != 0 {
		return false
	}
	if lookup != 0 && p.isFunctionName(p.u32(lookup)+2) {
		return true
	}
	return p.inDLL(p.pointer(thunks, 8)) || p.inDLL(p.pointer(thunks, 4))
}

// isFunctionName reports whether at an RVA there is a name of at least 3 bytes.
func (p *peBody) isFunctionName(rva uint32) bool {
	if rva < 0x40 || int64(rva) >= int64(len(p.b)) {
		return false
	}
	n := bytes.IndexFunc(p.b[rva:min(len(p.b), int(rva)+256)], func(r rune) bool { return r <= ' ' || r > '~' })
	return n >= 3 && p.b[int(rva)+n] == 0
}

// isExport reports whether there is an IMAGE_EXPORT_DIRECTORY at an RVA: its tables lie in the body, and the first name
// is a name.
func (p *peBody) isExport(at uint32) bool {
	functions, names := p.u32(at+20), p.u32(at+24)
	if p.u32(at) != 0 || functions == 0 || functions > 1<<16 || names > functions {
		return false
	}
	for off := uint32(28); off <= 36; off += 4 {
		if table := p.u32(at + off); int64(table) >= int64(len(p.b)) || table == 0 && (off == 28 || names > 0) {
			return false
		}
	}
	return names > 0 && p.isFunctionName(p.u32(p.u32(at+32)))
}

// leastUnwind is how many functions an unwind table must have.
const leastUnwind = 8

// unwindTable looks at each page for an x64 table of RUNTIME_FUNCTION, and returns the number of functions: they
// ascend, and each has unwind information of a known version.
func (p *peBody) unwindTable() int {
	for at := uint32(pageSize); int64(at) < int64(len(p.b)); at += pageSize {
		n, end := 0, uint32(0)
		for e := at; ; e += 12 {
			from, to, info := p.u32(e), p.u32(e+4), p.u32(e+8)
			if from < end || from == 0 || to <= from || int64(to) > int64(len(p.b)) || info%4 != 0 || int64(info) >= int64(len(p.b)) || !isUnwindInfo(p.b[info]) {
				break
			}
			n, end = n+1, to
		}
		if n >= leastUnwind {
			return n
		}
	}
	return 0
}

// isUnwindInfo reports whether UNWIND_INFO can begin so: version 1 or 2, flags below 5.
func isUnwindInfo(b byte) bool { return (b&7 == 1 || b&7 == 2) && b>>3 < 5 }
