// Package pe reads portable executables, in their layout on disk or in memory, from sources that have holes. All
// results were read from bytes that are present: a fact that touches a hole is reported as unreadable, and never made
// of zeros.
//
// Below it is package sparse; above it are memimage and fs. All numbers that it returns may be hostile.
package pe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"memlens/memimage/sparse"
)

const (
	magicPE32     = 0x10b // IMAGE_NT_OPTIONAL_HDR32_MAGIC
	magicPE32Plus = 0x20b // IMAGE_NT_OPTIONAL_HDR64_MAGIC

	dirExport = 0  // IMAGE_DIRECTORY_ENTRY_EXPORT
	dirImport = 1  // IMAGE_DIRECTORY_ENTRY_IMPORT
	dirRes    = 2  // IMAGE_DIRECTORY_ENTRY_RESOURCE
	dirCert   = 4  // IMAGE_DIRECTORY_ENTRY_SECURITY
	dirDebug  = 6  // IMAGE_DIRECTORY_ENTRY_DEBUG
	dirConfig = 10 // IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG
	dirDelay  = 13 // IMAGE_DIRECTORY_ENTRY_DELAY_IMPORT
	dirCount  = 16 // IMAGE_NUMBEROF_DIRECTORY_ENTRIES

	pageSize          = 0x1000
	sectorSize        = 0x200
	fileHeaderSize    = 24 // the signature and _IMAGE_FILE_HEADER
	sectionHeaderSize = 40 // sizeof(_IMAGE_SECTION_HEADER)
)

// ErrFormat is in the chain of errors for a file that is no portable executable, or a damaged one.
var ErrFormat = errors.New("no valid portable executable")

// Directory is an _IMAGE_DATA_DIRECTORY. Address is an RVA, except for the certificate table: a file offset.
type Directory struct{ Address, Size uint32 }

// Section is an _IMAGE_SECTION_HEADER.
type Section struct {
	Name                            string // up to its first NUL; it may hold any byte
	VirtualSize, VirtualAddress     uint32
	SizeOfRawData, PointerToRawData uint32
	Characteristics                 uint32
}

// Bits of Section.Characteristics.
const (
	SectionShared     = 0x10000000 // IMAGE_SCN_MEM_SHARED
	SectionExecutable = 0x20000000 // IMAGE_SCN_MEM_EXECUTE
	SectionWritable   = 0x80000000 // IMAGE_SCN_MEM_WRITE
)

// MappedSize returns how many bytes of address space the section asks for: VirtualSize or, when that is 0, SizeOfRawData.
func (s *Section) MappedSize() uint32 {
	if s.VirtualSize == 0 {
		return s.SizeOfRawData
	}
	return s.VirtualSize
}

// File is a portable executable. It is safe for concurrent use as far as its source is.
type File struct {
	Size                            int64
	Plus                            bool // PE32+
	Machine                         uint16
	TimeDateStamp                   uint32
	EntryPoint                      uint32 // RVA
	ImageBase                       uint64
	SectionAlignment, FileAlignment uint32
	SizeOfImage, SizeOfHeaders      uint32
	CheckSum                        uint32
	Directories                     []Directory
	Sections                        []Section

	r        sparse.Source
	optional int64         // file offset of the optional header
	image    sparse.Source // the bytes by RVA
}

// Open reads the headers of a file. The error is the source's where bytes of the headers are missing, and has
// [ErrFormat] in its chain where the headers are wrong.
func Open(r sparse.Source) (*File, error) {
	f, err := readHeaders(r)
	if err != nil {
		return nil, err
	}
	return f, f.layOut()
}

// OpenImage reads the headers of a file in its memory layout: offsets in the source are RVAs. The error is the same as
// in [Open].
func OpenImage(image sparse.Source) (*File, error) {
	f, err := readHeaders(image)
	if err != nil {
		return nil, err
	}
	f.image, err = sparse.NewReader(maxImage, sparse.Extent{Len: min(image.Size(), maxImage), Src: image})
	return f, err
}

// readHeaders reads the headers, which are the same in a file and in memory.
func readHeaders(r sparse.Source) (*File, error) {
	f := &File{Size: r.Size(), r: r}
	var dos [64]byte
	if err := f.read(dos[:], 0); err != nil {
		return nil, fmt.Errorf("pe: the DOS header cannot be read: %w", err)
	}
	nt := int64(binary.LittleEndian.Uint32(dos[60:]))
	if string(dos[:2]) != "MZ" {
		return nil, fmt.Errorf("pe: no MZ signature: %w", ErrFormat)
	}
	var b [fileHeaderSize]byte
	if err := f.read(b[:], nt); err != nil {
		return nil, fmt.Errorf("pe: the file header at %#x cannot be read: %w", nt, err)
	}
	if string(b[:4]) != "PE\x00\x00" {
		return nil, fmt.Errorf("pe: no PE signature at %#x: %w", nt, ErrFormat)
	}
	f.Machine, f.TimeDateStamp = binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint32(b[8:])
	f.optional = nt + fileHeaderSize
	if err := f.readOptional(); err != nil {
		return nil, err
	}
	table := f.optional + int64(binary.LittleEndian.Uint16(b[20:]))
	return f, f.readSections(table, int(binary.LittleEndian.Uint16(b[6:])))
}

// ImageBaseAt returns the file offset of ImageBase, which is its RVA, too.
func (f *File) ImageBaseAt() int64 {
	if f.Plus {
		return f.optional + 24
	}
	return f.optional + 28
}

// PointerSize returns the size of an address in bytes.
func (f *File) PointerSize() int {
	if f.Plus {
		return 8
	}
	return 4
}

// read fills p from the file.
func (f *File) read(p []byte, off int64) error {
	if off < 0 || off+int64(len(p)) > f.Size {
		return fmt.Errorf("%#x bytes at %#x lie behind the end of the file: %w", len(p), off, ErrFormat)
	}
	n, err := f.r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	return err
}

// directoriesAt returns the offset of the data directories in the optional header.
func (f *File) directoriesAt() int64 {
	if f.Plus {
		return 112
	}
	return 96
}

func (f *File) readOptional() error {
	var b [112]byte
	if err := f.read(b[:96], f.optional); err != nil {
		return fmt.Errorf("pe: the optional header at %#x cannot be read: %w", f.optional, err)
	}
	switch magic := binary.LittleEndian.Uint16(b[:]); magic {
	case magicPE32:
	case magicPE32Plus:
		f.Plus = true
		if err := f.read(b[96:], f.optional+96); err != nil {
			return fmt.Errorf("pe: the optional header at %#x cannot be read: %w", f.optional, err)
		}
	default:
		return fmt.Errorf("pe: the optional header at %#x is neither PE32 nor PE32+: %w", f.optional, ErrFormat)
	}
	f.SectionAlignment, f.FileAlignment = binary.LittleEndian.Uint32(b[32:]), binary.LittleEndian.Uint32(b[36:])
	f.EntryPoint, f.ImageBase = binary.LittleEndian.Uint32(b[16:]), uint64(binary.LittleEndian.Uint32(b[28:]))
	if f.Plus {
		f.ImageBase = binary.LittleEndian.Uint64(b[24:])
	}
	f.SizeOfImage, f.SizeOfHeaders = binary.LittleEndian.Uint32(b[56:]), binary.LittleEndian.Uint32(b[60:])
	f.CheckSum = binary.LittleEndian.Uint32(b[64:])
	at := f.directoriesAt()
	count := min(binary.LittleEndian.Uint32(b[at-4:]), dirCount)
	rows := make([]byte, 8*count)
	if err := f.read(rows, f.optional+at); err != nil {
		return fmt.Errorf("pe: the data directories at %#x cannot be read: %w", f.optional+at, err)
	}
	for ; len(rows) > 0; rows = rows[8:] {
		f.Directories = append(f.Directories, Directory{binary.LittleEndian.Uint32(rows), binary.LittleEndian.Uint32(rows[4:])})
	}
	return nil
}

func (f *File) readSections(off int64, count int) error {
	table := make([]byte, count*sectionHeaderSize)
	if err := f.read(table, off); err != nil {
		return fmt.Errorf("pe: the table of %d sections at %#x cannot be read: %w", count, off, err)
	}
	for ; len(table) > 0; table = table[sectionHeaderSize:] {
		name, _, _ := bytes.Cut(table[:8], []byte{0})
		f.Sections = append(f.Sections, Section{
			Name: string(name), Characteristics: binary.LittleEndian.Uint32(table[36:]),
			VirtualSize: binary.LittleEndian.Uint32(table[8:]), VirtualAddress: binary.LittleEndian.Uint32(table[12:]),
			SizeOfRawData: binary.LittleEndian.Uint32(table[16:]), PointerToRawData: binary.LittleEndian.Uint32(table[20:]),
		})
	}
	return nil
}

// Directory returns the data directory of that number; an empty one when the header has none.
func (f *File) Directory(i int) Directory {
	if i >= len(f.Directories) {
		return Directory{}
	}
	return f.Directories[i]
}
