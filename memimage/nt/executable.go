package nt

import (
	"fmt"

	"memlens/memimage/paging"
)

// Executable is all that the kernel knows of the pages of a process's executable: the image section's prototype
// entries, the file's cached bytes, and the process's own pages.
type Executable struct {
	Process *Process
	Base    paging.Virt
	Pages   int64       // of the image, as the address descriptor or the section says; 0 when neither is there
	Area    paging.Virt // the section's control area; 0 when it was not found
	Cached  *CachedFile // nil when nothing is cached
	File    paging.Virt // _FILE_OBJECT; 0 when it was not found

	vad     VAD // of the image; its Start is Base
	hasVAD  bool
	section *Section
}

// Executable collects the page sources of the image that a process has mapped at base.
func (p *Process) Executable(base paging.Virt) *Executable {
	e := &Executable{Process: p, Base: base}
	if v, ok := p.VAD(base); ok && v.Start == base && !v.Private && v.FirstProto != 0 {
		e.vad, e.hasVAD = v, true
		e.Pages = int64((v.End - v.Start) >> 12)
	}
	e.findSection()
	e.File = p.file
	if e.File == 0 && e.section != nil {
		e.File = e.section.File
	}
	if c, ok := p.kernel.CachedFile(e.File); ok {
		e.Cached = c
	}
	return e
}

// findSection finds the section by way of the process's section object, if that is of the image at Base, or of the
// address descriptor.
func (e *Executable) findSection() {
	k := e.Process.kernel
	if e.Base == e.Process.base {
		if area, err := e.Process.ImageArea(); err == nil {
			e.Area = area
		}
	} else if e.hasVAD {
		e.Area, _ = k.vadArea(e.vad)
	}
	if e.Area == 0 {
		return
	}
	s, err := k.openSection(e.Area)
	if err != nil {
		return
	}
	e.section = s
	if e.Pages == 0 && s.Image {
		for _, sub := range s.Subsections {
			e.Pages += sub.Ptes
		}
	}
}

// SectionPage returns the page of the image section at an RVA, which no process has written to. The error, when it is
// missing, is a *[paging.FaultError] that says why.
func (e *Executable) SectionPage(rva int64) (paging.Page, error) {
	k := e.Process.kernel
	proto, ok := e.prototype(rva >> 12)
	if !ok {
		return paging.Page{}, &paging.FaultError{VA: e.Base + paging.Virt(rva), Size: pageSize, State: paging.NotPresent}
	}
	return k.Space.PrototypeAt(proto, k.pageFiles)
}

// prototype returns the address of the prototype entry of a page of the image. The pages of an image's subsections
// follow each other in memory as the subsections do in their chain.
func (e *Executable) prototype(index int64) (paging.Virt, bool) {
	if e.hasVAD && index < int64((e.vad.End-e.vad.Start)>>12) {
		if proto, ok := e.Process.kernel.prototypeOf(e.vad, index); ok {
			return proto, true
		}
	}
	if e.section == nil || !e.section.Image {
		return 0, false
	}
	for _, s := range e.section.Subsections {
		if index < s.Ptes {
			return s.Base + paging.Virt(index*int64(e.Process.kernel.Mode.EntrySize)), true
		}
		index -= s.Ptes
	}
	return 0, false
}

// KernelRelocates reports whether the kernel relocates images and writes their address to the header: since Windows
// Vista. Before, each process does so in its own pages.
func (k *Kernel) KernelRelocates() bool { return k.Version.Build >= 6000 }

// vadArea returns the control area of a descriptor of mapped memory: it names it, or since Windows Vista a subsection.
func (k *Kernel) vadArea(v VAD) (paging.Virt, error) {
	if v.area != 0 {
		return v.area, k.checkArea(v.area)
	}
	area, err := k.kernel.ptr(v.subsection + paging.Virt(k.layout.Section.SubArea))
	if err != nil {
		return 0, fmt.Errorf("nt: the subsection at %#x cannot be read: %w", uint64(v.subsection), err)
	}
	return area, k.checkArea(area)
}
