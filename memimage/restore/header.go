package restore

import (
	"encoding/binary"
	"fmt"

	"memlens/memimage/reason"
	"memlens/memimage/sparse"
)

const (
	magicPE32     = 0x10b // IMAGE_NT_OPTIONAL_HDR32_MAGIC
	magicPE32Plus = 0x20b // IMAGE_NT_OPTIONAL_HDR64_MAGIC

	relocsStripped = 0x1 // IMAGE_FILE_RELOCS_STRIPPED

	scnShared  = 0x10000000 // IMAGE_SCN_MEM_SHARED
	scnExecute = 0x20000000 // IMAGE_SCN_MEM_EXECUTE
	scnWrite   = 0x80000000 // IMAGE_SCN_MEM_WRITE

	dirImport     = 1  // IMAGE_DIRECTORY_ENTRY_IMPORT
	dirCert       = 4  // IMAGE_DIRECTORY_ENTRY_SECURITY: a file offset, not an RVA
	dirReloc      = 5  // IMAGE_DIRECTORY_ENTRY_BASERELOC
	dirDebug      = 6  // IMAGE_DIRECTORY_ENTRY_DEBUG
	dirTLS        = 9  // IMAGE_DIRECTORY_ENTRY_TLS
	dirLoadConfig = 10 // IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG
	dirBound      = 11 // IMAGE_DIRECTORY_ENTRY_BOUND_IMPORT
	dirIAT        = 12 // IMAGE_DIRECTORY_ENTRY_IAT
	dirDelay      = 13 // IMAGE_DIRECTORY_ENTRY_DELAY_IMPORT
	dirCLR        = 14 // IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR
	dirCount      = 16 // IMAGE_NUMBEROF_DIRECTORY_ENTRIES

	maxLfanew         = 1 << 20 // headers further off than this are not headers
	sectionHeaderSize = 40      // sizeof(_IMAGE_SECTION_HEADER)
	optionalSize32    = 96      // _IMAGE_OPTIONAL_HEADER up to its directories
	optionalSize64    = 112     // _IMAGE_OPTIONAL_HEADER64 up to its directories
)

// HeaderError says why there is no header to restore a file by. Its text is one sentence.
type HeaderError struct {
	RVA    int64
	Code   reason.Code
	Reason string
}

// ReasonCode implements [reason.Coded].
func (e *HeaderError) ReasonCode() reason.Code { return e.Code }

// Error returns the reason.
func (e *HeaderError) Error() string {
	return fmt.Sprintf("no usable PE header: %s (RVA %#x)", e.Reason, e.RVA)
}

// header holds the members of a PE header that restoring needs. All numbers may be hostile.
type header struct {
	plus            bool // PE32+
	characteristics uint16
	dllFlags        uint16 // DllCharacteristics
	linker          uint8  // MajorLinkerVersion
	imageBase       uint64
	imageBaseAt     int64 // file offset, and RVA, of ImageBase
	sectionAlign    uint32
	fileAlign       uint32
	sizeOfImage     uint32
	sizeOfHeaders   uint32
	checkSum        uint32
	checkSumAt      int64
	directories     [dirCount]directory
	symbols         uint32 // PointerToSymbolTable: a file offset
	symbolCount     uint32 // NumberOfSymbols
	sections        []section
	sectionIndex    sparse.Index // by RVA
	tableEnd        int64        // file offset at which the section table ends
}

type directory struct{ rva, size uint32 }

// section is an _IMAGE_SECTION_HEADER.
type section struct {
	name                string
	virtualSize, rva    uint32
	rawSize, rawPointer uint32
	characteristics     uint32
}

// pointerSize returns the size of an address, and of a thunk, in bytes.
func (h *header) pointerSize() int {
	if h.plus {
		return 8
	}
	return 4
}

// mappedAsFile reports whether the image lies in memory as in the file: sections aligned to less than a page share
// pages, and all pages are writable copies.
func (h *header) mappedAsFile() bool { return h.sectionAlign < pageSize }

// sectionAt returns the index of the first section with rva in its pages, -1 when there is none.
func (h *header) sectionAt(rva uint32) int { return h.sectionIndex.At(int64(rva)) }

// end returns the RVA at which the last page of the section ends: VirtualSize counts, and
// SizeOfRawData when that is 0.
func (s *section) end() int64 {
	size := s.virtualSize
	if size == 0 {
		size = s.rawSize
	}
	return (int64(s.rva) + int64(size) + pageSize - 1) &^ (pageSize - 1)
}

// readHeader reads the header from the best source of each of its pages.
func (w *work) readHeader() error {
	var dos [64]byte
	if !w.read(dos[:], 0) {
		return &HeaderError{0, reason.HeaderMissing, "the header page is missing"}
	}
	if magic := binary.LittleEndian.Uint16(dos[:]); magic != 0x5a4d {
		return &HeaderError{0, reason.HeaderNoMZ, fmt.Sprintf("no MZ signature: found %#04x", magic)}
	}
	nt := int64(binary.LittleEndian.Uint32(dos[60:]))
	if nt > maxLfanew {
		return &HeaderError{60, reason.HeaderBad, fmt.Sprintf("e_lfanew leads to %#x, far beyond any header", nt)}
	}
	var b [24 + optionalSize64]byte
	if !w.read(b[:], nt) {
		return &HeaderError{nt, reason.HeaderMissing, "the page of the NT headers is missing"}
	}
	if sig := binary.LittleEndian.Uint32(b[:]); sig != 0x4550 {
		return &HeaderError{nt, reason.HeaderNoPE, fmt.Sprintf("no PE signature where e_lfanew leads: found %#08x", sig)}
	}
	if err := w.readOptional(nt+24, b[24:]); err != nil {
		return err
	}
	w.h.symbols, w.h.symbolCount = binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint32(b[16:])
	w.h.characteristics = binary.LittleEndian.Uint16(b[22:])
	table := nt + 24 + int64(binary.LittleEndian.Uint16(b[20:]))
	if err := w.readSections(table, int(binary.LittleEndian.Uint16(b[6:]))); err != nil {
		return err
	}
	if h := &w.h; h.sizeOfHeaders >= h.sizeOfImage && w.in.Doubt == "" {
		w.in.Doubt = noteUnloadable
	}
	w.setPieces(w.h.pieces(w.asFile()))
	w.measure()
	return nil
}

// readOptional reads the optional header at rva. b holds its first bytes.
func (w *work) readOptional(rva int64, b []byte) error {
	h := &w.h
	h.sectionAlign = binary.LittleEndian.Uint32(b[32:])
	h.fileAlign = binary.LittleEndian.Uint32(b[36:])
	h.sizeOfImage = binary.LittleEndian.Uint32(b[56:])
	h.sizeOfHeaders = binary.LittleEndian.Uint32(b[60:])
	h.checkSum = binary.LittleEndian.Uint32(b[64:])
	h.checkSumAt = rva + 64
	h.dllFlags = binary.LittleEndian.Uint16(b[70:])
	h.linker = b[2]
	size := int64(optionalSize32)
	switch magic := binary.LittleEndian.Uint16(b); magic {
	case magicPE32:
		h.imageBase, h.imageBaseAt = uint64(binary.LittleEndian.Uint32(b[28:])), rva+28
	case magicPE32Plus:
		h.imageBase, h.imageBaseAt, h.plus = binary.LittleEndian.Uint64(b[24:]), rva+24, true
		size = optionalSize64
	default:
		return &HeaderError{rva, reason.HeaderBad, fmt.Sprintf("the optional header is neither PE32 nor PE32+: magic %#x", magic)}
	}
	count := int(min(binary.LittleEndian.Uint32(b[size-4:]), dirCount))
	rows := make([]byte, 8*count)
	if !w.read(rows, rva+size) {
		return &HeaderError{rva + size, reason.HeaderMissing, "the page of the data directories is missing"}
	}
	for i := range count {
		h.directories[i] = directory{binary.LittleEndian.Uint32(rows[8*i:]), binary.LittleEndian.Uint32(rows[8*i+4:])}
	}
	return nil
}

func (w *work) readSections(rva int64, count int) error {
	table := make([]byte, count*sectionHeaderSize)
	if !w.read(table, rva) {
		return &HeaderError{rva, reason.SectionsMissing, fmt.Sprintf("a page of the table of %d sections is missing", count)}
	}
	w.h.sections, w.h.tableEnd = make([]section, count), rva+int64(len(table))
	for i := range w.h.sections {
		b := table[i*sectionHeaderSize:]
		w.h.sections[i] = section{
			name:            sectionName(b[:8]),
			virtualSize:     binary.LittleEndian.Uint32(b[8:]),
			rva:             binary.LittleEndian.Uint32(b[12:]),
			rawSize:         binary.LittleEndian.Uint32(b[16:]),
			rawPointer:      binary.LittleEndian.Uint32(b[20:]),
			characteristics: binary.LittleEndian.Uint32(b[36:]),
		}
	}
	w.h.sectionIndex = sparse.NewIndex(count, func(i int) (int64, int64) {
		s := &w.h.sections[i]
		return int64(s.rva), s.end() - int64(s.rva)
	})
	return nil
}

func sectionName(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
