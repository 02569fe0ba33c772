package nt

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
	"memlens/memimage/store"
)

// openStore finds SmGlobals and opens the compressed store in a layout that is proved by its data. how says how it was
// found.
func (k *Kernel) openStore() (g *store.Global, how string, err error) {
	system := store.System{
		Kernel: k.Space, IsKernel: k.inKernelSpace, User: paging.Virt(k.Mode.UserSpace()),
		Owner: k.storeOwner,
	}
	layouts := store.Layouts(k.Version.Build, k.kernel.pointer)
	at, by, known := k.variable("SmGlobals")
	if known {
		if g, err = store.Open(system, at, layouts); err == nil || sparse.Failed(err) {
			return g, fmt.Sprintf("SmGlobals is at %#x, as %s", uint64(at), by), err
		}
	}
	tried := 0
	for at := range k.storeCandidates(slices.Concat(layouts...)) {
		if tried++; tried > maxStoreTries {
			break
		}
		g, openErr := store.Open(system, at, layouts)
		switch {
		case openErr == nil:
			return g, fmt.Sprintf("SmGlobals is at %#x, by its looks", uint64(at)), nil
		case sparse.Failed(openErr):
			return nil, "", openErr
		case err == nil:
			err = openErr
		}
	}
	return nil, "", cmp.Or(err, errors.New("SmGlobals was not found in the kernel's data"))
}

// maxStoreTries bounds the candidates for SmGlobals that are tried.
const maxStoreTries = 64

// storeOwner returns the address space of the process that has the store's regions, with its own pages alone.
func (k *Kernel) storeOwner(eprocess paging.Virt) (store.Memory, error) {
	if !k.inKernelSpace(eprocess) {
		return nil, fmt.Errorf("the owner of its regions would be at %#x", uint64(eprocess))
	}
	p, err := k.Process(eprocess)
	if err != nil {
		return nil, fmt.Errorf("the owner of its regions: %w", err)
	}
	if err := p.CheckSpace(); err != nil {
		return nil, fmt.Errorf("the owner of its regions, the process at %#x: %w", uint64(eprocess), err)
	}
	return p.own, nil
}

// variable returns the address of a kernel variable by public symbols, and its source.
func (k *Kernel) variable(name string) (at paging.Virt, by string, ok bool) {
	if k.Base == 0 {
		return 0, "", false
	}
	rva, ok := k.variableBySymbols(name)
	return k.Base + paging.Virt(rva), "the kernel's symbols say", ok
}

// variableBySymbols returns the relative address of a variable by the symbols of the kernel's profile.
func (k *Kernel) variableBySymbols(name string) (uint64, bool) {
	in := map[string][2]string{
		"InvalidPteMask": {"MiState", "_MI_SYSTEM_INFORMATION.Hardware.InvalidPteMask"},
		"PagingFile":     {"MiSystemPartition", "_MI_PARTITION.Vp.PagingFile"},
	}
	way, member := in[name]
	if !member {
		return k.Profile.Symbol(name)
	}
	rva, there := k.Profile.Symbol(way[0])
	f, known := k.Profile.Field(way[1])
	return rva + uint64(f.Offset), there && known
}

// The places that are searched for SmGlobals.
const (
	// storeSection is the section with SmGlobals in its first page, in all kernels whose symbols were checked.
	storeSection = "CACHEALI"
	maxStoreData = 16 << 20 // bytes of sections that are searched
	maxFollowed  = 1 << 14  // pointers that are followed: data may hold nothing else
)

// storeCandidates yields the places in the kernel's data that may be SmGlobals in one of the layouts: places that hold
// a pointer to an array of stores, and a pointer to a page that may be the root of a tree.
func (k *Kernel) storeCandidates(layouts []store.Layout) iter.Seq[paging.Virt] {
	return func(yield func(paging.Virt) bool) {
		left := maxFollowed
		for at, data := range k.dataWords(storeSection) {
			if k.looksLikeStore(data, layouts, &left) && !yield(at) {
				return
			}
		}
	}
}

// looksLikeStore reports whether data may begin with SmGlobals. left is how many pointers may still be followed.
func (k *Kernel) looksLikeStore(data record, layouts []store.Layout, left *int) bool {
	for i := range layouts {
		l := &layouts[i]
		if l.Inside == 0 && k.beginsStore(data, l) || l.Inside != 0 && k.leadsToStore(data, l, left) {
			return true
		}
	}
	return false
}

// leadsToStore reports whether data may begin with SmGlobals in a layout in which another block has the rest.
func (k *Kernel) leadsToStore(data record, l *store.Layout, left *int) bool {
	p := data.ptr(profile.Offset(l.Holder))
	if p%4 != 0 || p < l.Inside || !k.inKernelSpace(p-l.Inside) || *left == 0 {
		return false
	}
	*left--
	block, err := k.kernel.record(p-l.Inside, int(l.Root)+k.kernel.pointer)
	return err == nil && k.beginsStore(block, l)
}

// beginsStore reports whether a record may begin with the arrays of stores, and have the root of the global tree.
func (k *Kernel) beginsStore(r record, l *store.Layout) bool {
	array, root := r.ptr(0), r.ptr(profile.Offset(l.Root))
	return array%8 == 0 && root%pageSize == 0 && k.inKernelSpace(array) && k.inKernelSpace(root)
}

// dataSection is a part of the kernel's executable that holds data.
type dataSection struct {
	base paging.Virt
	size int
}

// dataSections yields the sections of the kernel's executable that can be written to: first the one with a name.
func (k *Kernel) dataSections(name string) iter.Seq[dataSection] {
	return func(yield func(dataSection) bool) {
		head, err := k.kernel.record(k.Base, pageSize)
		if k.Base == 0 || err != nil {
			return
		}
		h, ok := findPEHeader(head.b)
		if !ok {
			return
		}
		left := maxStoreData
		for _, first := range []bool{true, false} {
			for _, s := range h.sections {
				size := int(min(int64(s.size), int64(left)))
				if strings.HasPrefix(s.name, name) != first || s.execute || size <= 0 || int64(s.rva)+int64(size) > int64(k.imageSize) {
					continue
				}
				left -= size
				if !yield(dataSection{k.Base + paging.Virt(s.rva), size}) {
					return
				}
			}
		}
	}
}

// dataWords yields the addresses of possible pointers in these sections, with the rest of the section from there on:
// zeros where it cannot be read.
func (k *Kernel) dataWords(name string) iter.Seq2[paging.Virt, record] {
	return func(yield func(paging.Virt, record) bool) {
		for s := range k.dataSections(name) {
			data, _ := k.kernel.sparseRecord(s.base, s.size)
			for off := 0; off < s.size; off += k.kernel.pointer {
				if !yield(s.base+paging.Virt(off), record{data.b[off:], data.pointer}) {
					return
				}
			}
		}
	}
}

// PagingFile is one of the page files that the kernel uses (_MMPAGING_FILE).
type PagingFile struct {
	Number  int
	Name    string // such as \??\C:\pagefile.sys; empty where it has none or it cannot be read
	Virtual bool   // it stands for the compressed store
	Swap    bool   // it is the one for the working sets of suspended apps, swapfile.sys
}

// Kind is the use of the page file in words.
func (f PagingFile) Kind() string {
	switch {
	case f.Virtual:
		return "compressed store"
	case f.Swap:
		return "suspended apps"
	}
	return "paging"
}

// MaxPagingFiles is how many page files Windows can have.
const MaxPagingFiles = 16

// countBefore returns how far before the list of page files, in bytes, their number is. Except in the oldest 32-bit
// kernels, a byte for the readiness of the system cache lies between the two.
func (k *Kernel) countBefore() paging.Virt {
	l := &k.layout.Paging
	switch {
	case l.Files.Present() && l.Count.Present() && l.Files > l.Count:
		return paging.Virt(l.Files - l.Count)
	case k.kernel.pointer == 4 && k.Version.Build < 15063:
		return 4
	}
	return 8
}

// PagingFiles returns the page files that the kernel uses, by number, and their source; none where they are not found.
func (k *Kernel) PagingFiles() ([]PagingFile, string) {
	find := k.findPagingFiles
	if k.listed != nil {
		find = k.listed
	}
	found := find()
	return found.files, found.by
}

// pagingFileList is the result of PagingFiles.
type pagingFileList struct {
	files []PagingFile
	by    string
}

func (k *Kernel) findPagingFiles() pagingFileList {
	if k.Version.Build < 10240 || !k.layout.Paging.Number.Present() || !k.layout.Paging.Virtual.Present() {
		return pagingFileList{}
	}
	before := k.countBefore()
	if at, by, ok := k.variable("PagingFile"); ok {
		n, err := k.kernel.u32(at - before)
		if files, ok := k.pagingFiles(at, int(n), false); err == nil && ok {
			return pagingFileList{files, by}
		}
	}
	left := maxFollowed
	for at, data := range k.dataWords(".data") {
		n := data.u32(0)
		if n < 1 || n > MaxPagingFiles || before == 8 && data.u8(4) != 1 || left == 0 {
			continue
		}
		left--
		if files, ok := k.pagingFiles(at+before, int(n), true); ok {
			return pagingFileList{files, "what looks like the kernel's list of page files says"}
		}
	}
	return pagingFileList{}
}

// pagingFiles reads an array of pointers to page files. Each must have its place as its number, and if tagged is true
// it must be in a block of pool with the right tag.
func (k *Kernel) pagingFiles(at paging.Virt, n int, tagged bool) ([]PagingFile, bool) {
	if n < 1 || n > MaxPagingFiles {
		return nil, false
	}
	array, err := k.kernel.record(at, n*k.kernel.pointer)
	if err != nil {
		return nil, false
	}
	var out []PagingFile
	for i := range n {
		p := array.ptr(profile.Offset(i * k.kernel.pointer))
		if p%8 != 0 || !k.inKernelSpace(p) {
			return nil, false
		}
		f, ok := k.pagingFile(p)
		if !ok || f.Number != i || tagged && !k.isTagged(p) {
			return nil, false
		}
		out = append(out, f)
	}
	return out, true
}

func (k *Kernel) pagingFile(at paging.Virt) (PagingFile, bool) {
	l := &k.layout.Paging
	r, err := k.kernel.record(at, int(l.Virtual.Offset)+8)
	number, ok := r.field(l.Number)
	if err != nil || !ok {
		return PagingFile{}, false
	}
	virtual, _ := r.field(l.Virtual)
	swap, _ := r.field(l.Swap)
	f := PagingFile{Number: int(number), Virtual: virtual != 0, Swap: swap != 0}
	if l.Name.Present() {
		f.Name, _ = k.kernel.unicodeString(at+paging.Virt(l.Name), k.layout)
	}
	return f, true
}

// isTagged reports whether a page file is in a block of pool with the right tag (_POOL_HEADER.PoolTag).
func (k *Kernel) isTagged(at paging.Virt) bool {
	tag, err := k.kernel.u32(at - paging.Virt(2*k.kernel.pointer-4))
	return err == nil && tag&^(1<<31) == pagingTag
}

// pagingTag is the tag of the pool blocks that page files are in: "Mm  ".
const pagingTag = 'M' | 'm'<<8 | ' '<<16 | ' '<<24

// virtualStore returns the number of the page file that stands for the compressed store, by the kernel's page files,
// and their source; below 0 when they do not show it.
func (k *Kernel) virtualStore() (number int, by string) {
	files, by := k.PagingFiles()
	for _, f := range files {
		if f.Virtual {
			return f.Number, by
		}
	}
	return -1, ""
}
