package synth

import (
	"math/rand/v2"
	"slices"
)

// kernel is the loaded kernel image and its variables.
type kernel struct {
	base    uint64
	file    []byte
	size    uint32
	id      RSDS
	data    uint32 // next free RVA of the data sections
	cache   uint32 // RVA of the page with SmGlobals; 0: no such page
	spaces  int    // number of data sections; they follow the code
	vars    map[string]uint32
	kpcr    uint64
	modules []uint64 // loaded module entries
}

// The kernel image: code, then data large enough for every variable that a
// profile knows the address of.
const kernelCode = 0x10000

// kernelVar is a variable and its size.
type kernelVar struct {
	name string
	size uint32
}

// kernelVars are the variables and their sizes. A variable whose address is in the profile lies there.
var kernelVars = []kernelVar{
	{"KdDebuggerDataBlock", 0x400},
	{"KdVersionBlock", 0x40},
	{"PsActiveProcessHead", 0x10},
	{"PsLoadedModuleList", 0x10},
	{"PsInitialSystemProcess", 8},
	{"PsIdleProcess", 8},
	{"PspCidTable", 8},
	{"NtBuildNumber", 8},
	{"NtBuildLab", 0x40},
	{"KiProcessorBlock", 0x200},
	{"MmPfnDatabase", 8},
	{"MmPagedPoolStart", 8},
	{"MmPagedPoolEnd", 8},
	{"MmNonPagedPoolStart", 8},
	{"MmHighestUserAddress", 8},
	{"MmSystemRangeStart", 8},
	{"MmPhysicalMemoryBlock", 8},
	{"CmNtCSDVersion", 8},
	{"KiWaitNever", 8},
	{"KiWaitAlways", 8},
	{"KdpDataBlockEncoded", 8},
	{"MiInvalidPteMask", 8},
	{"ObHeaderCookie", 8},
	{"MmSubsectionBase", 8},
	{"DebuggerDataList", 0x10},
}

// buildKernel maps the kernel and everything that exists before the first process: pools, shared data, processor
// block, debugger block.
func (b *builder) buildKernel() {
	b.kernel = &kernel{base: b.regions.kernel, vars: make(map[string]uint32), id: b.identity()}
	b.placeVars()
	b.kernel.file = b.kernelFile()
	b.mapKernel()
	b.mapPools()
	b.fillShared()
	b.fillProcessor()
	b.fillKDBG()
	b.fillModules()
	if b.LowStub && b.x64() {
		b.fillLowStub()
	}
	b.addSystem()
}

// identity is the kernel's debug record: the record in System, the record of the profile's kernel, or a made-up one.
func (b *builder) identity() RSDS {
	if b.Identity != nil {
		return *b.Identity
	}
	if id, ok := b.Profile.Identity(); ok {
		return RSDS{PDB: id.PDB, GUID: id.GUID, Age: id.Age}
	}
	for _, k := range b.Profile.Kernels() {
		return RSDS{PDB: k.PDB, GUID: k.GUID, Age: k.Age}
	}
	return RSDS{PDB: b.kernelPDB(), GUID: madeGUID(b.Profile.Name()), Age: 2}
}

func (b *builder) kernelPDB() string {
	switch b.Paging {
	case X86:
		return "ntoskrnl.pdb"
	case PAE:
		return "ntkrnlpa.pdb"
	}
	return "ntkrnlmp.pdb"
}

// madeGUID is a GUID that no kernel has; the same name gives the same GUID.
func madeGUID(name string) string {
	rng := rand.New(rand.NewPCG(uint64(len(name)), hash(name)))
	const digits = "0123456789ABCDEF"
	out := make([]byte, 32)
	for i := range out {
		out[i] = digits[rng.IntN(16)]
	}
	return string(out)
}

// hash is FNV-1a.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range []byte(s) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// placeVars gives each variable its address: the profile's, if it stands for
// the kernel in the debug record, else the next in a data section.
func (b *builder) placeVars() {
	symbol := b.symbols()
	end := uint32(kernelCode + pageSize)
	for _, v := range b.kernelVars() {
		if rva, ok := symbol(v.name); ok {
			b.kernel.vars[v.name] = uint32(rva)
			end = max(end, uint32(rva)+v.size)
		}
	}
	next := alignUp(end, pageSize)
	for _, v := range b.kernelVars() {
		if _, ok := b.kernel.vars[v.name]; !ok && v.name != varSmGlobals {
			b.kernel.vars[v.name] = next
			next += alignUp(v.size, 0x20)
		}
	}
	b.kernel.data = alignUp(next, pageSize)
	b.placeGlobals()
}

// kernelVars are the variables that this kernel has.
func (b *builder) kernelVars() []kernelVar { return slices.Concat(kernelVars, b.storeVars()) }

// symbols finds known addresses in the kernel of the debug record.
func (b *builder) symbols() func(string) (uint64, bool) {
	symbol := b.profileSymbols()
	return func(name string) (uint64, bool) {
		if isStoreVar(name) {
			rva := b.storeRVA(name)
			return uint64(rva), rva != 0
		}
		return symbol(name)
	}
}

// profileSymbols finds the profile's addresses in the kernel of the debug record.
func (b *builder) profileSymbols() func(string) (uint64, bool) {
	for _, k := range b.Profile.Kernels() {
		if k.GUID == b.kernel.id.GUID && k.Age == b.kernel.id.Age {
			return k.Symbol
		}
	}
	return func(string) (uint64, bool) { return 0, false }
}

// variable is the address of a kernel variable.
func (b *builder) variable(name string) uint64 {
	rva, ok := b.kernel.vars[name]
	if !ok {
		panic("synth: no kernel variable " + name)
	}
	return b.kernel.base + uint64(rva)
}

// setVar writes a pointer-sized kernel variable.
func (b *builder) setVar(name string, v uint64) { b.k.write(b.variable(name), le(v, b.l.ptr)) }

// kernelFile writes the kernel's PE file. Its data section has no bytes of its
// own: it is filled in memory.
func (b *builder) kernelFile() []byte {
	bits := b.l.ptr * 8
	rng := rand.New(rand.NewPCG(b.Seed, hash("ntoskrnl")))
	p := PE{
		Bits: bits, Base: b.kernel.base, Stamp: 0x41108004, Entry: 0x1000, ExportName: "ntoskrnl.exe", Debug: &b.kernel.id,
		Sections: []PESection{{Name: ".text", Data: code(rng, kernelCode), Flags: SectionCode}},
	}
	b.writeStoreCode(p.Sections[0].Data, rng)
	data := b.dataSections()
	p.Sections, b.kernel.spaces = append(p.Sections, data...), len(data)
	for _, name := range []string{"PsInitialSystemProcess", "PsLoadedModuleList", "NtBuildNumber"} {
		if name != "PsLoadedModuleList" || b.x64() {
			p.Exports = append(p.Exports, Export{name, b.kernel.vars[name]})
		}
	}
	for _, name := range []string{"ExAllocatePoolWithTag", "IoCreateFile", "KeBugCheckEx", "MmMapLockedPages", "ZwCreateFile"} {
		p.Exports = append(p.Exports, Export{name, 0x1000 + uint32(rng.IntN(kernelCode))&^15})
	}
	return p.Bytes()
}

// mapKernel loads the image. Pages of the data section that hold no variable
// stay out of memory.
func (b *builder) mapKernel() {
	im, err := parseImage(b.kernel.file)
	if err != nil {
		panic(buildError{err})
	}
	b.kernel.size = im.size
	if b.LargePages {
		b.mapLargeRange(b.kernel.base, uint64(im.size))
	}
	bytes := im.mapped()
	present := b.varPages()
	for page := range im.pages() {
		rva := uint32(page) * pageSize
		if i := im.section(page); i >= 1 && i <= b.kernel.spaces && !present[rva] {
			continue
		}
		va := b.kernel.base + uint64(rva)
		if !b.LargePages {
			b.k.mapPage(va, b.m.alloc(), pteKernelPage)
		}
		b.k.write(va, bytes[rva:rva+pageSize])
	}
}

// varPages are the pages, by RVA, that hold a variable.
func (b *builder) varPages() map[uint32]bool {
	present := make(map[uint32]bool)
	for _, v := range b.kernelVars() {
		rva := b.kernel.vars[v.name]
		for at := rva &^ (pageSize - 1); at < rva+v.size; at += pageSize {
			present[at] = true
		}
	}
	return present
}

// mapLargeRange maps the large pages around a range.
func (b *builder) mapLargeRange(va, n uint64) {
	size := uint64(1) << b.mode.large
	for at := va &^ (size - 1); at < va+n; at += size {
		b.k.mapLarge(at, b.m.allocRun(size>>pageShift, size>>pageShift))
	}
}

func (b *builder) mapPools() {
	if b.LargePages {
		size := uint64(1) << b.mode.large
		b.mapLargeRange(b.nonpaged.va, size)
	}
}

// fillModules writes the loaded module list: the kernel, and a driver that is not in memory, then the drivers.
func (b *builder) fillModules() {
	head := b.variable("PsLoadedModuleList")
	entries := []uint64{head}
	for i, name := range []string{`ntoskrnl.exe`, `hal.dll`} {
		entries = append(entries, b.moduleEntry(`\WINDOWS\system32\`, name, b.kernel.base+uint64(i)*0x1000000, b.kernel.base+0x1000, b.kernel.size))
	}
	b.addDrivers()
	entries = append(entries, b.driverEntries()...)
	b.k.chain(b.l.ptr, entries...)
	b.unlinkDrivers(head, entries[len(entries)-1])
	b.kernel.modules = slices.Clone(entries[1:])
}

// moduleEntry writes an entry of the loaded module list (_KLDR_DATA_TABLE_ENTRY).
func (b *builder) moduleEntry(folder, name string, base, entry uint64, size uint32) uint64 {
	va := b.nonpaged.alloc("MmLd", b.l.size("_LDR_DATA_TABLE_ENTRY"))
	r := b.record("_LDR_DATA_TABLE_ENTRY", va)
	r.set("DllBase", base)
	r.set("SizeOfImage", uint64(size))
	r.set("EntryPoint", entry)
	b.kernelString(r, "FullDllName", folder+name)
	b.kernelString(r, "BaseDllName", name)
	return va
}

// kernelString fills a _UNICODE_STRING member with a buffer from paged pool.
func (b *builder) kernelString(r record, member, text string) {
	at, ok := r.at(member)
	if !ok {
		return
	}
	raw := utf16le(text)
	buffer := b.pagedP.alloc("ObNm", len(raw)+2)
	b.k.write(buffer, raw)
	b.k.unicode(at, buffer, raw, b.l.ptr)
}
