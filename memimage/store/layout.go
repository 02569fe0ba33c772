package store

import "memlens/memimage/paging"

// Codec is how the data of a page is compressed.
type Codec uint8

const (
	Xpress Codec = iota // plain LZ77, MS-XCA 2.4
	LZ4                 // the LZ4 block format
)

func (c Codec) String() string { return [...]string{"Xpress", "LZ4"}[c] }

// Layout holds the offsets of members in the structures of the compressed store, for one range of builds. Offsets are
// in bytes.
//
// They are from mandiant's win10_volatility and win10_rekall (builds 14393 to 18362) and from MemProcFS (14393 to
// 26100). Where both sources have a number, they agree, with one exception: see [Layouts].
type Layout struct {
	First, Last uint32 // builds
	Pointer     int    // bytes of a pointer
	Codec       Codec
	KeyBits     uint // bits of a page's offset that are in its key; the number of the page file is above them unless NoNumber is set
	NoNumber    bool

	// Holder is a member of SmGlobals that points into a block; in other builds, SmGlobals itself begins like this
	// block. Inside is the distance from the beginning of the block to the place that Holder points to. It is 0 if
	// there is no such block.
	Holder, Inside paging.Virt

	Root         paging.Virt // SmGlobals: root of the global tree
	MetadataSize paging.Virt // of an SMKM_STORE_METADATA

	// Members of SMKM_STORE.
	Manager paging.Virt // ST_DATA_MGR, whose first member is the root of the store's tree
	Regions paging.Virt // pointer to the array of regions
	Owner   paging.Virt // EPROCESS of the process that has the regions

	// Members of ST_DATA_MGR.
	Chunks      paging.Virt // SMHP_CHUNK_METADATA
	Back        paging.Virt // pointer to the SMKM_STORE
	RegionMask  paging.Virt
	RegionShift paging.Virt
	Format      paging.Virt // u16; 3 is Xpress; 0: the field is not read

	// Members of SMHP_CHUNK_METADATA, which begins with pointers to arrays of chunks.
	BitValue, RecordsMask, RecordSize, HeaderSize paging.Virt
	Stride                                        paging.Virt // of an element of such an array
}

// Limits of the structures.
const (
	storesPerArray = 32
	chunkArrays    = 32
	formatXpress   = 3
	noRecord       = 0xffffffff // key of a record that names another one
)

// Layouts returns the layouts that a kernel of a build may have, in two groups: the layouts that are known for the
// build, and the layouts of other builds, the nearest first. pointer is the size of a pointer in bytes.
func Layouts(build uint32, pointer int) [][]Layout {
	var of, others []Layout
	for _, l := range layouts() {
		switch {
		case l.Pointer != pointer:
		case l.Has(build):
			of = append(of, l)
		default:
			others = append(others, l)
		}
	}
	sortByDistance(others, build)
	return [][]Layout{of, others}
}

// Has reports whether the layout is known to be the layout of a build.
func (l *Layout) Has(build uint32) bool { return build >= l.First && build <= l.Last }

func layouts() []Layout {
	return []Layout{
		x64(14393, 14393, 0x3d0, 0x17a8, 0x1918),
		x64(15063, 15063, 0x3d0, 0x1828, 0x1988),
		x64(16299, 18363, 0x3e0, 0x1848, 0x19a8),
		x64(19041, 22000, 0x3e0, 0x1848, 0x19b8),
		behind(x64(22621, 22631, 0x3e0, 0x1848, 0x19b8), 0x8, 0x7a8),
		withLZ4(behind(x64(26100, 26200, 0, 0x1b70, 0x1d08), 0x10, 0xc30)),
		x86(14393, 14393, 0x220, 0x1124, 0x1204, 8), // mandiant's stride; MemProcFS has 12: both are tried
		x86(14393, 14393, 0x220, 0x1124, 0x1204, 12),
		x86(15063, 15063, 0x220, 0x1174, 0x1244, 12),
		x86(16299, 18363, 0x224, 0x1184, 0x1254, 12),
		x86(19041, 19045, 0x224, 0x1184, 0x125c, 12),
	}
}

func x64(first, last uint32, format, regions, owner paging.Virt) Layout {
	return Layout{
		First: first, Last: last, Pointer: 8, KeyBits: 28, Root: 0x1c0, MetadataSize: 0x28,
		Manager: 0x50, Regions: regions, Owner: owner,
		Chunks: 0xc0, Back: 0x320, RegionMask: 0x328, RegionShift: 0x32c, Format: format,
		BitValue: 0x108, RecordsMask: 0x10c, RecordSize: 0x110, HeaderSize: 0x118, Stride: 0x10,
	}
}

func x86(first, last uint32, format, regions, owner, stride paging.Virt) Layout {
	return Layout{
		First: first, Last: last, Pointer: 4, KeyBits: 28, Root: 0xf4, MetadataSize: 0x14,
		Manager: 0x38, Regions: regions, Owner: owner,
		Chunks: 0x6c, Back: 0x1c0, RegionMask: 0x1c4, RegionShift: 0x1c8, Format: format,
		BitValue: 0x88, RecordsMask: 0x8c, RecordSize: 0x90, HeaderSize: 0x98, Stride: stride,
	}
}

// behind returns a layout in which SmGlobals has a pointer to its further members (since Windows 11 22H2).
func behind(l Layout, holder, inside paging.Virt) Layout {
	l.Holder, l.Inside = holder, inside
	return l
}

// withLZ4 returns the layout of a store with LZ4 data; its keys have no number of a page file.
func withLZ4(l Layout) Layout {
	l.Codec, l.NoNumber = LZ4, true
	return l
}
