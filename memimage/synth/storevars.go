package synth

import "math/rand/v2"

// storeVars are the kernel's variables that lead to the store, with their sizes.
func (b *builder) storeVars() []kernelVar {
	if b.store == nil {
		return nil
	}
	if b.storeRVA(varMask) == 0 {
		return []kernelVar{{varSmGlobals, 0x400}, {varVp, 0x20}, {varPagingFile, 0x80}}
	}
	return []kernelVar{{varSmGlobals, 0x400}, {varMask, 8}, {varPagingFile, 0x80}}
}

// isStoreVar says whether a variable is one of storeVars.
func isStoreVar(name string) bool {
	return name == varSmGlobals || name == varMask || name == varVp || name == varPagingFile
}

// storeRVA is the address of a variable in the kernel that the debug record stands for; 0: it is not known.
func (b *builder) storeRVA(name string) uint32 {
	if b.store == nil || b.Store.Lacks.RVAs {
		return 0
	}
	if rvas := storeRVAs(b.kernel.id); rvas != nil {
		return rvas[name]
	}
	return storeSymbols(b.profileSymbols(), b.l.build)[name]
}

// placeGlobals gives SmGlobals its address behind the other variables, unless it has one: a page of its own, at the
// same offset as in real kernels of the build.
func (b *builder) placeGlobals() {
	k := b.kernel
	if b.store == nil {
		return
	}
	if k.vars[varSmGlobals] == 0 {
		k.vars[varSmGlobals] = k.data + smGlobalsPage(b.l.build)
		k.data += pageSize
	}
	k.cache = k.vars[varSmGlobals] &^ (pageSize - 1)
}

// dataSections are the sections of the kernel that hold variables: from Windows 10 on, SmGlobals is in CACHEALI.
func (b *builder) dataSections() []PESection {
	const start = kernelCode + pageSize
	k := b.kernel
	if b.store == nil {
		return []PESection{{Name: ".data", VirtualSize: k.data - start, Flags: SectionBSS}}
	}
	name := "CACHEALI"
	if b.Store.Lacks.Section {
		name = "ALMOSTRO"
	}
	sections := []PESection{
		{Name: ".data", VirtualSize: k.cache - start, Flags: SectionBSS},
		{Name: name, VirtualSize: pageSize, Flags: SectionBSS},
	}
	if end := k.cache + pageSize; end < k.data {
		sections = append(sections, PESection{Name: "PAGEDATA", VirtualSize: k.data - end, Flags: SectionBSS})
	}
	return sections
}

// writeStoreCode puts instructions of SmpPageWrite (x64) or SmUpdateMemoryCondition (x86) into the kernel's code. In
// builds up to 18362, readers find SmGlobals by them.
func (b *builder) writeStoreCode(text []byte, rng *rand.Rand) {
	if b.store == nil || b.Store.Lacks.Code || b.l.build > 18363 {
		return
	}
	at := 0x800 + rng.IntN(len(text)-0x1000)&^15
	globals := b.kernel.vars[varSmGlobals]
	if !b.x64() {
		code := []byte{0x8b, 0xd1, 0xb9, 0, 0, 0, 0, 0xe8, 1, 2, 0, 0, 0xeb, 5}
		if b.l.build >= 17763 {
			code = []byte{0x8b, 0xd1, 0xb9, 0, 0, 0, 0, 0xe8, 1, 2, 0, 0, 0x90, 0xeb, 5}
		}
		put32(code, 3, uint32(b.kernel.base)+globals)
		copy(text[at:], code)
		return
	}
	code := []byte{0x4c, 0x8b, 0x02, 0x48, 0x8d, 0x84, 0x24, 0x80, 0, 0, 0x48, 0x8d, 0x15, 0, 0, 0, 0, 0xe8, 1, 2, 0, 0, 0x8b, 0xd8}
	put32(code, 13, globals-(pageSize+uint32(at)+17))
	copy(text[at:], code)
}
