package nt

import (
	"cmp"
	"fmt"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// ArchError says that the memory is of a Windows on processors whose memory cannot be read here. Its page tables and
// the page that Windows shares with its programs show that.
type ArchError struct {
	Arch    *paging.Arch
	DTB     paging.Phys // of the first such page directory
	Version profile.Version
	Root    string // %SystemRoot%; may be empty
	how     string
	own     bool   // the page tables are read in a mode of that architecture
	kernel  string // the executable that shows it; empty: the shared page shows it
}

func (e *ArchError) Error() string { return "nt: " + e.Evidence() }

// Evidence says in a sentence how the memory shows the processor.
func (e *ArchError) Evidence() string {
	what := ", whose processors it names"
	if e.kernel != "" {
		what = fmt.Sprintf(", and a kernel of such processors (%s)", e.kernel)
	}
	return fmt.Sprintf("the page tables at %#x, from %s, map the page that Windows shares with its programs (KUSER_SHARED_DATA): Windows %d.%d, %s%s",
		uint64(e.DTB), e.how, e.Version.Major, e.Version.Minor, e.Root, what)
}

// foreignArch returns the architecture, if it is one that is only named, of the shared page r: by the machine type of
// executables (ImageNumberLow), or by NativeProcessorArchitecture, which Windows 10 and later have there, too. It is
// nil for other architectures.
func foreignArch(r record) *paging.Arch {
	return onlyNamed(func(a *paging.Arch) bool {
		return a.RunsProgram(uint16(r.u16(sharedMachine))) || r.u16(sharedProcessor) == uint64(a.Processor)
	})
}

// onlyNamed returns the first architecture that is only named and for which is returns true; nil when there is none.
func onlyNamed(is func(*paging.Arch) bool) *paging.Arch {
	for _, a := range paging.Archs() {
		if !a.Supported && is(a) {
			return a
		}
	}
	return nil
}

// addForeign remembers the first page directory that maps the shared page of such a Windows. A page directory of the
// Windows' own mode replaces one of another mode: tables of one mode, read in another mode, may lead to the page, too.
// It reports whether w is in a mode of processors that are only named.
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

// checkArch fails with an [*ArchError] for a kernel of processors that are only named: by its executable, or by the
// shared page where the executable is not found.
func checkArch(c candidate, image *kernelImage, shared *sharedData) error {
	if image == nil {
		if shared.foreign == nil {
			return nil
		}
		return foreignWindow(shared.foreign, c, shared)
	}
	arch := onlyNamed(func(a *paging.Arch) bool { return a.Machine == image.Machine })
	if arch == nil {
		return nil
	}
	e := foreignWindow(arch, c, shared)
	e.kernel = cmp.Or(image.Name, image.Identity.PDB)
	return e
}
