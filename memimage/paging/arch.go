package paging

import "slices"

// Arch is a processor architecture that Windows runs on. It has all facts about an architecture except its paging
// modes, which name it, and the layouts of the kernel's structures, which are in the profiles.
type Arch struct {
	Name     string   // "x86", "x64", "arm64"
	Machine  uint16   // the machine type of its kernel's executable (IMAGE_FILE_MACHINE_*)
	Programs []uint16 // the machine types that the page KUSER_SHARED_DATA may name: the kernel's own first
	Pointer  int      // bytes of an address
	// Processor is its number as programs ask for it (PROCESSOR_ARCHITECTURE_*).
	Processor uint16
	// Roots are the registers that hold the address of the root table: one or two registers. The second one is for the
	// upper half of the addresses. Windows has both halves in one page, so that a walk still begins with one address.
	Roots     []string
	Shared    Virt  // where the kernel sees KUSER_SHARED_DATA, the page that it shares with all programs
	Kernel    Range // where the kernel is loaded
	Guest32   bool  // 32-bit programs run beside programs of the kernel's own width (WOW64)
	CodedKDBG bool  // the kernel's debugger data block may be encoded, since Windows 8
	// Supported says that kernels are looked for and read. Other architectures are only named.
	Supported bool
}

// Range are the addresses from From on, before To.
type Range struct{ From, To Virt }

// The architectures.
var (
	ArchX86 = &Arch{
		Name: "x86", Machine: 0x14c, Programs: []uint16{0x14c}, Pointer: 4, Roots: []string{"CR3"},
		Shared: 0xffdf0000, Kernel: Range{0x80000000, 0xffc00000}, Supported: true,
	}
	ArchX64 = &Arch{
		Name: "x64", Machine: 0x8664, Processor: 9, Programs: []uint16{0x8664, 0x14c}, Pointer: 8, Roots: []string{"CR3"},
		Shared: 0xfffff78000000000, Kernel: Range{0xfffff80000000000, 0xfffff88000000000}, Guest32: true, CodedKDBG: true, Supported: true,
	}
	ArchARM64 = &Arch{
		Name: "arm64", Machine: 0xaa64, Processor: 12, Programs: []uint16{0xaa64}, Pointer: 8, Roots: []string{"TTBR0_EL1", "TTBR1_EL1"},
		Shared: 0xfffff78000000000, Kernel: Range{0xfffff80000000000, 0xfffff88000000000}, Guest32: true,
	}
)

// ArchARM is the architecture of 32-bit processes on ARM processors, of which dumps exist; no system of today uses it.
var ArchARM = &Arch{Name: "arm", Machine: 0x1c4, Processor: 5, Programs: []uint16{0x1c4}, Pointer: 4, Kernel: Range{0x80000000, 0xffc00000}}

// Archs returns all architectures of systems.
func Archs() []*Arch { return []*Arch{ArchX86, ArchX64, ArchARM64} }

// Modes returns the paging modes of the architecture.
func (a *Arch) Modes() []*Mode {
	return slices.DeleteFunc(Modes(), func(m *Mode) bool { return m.Arch != a })
}

// RunsProgram reports whether the shared page may name a machine type (ImageNumberLow, ImageNumberHigh).
func (a *Arch) RunsProgram(machine uint16) bool { return slices.Contains(a.Programs, machine) }
