package nt

import (
	"time"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
)

// Kernel is the running system in an image: its kernel, and the starts of its structures; or the system as the dump of
// one process describes it, see [Kernel.IsDump]. It is immutable and safe for concurrent use.
type Kernel struct {
	Profile  *profile.Profile
	Mode     *paging.Mode
	Space    *paging.Space // of the System process, or by another page directory where Found says so
	Base     paging.Virt   // of the kernel's executable; 0 when that was not found
	Name     string        // of the kernel's executable, never empty; where it is not from the executable itself, Found names the source
	Identity profile.Identity
	Version  profile.Version // as the image says, not the profile
	Lab      string          // NtBuildLab, such as "2600.xpsp_sp2_rtm.040803-2158"; may be empty
	Root     string          // %SystemRoot%

	SystemProcess       paging.Virt // _EPROCESS of System
	PsActiveProcessHead paging.Virt
	KDBG                paging.Virt // _KDDEBUGGER_DATA64, plain or encoded; 0 when it was not found
	SystemTime          time.Time   // zero when not known

	// Found says in sentences how the kernel was found and its profile chosen, in the order in which it was done.
	Found []string
	// Exact says that the profile was chosen by the identity of the kernel, or by hand.
	Exact bool

	mem       *sparse.Reader
	cache     *sparse.Cache
	soft      *paging.Soft
	layout    *layout
	kernel    memory
	shared    sharedData
	faults    *sparse.Faults        // reads of mem that failed; nil: they are not counted
	swap      paging.Swap           // nil: there is none
	listed    func() pagingFileList // keeps the page files that the kernel uses; nil: they are looked for each time
	imageSize paging.Virt           // of the kernel's executable in bytes
	debugger  *debuggerData         // nil when it was not found
	odd       bool                  // some part of the System process is odd: it is not used as evidence
	dump      *dump                 // the dump of a process that stands for the system; nil: the system's memory is present
}

// Memory returns physical memory.
func (k *Kernel) Memory() *sparse.Reader { return k.mem }

// DTB returns the physical address of the root page table of Space.
func (k *Kernel) DTB() paging.Phys { return k.Space.Root() }

// OS is the name of the system's product.
func (k *Kernel) OS() string { return k.Version.OS(k.Profile.Arch()) }
