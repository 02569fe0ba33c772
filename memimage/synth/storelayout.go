package synth

// storeLayout has the offsets of members in the store's structures for a build. No symbol file describes them. The
// sources are the white paper "Extracting Compressed Pages from the Windows 10 Virtual Store" with the programs of
// its authors, and MemProcFS (vmm/mm/mm_win.c).
type storeLayout struct {
	ptr uint64

	// SMKM: 32 pointers to 32 SMKM_STORE_METADATA each, then the root of the global tree.
	metadata, metadataProcess, globalTree uint64

	// SMKM_STORE, and the ST_DATA_MGR in it.
	data, regions, owner                            uint64
	chunks, back, regionSizeMask, regionLSB, format uint64 // from ST_DATA_MGR; format 0: no such member

	// SMHP_CHUNK_METADATA.
	bitValue, recordsMask, recordSize, header uint64
	chunkStride                               uint64

	moved, movedBy uint64 // from 22H2 on: the member of SmGlobals that points into a block of pool, and how far into it; 0: none
	lz4            bool
	keyMask        uint32 // of SM_PAGE_KEY
}

// size is the size of an SMKM_STORE: two pages hold all its known members.
func (l *storeLayout) size() uint64 { return 2 * pageSize }

// storeLayoutOf is the layout of a build; it is not ok for builds whose layout is not known: before 14393, and
// between Windows 11 23H2 and 24H2.
func storeLayoutOf(build uint32, x64 bool) (l storeLayout, ok bool) {
	if build < 14393 || build > 22631 && build < 26100 {
		return l, false
	}
	if x64 {
		return storeLayoutX64(build), true
	}
	return storeLayoutX86(build), true
}

func storeLayoutX64(build uint32) storeLayout {
	l := storeLayout{
		ptr: 8, metadata: 0x28, metadataProcess: 0x18, globalTree: 0x1c0, data: 0x50, chunks: 0xc0, back: 0x320,
		regionSizeMask: 0x328, regionLSB: 0x32c, format: 0x3e0, bitValue: 0x108, recordsMask: 0x10c, recordSize: 0x110,
		header: 0x118, chunkStride: 0x10, regions: 0x1848, owner: 0x19b8, keyMask: ^uint32(0),
	}
	switch {
	case build >= 26100:
		l.format, l.regions, l.owner = 0, 0x1b70, 0x1d08
		l.moved, l.movedBy, l.lz4, l.keyMask = 0x10, 0xc30, true, 1<<28-1
	case build >= 22601:
		l.moved, l.movedBy = 8, 0x7a8
	case build >= 19041:
	case build >= 16299:
		l.owner = 0x19a8
	case build >= 15063:
		l.format, l.regions, l.owner = 0x3d0, 0x1828, 0x1988
	default:
		l.format, l.regions, l.owner = 0x3d0, 0x17a8, 0x1918
	}
	return l
}

// storeLayoutX86 has the chunk stride of the white paper's authors for 14393, where MemProcFS has the stride of the
// later builds.
func storeLayoutX86(build uint32) storeLayout {
	l := storeLayout{
		ptr: 4, metadata: 0x14, metadataProcess: 0xc, globalTree: 0xf4, data: 0x38, chunks: 0x6c, back: 0x1c0,
		regionSizeMask: 0x1c4, regionLSB: 0x1c8, format: 0x224, bitValue: 0x88, recordsMask: 0x8c, recordSize: 0x90,
		header: 0x98, chunkStride: 0xc, regions: 0x1184, owner: 0x125c, keyMask: ^uint32(0),
	}
	switch {
	case build >= 19041:
	case build >= 16299:
		l.owner = 0x1254
	case build >= 15063:
		l.format, l.regions, l.owner = 0x220, 0x1174, 0x1244
	default:
		l.format, l.regions, l.owner, l.chunkStride = 0x220, 0x1124, 0x1204, 8
	}
	return l
}

// shifted is a layout that no build has: the members on which the builds do not agree are moved.
func (l storeLayout) shifted() storeLayout {
	l.regions += 0x60
	l.owner += 0x90
	l.back += 0x20
	l.regionSizeMask += 0x20
	l.regionLSB += 0x20
	return l
}

// pageFileLayout has the offsets of the members of _MMPAGING_FILE and _MI_VISIBLE_PARTITION that the store needs
// (Microsoft's symbols).
type pageFileLayout struct {
	number      uint64 // dword: bits 0 to 3 the number, bit 4 swapfile.sys, bit 6 the virtual store
	name        uint64 // PageFileName
	count       uint64 // how far before the array the number of page files lies (dword)
	initialized uint64 // how far before the array SystemCacheInitialized lies, which is 1 (byte); 0: elsewhere
}

func pageFileLayoutOf(x64 bool, build uint32) pageFileLayout {
	l := pageFileLayout{number: 0xcc, name: 0x60, count: 8, initialized: 4}
	switch {
	case x64 && build >= 26100:
		l.number, l.name = 0xac, 0x40
	case !x64:
		l.number, l.name = 0x74, 0x30
	}
	if build < 15063 {
		l.initialized = 0
		if !x64 {
			l.count = 4
		}
	}
	return l
}

// smGlobalsPage is the offset of SmGlobals in its page, by build.
func smGlobalsPage(build uint32) uint32 {
	switch {
	case build < 17763:
		return 0xa40
	case build < 22000:
		return 0x9c0
	}
	return 0xa00
}
