package mdmp

// Arch is a kind of processor (PROCESSOR_ARCHITECTURE_*).
type Arch uint16

// The kinds.
const (
	X86   Arch = 0
	X64   Arch = 9
	ARM64 Arch = 12
)

// System is the Windows that the process ran on.
type System struct {
	Arch                Arch
	Processors          uint8
	Product             uint8 // VER_NT_WORKSTATION, VER_NT_DOMAIN_CONTROLLER or VER_NT_SERVER
	Major, Minor, Build uint32
	ServicePack         string
	Suite               uint16    // VER_SUITE_*
	Features            [2]uint64 // a bit per PF_*; x86 has no place for them
}

const (
	systemInfoSize  = 56 // MINIDUMP_SYSTEM_INFO
	platformNT      = 2  // VER_PLATFORM_WIN32_NT
	miscInfoSize    = 24 // MINIDUMP_MISC_INFO
	miscProcessID   = 1  // MINIDUMP_MISC1_PROCESS_ID
	processorOffset = 32 // of CPU_INFORMATION
)

// system writes MINIDUMP_SYSTEM_INFO. The processor's level, revision and, on x86, its maker and features are left out.
func (w *writer) system(d *Dump) (at, size int) {
	s := &d.System
	at = w.room(systemInfoSize)
	w.u16(at, uint16(s.Arch))
	w.b[at+6], w.b[at+7] = s.Processors, s.Product
	w.u32s(at+8, s.Major, s.Minor, s.Build, platformNT, w.text(s.ServicePack))
	w.u16(at+28, s.Suite)
	if s.Arch != X86 {
		w.u64(at+processorOffset, s.Features[0])
		w.u64(at+processorOffset+8, s.Features[1])
	}
	return at, systemInfoSize
}

// misc writes MINIDUMP_MISC_INFO. MINIDUMP_MISC1_PROCESS_TIMES is not set, for it would say that the processor times
// of the process are known, too.
func (w *writer) misc(d *Dump) (at, size int) {
	at = w.room(miscInfoSize)
	w.u32s(at, miscInfoSize, miscProcessID, d.Process.ID, unix(d.Process.Created))
	return at, miscInfoSize
}
