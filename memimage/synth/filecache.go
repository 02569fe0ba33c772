package synth

import "strings"

// fileCache holds the pages of a file in the cache manager and the data section.
type fileCache struct {
	pages   map[int]uint64 // frame by page of the file
	control uint64         // the data section's control area
	table   uint64
}

// FileSizes holds the sizes in the structures of a cached file.
type FileSizes struct {
	DataEnd    int  // end of the data section; 0: the end of the file. See Rounded.
	NoCacheMap bool // the cache manager has let go of the file: SharedCacheMap is zero
	FCB        *FCB // the file system's header; nil: FsContext is zero
}

// FCB is the beginning of a file system's record of an open file (_FSRTL_COMMON_FCB_HEADER of ntifs.h).
type FCB struct {
	Type, Bytes             uint16 // NodeTypeCode, NodeByteSize
	Allocation, Size, Valid int64  // AllocationSize, FileSize, ValidDataLength
}

// NewFCB is the FCB of NTFS for a file of size bytes in clusters of 4 KiB.
func NewFCB(size int) *FCB {
	return &FCB{Type: 0x705, Bytes: 0x130, Allocation: int64(alignUp(size, pageSize)), Size: int64(size), Valid: int64(size)}
}

// Rounded is the end of the data section that the cache manager makes for a file of size bytes.
func Rounded(size int) int { return alignUp(size, viewSize) }

// allocateFile makes the _FILE_OBJECT of the section's file.
func (s *section) allocateFile() {
	b := s.b
	s.file = b.object(b.nonpaged, "File", typeFile, b.l.size("_FILE_OBJECT"))
	s.pointers = b.nonpaged.alloc("MmSm", b.l.size("_SECTION_OBJECT_POINTERS"))
	r := b.record("_FILE_OBJECT", s.file)
	r.set("Type", 5)
	r.set("Size", uint64(b.l.size("_FILE_OBJECT")))
	r.set("SectionObjectPointer", s.pointers)
	r.set("ReadAccess", 1)
	r.set("SharedRead", 1)
	b.kernelString(r, "FileName", devicePath(s.path))
}

// devicePath is a path without its drive, as a file object has it.
func devicePath(path string) string {
	if i := strings.Index(path, `:\`); i == 1 {
		return path[2:]
	}
	return path
}

// cachePage puts a page of the file into the file cache.
func (s *section) cachePage(page int) {
	if s.cache == nil {
		s.cache = &fileCache{pages: make(map[int]uint64)}
	}
	off := page * pageSize
	if _, ok := s.cache.pages[page]; ok || off >= len(s.exe.File) {
		return
	}
	pfn := s.b.m.alloc()
	s.b.m.write(pfn<<pageShift, s.exe.File[off:min(off+pageSize, len(s.exe.File))])
	s.cache.pages[page] = pfn
}

// finishFile writes the _SECTION_OBJECT_POINTERS and, if pages of the file are
// cached, the data section and the cache map.
func (s *section) finishFile() {
	r := s.b.record("_SECTION_OBJECT_POINTERS", s.pointers)
	r.set("ImageSectionObject", s.control)
	if s.cache != nil {
		s.writeDataSection()
		r.set("DataSectionObject", s.cache.control)
		if !s.sizes.NoCacheMap {
			r.set("SharedCacheMap", s.writeCacheMap())
		}
		s.writeFCB()
	}
}

// writeFCB writes the file system's header and points the file object to it.
func (s *section) writeFCB() {
	f, ptr := s.sizes.FCB, uint64(s.b.l.ptr)
	if f == nil {
		return
	}
	va := s.b.pagedP.alloc("Ntfx", max(int(f.Bytes), 0x40))
	s.b.k.write(va, append(le(uint64(f.Type), 2), le(uint64(f.Bytes), 2)...))
	for i, v := range []int64{f.Allocation, f.Size, f.Valid} {
		s.b.k.write(va+8+2*ptr+8*uint64(i), le(uint64(v), 8)) // behind Resource and PagingIoResource
	}
	s.b.record("_FILE_OBJECT", s.file).set("FsContext", va)
}

// dataEnd is where the data section ends.
func (s *section) dataEnd() int { return max(s.sizes.DataEnd, len(s.exe.File)) }

// filePages is the number of pages of the file.
func (s *section) filePages() int { return alignUp(len(s.exe.File), pageSize) / pageSize }

// writeDataSection writes the data control area with its one subsection and
// its prototype PTEs: pages with an even number are valid, the others in
// transition.
func (s *section) writeDataSection() {
	b, n, end := s.b, alignUp(s.dataEnd(), pageSize)/pageSize, uint64(s.dataEnd())
	area := b.l.size("_CONTROL_AREA")
	c := s.cache
	c.control = b.nonpaged.alloc("MmCa", area+max(b.l.size("_SUBSECTION"), b.l.optionalSize("_MSUBSECTION")))
	segment := b.pagedP.alloc("MmSt", b.l.size("_SEGMENT"))
	c.table = b.pagedP.alloc("MmSt", n*int(s.stride))
	s.writeDataProtos(n)
	r := b.record("_CONTROL_AREA", c.control)
	r.set("Segment", segment)
	r.set("u", 0x80) // _MMSECTION_FLAGS: File
	r.set("FilePointer", b.fastRef(s.file))
	r.set("NumberOfSubsections", 1)
	g := b.record("_SEGMENT", segment)
	g.set("ControlArea", c.control)
	g.set("TotalNumberOfPtes", uint64(n))
	g.set("SizeOfSegment", end)
	g.set("PrototypePte", c.table)
	sub := b.record("_SUBSECTION", c.control+uint64(area))
	sub.set("ControlArea", c.control)
	sub.set("SubsectionBase", c.table)
	sub.set("PtesInSubsection", uint64(n))
	sub.set("NumberOfFullSectors", end/pageSize) // in pages for data files
	sub.set("u.SubsectionFlags.SectorEndOffset", end%pageSize)
}

func (l layout) optionalSize(name string) int {
	n, _ := l.SizeOf(name)
	return int(n)
}

func (s *section) writeDataProtos(n int) {
	soft := s.b.softPTE()
	sub := s.cache.control + uint64(s.b.l.size("_CONTROL_AREA"))
	for page := range n {
		e := soft.subsection(sub)
		if pfn, ok := s.cache.pages[page]; ok {
			e = pfn<<pageShift | pteValid | pteWrite | pteAccessed | pteGlobal
			if page%2 == 1 {
				e = soft.transition(pfn, protReadWrite)
			}
		}
		s.b.k.write(s.cache.table+uint64(page)*s.stride, le(e, int(s.stride)))
	}
}

// A view of the system cache is 256 KiB.
const viewSize = 0x40000

// cacheLayout has the offsets of the members of _SHARED_CACHE_MAP and _VACB that synth fills, from the public symbols
// of the first build with the layout.
type cacheLayout struct {
	build                               uint32
	size                                int
	fileSize, sectionSize, valid, vacbs uint64 // FileSize, SectionSize, ValidDataLength, Vacbs
	initial                             uint64 // InitialVacbs
	file                                uint64 // FileObject or FileObjectFastRef
}

var cacheLayouts = map[bool][]cacheLayout{ // by x64
	false: {
		{0, 0x130, 0x08, 0x18, 0x20, 0x40, 0x30, 0x44},
		{6000, 0x158, 0x08, 0x18, 0x20, 0x40, 0x30, 0x44},
	},
	true: {
		{0, 0x1b8, 0x08, 0x20, 0x28, 0x58, 0x38, 0x60},
		{6000, 0x1f0, 0x08, 0x20, 0x28, 0x58, 0x38, 0x60},
	},
}

// writeCacheMap writes _SHARED_CACHE_MAP, its first views' _VACBs, and maps the cached pages that are valid.
func (s *section) writeCacheMap() uint64 {
	b := s.b
	var c cacheLayout
	for _, row := range cacheLayouts[b.x64()] {
		if b.l.build >= row.build {
			c = row
		}
	}
	va := b.nonpaged.alloc("CcSc", c.size)
	putSize := func(off, v uint64) { b.k.write(va+off, le(v, 8)) }
	b.k.write(va, append(le(0x2ff, 2), le(uint64(c.size), 2)...)) // CACHE_NTC_SHARED_CACHE_MAP
	putSize(c.fileSize, uint64(len(s.exe.File)))
	putSize(c.sectionSize, alignUp(uint64(len(s.exe.File)), viewSize))
	putSize(c.valid, uint64(len(s.exe.File)))
	b.k.write(va+c.file, le(b.fastRef(s.file), b.l.ptr))
	s.writeViews(va, c)
	return va
}

// writeViews points Vacbs to a _VACB per view: in the map itself for up to
// four, else in an array of its own.
func (s *section) writeViews(cacheMap uint64, c cacheLayout) {
	b, ptr := s.b, uint64(s.b.l.ptr)
	views := (s.filePages()*pageSize + viewSize - 1) / viewSize
	array := cacheMap + c.initial
	if views > 4 {
		array = b.nonpaged.alloc("CcVp", views*int(ptr))
	}
	b.k.write(cacheMap+c.vacbs, le(array, b.l.ptr))
	for v := range views {
		if vacb := s.writeView(cacheMap, v); vacb != 0 {
			b.k.write(array+uint64(v)*ptr, le(vacb, b.l.ptr))
		}
	}
}

// writeView writes the _VACB of a view and maps its valid pages; 0 if the view
// has none.
func (s *section) writeView(cacheMap uint64, view int) uint64 {
	b := s.b
	base, mapped := b.cacheView(), false
	const pages = viewSize / pageSize
	for page := view * pages; page < (view+1)*pages; page += 2 {
		if pfn, ok := s.cache.pages[page]; ok {
			b.k.mapPage(base+uint64(page%pages)*pageSize, pfn, pteKernelPage)
			mapped = true
		}
	}
	if !mapped {
		return 0
	}
	vacb := b.nonpaged.alloc("CcVa", 4*b.l.ptr+8)
	ptr := uint64(b.l.ptr)
	b.k.write(vacb, le(base, b.l.ptr))
	b.k.write(vacb+ptr, le(cacheMap, b.l.ptr))
	b.k.write(vacb+2*ptr, le(uint64(view)*viewSize, 8)) // Overlay.FileOffset
	return vacb
}

// cacheView hands out the address of a system cache view.
func (b *builder) cacheView() uint64 {
	va := b.regions.cache
	b.regions.cache += viewSize
	return va
}

// pageOut puts a page into the page file and returns its offset in pages. The
// first pages of the file hold its header.
func (b *builder) pageOut(content []byte) uint64 {
	if b.pageFile == nil {
		b.pageFile = make([]byte, 0x10*pageSize)
	}
	b.pageFile = append(b.pageFile, content...)
	return uint64(len(b.pageFile)/pageSize - 1)
}
