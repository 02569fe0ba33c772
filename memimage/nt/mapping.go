package nt

import (
	"fmt"

	"memlens/memimage/paging"
)

// Mapping is all that the kernel knows about the pages of an executable image at an address: the image section's
// prototype entries, the file's cached bytes, and the address space's own pages. They belong to the file that is mapped
// there. That may be another file than the process claims, or none.
type Mapping struct {
	Owner  *Process    // the process that has the address space; nil: the kernel
	Base   paging.Virt // of the image
	Pages  int64       // of the image, as the address descriptor or the section says; 0 when neither is there
	Area   paging.Virt // the section's control area; 0 when it was not found
	Cached *CachedFile // nil when nothing is cached
	File   paging.Virt // _FILE_OBJECT; 0 when it was not found

	// Own is the address space as its page tables and the page files give it, and Space the same with all sources.
	Own, Space *paging.Space

	// Unbacked says that no image is mapped at Base: the memory is the address space's own, or shared without being an
	// image. Then there is no file, and any byte may have been written by any program.
	Unbacked bool
	// AsData says that Base lies in a file that is mapped, but not as an image.
	AsData bool

	// Dumped says that it is from the dump of a process, which has the process's own pages, and none of the kernel's.
	// Listed is then the file's name in the dump's list of modules, and Assumed an assumption about the whole mapping,
	// if any.
	Dumped          bool
	Listed, Assumed string

	kernel  *Kernel
	vad     VAD // of the image; its Start is Base
	hasVAD  bool
	section *Section
}

// Mapping collects the page sources of an image of a process at base. The address descriptor decides which file that
// is. Where there is none, as in a process that has exited, only the kernel's note of where it mapped the process's own
// executable (SectionBaseAddress) leads to a file.
func (p *Process) Mapping(base paging.Virt) *Mapping {
	if p.dumped != nil {
		return p.dumpedMapping(base)
	}
	m := &Mapping{Owner: p, Base: base, Own: p.own, Space: p.complete, kernel: p.kernel}
	v, ok := p.VAD(base)
	switch {
	case ok && m.openMapping(v):
	case ok:
		m.Unbacked, m.Pages = true, int64(p.regionsEnd(v)-base)>>12
		m.AsData = !v.Private && !v.Image && p.kernel.vadFile(v) != ""
	case base == p.base:
		m.openOwn()
	default:
		m.Unbacked = true
	}
	if m.section != nil {
		m.File = m.fileObject()
		m.Cached, _ = p.kernel.cachedFile(m.File, m.section.rawEnd())
	}
	return m
}

// openMapping opens the section that a descriptor has mapped at Base; false when that is no image. A descriptor of an
// image is believed even if its section cannot be opened: it knows the prototype entries itself.
func (m *Mapping) openMapping(v VAD) bool {
	if v.Start != m.Base || v.Private {
		return false
	}
	if s := m.mappedSection(v); s != nil {
		if !s.Image {
			return false
		}
		m.Area, m.section = s.Area, s
	} else if !v.Image {
		return false
	}
	m.vad, m.hasVAD = v, v.FirstProto != 0
	m.Pages = int64((v.End - v.Start) >> 12)
	return true
}

// mappedSection returns the section of a descriptor. Where the section that it names is damaged, it is the section of
// the process's executable, if its first prototype entry is the descriptor's. It is nil when neither can be opened.
func (m *Mapping) mappedSection(v VAD) *Section {
	k := m.kernel
	if area, err := k.vadArea(v); err == nil {
		s, err := k.openSection(area)
		if err != nil {
			return nil
		}
		return s
	}
	area, err := m.Owner.areaOfSection()
	if err != nil {
		return nil
	}
	s, err := k.openSection(area)
	if err != nil || v.FirstProto == 0 || s.Subsections[0].Base != v.FirstProto {
		return nil
	}
	return s
}

// openOwn opens the section of the process's own executable when its descriptor is gone.
func (m *Mapping) openOwn() {
	s, err := m.Owner.ImageSection()
	if err != nil || !s.Image {
		return
	}
	m.Area, m.section = s.Area, s
	for _, sub := range s.Subsections {
		m.Pages += sub.Ptes
	}
}

// fileObject returns the file object of the section: the one in its control area, or the process's, if that leads to
// the same control area.
func (m *Mapping) fileObject() paging.Virt {
	if m.section.File != 0 {
		return m.section.File
	}
	if area, err := m.Owner.areaOfFile(); err == nil && area == m.Area {
		return m.Owner.file
	}
	return 0
}

// maxRegions bounds the regions that a program laid out by hand lies in: a region for each of the 96 sections that a
// loader takes, and one for the headers.
const maxRegions = 97

// regionsEnd returns the end of the regions that follow v without a gap and hold no image.
func (p *Process) regionsEnd(v VAD) paging.Virt {
	end := v.End
	for range maxRegions {
		next, ok := p.VAD(end)
		if !ok || next.Start != end || next.Image {
			break
		}
		end = next.End
	}
	return end
}

// MapsAt reports whether the process has a descriptor that maps the section with the control area at base, from its
// beginning.
func (p *Process) MapsAt(base, area paging.Virt) bool {
	v, ok := p.VAD(base)
	if !ok || v.Private || v.Start != base || area == 0 {
		return false
	}
	mapped, ok := p.MappedArea(v)
	return ok && mapped == area
}

// MappedArea returns the control area of the section of a descriptor of the process; false where there is none or it
// cannot be read.
func (p *Process) MappedArea(v VAD) (paging.Virt, bool) {
	if v.Private {
		return 0, false
	}
	area, err := p.kernel.vadArea(v)
	return area, err == nil && area != 0
}

// FileName returns the name in the file object of the mapping, without its volume; for a dump, the path in the dump's
// list of modules. Empty where it cannot be read.
func (m *Mapping) FileName() string {
	if m.Dumped {
		return m.Listed
	}
	return m.kernel.fileName(m.File)
}

// SectionPage returns the page of the image section at an RVA, which no process has written to. When it is missing, the
// error is a *[paging.FaultError] with the reason and the length of the gap, or wraps a *[sparse.ReadError].
func (m *Mapping) SectionPage(rva int64) (paging.Page, error) {
	k := m.kernel
	if m.Dumped {
		return paging.Page{}, &paging.FaultError{VA: m.Base + paging.Virt(rva), Size: max(pageSize, maxMappedEnd-rva), State: paging.NotDumped}
	}
	proto, ok, err := m.prototype(rva >> 12)
	if err != nil {
		return paging.Page{}, fmt.Errorf("nt: the prototype entry of the page at RVA %#x: %w", rva, err)
	}
	if !ok { // and there is none for any page behind
		return paging.Page{}, &paging.FaultError{VA: m.Base + paging.Virt(rva), Size: max(pageSize, maxMappedEnd-rva), State: paging.NotPresent}
	}
	return k.Space.PrototypeAt(proto, k.swap)
}

// prototype returns the address of the prototype entry of a page of the image. The pages of an image's subsections
// follow each other in memory as the subsections do in their chain. The error is from a read that failed.
func (m *Mapping) prototype(index int64) (paging.Virt, bool, error) {
	if m.hasVAD && index < int64((m.vad.End-m.vad.Start)>>12) {
		if proto, ok, err := m.kernel.prototypeOf(m.vad, index); ok || err != nil {
			return proto, ok, err
		}
	}
	if m.section == nil {
		return 0, false, nil
	}
	for _, s := range m.section.Subsections {
		if index < s.Ptes {
			return s.Base + paging.Virt(index*int64(m.kernel.Mode.EntrySize)), true, nil
		}
		index -= s.Ptes
	}
	return 0, false, nil
}

// KernelRelocates reports whether the kernel relocates images and writes their address to the header: since Windows
// Vista. Earlier, each process relocates them in its own pages.
func (k *Kernel) KernelRelocates() bool { return k.Version.Build >= 6000 }

// CombinesPages reports whether the kernel may replace pages with equal bytes, of several processes, by one frame:
// since Windows 8 (page combining).
func (k *Kernel) CombinesPages() bool { return k.Version.Build >= 9200 }

// vadArea returns the control area of a descriptor of mapped memory: the descriptor names it, or since Windows Vista a
// subsection.
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

// SystemMapping is the mapping of an image that the kernel has loaded for itself: its pages are the kernel's own
// copies, in an address space that has them at base. It has no descriptor, and any byte may have been written.
func (k *Kernel) SystemMapping(base paging.Virt, pages int64, own, space *paging.Space) *Mapping {
	return &Mapping{Base: base, Pages: pages, Own: own, Space: space, Unbacked: true, kernel: k}
}
