package synth

import (
	"time"

	"memlens/memimage/profile"
)

// System describes a Windows system whose memory is built. Only Profile must be set.
type System struct {
	Profile   *profile.Profile
	Paging    Paging    // 0: X86 up to Server 2003, PAE for later 32-bit systems, X64 for 64-bit ones
	RAM       int64     // bytes, a multiple of 4096; 0: 64 MiB
	Seed      uint64    // where everything lies
	Time      time.Time // the system's clock when the image was taken; zero: 2011-01-09 19:22:39 UTC
	Processes []Process // beside the System process, which is always there
	Drivers   []Driver  // beside the kernel and a hal.dll, which has only an entry
	Identity  *RSDS     // the kernel's debug record; nil: the profile's, else a made-up one
	Idle      bool      // add the Idle process's object (in no list)
	Lab       string    // NtBuildLab, shorter than 64 bytes; empty: a text made up for the profile's version

	Lowest        int64 // no frame below this physical address is used: page tables beyond the first 16 MiB
	Gap           int64 // beginning of the hole without memory that ends at 4 GiB; 0: no hole
	LargePages    bool  // map the kernel and the non-paged pool with large pages
	SelfMap       int   // the top-level slot that maps the page tables; 0: 0x1ed, or random from Windows 10 1607 on
	LowStub       bool  // the processor start block in the first MiB (x64)
	KDBG          KDBGForm
	KVAShadow     bool   // a second, user-mode page directory per process (x64)
	PCID          bool   // process-context bits in the page directory addresses (x64)
	SwizzleMask   uint64 // MiState.Hardware.InvalidPteMask: bits set in software entries whose swizzle bit is clear; layouts without a swizzle bit ignore it
	PageFile      int    // number of the page file, 0 to 15
	Store         *Store // the memory compression store; nil: none
	Build         uint32 // the build that the kernel states; 0: the profile's
	SegmentIsArea bool   // _SECTION_OBJECT.Segment points to the control area instead of the segment
	NoExecute     bool   // data pages of processes cannot be executed (PAE and x64)
	Hostile       Hostile
}

// KDBGForm is the state of the _KDDEBUGGER_DATA64 block.
type KDBGForm uint8

// The block is encoded by 64-bit kernels from Windows 8 on; rootkits wipe it.
const (
	KDBGDefault KDBGForm = iota // as the kernel build has it
	KDBGPlain
	KDBGEncoded
	KDBGWiped
)

// Process describes one process.
type Process struct {
	PID, PPID   uint64
	Name        string // at most 15 bytes are kept, of any value
	Path        string // "": C:\WINDOWS\system32\ and the name
	PEBPath     string // ImagePathName, where the process has changed it; "": Path
	CommandLine string // "": the path
	Image       *Executable
	Base        uint64 // load address; 0: the image's own
	Modules     []Module
	Regions     []Region
	Created     time.Time // zero: some time before System.Time
	Exited      time.Time
	Threads     int      // 0: 3
	ThreadList  []Thread // threads with all their structures; none: the lists have one thread without them

	Pages   func(page int) State // state of the image's pages; nil: Valid
	Section func(page int) Under // state of the section's prototype if the process's page does not decide it; nil: UnderValid if the page is shared and valid, else UnderDisk
	Cached  func(page int) bool  // whether a page of the file is in the file cache; nil: none is
	Sizes   FileSizes            // the sizes of the cached file in the system's structures
	Written []int                // pages the process has written to, beside its import table
	Hollow  *Executable          // another program in the image's place, as process hollowing leaves it
	Mangle  func(image []byte)   // damages the process's own view of the image; the pages it changes become private
	PEBBase uint64               // PEB.ImageBaseAddress, if the process has changed it; 0: the address of the image
	PEB     State                // of the page with the PEB: Valid, Transition, PageFile, None or Compressed
	Loader  State                // of the pages with the loader's lists and the process parameters; as PEB
	Tables  State                // of the page tables that map the image: Valid, Transition, PageFile or Compressed

	Hidden    bool // unlinked from the process list
	Ghost     bool // exited and unlinked; keeps its object only
	Dead      bool // exited: no threads, no PEB, no VADs; still in the list
	Reused    bool // its page directory has been overwritten since
	NoSection bool // SectionObject is zero
	Wow64     bool // a 32-bit process on a 64-bit system
	Minimal   bool // no image and no PEB, as Registry and MemCompression
	Private   bool // the image is laid out by hand in private memory, as process hollowing leaves it; Protect is its protection
	Protect   Protection
	Orphan    bool   // the image has no VAD
	Unmapped  bool   // the image has been unmapped: neither its pages nor its VAD are left
	VADLoop   bool   // a child of the VAD tree points back to the root
	Bias      uint64 // added to the EPROCESS's position in its page, in bytes
}

// Module is a DLL in a process.
type Module struct {
	Image    *Executable
	Path     string
	Base     uint64               // 0: the image's own
	Pages    func(page int) State // of private memory, only states in the compression store count
	Unlinked bool                 // absent from the loader lists
	Absent   [3]bool              // absent from one of the loader lists: of load, memory and initialization order
	Private  bool                 // laid out by hand in private memory, as injected programs are: mapped from no section
	Protect  Protection           // of private memory
	Changed  bool                 // private memory can be executed though Protect says otherwise: its protection was changed later
	AsData   bool                 // mapped as a data file; then it is in no loader list
	Mangle   func(image []byte)   // damages the process's own view of it
}

// Region is private memory of a process that holds no executable laid out by synth.
type Region struct {
	VA      uint64
	Data    []byte
	Size    uint64 // in bytes; 0: the size of Data. Memory behind Data is only reserved
	Protect Protection
	Changed bool // as in Module

	Pages func(page int) State // private states of the pages that Data reaches; nil: Valid
}

// Protection is the allowed use of memory in a VAD (_MMVAD_FLAGS.Protection); 0 stands for reading and writing.
type Protection uint8

// Protections (MM_READONLY, MM_EXECUTE_READ, MM_READWRITE, MM_EXECUTE_READWRITE).
const (
	ReadOnly         Protection = 1
	ExecuteRead      Protection = 3
	ReadWrite        Protection = 4
	ExecuteReadWrite Protection = 6
)

// Hostile is damage done to the finished system.
type Hostile struct {
	LoopLists bool // the last process points back to the process before it
	WildLinks bool // the last process points to an address that is not mapped
	WildVADs  bool // VAD children, subsections and prototype tables point to nowhere
}
