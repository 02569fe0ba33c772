package profile

import (
	"slices"

	"memlens/memimage/profile/internal/layout"
)

// wantedStructs are the structures kept from a symbol file: the structures of the built-in profiles, of which every
// kernel has some, and the structures that they consist of.
func wantedStructs() func(name string) bool {
	names := map[string]bool{"_KEVENT": true, "_MMSECTION_FLAGS2": true, "_PS_PROTECTION": true, "_RTL_DRIVE_LETTER_CURDIR": true,
		"_STRING64": true, "_MMPTE_HIGHLOW": true, "_MMPTE_HARDWARE_LARGEPAGE": true, "_MIPFNBLINK": true, "_SINGLE_LIST_ENTRY": true}
	for p := range Builtin().All() {
		for _, s := range p.structs() {
			names[s.Name] = true
		}
	}
	return func(name string) bool { return names[name] }
}

// wantedSymbols are the symbols kept from a symbol file, sorted.
var wantedSymbols = []string{
	"CmNtCSDVersion", "KdDebuggerDataBlock", "KdVersionBlock", "KdpDataBlockEncoded", "KeNumberProcessors",
	"KiProcessorBlock", "KiWaitAlways", "KiWaitNever", "MiState",
	"MiSystemPartition", "MmHighestUserAddress", "MmNonPagedPoolEnd", "MmNumberOfPagingFiles", "MmPagedPoolStart", "MmPagingFile",
	"MmPfnDatabase", "MmPhysicalMemoryBlock", "MmProtectToValue", "MmSubsectionBase", "MmSystemRangeStart",
	"NtBuildLab", "NtBuildNumber", "ObHeaderCookie", "ObTypeIndexTable", "ObpRootDirectoryObject",
	"PoolBigPageTable", "PsActiveProcessHead", "PsIdleProcess", "PsInitialSystemProcess", "PsLoadedModuleList",
	"PspCidTable", "SmGlobals",
}

func wantedSymbol(name string) bool {
	_, ok := slices.BinarySearch(wantedSymbols, name)
	return ok
}

// completed adds to a table from a symbol file the structures of the debugger block, which symbols lack. They come
// from the built-in profile nearest to the kernel: the block's public form (KDDEBUGGER_DATA64 of wdbgexts.h) only
// grows at its end. If the version is not known, the newest built-in profile stands in.
func completed(t layout.Table) layout.Table {
	v := versionOf(t.Version)
	if v.Build == 0 {
		v.Build = ^uint32(0)
	}
	t.PTE = pteForm(t)
	candidates := Builtin().Candidates(Arch(t.Arch), v)
	for _, donor := range candidates[:min(1, len(candidates))] { // none for ARM64
		t.KDBG = donor.header.KDBG
		for _, name := range []string{"_KDDEBUGGER_DATA64", "_DBGKD_DEBUG_DATA_HEADER64"} {
			if s := donor.structure(name); s != nil && !has(t, name) {
				t.Structs = append(t.Structs, *s)
			}
		}
	}
	t.Normalize()
	return t
}

func has(t layout.Table, name string) bool {
	return slices.ContainsFunc(t.Structs, func(s layout.Struct) bool { return s.Name == name })
}

// pteForm says which form of page-table entries a table has; only 32-bit x86 has two.
func pteForm(t layout.Table) uint8 {
	i := slices.IndexFunc(t.Structs, func(s layout.Struct) bool { return s.Name == "_MMPTE" })
	switch {
	case t.Arch != layout.X86 || i < 0:
		return layout.PTEUnknown
	case t.Structs[i].Size == 8:
		return layout.PTEPAE
	}
	return layout.PTEClassic
}
