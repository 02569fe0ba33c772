// Package pedump turns a module in an address space into the executable files that Volatility 2 writes for it: the
// memory layout (procmemdump) and the file layout (procexedump). Only headers are read; the files are extents over the
// module, and their bytes are read on demand.
//
// Below it is package sparse, which has the Readers that it returns; above it are packages memimage and fs. It knows
// nothing of processes or page tables: a module is a sparse.Source with the RVA as its offset.
//
// The rules are Volatility 2's to the byte, its sanity checks included. Where Volatility stops or crashes half-way,
// there is no file but an error that says why.
package pedump

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"memlens/memimage/reason"
	"memlens/memimage/sparse"
)

const (
	dosSignature = 0x5a4d // IMAGE_DOS_SIGNATURE, "MZ"
	ntSignature  = 0x4550 // IMAGE_NT_SIGNATURE, "PE\0\0"

	magicPE32     = 0x10b // IMAGE_NT_OPTIONAL_HDR32_MAGIC
	magicPE32Plus = 0x20b // IMAGE_NT_OPTIONAL_HDR64_MAGIC

	lfanewOffset   = 0x3c // _IMAGE_DOS_HEADER.e_lfanew
	optionalOffset = 0x18 // _IMAGE_NT_HEADERS.OptionalHeader
	neededOptional = 60   // _IMAGE_OPTIONAL_HEADER up to and with SizeOfImage: both layouts need that
	maxOptional    = 240  // the whole of _IMAGE_OPTIONAL_HEADER64 with its 16 directories
	maxDirectories = 16   // IMAGE_NUMBEROF_DIRECTORY_ENTRIES
)

// Directory is one _IMAGE_DATA_DIRECTORY: an RVA and a size in bytes, both unchecked.
type Directory struct {
	VirtualAddress uint32
	Size           uint32
}

// Image holds the values in a module's headers. Nothing in it is checked beyond Volatility 2's checks: every number may
// be hostile. It is immutable and does not hold on to the module.
type Image struct {
	NTOffset             int64 // RVA of _IMAGE_NT_HEADERS: e_lfanew, which is signed
	Machine              uint16
	NumberOfSections     uint16 // by the header; Sections may hold fewer
	TimeDateStamp        uint32
	SizeOfOptionalHeader uint16
	Characteristics      uint16

	Magic              uint16 // 0x10b PE32, 0x20b PE32+, anything in a damaged header
	EntryPoint         uint32 // RVA
	ImageBase          uint64 // 0 when Magic is neither PE32 nor PE32+
	SectionAlignment   uint32
	FileAlignment      uint32
	SizeOfImage        uint32
	SizeOfHeaders      uint32
	CheckSum           uint32 // 0 when the page that holds it is missing
	Subsystem          uint16 // 0 when the page that holds it is missing
	DllCharacteristics uint16 // 0 when the page that holds it is missing

	// Directories are the data directories that are readable and lie inside the optional header.
	Directories []Directory

	// Sections are the section headers up to the first one that Volatility would stop at.
	Sections []Section

	index    sparse.Index // of Sections, by RVA
	table    int64        // RVA of the section table
	tableErr error        // why Sections ends before NumberOfSections
	short    error        // why the optional header ends before SizeOfHeaders
	cut      bool         // the last of Sections has its fields, but its header's end is missing
}

// PE32Plus reports whether the optional header is a 64-bit one by its Magic.
func (im *Image) PE32Plus() bool { return im.Magic == magicPE32Plus }

// SectionTable returns the RVA of the section table. Its rows are 40 bytes each.
func (im *Image) SectionTable() int64 { return im.table }

// SectionsError says why Sections holds fewer than NumberOfSections headers: a *SectionError, or nil when it holds all.
// Neither layout can be built when it is not nil.
func (im *Image) SectionsError() error { return im.tableErr }

// Parse reads the headers of a module. It makes Volatility 2's checks and no more: the MZ and PE
// signatures; e_lfanew is signed and not bounded. Its error is a *HeaderError when the headers are
// missing or wrong, and wraps any other error of the module.
func Parse(module sparse.Source) (*Image, error) {
	nt, err := findNTHeaders(module)
	if err != nil {
		return nil, err
	}
	im := &Image{NTOffset: nt}
	if err := im.readNTHeaders(module); err != nil {
		return nil, err
	}
	if err := im.readSections(module); err != nil {
		return nil, err
	}
	return im, nil
}

// findNTHeaders follows _IMAGE_DOS_HEADER.e_lfanew, as _IMAGE_DOS_HEADER.get_nt_header does.
func findNTHeaders(module sparse.Source) (int64, error) {
	var dos [lfanewOffset + 4]byte
	n, err := readPrefix(module, dos[:], 0)
	switch {
	case unexpected(err):
		return 0, fmt.Errorf("pedump: reading the DOS header: %w", err)
	case n < 2:
		return 0, &HeaderError{Code: reason.HeaderMissing, Reason: "the header page is not in memory", Err: err}
	}
	if magic := binary.LittleEndian.Uint16(dos[:]); magic != dosSignature {
		return 0, &HeaderError{Code: reason.HeaderNoMZ, Reason: fmt.Sprintf("no MZ signature at the image base: found %#04x", magic)}
	}
	if n < len(dos) {
		return 0, &HeaderError{RVA: lfanewOffset, Code: reason.HeaderMissing, Reason: "e_lfanew is not in memory", Err: err}
	}
	return int64(int32(binary.LittleEndian.Uint32(dos[lfanewOffset:]))), nil
}

// readNTHeaders fills im from _IMAGE_NT_HEADERS at im.NTOffset.
func (im *Image) readNTHeaders(module sparse.Source) error {
	var b [optionalOffset + maxOptional]byte
	n, err := readPrefix(module, b[:], im.NTOffset)
	if im.NTOffset < 0 && err != nil && n < 4 {
		return im.headerError(reason.HeaderBad, "which lies before the image", nil)
	}
	switch {
	case unexpected(err):
		return fmt.Errorf("pedump: reading the NT headers at RVA %#x: %w", im.NTOffset, err)
	case n < 4:
		return im.headerError(reason.HeaderMissing, "which is not in memory", err)
	}
	if sig := binary.LittleEndian.Uint32(b[:]); sig != ntSignature {
		return im.headerError(reason.HeaderNoPE, fmt.Sprintf("where there is no PE signature: found %#08x", sig), nil)
	}
	if n < optionalOffset+neededOptional+4 {
		im.short = &HeaderError{RVA: im.NTOffset + int64(n), Code: reason.HeaderMissing, Reason: "the optional header is not all in memory", Err: err}
	}
	if n < optionalOffset+neededOptional {
		return im.short
	}
	im.decodeFileHeader(b[4:optionalOffset])
	im.decodeOptionalHeader(b[optionalOffset:n])
	im.table = im.NTOffset + optionalOffset + int64(im.SizeOfOptionalHeader)
	return nil
}

func (im *Image) headerError(code reason.Code, what string, err error) error {
	return &HeaderError{RVA: im.NTOffset, Code: code, Reason: fmt.Sprintf("e_lfanew leads to RVA %#x, %s", im.NTOffset, what), Err: err}
}

// decodeFileHeader decodes _IMAGE_FILE_HEADER.
func (im *Image) decodeFileHeader(b []byte) {
	im.Machine = binary.LittleEndian.Uint16(b[0:])
	im.NumberOfSections = binary.LittleEndian.Uint16(b[2:])
	im.TimeDateStamp = binary.LittleEndian.Uint32(b[4:])
	im.SizeOfOptionalHeader = binary.LittleEndian.Uint16(b[16:])
	im.Characteristics = binary.LittleEndian.Uint16(b[18:])
}

// decodeOptionalHeader decodes _IMAGE_OPTIONAL_HEADER or _IMAGE_OPTIONAL_HEADER64. At least neededOptional bytes are
// present. The two differ at ImageBase and from offset 72 on.
func (im *Image) decodeOptionalHeader(b []byte) {
	im.Magic = binary.LittleEndian.Uint16(b[0:])
	im.EntryPoint = binary.LittleEndian.Uint32(b[16:])
	im.SectionAlignment = binary.LittleEndian.Uint32(b[32:])
	im.FileAlignment = binary.LittleEndian.Uint32(b[36:])
	im.SizeOfImage = binary.LittleEndian.Uint32(b[56:])
	if len(b) >= neededOptional+4 {
		im.SizeOfHeaders = binary.LittleEndian.Uint32(b[60:])
	}
	if len(b) >= 72 {
		im.CheckSum = binary.LittleEndian.Uint32(b[64:])
		im.Subsystem = binary.LittleEndian.Uint16(b[68:])
		im.DllCharacteristics = binary.LittleEndian.Uint16(b[70:])
	}
	directories := 0
	switch im.Magic {
	case magicPE32:
		im.ImageBase = uint64(binary.LittleEndian.Uint32(b[28:]))
		directories = 92
	case magicPE32Plus:
		im.ImageBase = binary.LittleEndian.Uint64(b[24:])
		directories = 108
	default:
		return
	}
	im.decodeDirectories(b[:min(len(b), int(im.SizeOfOptionalHeader))], directories)
}

// decodeDirectories reads the count at offset at of the optional header and the directories behind it, as far as they
// are present.
func (im *Image) decodeDirectories(b []byte, at int) {
	if len(b) < at+4 {
		return
	}
	count := min(binary.LittleEndian.Uint32(b[at:]), maxDirectories)
	rows := b[at+4:]
	for i := 0; i < int(count) && len(rows) >= 8*(i+1); i++ {
		im.Directories = append(im.Directories, Directory{
			VirtualAddress: binary.LittleEndian.Uint32(rows[8*i:]),
			Size:           binary.LittleEndian.Uint32(rows[8*i+4:]),
		})
	}
}

// readPrefix reads p up to the first byte that cannot be read. Its error is nil exactly when p is full.
func readPrefix(r sparse.Source, p []byte, off int64) (int, error) {
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return n, nil
	case err == nil:
		return n, io.ErrUnexpectedEOF
	}
	return n, cause(err)
}

// cause removes a hole's offsets from err where the hole has a reason: the errors here name the RVA.
func cause(err error) error {
	if hole := new(sparse.HoleError); errors.As(err, &hole) && hole.Err != nil {
		return &gapError{hole.Err, hole.Len}
	}
	return err
}

// gapError is a hole's reason. It still counts as a gap.
type gapError struct {
	error
	n int64
}

func (e *gapError) Gap() int64    { return e.n }
func (e *gapError) Unwrap() error { return e.error }

// unexpected reports whether err is a failure to read and not a fact about the memory: a gap, or
// the end of the address space.
func unexpected(err error) bool {
	var gap sparse.Gap
	return err != nil && !errors.Is(err, io.EOF) && !errors.As(err, &gap)
}

// cString returns b up to its first NUL.
func cString(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}
