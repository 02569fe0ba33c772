package restore_test

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The mapper below is this test's own: it shares no code with the packages that it judges, not even their idea of a
// header. It follows Microsoft's PE format document. For the layout of a file in memory it follows the Windows
// Research Kernel (MiCreateImageFileMap, LdrRelocateImage) and the structures of the public symbols.

const page = 0x1000

// littleEndian is bytes to take numbers from. Where bytes are missing, they count as 0.
type littleEndian []byte

func (b littleEndian) u16(at int64) uint16 { return uint16(b.uint(at, 2)) }
func (b littleEndian) u32(at int64) uint32 { return uint32(b.uint(at, 4)) }
func (b littleEndian) u64(at int64) uint64 { return b.uint(at, 8) }

func (b littleEndian) uint(at int64, n int) uint64 {
	var v uint64
	for i := int64(n) - 1; i >= 0; i-- {
		v <<= 8
		if at >= 0 && at+i < int64(len(b)) {
			v |= uint64(b[at+i])
		}
	}
	return v
}

// numbers of data directories
const (
	dirExport, dirImport, dirCertificate, dirRelocation, dirDebug = 0, 1, 4, 5, 6
	dirTLS, dirLoadConfig, dirBound, dirIAT, dirDelay, dirCLR     = 9, 10, 11, 12, 13, 14
)

const (
	fileRelocsStripped = 0x1
	fileDLL            = 0x2000
	dllDynamicBase     = 0x40
	dllHighEntropy     = 0x20
	sectionShared      = 0x10000000
	sectionExecute     = 0x20000000
	sectionRead        = 0x40000000
	sectionWrite       = 0x80000000
)

// peFile is a PE file on disk.
type peFile struct {
	name            string
	raw             littleEndian
	nt              int64 // e_lfanew
	plus            bool
	machine         uint16
	characteristics uint16
	dll             uint16 // DllCharacteristics
	base            uint64
	baseAt          int64 // of ImageBase
	sumAt           int64 // of CheckSum
	dirsAt          int64
	tableAt         int64 // of the section table
	sectionAlign    uint32
	fileAlign       uint32
	sizeOfImage     uint32
	sizeOfHeaders   uint32
	dirs            [16]struct{ rva, size uint32 }
	sections        []peSection
}

type peSection struct {
	name                                   string
	vsize, rva, rawSize, rawPointer, flags uint32
}

// size returns the section's size in memory in bytes.
func (s *peSection) size() int64 {
	if s.vsize == 0 {
		return int64(s.rawSize)
	}
	return int64(s.vsize)
}

var errNoPE = errors.New("not a PE file that Windows would map")

// parsePE reads the headers of a file.
func parsePE(name string, raw []byte) (*peFile, error) {
	b := littleEndian(raw)
	f := &peFile{name: name, raw: b, nt: int64(b.u32(60))}
	opt := f.nt + 24
	if b.u16(0) != 0x5a4d || b.u32(f.nt) != 0x4550 {
		return nil, errNoPE
	}
	dirs := opt + 96
	switch b.u16(opt) {
	case 0x10b:
		f.base, f.baseAt = uint64(b.u32(opt+28)), opt+28
	case 0x20b:
		f.base, f.baseAt, f.plus, dirs = b.u64(opt+24), opt+24, true, opt+112
	default:
		return nil, errNoPE
	}
	f.machine, f.characteristics, f.dll = b.u16(f.nt+4), b.u16(f.nt+22), b.u16(opt+70)
	f.sectionAlign, f.fileAlign, f.sizeOfImage, f.sizeOfHeaders = b.u32(opt+32), b.u32(opt+36), b.u32(opt+56), b.u32(opt+60)
	f.sumAt, f.dirsAt = opt+64, dirs
	for i := range min(int64(b.u32(dirs-4)), 16) {
		f.dirs[i].rva, f.dirs[i].size = b.u32(dirs+8*i), b.u32(dirs+8*i+4)
	}
	f.tableAt = opt + int64(b.u16(f.nt+20))
	for i := range int64(b.u16(f.nt + 6)) {
		at := f.tableAt + 40*i
		f.sections = append(f.sections, peSection{string(raw[min(at, int64(len(raw))):min(at+8, int64(len(raw)))]),
			b.u32(at + 8), b.u32(at + 12), b.u32(at + 16), b.u32(at + 20), b.u32(at + 36)})
	}
	return f, f.valid()
}

// valid refuses files that Windows would not map.
func (f *peFile) valid() error {
	if f.sizeOfImage == 0 || f.sizeOfImage > 1<<28 || f.fileAlign == 0 || f.fileAlign&(f.fileAlign-1) != 0 || f.base%0x10000 != 0 {
		return fmt.Errorf("%w: sizes %#x, %#x, base %#x", errNoPE, f.sizeOfImage, f.fileAlign, f.base)
	}
	if f.asFile() {
		return nil
	}
	for i := range f.sections {
		s := &f.sections[i]
		if int64(s.rva)+s.size() > roundUp(int64(f.sizeOfImage), page) || s.rva%page != 0 ||
			s.rawPointer != 0 && int64(s.rawPointer)+int64(s.rawSize) > int64(len(f.raw)) {
			return fmt.Errorf("%w: section %d", errNoPE, i)
		}
	}
	return nil
}

// asFile reports whether the file is mapped as it is, without separate sections.
func (f *peFile) asFile() bool { return f.sectionAlign < page || len(f.sections) == 0 }

// kind names the kind of the file: the linkers' choice of its base depends on it.
func (f *peFile) kind() string {
	kind := map[uint16]string{0x14c: "x86", 0x8664: "x64", 0xaa64: "arm64"}[f.machine]
	if f.characteristics&fileDLL != 0 {
		kind += " dll"
	} else {
		kind += " exe"
	}
	if f.dirs[dirCLR].rva != 0 {
		kind += " .net"
	}
	return kind
}

// pointer returns the size of a pointer in bytes.
func (f *peFile) pointer() int {
	if f.plus {
		return 8
	}
	return 4
}

// toldEnd returns the end of the file that its headers show: raw data, certificates, debug data.
func (f *peFile) toldEnd() int64 {
	end := int64(f.sizeOfHeaders)
	for _, s := range f.sections {
		if s.rawPointer != 0 && s.rawSize != 0 {
			end = max(end, int64(s.rawPointer)+int64(s.rawSize))
		}
	}
	if c := f.dirs[dirCertificate]; c.rva != 0 && c.size != 0 {
		end = max(end, int64(c.rva)+int64(c.size))
	}
	for at := range int64(f.dirs[dirDebug].size / 28) {
		d := f.offset(int64(f.dirs[dirDebug].rva)) + 28*at
		if size, pointer := f.raw.u32(d+16), f.raw.u32(d+24); size != 0 && pointer != 0 && d >= 0 {
			end = max(end, int64(pointer)+int64(size))
		}
	}
	return end
}

// offset returns where in the file the byte at rva lies, or a negative number.
func (f *peFile) offset(rva int64) int64 {
	if f.asFile() || rva < int64(f.sizeOfHeaders) {
		return rva
	}
	for _, s := range f.sections {
		if at := rva - int64(s.rva); at >= 0 && at < int64(s.rawSize) && s.rawPointer != 0 {
			return int64(s.rawPointer&^511) + at
		}
	}
	return -1 << 40
}

// checkSum returns the CheckSum of a file, as ImageHlp's CheckSumMappedFile computes it.
func checkSum(raw []byte, field int64) uint32 {
	var sum uint32
	for i := 0; i < len(raw); i += 2 {
		if int64(i) == field || int64(i) == field+2 {
			continue
		}
		sum += uint32(littleEndian(raw).u16(int64(i)))
		sum = sum>>16 + sum&0xffff
	}
	return sum + uint32(len(raw))
}

// withCheckSum returns the file with its CheckSum set.
func withCheckSum(raw []byte) []byte {
	at := int64(littleEndian(raw).u32(60)) + 24 + 64
	binary.LittleEndian.PutUint32(raw[at:], checkSum(raw, at))
	return raw
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }
