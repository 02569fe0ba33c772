package nt

import (
	"fmt"
	"strings"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// name returns the name of the kernel's executable, and its source. The best source is the kernel's own export
// directory. Where that is not in memory, it is the list of loaded modules, which has the kernel first, or the name of
// the debug record. Where none of these is in memory, the name is assumed.
func (k *Kernel) name(image *kernelImage, debugger *debuggerData, m memory) (name, by string) {
	if image.Name != "" {
		return image.Name, ""
	}
	if name, ok := moduleName(k.Base, debugger, m); ok {
		return name, "the list of loaded modules, for its export directory is not in memory"
	}
	if name, ok := executableOf(k.Identity.PDB); ok {
		return name, "its debug record, for its export directory is not in memory; that is assumed"
	}
	return "ntoskrnl.exe", "the name that it usually has; that is assumed"
}

// executableOf returns the name that Windows gives the executable with a debug record: setup copies the multiprocessor
// kernel to the uniprocessor kernel's name.
func executableOf(pdb string) (string, bool) {
	base, ok := strings.CutSuffix(strings.ToLower(pdb), ".pdb")
	name := map[string]string{"ntoskrnl": "ntoskrnl.exe", "ntkrnlmp": "ntoskrnl.exe", "ntkrnlpa": "ntkrnlpa.exe", "ntkrpamp": "ntkrnlpa.exe", "ntkrla57": "ntkrla57.exe"}[base]
	return name, ok && name != ""
}

// moduleName returns the file name of the kernel in the list of loaded modules (PsLoadedModuleList). It is in the first
// entry, which must begin at base. Where the kernel's headers were not found, base is 0, and the debugger data block
// has the kernel's base.
func moduleName(base paging.Virt, debugger *debuggerData, m memory) (string, bool) {
	if debugger == nil {
		return "", false
	}
	if base == 0 {
		base = debugger.ptr(m, kdbgKernBase)
	}
	l := driverEntryLayout(m.pointer)
	first, err := m.ptr(debugger.ptr(m, kdbgPsLoadedModuleList))
	if err != nil {
		return "", false
	}
	r, err := m.record(first, int(l.path)+2*m.pointer)
	if err != nil || r.ptr(l.base) != base {
		return "", false
	}
	return m.fileName(r.ptr(l.path+profile.Offset(m.pointer)), int(r.u16(l.path)))
}

// fileName reads the last part of a path of n bytes of UTF-16; false when it is not the plain name of an executable.
func (m memory) fileName(va paging.Virt, n int) (string, bool) {
	const longest = 520 // bytes of a path
	if n == 0 || n > longest {
		return "", false
	}
	path, err := m.utf16(va, n)
	name := path[strings.LastIndexAny(path, `\/`)+1:]
	if err != nil || len(name) > 64 || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", false
	}
	return name, strings.HasSuffix(strings.ToLower(name), ".exe")
}

// foundKernel reports the kernel's address and name.
func (k *Kernel) foundKernel(by string) {
	at := fmt.Sprintf("at %#x%s", uint64(k.Base), identityNote(k.Identity))
	switch {
	case k.Base == 0:
		k.found("the kernel's executable is not found: its headers are not in memory; it is %s by %s", k.Name, by)
	case by == "":
		k.found("the kernel %s is %s", k.Name, at)
	default:
		k.found("the kernel is %s; it is %s by %s", at, k.Name, by)
	}
}
