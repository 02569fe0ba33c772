package nt

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"memlens/memimage/paging"
)

// Region is a stretch of a process's addresses, with facts beside its descriptor.
type Region struct {
	VAD
	Path string // of the file that is mapped, without its volume; empty for other memory, and where it cannot be read
	// Executed is the number of pages that the page tables let a program execute though Protection does not: their
	// protection was changed later. It is 0 where page tables do not show that.
	Executed int64
}

// Type is "image", "data" or "private"; "unknown" for memory in a dump without kinds of memory.
func (v *VAD) Type() string {
	switch {
	case v.Unknown:
		return "unknown"
	case v.Private:
		return "private"
	case v.Image:
		return "image"
	}
	return "data"
}

// Executable reports whether anything in the region can be executed, by its descriptor or its pages.
func (r *Region) Executable() bool { return r.Protection.Executable() || r.Executed > 0 }

// Regions returns the stretches of addresses with a descriptor, in the order of addresses, and the damage of the
// descriptors.
func (p *Process) Regions() ([]Region, []error) {
	if p.dumped != nil {
		return slices.Clone(p.dumped.regions), nil
	}
	var out []Region
	var errs []error
	files := fileNames{k: p.kernel, names: map[paging.Virt]string{}}
	for v, err := range p.VADs() {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, Region{VAD: v, Path: files.of(v)})
	}
	if files.size > maxModulePaths {
		errs = append(errs, fmt.Errorf("nt: the names of mapped files have more than %d bytes", maxModulePaths))
	}
	slices.SortFunc(out, func(a, b Region) int { return cmp.Compare(a.Start, b.Start) })
	if err := p.markExecuted(out); err != nil {
		errs = append(errs, err)
	}
	return out, errs
}

// fileNames reads the names of the files behind descriptors, each once, and with a bound.
type fileNames struct {
	k     *Kernel
	names map[paging.Virt]string // by control area or subsection
	size  int
}

// of returns the name of the file behind a descriptor, without its volume. Empty where there is none or it cannot be read.
func (f *fileNames) of(v VAD) string {
	at := cmp.Or(v.area, v.subsection)
	if v.Private || at == 0 || f.size > maxModulePaths {
		return ""
	}
	name, ok := f.names[at]
	if !ok {
		name = f.k.vadFile(v)
		f.names[at] = name
		f.size += len(name)
	}
	return name
}

// vadFile reads the name of the file behind a descriptor of mapped memory.
func (k *Kernel) vadFile(v VAD) string {
	area, err := k.vadArea(v)
	if err != nil {
		return ""
	}
	r, err := k.kernel.record(area, int(k.layout.Section.AreaSize))
	if err != nil {
		return ""
	}
	return k.fileName(r.fastRef(k.layout.Section.AreaFile))
}

// Bounds on the walk over the tables of a process.
const (
	maxUserTables = 1 << 16
	maxUserPages  = 1 << 22 // pages that can be executed: 16 GiB
)

// markExecuted counts the pages of each region that page tables let a program execute, for the regions that are not
// executable by their protection.
func (p *Process) markExecuted(regions []Region) error {
	if len(regions) == 0 || !p.forbidsExecution() {
		return nil
	}
	tables, pages, at := 0, 0, 0
	p.tables.Walk(&paging.Walk{
		From: regions[0].Start, To: regions[len(regions)-1].End,
		Enter: func(paging.Frame) bool { tables++; return tables <= maxUserTables },
		Leave: func(paging.Frame, bool) {},
		Skip:  p.kernel.Mode.NoExecute,
		Page: func(va paging.Virt, _ paging.Phys) bool {
			for at < len(regions) && regions[at].End <= va {
				at++
			}
			if at < len(regions) && regions[at].changed(va) {
				regions[at].Executed++
			}
			pages++
			return pages < maxUserPages
		},
	})
	if tables > maxUserTables || pages >= maxUserPages {
		return errors.New("nt: the page tables of the process map more than can be: not all pages that can be executed were counted")
	}
	return nil
}

// changed reports whether a page that can be executed lies in the region and was not allocated as executable.
func (r *Region) changed(va paging.Virt) bool {
	return va >= r.Start && !r.Protection.Executable()
}

// forbidsExecution reports whether the process's page tables mark pages that cannot be executed: then the page of its
// environment block, which is data, is marked. Processors and systems without that bit, and processes that do not use
// it, leave all bits clear.
func (p *Process) forbidsExecution() bool {
	if p.PEB == 0 || p.CheckSpace() != nil {
		return false
	}
	page, err := p.tables.Translate(p.PEB)
	return err == nil && page.State == paging.Valid && p.kernel.Mode.NoExecute(page.Entry)
}
