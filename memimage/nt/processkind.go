package nt

import (
	"strings"

	"memlens/memimage/profile"
)

// ProcessKind is the kind of a process. Only ordinary processes and trustlets have an executable.
type ProcessKind uint8

const (
	OrdinaryProcess ProcessKind = iota // a program of Windows
	IdleProcess                        // it stands for processors with nothing to do
	SystemProcess                      // the kernel's own
	MinimalProcess                     // made by the kernel without an executable
	PicoProcess                        // a minimal process that runs a program of another system, such as Linux in WSL 1
	Trustlet                           // a program that the secure kernel runs (isolated user mode), out of the reach of this kernel
	processKinds    = iota
)

// String is the kind in a word.
func (k ProcessKind) String() string {
	return [processKinds]string{"ordinary", "idle", "system", "minimal", "pico", "trustlet"}[k]
}

// Kind returns the kind of the process. A process with an environment block, which processes without an executable
// lack, is ordinary whatever else its structure says. Trustlets are known where the profile is the very kernel's, and
// has the member that marks them.
func (p *Process) Kind() ProcessKind {
	switch {
	case p.dumped != nil:
		return OrdinaryProcess
	case p.PID == 0:
		return IdleProcess
	case p.PID == systemID:
		return SystemProcess
	case p.PEB == 0 && p.Pico:
		return PicoProcess
	case p.PEB == 0 && (p.Minimal || p.StandsFor() != ""):
		return MinimalProcess
	case p.secure && p.kernel.Exact:
		return Trustlet
	}
	return OrdinaryProcess
}

// StandsFor says what a minimal process of this name has, or stands for, as the end of a sentence that begins with the
// process; empty for other names, and for a process with an environment block.
func (p *Process) StandsFor() string {
	name := string(p.RawName)
	for _, m := range minimalProcesses {
		if p.PEB == 0 && (name == m.name || m.more && strings.HasPrefix(name, m.name) && !strings.Contains(name, ".")) {
			return m.what
		}
	}
	return ""
}

// isSecure reports whether a process's structure has the handle by which the secure kernel knows a trustlet. The lowest
// bit marks it (SecureProcess): other processes have a handle, too. Before that bit existed, only trustlets had an id
// there.
func (r record) isSecure(handle, pid profile.Field) bool {
	if v, ok := r.field(handle); ok {
		return v&1 != 0
	}
	v, _ := r.field(pid)
	return v != 0
}

// IsSecureSystem reports whether the process stands for the secure kernel: it exists where Windows runs with
// virtualization-based security.
func (p *Process) IsSecureSystem() bool {
	return p.PEB == 0 && p.PID != 0 && p.Exited.IsZero() && string(p.RawName) == secureSystem
}

// secureSystem is the name of the process that stands for the secure kernel.
const secureSystem = "Secure System"

// minimalProcesses are the processes that Windows 10 and later make without an executable, by their names. Where more is
// set, more may follow, such as the name of a virtual machine.
var minimalProcesses = []struct {
	name string
	more bool
	what string
}{
	{"Registry", false, "holds registry hives"},
	{"MemCompression", false, "holds memory pages that the kernel has compressed"},
	{"Memory Compress", true, "holds memory pages that the kernel has compressed"},
	{secureSystem, false, "stands for the secure kernel, whose memory cannot be seen from this one"},
	{"vmmem", true, "stands for the memory of a virtual machine"},
}
