package nt

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// HeaderState says which parts of an executable's headers are left in memory.
type HeaderState uint8

// The states. Programs erase headers to hide; where the whole header is gone, only the contents of the sections prove
// an executable.
const (
	HeaderUnread       HeaderState = iota // nobody looked
	HeaderIntact                          // both signatures are there
	HeaderNoMZ                            // the DOS signature is erased
	HeaderNoPE                            // the PE signature is erased, or e_lfanew does not lead to it
	HeaderNoSignatures                    // both are erased; other fields are there
	HeaderWiped                           // nothing is left that shows an executable
	HeaderUnreadable                      // the page of the header cannot be read
)

// String says the state in words.
func (s HeaderState) String() string {
	return [...]string{"not read", "intact", "MZ erased", "PE erased", "MZ and PE erased", "erased", "not in memory"}[s]
}

// left says in words which parts of a header are left.
func (s HeaderState) left() string {
	switch s {
	case HeaderNoMZ:
		return "all but MZ"
	case HeaderNoPE:
		return "all but the PE signature, or the way to it"
	case HeaderNoSignatures:
		return "some, without signatures"
	case HeaderUnreadable:
		return "not known, it is not in memory"
	}
	return "nothing"
}

// Erased reports whether something was taken out of the header.
func (s HeaderState) Erased() bool { return s >= HeaderNoMZ && s <= HeaderWiped }

// peHeader holds the values in the headers of an executable, as far as they are left.
type peHeader struct {
	state    HeaderState
	bits     int    // 0 where it is not known
	size     int64  // SizeOfImage, or where the sections end
	entry    uint32 // AddressOfEntryPoint; 0 where it is not known
	dirs     []directory
	sections []peSection
}

// peSection is an _IMAGE_SECTION_HEADER.
type peSection struct {
	name                     string
	size, rva                uint32
	rawSize, raw             uint32
	execute, readable, write bool
}

// Sizes and limits of headers (IMAGE_NT_HEADERS, IMAGE_SECTION_HEADER).
const (
	peOptional     = 24 // offset of the optional header from the signature
	peSectionSize  = 40
	maxPESections  = 96      // the loader's limit
	maxPEImage     = 1 << 31 // bytes
	maxDirectories = 16
	lfanewAt       = 0x3c
	headerReach    = 0x800 // how far from the start of a page a signature is looked for
	leastHeader    = peOptional + 0x60
)

// findPEHeader looks for the headers of an executable, or their remains, at the start of a page.
func findPEHeader(page []byte) (peHeader, bool) {
	if len(page) < 0x100 {
		return peHeader{}, false
	}
	mz := page[0] == 'M' && page[1] == 'Z'
	lfanew := int64(binary.LittleEndian.Uint32(page[lfanewAt:]))
	if h, ok := headerAt(page, lfanew); ok && lfanew%4 == 0 {
		return h.of(mz, hasPE(page, lfanew)), true
	}
	if at := bytes.Index(page[:min(headerReach, len(page))], []byte("PE\x00\x00")); at >= 0 && at%4 == 0 {
		if h, ok := headerAt(page, int64(at)); ok {
			return h.of(mz, !mz), true // an MZ that does not lead to it belongs to a header that lost the way to it
		}
	}
	for at := 0; at < min(headerReach, len(page)-leastHeader); at += 4 {
		if machineBits(page[at+4:]) == 0 {
			continue
		}
		if h, ok := headerAt(page, int64(at)); ok {
			return h.of(mz, false), true
		}
	}
	return findSectionTable(page)
}

// of returns the header with its state by the signatures.
func (h peHeader) of(mz, pe bool) peHeader {
	switch {
	case mz && pe:
		h.state = HeaderIntact
	case pe:
		h.state = HeaderNoMZ
	case mz:
		h.state = HeaderNoPE
	default:
		h.state = HeaderNoSignatures
	}
	return h
}

func hasPE(page []byte, at int64) bool {
	return at >= 0 && at+4 <= int64(len(page)) && string(page[at:at+4]) == "PE\x00\x00"
}

// machineBits returns the width of the machine that b begins with (IMAGE_FILE_HEADER.Machine); 0 for none that Windows runs.
func machineBits(b []byte) int {
	switch binary.LittleEndian.Uint16(b) {
	case 0x14c, 0x1c4:
		return 32
	case 0x8664, 0xaa64:
		return 64
	}
	return 0
}

// headerAt reads the headers with a signature, or an erased signature, at an offset. It reports whether their fields
// agree with each other as a linker writes them; the signature does not count.
func headerAt(page []byte, at int64) (peHeader, bool) {
	if at < 0 || at+leastHeader > int64(len(page)) {
		return peHeader{}, false
	}
	b := page[at:]
	u16 := func(off int) uint16 { return binary.LittleEndian.Uint16(b[off:]) }
	u32 := func(off int) uint32 { return binary.LittleEndian.Uint32(b[off:]) }
	h := peHeader{bits: machineBits(b[4:]), entry: u32(peOptional + 16), size: int64(u32(peOptional + 56))}
	dirs := 0x60
	if h.bits == 64 {
		dirs = 0x70
	}
	optional, count := int(u16(20)), int(u16(6))
	align, fileAlign := u32(peOptional+32), u32(peOptional+36)
	switch {
	case h.bits == 0 || u16(peOptional) != map[int]uint16{32: 0x10b, 64: 0x20b}[h.bits],
		optional < dirs || optional > 0x200 || optional%4 != 0,
		count < 1 || count > maxPESections,
		!isPowerOfTwo(align) || !isPowerOfTwo(fileAlign) || fileAlign > align,
		h.size <= 0 || h.size > maxPEImage || int64(h.entry) >= h.size,
		int64(u32(peOptional+60)) > h.size:
		return peHeader{}, false
	}
	h.dirs = readDirectories(b[min(len(b), peOptional+dirs-4):], (optional-dirs)/8)
	h.sections = readSections(b[min(len(b), peOptional+optional):], count)
	return h, len(h.sections) > 0 && h.ordered(align)
}

func isPowerOfTwo(v uint32) bool { return v != 0 && v&(v-1) == 0 }

// readDirectories reads the data directories behind their number, at most limit.
func readDirectories(b []byte, limit int) (out []directory) {
	if len(b) < 4 {
		return nil
	}
	n := min(int(min(binary.LittleEndian.Uint32(b), maxDirectories)), limit)
	for b = b[4:]; len(b) >= 8 && len(out) < n; b = b[8:] {
		out = append(out, directory{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])})
	}
	return out
}

// readSections reads up to count section headers, as many as are there.
func readSections(b []byte, count int) (out []peSection) {
	for ; len(b) >= peSectionSize && len(out) < count; b = b[peSectionSize:] {
		u32 := func(off int) uint32 { return binary.LittleEndian.Uint32(b[off:]) }
		name, _, _ := bytes.Cut(b[:8], []byte{0})
		flags := u32(36)
		out = append(out, peSection{
			name: string(name), size: u32(8), rva: u32(12), rawSize: u32(16), raw: u32(20),
			execute: flags&0x20000000 != 0, readable: flags&0x40000000 != 0, write: flags&0x80000000 != 0,
		})
	}
	return out
}

// ordered reports whether the sections follow each other inside the image, each at a multiple of the alignment.
func (h *peHeader) ordered(align uint32) bool {
	end := int64(1)
	for i := range h.sections {
		s := &h.sections[i]
		if int64(s.rva) < end || int64(s.rva) >= h.size || align >= pageSize && s.rva%align != 0 {
			return false
		}
		end = int64(s.rva) + max(int64(s.size), 1)
	}
	return end <= roundUp(h.size, pageSize)
}

// directory returns a data directory by its number; an empty one where there is none.
func (h *peHeader) directory(i int) directory {
	if i >= len(h.dirs) {
		return directory{}
	}
	return h.dirs[i]
}

// rawEnd returns where the bytes of the last section end in the file.
func (h *peHeader) rawEnd() int64 {
	end := int64(0)
	for i := range h.sections {
		if s := &h.sections[i]; s.raw != 0 {
			end = max(end, int64(s.raw)+int64(s.rawSize))
		}
	}
	return end
}

// says names the parts of the header that indicate an executable.
func (h *peHeader) says() string {
	out := fmt.Sprintf("%d sections in order", len(h.sections))
	if h.entryInCode() {
		out += ", the entry point in a section with code"
	}
	return out
}

// entryInCode reports whether the entry point lies in a section that can be executed.
func (h *peHeader) entryInCode() bool {
	for i := range h.sections {
		s := &h.sections[i]
		if s.execute && h.entry >= s.rva && int64(h.entry) < int64(s.rva)+max(int64(s.size), int64(s.rawSize)) {
			return true
		}
	}
	return false
}
