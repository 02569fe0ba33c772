package minidump

import (
	"bytes"
	"fmt"
	"slices"
	"time"
)

// Arch is a processor architecture as minidumps number it (PROCESSOR_ARCHITECTURE_*).
type Arch uint16

// The architectures that Windows runs on.
const (
	X86   Arch = 0
	ARM   Arch = 5
	IA64  Arch = 6
	X64   Arch = 9
	ARM64 Arch = 12
)

// String is the architecture's usual name.
func (a Arch) String() string {
	if name, ok := map[Arch]string{X86: "x86", ARM: "ARM", IA64: "Itanium", X64: "x64", ARM64: "arm64"}[a]; ok {
		return name
	}
	return fmt.Sprintf("an architecture of number %#x", uint16(a))
}

// Pointer is how many bytes an address has; 0 if the architecture is not known.
func (a Arch) Pointer() int {
	switch a {
	case X86, ARM:
		return 4
	case X64, ARM64, IA64:
		return 8
	}
	return 0
}

// Numbers for a process that ran on a processor of another kind. They are taken for the architecture of the process
// itself.
const (
	x86OnX64   = 10 // PROCESSOR_ARCHITECTURE_IA32_ON_WIN64
	armOnARM64 = 13 // PROCESSOR_ARCHITECTURE_ARM32_ON_WIN64
	x86OnARM64 = 14 // PROCESSOR_ARCHITECTURE_IA32_ON_ARM64
	oldARM64   = 0x8003
)

// archOf returns the architecture of a number.
func archOf(n uint16) Arch {
	switch n {
	case x86OnX64, x86OnARM64:
		return X86
	case armOnARM64:
		return ARM
	case oldARM64: // Breakpad's number, from before Microsoft had one
		return ARM64
	}
	return Arch(n)
}

// WindowsNT is the platform of every Windows of today (VER_PLATFORM_WIN32_NT).
const WindowsNT = 2

// System is the SystemInfoStream (MINIDUMP_SYSTEM_INFO).
type System struct {
	Arch                Arch
	Major, Minor, Build uint32
	Platform            uint32 // [WindowsNT]; other systems, whose dumps Breakpad and Crashpad write, have other numbers
	Product             uint8  // VER_NT_WORKSTATION 1, VER_NT_DOMAIN_CONTROLLER 2, VER_NT_SERVER 3
	ServicePack         string // CSDVersion; may be empty
	Processors          uint8
}

// platforms are the platforms of other systems (Breakpad's minidump_format.h).
var platforms = map[uint32]string{
	0x8000: "Unix", 0x8101: "macOS", 0x8102: "iOS", 0x8201: "Linux", 0x8202: "Solaris", 0x8203: "Android", 0x8204: "PlayStation 3",
	0x8205: "Native Client", 0x8206: "Fuchsia",
}

// OtherSystem names the system of the dump if that is not Windows; empty: it is Windows.
func (s *System) OtherSystem() string { return platforms[s.Platform] }

func (r *reader) system(d *Dump, s Stream) {
	const size = 32 // without the data about the processor
	b := r.at(s.Off, size)
	if len(b) < size || s.Size < size {
		r.note("The %s is cut off.", s.Name())
		return
	}
	d.System = &System{
		Arch: archOf(b.u16(0)), Processors: b.u8(6), Product: b.u8(7), Major: b.u32(8), Minor: b.u32(12), Build: b.u32(16), Platform: b.u32(20),
		ServicePack: r.string(uint64(b.u32(24))),
	}
}

// Misc is the MiscInfoStream (MINIDUMP_MISC_INFO to MINIDUMP_MISC_INFO_5).
type Misc struct {
	PID     uint32
	HasPID  bool
	Created time.Time // of the process; zero: not known. Its unit is a second.
	Build   string    // of the system, such as "19041.1.amd64fre.vb_release.191206-1406"; may be empty
	Writer  string    // the name that dbghelp gives itself; may be empty
}

// The flags of MINIDUMP_MISC_INFO.Flags1 for present members, and the offsets of these.
const (
	miscID     = 1 << 0
	miscTimes  = 1 << 1
	miscBuild  = 1 << 8
	buildAt    = 232
	buildSize  = 520
	writerAt   = buildAt + buildSize
	writerSize = 80
)

func (r *reader) misc(d *Dump, s Stream) {
	b := r.at(s.Off, int(min(s.Size, writerAt+writerSize)))
	if len(b) < 12 {
		r.note("The %s is cut off.", s.Name())
		return
	}
	flags := b.u32(4)
	if flags&miscID != 0 {
		d.Misc.PID, d.Misc.HasPID = b.u32(8), true
	}
	if t := b.u32(12); flags&miscTimes != 0 && t != 0 {
		d.Misc.Created = time.Unix(int64(t), 0).UTC()
	}
	if flags&miscBuild != 0 {
		d.Misc.Build, d.Misc.Writer = utf16Text(b.part(buildAt, buildSize)), utf16Text(b.part(writerAt, writerSize))
	}
}

// maxComment bounds the bytes of a comment that are read.
const maxComment = 1 << 16

func (r *reader) commentA(d *Dump, s Stream) {
	text, _, _ := bytes.Cut(r.at(s.Off, int(min(s.Size, maxComment))), []byte{0})
	if len(text) > 0 {
		d.Comments = append(d.Comments, string(text))
	}
}

func (r *reader) commentW(d *Dump, s Stream) {
	text := utf16Text(r.at(s.Off, int(min(s.Size, maxComment))))
	if text != "" && !slices.Contains(d.Comments, text) { // some writers write a comment twice, for readers of either kind
		d.Comments = append(d.Comments, text)
	}
}
