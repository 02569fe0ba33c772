package nt

import "memlens/memimage/paging"

// maxSearchedPages bounds the search for the environment block: 4 GiB of memory.
const maxSearchedPages = 1 << 20

// pebForm holds the offsets by which an environment block is recognized, and the form of its loader's lists.
type pebForm struct {
	memory
	base, ldr paging.Virt
	loader    *loaderForm
}

// search looks for the environment block in a dump without threads' blocks. The block begins a page, has the base of a
// program, and leads to a loader's list that begins with that program. It is taken if there is no other. A 32-bit
// process on 64-bit Windows has one of each width.
func (f *pebFinder) search() {
	l := &f.k.layout.PEB
	forms := []pebForm{{f.m, paging.Virt(l.ImageBase), paging.Virt(l.Ldr), f.k.nativeLoader()}}
	if f.m.pointer == 8 {
		forms = append(forms, pebForm{memory{f.m.space, 4}, peb32Base, peb32Ldr, f.k.loader32()})
	}
	found := f.candidates(forms)
	if len(found[0]) != 1 {
		return
	}
	const how = "found by its contents, for the dump has no thread's block: it names the base of a program, its loader's list begins with that, and no other page does so"
	f.peb = found[0][0]
	f.k.found("the environment block is at %#x, %s", uint64(f.peb), how)
	if len(found) > 1 && len(found[1]) == 1 {
		f.peb32 = found[1][0]
		f.k.found("it is a 32-bit process on 64-bit Windows: its 32-bit environment block is at %#x, found likewise", uint64(f.peb32))
	}
}

// candidates returns the pages that may be environment blocks of each form.
func (f *pebFinder) candidates(forms []pebForm) [][]paging.Virt {
	left := maxSearchedPages
	found := make([][]paging.Virt, len(forms))
	for _, e := range f.k.dump.Memory.Extents() {
		for va := paging.Virt(e.Off+pageSize-1) &^ (pageSize - 1); va < paging.Virt(e.End()) && left > 0; va += pageSize {
			left--
			for i := range forms {
				if forms[i].isEnvironment(va) {
					found[i] = append(found[i], va)
				}
			}
		}
	}
	return found
}

// baseUnit divides the addresses of images.
const baseUnit = 1 << 16

// isEnvironment reports whether an environment block lies at va.
func (f *pebForm) isEnvironment(va paging.Virt) bool {
	program, err := f.ptr(va + f.base)
	if err != nil || program == 0 || program%baseUnit != 0 {
		return false
	}
	ldr, err := f.ptr(va + f.ldr)
	if err != nil {
		return false
	}
	head := ldr + paging.Virt(f.loader.heads[LoadOrder])
	first, err := f.ptr(head)
	if err != nil {
		return false
	}
	back, backErr := f.ptr(first + paging.Virt(f.pointer))
	base, err := f.ptr(first - paging.Virt(f.loader.links[LoadOrder]) + paging.Virt(f.loader.Base))
	return backErr == nil && err == nil && back == head && base == program
}
