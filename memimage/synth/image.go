package synth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// Executable is a PE file on the built system's disk. Processes and modules
// that point to the same Executable share its section.
type Executable struct {
	File []byte // the whole file
}

// image holds the fields of an executable's headers that are needed to map it as the loader does. The files are the
// project's own; damage is put into the mapped copy.
type image struct {
	file     []byte
	bits     int
	base     uint64
	entry    uint32
	size     uint32 // SizeOfImage
	headers  uint32 // SizeOfHeaders
	optional int    // offset of the optional header
	sections []imageSection
	dirs     [16][2]uint32
}

type imageSection struct {
	va, size, raw, rawSize, flags uint32
}

var errNotPE = errors.New("not a PE file that synth can map")

func parseImage(file []byte) (*image, error) {
	if len(file) < 0x200 || string(file[:2]) != "MZ" {
		return nil, errNotPE
	}
	nt := int(binary.LittleEndian.Uint32(file[0x3c:]))
	if nt > len(file)-0x108 || string(file[nt:nt+4]) != "PE\x00\x00" {
		return nil, errNotPE
	}
	im := &image{file: file, optional: nt + peHeaderBytes, bits: 32}
	u32 := func(off int) uint32 { return binary.LittleEndian.Uint32(file[im.optional+off:]) }
	im.base, im.entry = uint64(u32(28)), u32(16)
	dirs := 96
	if binary.LittleEndian.Uint16(file[im.optional:]) == 0x20b {
		im.bits, dirs, im.base = 64, 112, binary.LittleEndian.Uint64(file[im.optional+24:])
	}
	im.size, im.headers = u32(56), u32(60)
	for i := range im.dirs {
		im.dirs[i] = [2]uint32{u32(dirs + 8*i), u32(dirs + 8*i + 4)}
	}
	return im, im.parseSections(nt)
}

func (im *image) parseSections(nt int) error {
	count := int(binary.LittleEndian.Uint16(im.file[nt+6:]))
	at := im.optional + int(binary.LittleEndian.Uint16(im.file[nt+20:]))
	if at+count*sectionBytes > len(im.file) {
		return fmt.Errorf("%w: the section table ends beyond the file", errNotPE)
	}
	for i := range count {
		b := im.file[at+i*sectionBytes:]
		u32 := func(off int) uint32 { return binary.LittleEndian.Uint32(b[off:]) }
		im.sections = append(im.sections, imageSection{va: u32(12), size: u32(8), raw: u32(20), rawSize: u32(16), flags: u32(36)})
	}
	return nil
}

// pages is the number of pages of the image.
func (im *image) pages() int { return int((im.size + pageSize - 1) >> pageShift) }

// mapped is the image laid out as a section object holds it: headers and
// sections at their addresses, nothing changed yet.
func (im *image) mapped() []byte {
	b := make([]byte, im.pages()*pageSize)
	copy(b, im.file[:min(int(im.headers), len(im.file))])
	for _, s := range im.sections {
		if s.rawSize == 0 || int(s.raw) > len(im.file) {
			continue
		}
		n := min(s.rawSize, alignUp(orDefault(s.size, s.rawSize), pageSize), uint32(len(im.file))-s.raw)
		copy(b[min(int(s.va), len(b)):], im.file[s.raw:s.raw+n])
	}
	return b
}

// section returns the section that holds a page, or -1 for the header and the gaps between sections.
func (im *image) section(page int) int {
	rva := uint32(page) << pageShift
	for i, s := range im.sections {
		if rva >= s.va && rva < alignUp(s.va+max(s.size, 1), pageSize) {
			return i
		}
	}
	return -1
}

// writable says whether the loaded program may write to a page.
func (im *image) writable(page int) bool {
	i := im.section(page)
	return i >= 0 && im.sections[i].flags&0x80000000 != 0
}

// relocate applies the base relocations to the mapped image b, which is laid
// out for the address from, and returns the pages it changed.
func (im *image) relocate(b []byte, from, to uint64) map[int]bool {
	delta := to - from
	changed := make(map[int]bool)
	dir := im.dirs[dirReloc]
	for off := dir[0]; off+8 <= dir[0]+dir[1]; {
		page, size := binary.LittleEndian.Uint32(b[off:]), binary.LittleEndian.Uint32(b[off+4:])
		if size < 8 {
			break
		}
		for at := off + 8; at+2 <= off+size; at += 2 {
			e := binary.LittleEndian.Uint16(b[at:])
			if n := map[uint16]int{3: 4, 10: 8}[e>>12]; n > 0 {
				rva := int(page) + int(e&0xfff)
				putN(b, rva, getN(b, rva, n)+delta, n)
				changed[rva>>pageShift] = true
				changed[(rva+n-1)>>pageShift] = true
			}
		}
		off += size
	}
	return changed
}

func getN(b []byte, off, n int) uint64 {
	var p [8]byte
	copy(p[:], b[off:off+n])
	return binary.LittleEndian.Uint64(p[:])
}

// setBase writes ImageBase in the mapped header, as the kernel does from
// Windows Vista on.
func (im *image) setBase(b []byte, base uint64) {
	if im.bits == 64 {
		putN(b, im.optional+24, base, 8)
		return
	}
	putN(b, im.optional+28, base, 4)
}

// bind overwrites the import address tables as the loader does and returns the
// pages it changed. resolve gives the address of a name or ordinal of a DLL.
func (im *image) bind(b []byte, resolve func(dll, name string) uint64) map[int]bool {
	ptr := im.bits / 8
	changed := make(map[int]bool)
	for d := int(im.dirs[dirImport][0]); d > 0 && d+20 <= len(b); d += 20 {
		ilt, name, iat := int(getN(b, d, 4)), int(getN(b, d+12, 4)), int(getN(b, d+16, 4))
		if name == 0 {
			break
		}
		if ilt == 0 {
			ilt = iat
		}
		for ; getN(b, ilt, ptr) != 0; ilt, iat = ilt+ptr, iat+ptr {
			address := resolve(cstring(b[name:]), im.thunkName(b, getN(b, ilt, ptr)))
			putN(b, iat, address, ptr)
			changed[iat>>pageShift] = true
		}
	}
	return changed
}

// thunkName is the name behind an import lookup entry, or "#ordinal".
func (im *image) thunkName(b []byte, thunk uint64) string {
	if thunk>>(im.bits-1) != 0 {
		return fmt.Sprintf("#%d", thunk&0xffff)
	}
	return cstring(b[thunk+2:])
}

// export finds the address of an exported name in the mapped image b, relative
// to the base; an address made from the name if there is none, so that binding
// never fails.
func (im *image) export(b []byte, name string) uint32 {
	if dir := int(im.dirs[dirExport][0]); dir != 0 {
		n, functions, names := int(getN(b, dir+24, 4)), int(getN(b, dir+28, 4)), int(getN(b, dir+32, 4))
		for i := range n {
			if cstring(b[getN(b, names+4*i, 4):]) == name {
				return uint32(getN(b, functions+4*i, 4))
			}
		}
	}
	sum := uint32(0)
	for _, c := range []byte(name) {
		sum = bits.RotateLeft32(sum, 5) ^ uint32(c)
	}
	return 0x1000 + sum%(im.size-0x1000)
}

func cstring(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
