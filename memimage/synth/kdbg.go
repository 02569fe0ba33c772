package synth

import (
	"cmp"
	"fmt"
	"math/bits"

	"memlens/memimage/profile"
)

// Offsets in _KDDEBUGGER_DATA64, the same in all versions; all members are
// 64 bits wide and most hold the address of a variable.
const (
	kdbgTag            = 0x10
	kdbgSize           = 0x14
	kdbgKernBase       = 0x18
	kdbgSizeEProcess   = 680
	kdbgEProcessPeb    = 682
	kdbgEProcessParent = 684
	kdbgEProcessDTB    = 686
)

// kdbgPointers are the members that synth fills.
var kdbgPointers = map[uint32]string{
	72: "PsLoadedModuleList", 80: "PsActiveProcessHead", 88: "PspCidTable", 192: "MmPfnDatabase", 216: "MmSubsectionBase",
	272: "MmNonPagedPoolStart", 288: "MmPagedPoolStart", 296: "MmPagedPoolEnd", 456: "MmHighestUserAddress",
	464: "MmSystemRangeStart", 520: "NtBuildLab", 536: "KiProcessorBlock", 616: "CmNtCSDVersion", 624: "MmPhysicalMemoryBlock",
}

// debugSize is Header.Size of the block by kernel build.
func debugSize(build uint32) uint32 {
	sizes := []struct{ build, size uint32 }{
		{17763, 0x380}, {14393, 0x368}, {9200, 0x360}, {7600, 0x340}, {6001, 0x330}, {6000, 0x328}, {3789, 0x318},
	}
	for _, s := range sizes {
		if build >= s.build {
			return s.size
		}
	}
	return 0x290
}

// fillKDBG writes the debugger block and the variables that it points to.
func (b *builder) fillKDBG() {
	b.fillVariables()
	form := b.KDBG
	if form == KDBGDefault {
		form = KDBGPlain
		if b.l.build >= 9200 && b.x64() {
			form = KDBGEncoded
		}
	}
	block := b.debugBlock()
	switch form {
	case KDBGWiped:
		clear(block)
	case KDBGEncoded:
		b.encodeKDBG(block)
	}
	b.k.write(b.variable("KdDebuggerDataBlock"), block)
	b.fillVersionBlock()
}

// debugBlock is the block before it is encoded.
func (b *builder) debugBlock() []byte {
	size := debugSize(b.l.build)
	if n := b.Profile.KDBGSize(); n != 0 {
		size = n
	}
	p := make([]byte, alignUp(size, 8))
	list := b.variable("DebuggerDataList")
	putN(p, 0, list, 8)
	putN(p, 8, list, 8)
	copy(p[kdbgTag:], "KDBG")
	put32(p, kdbgSize, size)
	putN(p, kdbgKernBase, b.kernel.base, 8)
	for at, name := range kdbgPointers {
		putN(p, int(at), b.variable(name), 8)
	}
	b.debugOffsets(p)
	return p
}

// debugOffsets writes the members that give structure offsets; the block of
// Windows XP ends before them.
func (b *builder) debugOffsets(p []byte) {
	if len(p) < kdbgEProcessDTB+2 {
		return
	}
	putN(p, kdbgSizeEProcess, uint64(b.l.size("_EPROCESS")), 2)
	for at, member := range map[int]string{
		kdbgEProcessPeb: "_EPROCESS.Peb", kdbgEProcessParent: "_EPROCESS.InheritedFromUniqueProcessId",
		kdbgEProcessDTB: "_EPROCESS.Pcb.DirectoryTableBase",
	} {
		if f, ok := b.l.Field(member); ok {
			putN(p, at, uint64(f.Offset), 2)
		}
	}
}

// fillVariables writes the variables that the block's pointers point to.
func (b *builder) fillVariables() {
	v := b.version()
	b.k.write(b.variable("NtBuildNumber"), le(uint64(v.Build)|0xf<<28, 4))
	b.k.write(b.variable("NtBuildLab"), []byte(cmp.Or(b.Lab, buildLab(v))+"\x00"))
	b.k.write(b.variable("CmNtCSDVersion"), le(servicePacks[v.Revision]<<8, 4))
	b.setVar("MmPagedPoolStart", b.regions.paged)
	b.setVar("MmPagedPoolEnd", b.regions.paged+0x4000000-1)
	b.setVar("MmNonPagedPoolStart", b.regions.nonpaged)
	b.setVar("MmHighestUserAddress", b.regions.user)
	b.setVar("MmSystemRangeStart", b.mode.kernel)
	b.setVar("MmSubsectionBase", b.regions.nonpaged)
	b.setVar("MmPhysicalMemoryBlock", b.physicalRuns())
	b.k.write(b.variable("MiInvalidPteMask"), le(b.maskVariable(), 8))
	b.k.write(b.variable("ObHeaderCookie"), []byte{obHeaderCookie})
	block := b.variable("KdDebuggerDataBlock")
	b.k.chain(8, b.variable("DebuggerDataList"), block)
}

// buildLab is the kernel's text about its build: up to Server 2003 without the revision, but with the time (here the
// time of Windows XP SP2).
func buildLab(v profile.Version) string {
	if v.Build < 6000 {
		return fmt.Sprintf("%d.memlens_synth.040803-2158", v.Build)
	}
	return fmt.Sprintf("%d.%d.memlens_synth", v.Build, v.Revision)
}

// servicePacks are the service packs of Windows XP and Server 2003, by the revision.
var servicePacks = map[uint32]uint64{2180: 2, 5512: 3, 1830: 1, 3959: 2}

// physicalRuns writes _PHYSICAL_MEMORY_DESCRIPTOR and returns its address.
func (b *builder) physicalRuns() uint64 {
	runs := b.m.runs()
	n := b.l.size("_PHYSICAL_MEMORY_DESCRIPTOR") + len(runs)*b.l.size("_PHYSICAL_MEMORY_RUN")
	va := b.nonpaged.alloc("MmPh", n)
	r := b.record("_PHYSICAL_MEMORY_DESCRIPTOR", va)
	r.set("NumberOfRuns", uint64(len(runs)))
	at, _ := r.at("Run")
	total := uint64(0)
	for _, run := range runs {
		rr := b.record("_PHYSICAL_MEMORY_RUN", at)
		rr.set("BasePage", run.Start)
		rr.set("PageCount", run.Pages)
		total += run.Pages
		at += uint64(b.l.size("_PHYSICAL_MEMORY_RUN"))
	}
	r.set("NumberOfPages", total)
	return va
}

// fillVersionBlock writes _DBGKD_GET_VERSION64, which leads from the processor
// block to the debugger block on x86.
func (b *builder) fillVersionBlock() {
	va := b.variable("KdVersionBlock")
	v := b.version()
	machine := uint64(0x14c)
	if b.x64() {
		machine = 0x8664
	}
	b.k.write(va, append(le(0xf, 2), le(uint64(v.Build), 2)...))
	b.k.write(va+8, le(machine, 2))
	b.k.write(va+16, le(b.kernel.base, 8))
	b.k.write(va+24, le(b.variable("PsLoadedModuleList"), 8))
	b.k.write(va+32, le(b.variable("DebuggerDataList"), 8))
}

// encodeKDBG hides the block as KdEncodeDataBlock does: each 64-bit word is
// XORed with KiWaitAlways, byte-swapped, XORed with the address of
// KdpDataBlockEncoded, rotated right by the low bits of KiWaitNever and XORed
// with that.
func (b *builder) encodeKDBG(block []byte) {
	never, always := b.m.rng.Uint64()|1, b.m.rng.Uint64()
	b.k.write(b.variable("KiWaitNever"), le(never, 8))
	b.k.write(b.variable("KiWaitAlways"), le(always, 8))
	b.k.write(b.variable("KdpDataBlockEncoded"), []byte{1})
	key := b.variable("KdpDataBlockEncoded") | 0xffff000000000000
	for at := 0; at < len(block); at += 8 {
		v := bits.ReverseBytes64(getN(block, at, 8)^always) ^ key
		putN(block, at, bits.RotateLeft64(v, -int(never&0x3f))^never, 8)
	}
}
