package synth

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// addImports writes the import directory: descriptors, lookup tables, address
// tables (equal to the lookup tables until bound), hints and names.
func (l *peLayout) addImports() {
	ptr := l.ptr()
	thunks := 0
	for _, i := range l.Imports {
		thunks += (len(i.Names) + 1) * ptr
	}
	descriptors := (len(l.Imports) + 1) * 20
	b := make([]byte, descriptors+2*thunks)
	ilt, iat := descriptors, descriptors+thunks
	l.dirs[dirIAT] = [2]uint32{l.rva + uint32(iat), uint32(thunks)}
	for n, i := range l.Imports {
		d := n * 20
		put32(b, d, l.rva+uint32(ilt))
		put32(b, d+12, l.rva+uint32(len(b)))
		put32(b, d+16, l.rva+uint32(iat))
		b = padEven(append(append(b, i.DLL...), 0))
		for _, name := range i.Names {
			thunk := l.thunk(&b, name)
			putN(b, ilt, thunk, ptr)
			putN(b, iat, thunk, ptr)
			ilt, iat = ilt+ptr, iat+ptr
		}
		ilt, iat = ilt+ptr, iat+ptr
	}
	l.dirs[dirImport] = [2]uint32{l.rva, uint32(descriptors)}
	l.add(PESection{Name: ".idata", Data: b, Flags: SectionData})
}

// thunk is the lookup entry of an import; it appends the hint and name.
func (l *peLayout) thunk(b *[]byte, name string) uint64 {
	if ordinal, ok := strings.CutPrefix(name, "#"); ok {
		n, _ := strconv.ParseUint(ordinal, 10, 16)
		return 1<<(l.Bits-1) | n
	}
	rva := uint64(l.rva) + uint64(len(*b))
	*b = padEven(append(append(append(*b, 0, 0), name...), 0))
	return rva
}

func padEven(p []byte) []byte { return append(p, make([]byte, len(p)%2)...) }

// addExports writes the export directory with its three tables and the names.
func (l *peLayout) addExports() {
	exports := slices.SortedFunc(slices.Values(l.Exports), func(a, b Export) int { return strings.Compare(a.Name, b.Name) })
	n := len(exports)
	functions, names, ordinals := 40, 40+4*n, 40+8*n
	b := make([]byte, 40+10*n)
	put32(b, 4, l.Stamp)
	put32(b, 12, l.rva+uint32(len(b)))
	b = append(append(b, l.ExportName...), 0)
	put32(b, 16, 1) // Base
	put32(b, 20, uint32(n))
	put32(b, 24, uint32(n))
	put32(b, 28, l.rva+uint32(functions))
	put32(b, 32, l.rva+uint32(names))
	put32(b, 36, l.rva+uint32(ordinals))
	for i, e := range exports {
		put32(b, functions+4*i, e.RVA)
		put32(b, names+4*i, l.rva+uint32(len(b)))
		binary.LittleEndian.PutUint16(b[ordinals+2*i:], uint16(i))
		b = append(append(b, e.Name...), 0)
	}
	l.dirs[dirExport] = [2]uint32{l.rva, uint32(len(b))}
	l.add(PESection{Name: ".edata", Data: b, Flags: SectionReadOnly})
}

// addDebug writes the debug directory with one CodeView entry.
func (l *peLayout) addDebug() {
	record := l.Debug.bytes()
	b := append(make([]byte, 28), record...)
	put32(b, 4, l.Stamp)
	put32(b, 12, 2) // IMAGE_DEBUG_TYPE_CODEVIEW
	put32(b, 16, uint32(len(record)))
	put32(b, 20, l.rva+28)
	put32(b, 24, l.raw+28)
	l.dirs[dirDebug] = [2]uint32{l.rva, 28}
	l.add(PESection{Name: ".rdata", Data: b, Flags: SectionReadOnly})
}

// bytes is the record as it lies in the file. The first three parts of the
// GUID are little-endian integers, printed big-endian.
func (r *RSDS) bytes() []byte {
	guid, err := hex.DecodeString(r.GUID)
	if err != nil || len(guid) != 16 {
		guid = make([]byte, 16)
	}
	slices.Reverse(guid[0:4])
	slices.Reverse(guid[4:6])
	slices.Reverse(guid[6:8])
	b := append([]byte("RSDS"), guid...)
	b = binary.LittleEndian.AppendUint32(b, r.Age)
	return append(append(b, r.PDB...), 0)
}

// relocBlocks writes .reloc: a block per page, each a multiple of 4 bytes.
func relocBlocks(rvas []uint32, bits int) []byte {
	kind := uint16(3) // IMAGE_REL_BASED_HIGHLOW
	if bits == 64 {
		kind = 10 // IMAGE_REL_BASED_DIR64
	}
	var b []byte
	sorted := slices.Sorted(slices.Values(rvas))
	for len(sorted) > 0 {
		page := sorted[0] &^ 0xfff
		n := 0
		for n < len(sorted) && sorted[n]&^0xfff == page {
			n++
		}
		b = append(b, relocBlock(page, sorted[:n], kind)...)
		sorted = sorted[n:]
	}
	return b
}

func relocBlock(page uint32, rvas []uint32, kind uint16) []byte {
	b := make([]byte, 8, 8+2*len(rvas)+2)
	for _, rva := range rvas {
		b = binary.LittleEndian.AppendUint16(b, kind<<12|uint16(rva&0xfff))
	}
	b = pad(b, alignUp(len(b), 4)) // IMAGE_REL_BASED_ABSOLUTE
	put32(b, 0, page)
	put32(b, 4, uint32(len(b)))
	return b
}
