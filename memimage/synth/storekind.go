package synth

// StoreKind is the special property of a page in the compression store, of its data or of its record.
type StoreKind uint8

// Kinds that can be read from memory alone. If a build compresses with LZ4, the kinds with the name of a way of
// Xpress compress in a similar way.
const (
	StoreXpress   StoreKind = iota // the longest match at each place
	StoreLazy                      // a match waits where the next place has a longer one
	StoreLiteral                   // no match in the first half of the page
	StoreMixed                     // matches cut at random: all forms of length below 16 bits
	StoreShort3                    // matches of 9 bytes at most: lengths of 3 bits only
	StoreWide16                    // long lengths written with 16 bits where fewer would do
	StoreWide32                    // and with 32 bits
	StoreRaw                       // not compressed: the size in the record is 0x1000
	StoreZeros                     // a compressed page of zeros; the page's own bytes do not count
	StoreSize0                     // a record with size 0, which MemProcFS reads as zeros
	StoreStraddle                  // the data crosses a page of the region
	StoreFlags                     // bits above the size in the record
	StoreNext                      // a record that only names another record
	StoreNextMore                  // several such records in a row
)

// Kinds whose page cannot be found.
const (
	StoreNoKey      StoreKind = iota + 0x20 // the key is not in the global tree
	StoreInvalid                            // the entry of the global tree is marked invalid
	StoreNoStore                            // the store of the entry is not there
	StoreNoLocal                            // the key is not in the store's tree
	StoreNoChunk                            // the chunk's pointer is 0
	StoreNoRecord                           // the page of the chunk is not in memory
	StoreNoRegion                           // the region's pointer is 0
	StoreRegionPage                         // the region's page has no entry in the page table
	StoreOwnPage                            // the region's page is said to be in the store, and under the page's own key
)

// Kinds whose data or record is damaged.
const (
	StoreBadDistance StoreKind = iota + 0x40 // a match begins before the page
	StoreShortOutput                         // the data gives less than a page
	StoreLongOutput                          // the data gives more than a page
	StoreCut                                 // the size in the record is less than the size of the data
	StoreNextLoop                            // records that name each other
)

// Kinds whose data is not in memory.
const (
	StoreOut      StoreKind = iota + 0x60 // the region's page is in a page file that is not available
	StoreHalfOut                          // the data crosses a page, and the second page is in such a file
	StorePageFile                         // the region's page is in the page file that is available
)

var storeKindNames = map[StoreKind]string{
	StoreXpress: "xpress", StoreLazy: "lazy", StoreLiteral: "literal", StoreMixed: "mixed", StoreShort3: "short3", StoreWide16: "wide16",
	StoreWide32: "wide32", StoreRaw: "raw", StoreZeros: "zeros", StoreSize0: "size0", StoreStraddle: "straddle", StoreFlags: "flags",
	StoreNext: "next", StoreNextMore: "nextmore",
	StoreNoKey: "nokey", StoreInvalid: "invalid", StoreNoStore: "nostore", StoreNoLocal: "nolocal", StoreNoChunk: "nochunk",
	StoreNoRecord: "norecord", StoreNoRegion: "noregion", StoreRegionPage: "regionpage", StoreOwnPage: "ownpage",
	StoreBadDistance: "baddist", StoreShortOutput: "short", StoreLongOutput: "long", StoreCut: "cut", StoreNextLoop: "nextloop",
	StoreOut: "out", StoreHalfOut: "halfout", StorePageFile: "pf",
}

// StoreKinds are all kinds, in order.
func StoreKinds() []StoreKind {
	var kinds []StoreKind
	for k := range StoreKind(0xff) {
		if _, ok := storeKindNames[k]; ok {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// String is the kind as the truth files name it.
func (k StoreKind) String() string { return storeKindNames[k] }

// fate is whether a page of the store can be read.
type fate uint8

const (
	fateThere fate = iota
	fateMissing
	fateDamaged
	fateOut
	fatePageFile // with the page file
)

var fateSuffixes = [...]string{"", "-missing", "-damaged", "-out", "-pagefile"}

// suffix is the text that the fate adds to the name of a state.
func (f fate) suffix() string { return fateSuffixes[f] }

func (k StoreKind) fate() fate {
	switch {
	case k == StorePageFile:
		return fatePageFile
	case k >= StoreOut:
		return fateOut
	case k >= StoreBadDistance:
		return fateDamaged
	case k >= StoreNoKey:
		return fateMissing
	}
	return fateThere
}

// readable says whether a reader of a level can read the page.
func (k StoreKind) readable(l Level) bool {
	switch k.fate() {
	case fateThere:
		return l.stores()
	case fatePageFile:
		return l.stores() && l.pageFiles()
	}
	return false
}

// content is a page of the kind as a process sees it.
func (k StoreKind) content(page []byte) []byte {
	if k == StoreZeros || k == StoreSize0 {
		return make([]byte, pageSize)
	}
	return page
}
