package nt

import (
	"encoding/binary"
	"maps"
	"slices"
	"sort"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// driverHeader holds the members of an executable's header that distinguish a loaded driver from a file.
type driverHeader struct {
	build          driverBuild
	base           paging.Virt // ImageBase
	exports, debug directory
	imports, slots directory // the import directory and the import address table
}

// driverBuild holds the members that are the same in all images of one file.
type driverBuild struct {
	machine    uint16
	stamp      uint32 // TimeDateStamp
	size       uint32 // SizeOfImage
	entryPoint uint32 // RVA
	checksum   uint32
}

// driverHeader reads the header of an executable at base. It is nil where there is none, or none in one page.
func (k *Kernel) driverHeader(space *paging.Space, base paging.Virt) (*driverHeader, error) {
	page, err := memory{space, k.kernel.pointer}.record(base, pageSize)
	if h, ok := k.decodeHeader(page.b); ok {
		return h, nil
	}
	return nil, err
}

// The numbers of data directories (IMAGE_DIRECTORY_ENTRY_…).
const (
	directoryExport = 0
	directoryImport = 1
	directoryDebug  = 6
	directorySlots  = 12
)

// decodeHeader reads a page that begins with the header of an executable for the kernel's processor.
func (k *Kernel) decodeHeader(page []byte) (*driverHeader, bool) {
	const fileHeader, least = 0x18, 0x60 // bytes of the signature and the file header; of the optional header before the directories
	if len(page) < 0x40 || binary.LittleEndian.Uint16(page) != 0x5a4d {
		return nil, false
	}
	r := record{page, k.kernel.pointer}
	nt := profile.Offset(r.u32(0x3c))
	if int64(nt) > int64(len(page))-fileHeader-least || nt < 0 || r.u32(nt) != 0x4550 {
		return nil, false
	}
	optional := nt + fileHeader
	magic, at := uint64(0x10b), optional+least
	if k.kernel.pointer == 8 {
		magic, at = 0x20b, optional+0x70
	}
	h := &driverHeader{base: r.imageBase(optional), build: driverBuild{machine: uint16(r.u16(nt + 4)), stamp: uint32(r.u32(nt + 8)),
		size: uint32(r.u32(optional + 0x38)), entryPoint: uint32(r.u32(optional + 0x10)), checksum: uint32(r.u32(optional + 0x40))}}
	count := r.u32(at - 4)
	dir := func(i uint64) directory {
		if i >= count {
			return directory{}
		}
		row := at + profile.Offset(8*i)
		return directory{uint32(r.u32(row)), uint32(r.u32(row + 4))}
	}
	h.exports, h.imports = dir(directoryExport), dir(directoryImport)
	h.debug, h.slots = dir(directoryDebug), dir(directorySlots)
	return h, h.build.machine == k.Mode.Arch.Machine && r.u16(optional) == magic && h.build.size >= pageSize && h.build.size <= maxDriver
}

// imageBase reads ImageBase of an optional header; the 32-bit header has BaseOfData before it.
func (r record) imageBase(optional profile.Offset) paging.Virt {
	if r.pointer == 8 {
		return r.ptr(optional + 0x18)
	}
	return r.ptr(optional + 0x1c)
}

// names returns the name in the export directory of the image at base, and the name in its debug record. A name that
// cannot be read is empty.
func (h *driverHeader) names(m memory, base paging.Virt) (name, pdb string) {
	image := kernelImage{mem: m, Base: base, Size: h.build.size, exports: h.exports}
	id, _ := image.identity(h.debug)
	return image.cString(image.exportName(), 64), id.PDB
}

// known are images in memory: their sizes by address.
type known map[paging.Virt]uint32

// imageRanges are the addresses of images, in order.
type imageRanges []struct{ from, to paging.Virt }

// overlaps reports whether a known image overlaps a driver.
func (n known) overlaps(d *Driver) bool {
	for base, size := range n {
		if base < d.Base+paging.Virt(d.Size) && d.Base < base+paging.Virt(size) {
			return true
		}
	}
	return false
}

// ranges returns where the images lie.
func (n known) ranges() imageRanges {
	var out imageRanges
	for _, base := range slices.Sorted(maps.Keys(n)) {
		out = append(out, struct{ from, to paging.Virt }{base, base + paging.Virt(n[base])})
	}
	return out
}

// hold reports whether an address lies in one of the images.
func (r imageRanges) hold(va paging.Virt) bool {
	i := sort.Search(len(r), func(i int) bool { return r[i].from > va })
	return i > 0 && va < r[i-1].to
}

// isLoaded reports whether the image at base was loaded there as a driver, and is no copy of a file. A loader wrote the
// address into the header (since Windows Vista), or resolved the imports: then their slots lead into other images.
func (h *driverHeader) isLoaded(m memory, base paging.Virt, others imageRanges) bool {
	if h.base == base {
		return true
	}
	if h.slots.RVA != 0 {
		return others.imported(m, base+paging.Virt(h.slots.RVA), int(h.slots.Size))
	}
	const most, size, firstThunk = 16, 20, 16 // _IMAGE_IMPORT_DESCRIPTOR
	for i := range paging.Virt(most) {
		r, err := m.record(base+paging.Virt(h.imports.RVA)+i*size, size)
		if h.imports.RVA == 0 || err != nil || r.u32(firstThunk) == 0 {
			break
		}
		if others.imported(m, base+paging.Virt(r.u32(firstThunk)), pageSize) {
			return true
		}
	}
	return false
}

// imported reports whether the slots at va lead into the images, up to the end of the slots or of readable memory.
func (r imageRanges) imported(m memory, va paging.Virt, bytes int) bool {
	const least, most = 2, 64 // slots
	slots, _ := m.record(va, min(bytes, most*m.pointer))
	good, bad := 0, 0
	for off := 0; off+m.pointer <= len(slots.b); off += m.pointer {
		switch v := slots.ptr(profile.Offset(off)); {
		case r.hold(v):
			good++
		case v != 0:
			bad++
		}
	}
	return good >= least && good >= 3*bad
}
