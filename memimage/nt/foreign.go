package nt

import (
	"fmt"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// ArchError says that the memory is that of a Windows on processors whose memory cannot be read here, as its page tables
// and the page that Windows shares with its programs show.
type ArchError struct {
	Arch    *paging.Arch
	DTB     paging.Phys // of the first page directory that shows it
	Version profile.Version
	Root    string // %SystemRoot%; may be empty
	how     string
	own     bool   // the page tables are read in a mode of that architecture
	kernel  string // the executable that shows it; empty: the shared page does
}

func (e *ArchError) Error() string { return "nt: " + e.Evidence() }

// Evidence says in a sentence what shows it.
func (e *ArchError) Evidence() string {
	what := ", whose processors it names"
	if e.kernel != "" {
		what = fmt.Sprintf(", and a kernel of such processors (%s)", e.kernel)
	}
	return fmt.Sprintf("the page tables at %#x, from %s, map the page that Windows shares with its programs (KUSER_SHARED_DATA): Windows %d.%d, %s%s",
		uint64(e.DTB), e.how, e.Version.Major, e.Version.Minor, e.Root, what)
}

// foreignMachines are the architectures that are only named, by what the shared page says of the processor: the machine
// type of executables (ImageNumberLow), and NativeProcessorArchitecture, which Windows 10 and later have there, too.
var foreignMachines = []struct {
	arch      *paging.Arch
	processor uint64 // PROCESSOR_ARCHITECTURE_*
}{{paging.ArchARM64, 12}}

// foreignArch returns the architecture that the shared page r names, if it is one that is only named; else nil.
func foreignArch(r record) *paging.Arch {
	for _, f := range foreignMachines {
		if f.arch.RunsProgram(uint16(r.u16(sharedMachine))) || r.u16(sharedProcessor) == f.processor {
			return f.arch
		}
	}
	return nil
}

// addForeign remembers the first page directory that maps the shared page of such a Windows, of its own mode if there is
// one: the tables of one kind, read as those of another, may lead to the page, too. It reports whether the mode is one of
// processors that are only named.
func (f *finder) addForeign(w window) bool {
	a, own := w.shared.foreign, !w.mode.Arch.Supported
	if a != nil && (f.foreign == nil || own && !f.foreign.own) {
		f.foreign = foreignWindow(a, w.candidate, w.shared)
		f.foreign.own = own
	}
	return own
}

func foreignWindow(a *paging.Arch, c candidate, shared *sharedData) *ArchError {
	return &ArchError{Arch: a, DTB: c.dtb, Version: shared.version(), Root: shared.SystemRoot, how: c.how}
}

// checkArch fails with an [*ArchError] for a kernel of processors that are only named: as its executable says, or the shared page where that
// is not found.
func checkArch(c candidate, image *kernelImage, shared *sharedData) error {
	if image == nil && shared.foreign != nil {
		return foreignWindow(shared.foreign, c, shared)
	}
	for _, f := range foreignMachines {
		if image != nil && f.arch.Machine == image.Machine {
			e := foreignWindow(f.arch, c, shared)
			e.kernel = image.Name
			return e
		}
	}
	return nil
}
