package synth

// StoreTruth describes the compression store and its pages.
type StoreTruth struct {
	Number     int // of the virtual store among the page files
	Mask       uint64
	SmGlobals  uint64 // its address; from 22H2 on, the address of the block in its place
	GlobalTree uint64 // address of the root
	Levels     int    // of the global tree
	PageFiles  []PageFileTruth
	PID        uint64 // of MemCompression
	EPROCESS   uint64
	Stores     []SMKMTruth
	Pages      []StoredPage // every entry that leads to the store, in the order in which they were made
}

// PageFileTruth is one _MMPAGING_FILE.
type PageFileTruth struct {
	Number  int
	Name    string
	Virtual bool // the virtual store
	Address uint64
}

// SMKMTruth is one store.
type SMKMTruth struct {
	SMKM
	Address uint64 // of its SMKM_STORE
	Tree    uint64 // address of its tree's root
	Entries int    // of its tree
	Regions []uint64
}

// StoredPage is one page-table entry, or prototype PTE, that leads to the store.
type StoredPage struct {
	PID       uint64 // 0: a prototype PTE, or one of the kernel
	VA        uint64 // of the page; of a page table the first address that it maps; of a prototype PTE its own
	PTE       uint64
	Key       uint32 // SM_PAGE_KEY
	Kind      StoreKind
	Store     int    // index of the store; -1: in none
	RegionKey uint32 // the value in the store's tree
	Record    uint32 // the key in the record: region and place in it
	Size      int    // of the data, as the record has it, without flags
	DataVA    uint64 // of the data, in MemCompression
	Content   []byte // the content of the page, also if it cannot be read
}

// Readable says whether the page can be read at a level.
func (p *StoredPage) Readable(l Level) bool { return p.Kind.readable(l) }

// Why says why the page cannot be read from memory, as the truth files name it; "compressed" where it can.
func (p *StoredPage) Why() string { return Compressed.As(p.Kind).String() }
