// Package profile knows where the members of the kernel's structures lie: one Profile per kernel build, as data.
//
// Profiles are built in (Builtin), or read from files that an analyst has: a PDB file, a symbol store or a Volatility
// 3 symbol table (OpenSymbols). Package nt above asks for members by Microsoft's names, by path or all at once with
// Bind, and decides from the image which profile is right. Below lie only the packages pdb and isf, and the coding of
// the built-in data.
package profile

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"memlens/memimage/profile/internal/layout"
	"memlens/memimage/profile/pdb"
)

// Arch is the architecture of a kernel.
type Arch uint8

// The architectures. ARM64 kernels have no built-in profiles, but their symbol files can be read.
const (
	X86   Arch = layout.X86
	X64   Arch = layout.X64
	ARM64 Arch = layout.ARM64
)

// String is "x86", "x64" or "arm64".
func (a Arch) String() string {
	switch a {
	case X86:
		return "x86"
	case X64:
		return "x64"
	case ARM64:
		return "arm64"
	}
	return fmt.Sprintf("Arch(%d)", uint8(a))
}

// ArchOf returns the architecture of kernels of a machine type (IMAGE_FILE_MACHINE_*); false for a type without
// profiles.
func ArchOf(machine uint16) (Arch, bool) {
	a, ok := map[uint16]Arch{pdb.MachineX86: X86, pdb.MachineX64: X64, pdb.MachineARM64: ARM64}[machine]
	return a, ok
}

// PointerSize is the size of a kernel pointer in bytes.
func (a Arch) PointerSize() int64 {
	if a == X86 {
		return 4
	}
	return 8
}

// Identity is the description of a kernel's PDB file in its RSDS debug record. It names one kernel exactly.
type Identity struct {
	PDB  string // "ntkrnlmp.pdb"
	GUID string // 32 upper-case hexadecimal digits, as symbol servers write it
	Age  uint32
}

// String is in the form of a symbol server's path: name/GUIDage, the age in hexadecimal.
func (id Identity) String() string { return fmt.Sprintf("%s/%s%X", id.PDB, id.GUID, id.Age) }

// NewIdentity makes an Identity from the fields of an RSDS record, whose GUID begins with little-endian numbers of 4, 2
// and 2 bytes.
func NewIdentity(pdb string, guid [16]byte, age uint32) Identity {
	slices.Reverse(guid[0:4])
	slices.Reverse(guid[4:6])
	slices.Reverse(guid[6:8])
	return Identity{PDB: pdb, GUID: guidString(guid), Age: age}
}

// Kernel is one kernel build that a profile was made from.
type Kernel struct {
	Identity
	Version
	symbols []layout.Symbol
}

// Profile is the layout of the structures of a kernel. It is immutable and safe for concurrent use. Built-in profiles
// are decoded when first asked for a structure.
type Profile struct {
	header  layout.Header
	structs func() []layout.Struct // sorted by name
	kernel  *layout.Kernel         // the single kernel that this profile stands for, or nil: symbols differ between kernels
}

// Name is the name of the profile, by which it can be chosen: "WinXPSP2x86", "Win10x64_19041.2846". It is Volatility
// 2's name, if Volatility 2 has the profile.
func (p *Profile) Name() string { return p.header.Name }

// Aliases are other names of the profile, such as the name of the server edition with the same kernel.
func (p *Profile) Aliases() []string { return slices.Clone(p.header.Aliases) }

// Source says where the layout comes from.
func (p *Profile) Source() string { return p.header.Source }

// OS is the product name, such as "Windows 10 2004".
func (p *Profile) OS() string { return p.Version().OS(p.Arch()) }

// Arch is the kernel's architecture.
func (p *Profile) Arch() Arch { return Arch(p.header.Arch) }

// PAE says whether the _MMPTE structures of a 32-bit profile belong to a PAE kernel. For other architectures it is
// not known, and does not matter. SoftPTE knows both forms in any case.
func (p *Profile) PAE() (known, pae bool) {
	return p.header.PTE != layout.PTEUnknown, p.header.PTE == layout.PTEPAE
}

// KDBGSize is the size that the header of the kernel's _KDDEBUGGER_DATA64 states, in bytes; 0 if not known.
func (p *Profile) KDBGSize() uint32 { return p.header.KDBG }

// Version is the NT version of the profile's kernel, or of the oldest kernel if several share the layout.
func (p *Profile) Version() Version {
	if p.kernel != nil {
		return versionOf(p.kernel.Version)
	}
	return versionOf(p.header.Version)
}

// Identity is the PDB file of the single kernel that this profile stands for. It is not ok for a profile that was not
// chosen by identity nor read from a symbol file.
func (p *Profile) Identity() (id Identity, ok bool) {
	if p.kernel == nil {
		return Identity{}, false
	}
	return identityOf(*p.kernel), true
}

// Kernels are the kernels known to have this layout, oldest first.
func (p *Profile) Kernels() []Kernel {
	out := make([]Kernel, 0, len(p.header.Kernels))
	for _, k := range p.header.Kernels {
		out = append(out, Kernel{Identity: identityOf(k), Version: versionOf(k.Version), symbols: k.Symbols})
	}
	return out
}

// Symbol is the address of a public symbol of the profile's single kernel, relative to the kernel's base. It is not
// ok if the symbol is not known or the profile stands for no single kernel (see Identity).
func (p *Profile) Symbol(name string) (rva uint64, ok bool) {
	if p.kernel == nil {
		return 0, false
	}
	return symbol(p.kernel.Symbols, name)
}

// Symbol is the address of a public symbol relative to the kernel's base.
func (k Kernel) Symbol(name string) (rva uint64, ok bool) { return symbol(k.symbols, name) }

func symbol(symbols []layout.Symbol, name string) (uint64, bool) {
	i, ok := slices.BinarySearchFunc(symbols, name, func(s layout.Symbol, name string) int {
		return strings.Compare(s.Name, name)
	})
	if !ok {
		return 0, false
	}
	return uint64(symbols[i].RVA), true
}

// of returns the profile for the kernel with this PDB file alone, if it is among the profile's kernels.
func (p *Profile) of(guid [16]byte, age uint32) (*Profile, bool) {
	for i, k := range p.header.Kernels {
		if k.GUID == guid && k.Age == age {
			one := *p
			one.kernel = &p.header.Kernels[i]
			return &one, true
		}
	}
	return nil, false
}

func identityOf(k layout.Kernel) Identity {
	return Identity{PDB: k.PDB, GUID: guidString(k.GUID), Age: k.Age}
}

// parseGUID undoes guidString; the digits may be in upper or lower case.
func parseGUID(s string) (g [16]byte, ok bool) {
	b, err := hex.DecodeString(s)
	return [16]byte(append(b, g[:]...)), err == nil && len(b) == len(g)
}

func guidString(g [16]byte) string { return fmt.Sprintf("%X", g[:]) }
