package synth

// Store describes the memory compression store of Windows 10 and 11 (from build 14393 on). Pages get into it by the
// states Compressed, ProtoCompressed, LookupCompressed, VadCompressed and UnderCompressed, each As a StoreKind. The mask
// that hides offsets is System.SwizzleMask.
type Store struct {
	Number  int    // of the virtual store among the page files, 1 to 15; 0: 2
	OutFile int    // number of a page file that is not available; 0: the first that is neither System.PageFile nor Number
	PID     uint64 // of MemCompression; 0: 2880
	Levels  int    // of the global tree, 1 to 3; 0: 3
	Stores  []SMKM // nil: DefaultStores
	Stride  int    // bytes of an element of an array of chunks; 0: the stride of the build, which is not certain for 14393 x86
	Lacks   StoreLacks
}

// SMKM describes one store (SMKM_STORE) and the geometry of its records.
type SMKM struct {
	Index      int // in the array of stores, below 1024
	Levels     int // of its tree, 1 to 3; a tree of one level has 510 pages at most
	Records    int // per chunk, a power of two (PageRecordsPerChunkMask + 1, 1 << BitValue)
	RecordSize int // bytes (PageRecordSize), 8 at least
	Header     int // bytes at the start of a chunk (ChunkPageHeaderSize)
	RegionBits int // a region has 1 << (RegionBits + 4) bytes: 12 to 16
	Format     int // of the compression; 0: 3, Xpress
}

// DefaultStores are three stores unlike each other.
func DefaultStores() []SMKM {
	return []SMKM{
		{Index: 1, Levels: 3, Records: 64, RecordSize: 20, Header: 64, RegionBits: 13},
		{Index: 3, Levels: 2, Records: 256, RecordSize: 12, Header: 16, RegionBits: 13},
		{Index: 33, Levels: 1, Records: 32, RecordSize: 40, Header: 80, RegionBits: 12},
	}
}

// StoreLacks names the things that a reader who looks for the store does not find.
type StoreLacks struct {
	RVAs     bool // SmGlobals, MiState and MiSystemPartition are not where the kernel's symbols have them
	Section  bool // no section is named CACHEALI
	Code     bool // the kernel's code does not name SmGlobals (it does up to build 18363)
	Globals  bool // the page of SmGlobals is not in memory
	ArrayTag bool // the array of stores has another pool tag than smSa
	Files    bool // the page with the array of _MMPAGING_FILE pointers is not in memory
	FileTag  bool // the _MMPAGING_FILE structures have another pool tag than Mm
	FileFlag bool // no _MMPAGING_FILE is marked as the virtual store
	Mask     bool // no variable has the mask
	Owner    bool // MemCompression is in no list of processes
	Build    bool // the structures have the layout of no known build
}
