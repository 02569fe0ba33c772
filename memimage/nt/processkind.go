package nt

import (
	"strings"

	"memlens/memimage/profile"
)

// ProcessKind is what kind of process one is. Only ordinary ones and trustlets have an executable.
type ProcessKind uint8

const (
	OrdinaryProcess ProcessKind = iota // a program of Windows
	IdleProcess                        // the one that stands for processors with nothing to do
	SystemProcess                      // the kernel's own
	MinimalProcess                     // one that the kernel made without an executable
	PicoProcess                        // a minimal one that runs a program of another system, such as one of Linux in WSL 1
	Trustlet                           // a program that the secure kernel runs (isolated user mode), out of the reach of this one
	processKinds    = iota
)

// String is the kind in a word.
func (k ProcessKind) String() string {
	return [processKinds]string{"ordinary", "idle", "system", "minimal", "pico", "trustlet"}[k]
}

// Kind returns the kind of the process. An environment block, which those without an executable do not have, makes it an
// ordinary one whatever else its structure says. Trustlets are known where the profile is that of the very kernel, and has
// the member that tells them.
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

// StandsFor says what a minimal process of the process's name has, or stands for, as the end of a sentence that begins with
// the process; empty for other names, and for a process with an environment block.
func (p *Process) StandsFor() string {
	name := string(p.RawName)
	for _, m := range minimalProcesses {
		if p.PEB == 0 && (name == m.name || m.more && strings.HasPrefix(name, m.name) && !strings.Contains(name, ".")) {
			return m.what
		}
	}
	return ""
}

// isSecure reports whether a process's structure has the handle by which the secure kernel knows a trustlet: the lowest bit
// says so (SecureProcess), for others have a handle, too. Before there was that bit, only trustlets had an id there.
func (r record) isSecure(handle, pid profile.Field) bool {
	if v, ok := r.field(handle); ok {
		return v&1 != 0
	}
	v, _ := r.field(pid)
	return v != 0
}

// IsSecureSystem reports whether the process stands for the secure kernel: there is one where Windows runs with
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
