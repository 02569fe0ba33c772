package nt

import (
	"bytes"
	"fmt"
	"strings"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// debuggerData is the kernel's _KDDEBUGGER_DATA64: addresses of variables that it keeps for debuggers. Its members
// have stood at the same offsets since Windows XP, 64 bits each (wdbgexts.h).
type debuggerData struct {
	VA    paging.Virt
	rec   record
	coded bool // in the image it is encoded
}

// Offsets in _KDDEBUGGER_DATA64.
const (
	kdbgTag                 profile.Offset = 0x10
	kdbgSize                profile.Offset = 0x14
	kdbgKernBase            profile.Offset = 0x18
	kdbgPsLoadedModuleList  profile.Offset = 0x48
	kdbgPsActiveProcessHead profile.Offset = 0x50
	kdbgNtBuildLab          profile.Offset = 0x208
	kdbgMmUnloadedDrivers   profile.Offset = 0x220
	kdbgMmLastUnloaded      profile.Offset = 0x228
	kdbgCmNtCSDVersion      profile.Offset = 0x268
	kdbgLeast                              = 0x290 // its size in Windows XP
	kdbgMost                               = 0x1000
)

// kdbgMark is the value of the member at kdbgTag.
var kdbgMark = []byte("KDBG")

// kdbgVariables are the members that are read by the name of the kernel's variable.
var kdbgVariables = map[string]profile.Offset{
	"MmSubsectionBase": 0xd8, "MmNonPagedPoolEnd": 0x118, "MmPagedPoolStart": 0x120,
}

// readDebuggerData reads the block at va; false when there is none, or an encoded one.
func readDebuggerData(m memory, va paging.Virt) (*debuggerData, bool) {
	head, err := m.record(va, 0x18)
	if err != nil || string(head.b[kdbgTag:kdbgTag+4]) != "KDBG" {
		return nil, false
	}
	size := head.u32(kdbgSize)
	if size < kdbgLeast || size > kdbgMost {
		return nil, false
	}
	r, err := m.record(va, kdbgLeast)
	return &debuggerData{VA: va, rec: r}, err == nil
}

// findLooseDebuggerData looks for the block wherever a kernel with missing headers may be mapped.
func findLooseDebuggerData(m memory, h *hunt) (found *debuggerData) {
	h.in(m.space, func(va paging.Virt, page []byte) promise {
		h.work.spend(kdbgWork)
		says := nothing
		for at := 0; ; at += len(kdbgMark) {
			i := bytes.Index(page[at:], kdbgMark)
			if i < 0 {
				return says
			}
			at, says = at+i, perhaps
			d, ok := readDebuggerData(m, va+paging.Virt(at)-paging.Virt(kdbgTag))
			if ok && d.likely(m) && h.work.spend(kernelWork) {
				found = d
				return sought
			}
		}
	})
	return found
}

// kdbgWork is the cost of searching a page for the block.
const kdbgWork = 3

// likely reports whether the block names a kernel and a list where they can be.
func (d *debuggerData) likely(m memory) bool {
	in, base := m.space.Mode().Arch.Kernel, d.ptr(m, kdbgKernBase)
	return base >= in.From && base < in.To && base%pageSize == 0 && d.ptr(m, kdbgPsActiveProcessHead) >= in.From
}

// ptr reads a member; 32-bit kernels extend theirs by the sign or not.
func (d *debuggerData) ptr(m memory, off profile.Offset) paging.Virt {
	return m.space.Mode().Canonicalize(paging.Virt(d.rec.u(off, 8)))
}

// variable returns the value of the pointer-sized kernel variable of that name.
func (d *debuggerData) variable(m memory, name string) (uint64, bool) {
	off, ok := kdbgVariables[name]
	if d == nil || !ok {
		return 0, false
	}
	v, err := m.ptr(d.ptr(m, off))
	return uint64(v), err == nil && v != 0
}

// lab returns NtBuildLab: the build, its revision and the branch it was made from.
func (d *debuggerData) lab(m memory) string {
	r, _ := m.record(d.ptr(m, kdbgNtBuildLab), 64)
	text, _, ended := strings.Cut(string(r.b), "\x00")
	if !ended || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
		return ""
	}
	return text
}

// labVersion reads the build and revision at the start of an NtBuildLab: "7601.24545.amd64fre…" has both,
// "2600.xpsp_sp2_rtm…" only the build.
func labVersion(lab string) (build, revision uint32, ok bool) {
	build, revision, n := labNumbers(lab)
	return build, revision, n > 0
}

// labNumbers also returns how many of the two numbers are present.
func labNumbers(lab string) (build, revision uint32, n int) {
	const oldest = 2600 // Windows XP: a lower number is something else
	n, _ = fmt.Sscanf(lab, "%d.%d", &build, &revision)
	if build < oldest || build >= 1<<16 {
		n = 0
	}
	return build, revision, n
}

// servicePack returns CmNtCSDVersion's major number: 3 for Service Pack 3; 0 for none, or when it is not known.
func (d *debuggerData) servicePack(m memory) uint32 {
	v, err := m.u32(d.ptr(m, kdbgCmNtCSDVersion))
	if err != nil || v >= 0x1000 {
		return 0
	}
	return uint32(v >> 8)
}

// servicePackRevisions are the first revisions of the service packs of the builds that have no revision in their lab
// strings.
var servicePackRevisions = map[[2]uint32]uint32{{2600, 1}: 1106, {2600, 2}: 2180, {2600, 3}: 5512, {3790, 1}: 1830, {3790, 2}: 3959}
