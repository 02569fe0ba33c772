package nt

import (
	"errors"
	"fmt"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
)

// Subsection is a part of a mapped file: Ptes prototype entries from Base on. Their pages are the pages of the file
// from FileOffset on, up to FileSize bytes.
type Subsection struct {
	VA         paging.Virt
	Base       paging.Virt
	Ptes       int64
	FileOffset int64
	FileSize   int64
}

// Section is a file mapped as an image or as data: a control area and its subsections.
type Section struct {
	Area        paging.Virt // of the _CONTROL_AREA
	File        paging.Virt // of the _FILE_OBJECT; 0 for memory without a file
	Image       bool        // mapped as an executable, not as a plain file
	Subsections []Subsection
}

// Limits on sections. An executable has as many subsections as sections, and a header; 96 is the loader's limit.
const (
	maxSubsections = 1 << 12
	maxPtes        = 1 << 22 // prototype entries of one subsection: 16 GiB
)

// ImageSection returns the section that the process's executable was mapped from.
func (p *Process) ImageSection() (*Section, error) {
	area, err := p.ImageArea()
	if err != nil {
		return nil, err
	}
	return p.kernel.openSection(area)
}

// ImageArea finds the control area of the process's executable, in one of three ways, because an exiting process loses
// them one after the other: through its section object, the descriptor of the addresses where it is mapped, or its file
// object. The error says why each way failed.
func (p *Process) ImageArea() (paging.Virt, error) {
	var errs []error
	for _, way := range []func() (paging.Virt, error){p.areaOfSection, p.areaOfVAD, p.areaOfFile} {
		area, err := way()
		if err == nil {
			return area, nil
		}
		errs = append(errs, err)
	}
	return 0, fmt.Errorf("nt: the section of the executable is not to be found: %w; %w; %w", errs[0], errs[1], errs[2])
}

func (p *Process) areaOfSection() (paging.Virt, error) {
	if p.section == 0 {
		return 0, errors.New("the process has no section object")
	}
	return p.kernel.sectionArea(p.section)
}

func (p *Process) areaOfVAD() (paging.Virt, error) {
	if p.base == 0 {
		return 0, errors.New("the process has no base address")
	}
	v, ok := p.VAD(p.base)
	if !ok || v.Private {
		return 0, fmt.Errorf("no address descriptor of a file holds its base %#x", uint64(p.base))
	}
	return p.kernel.vadArea(v)
}

// areaOfFile follows ImageFilePointer, which processes have since Windows 10.
func (p *Process) areaOfFile() (paging.Virt, error) {
	k, l := p.kernel, &p.kernel.layout.Section
	if p.file == 0 {
		return 0, errors.New("the process has no file object")
	}
	pointers, err := k.kernel.ptr(p.file + paging.Virt(l.FilePointers))
	if err != nil {
		return 0, fmt.Errorf("nt: the file object at %#x cannot be read: %w", uint64(p.file), err)
	}
	area, err := k.kernel.ptr(pointers + paging.Virt(l.PointersImg))
	if err != nil {
		return 0, fmt.Errorf("nt: the section pointers at %#x cannot be read: %w", uint64(pointers), err)
	}
	return area, k.checkArea(area)
}

// sectionArea follows a section object to its control area: by way of its segment up to Windows 7, directly since.
func (k *Kernel) sectionArea(section paging.Virt) (paging.Virt, error) {
	l := &k.layout.Section
	if l.Segment.Present() {
		segment, err := k.kernel.ptr(section + paging.Virt(l.Segment))
		if err != nil {
			return 0, fmt.Errorf("nt: the section object at %#x cannot be read: %w", uint64(section), err)
		}
		return k.segmentArea(segment)
	}
	if !l.ControlArea.Present() {
		return 0, fmt.Errorf("nt: the profile %s does not say where a section object has its control area", k.Profile.Name())
	}
	area, err := k.kernel.ptr(section + paging.Virt(l.ControlArea))
	if err != nil {
		return 0, fmt.Errorf("nt: the section object at %#x cannot be read: %w", uint64(section), err)
	}
	return area &^ 3, k.checkArea(area &^ 3) // its two low bits say to what else the pointer may lead
}

// segmentArea follows the segment pointer of a section object to the control area. Mostly it leads to the segment of a
// file; in other sections it may lead to the control area itself. The first members of segment and control area point
// at each other. So only the subsection behind the control area shows which of the two an address is.
func (k *Kernel) segmentArea(segment paging.Virt) (paging.Virt, error) {
	area, err := k.kernel.ptr(segment + paging.Virt(k.layout.Section.SegmentArea))
	if err != nil {
		return 0, fmt.Errorf("nt: the segment at %#x cannot be read: %w", uint64(segment), err)
	}
	if !k.hasSubsection(area) && k.hasSubsection(segment) {
		area = segment
	}
	return area, k.checkArea(area)
}

// hasSubsection reports whether a subsection of the control area at va lies behind it.
func (k *Kernel) hasSubsection(va paging.Virt) bool {
	owner, err := k.kernel.ptr(k.firstSubsection(va) + paging.Virt(k.layout.Section.SubArea))
	return err == nil && owner == va
}

// checkArea checks that a control area and its segment point at each other. Where the segment, which may be paged out,
// cannot be read, the subsection behind the control area must point back at the control area.
func (k *Kernel) checkArea(area paging.Virt) error {
	l := &k.layout.Section
	segment, err := k.kernel.ptr(area + paging.Virt(l.AreaSegment))
	if err != nil {
		return fmt.Errorf("nt: the control area at %#x cannot be read: %w", uint64(area), err)
	}
	back, err := k.kernel.ptr(segment + paging.Virt(l.SegmentArea))
	if err == nil && back == area || err != nil && k.inKernelSpace(segment) && k.hasSubsection(area) {
		return nil
	}
	return fmt.Errorf("nt: the control area at %#x is damaged: its segment at %#x does not point back", uint64(area), uint64(segment))
}

// openSection reads a control area, its segment and its subsections.
func (k *Kernel) openSection(area paging.Virt) (*Section, error) {
	l := &k.layout.Section
	r, err := k.kernel.record(area, int(l.AreaSize))
	if err != nil {
		return nil, fmt.Errorf("nt: the control area at %#x cannot be read: %w", uint64(area), err)
	}
	s := &Section{Area: area, File: r.fastRef(l.AreaFile), Image: l.FlagImage.Bitfield(r.u32(l.AreaFlags)) != 0}
	s.Subsections, err = k.subsections(k.firstSubsection(area), area, s.sectorSize())
	switch {
	case sparse.Failed(err):
		return nil, fmt.Errorf("nt: the subsections of the control area at %#x: %w", uint64(area), err)
	case len(s.Subsections) == 0:
		return nil, fmt.Errorf("nt: the control area at %#x has no subsections that can be read", uint64(area))
	}
	return s, nil
}

// rawEnd returns where in the file the section's parts end. For an image it is the end of the last section's raw data,
// as the kernel took it from the headers; for data, the end of the file, or more: see [fileSize].
func (s *Section) rawEnd() int64 {
	end := int64(0)
	for _, sub := range s.Subsections {
		if sub.FileSize > 0 {
			end = max(end, sub.FileOffset+sub.FileSize)
		}
	}
	return end
}

// sectorSize returns the unit in bytes of a subsection's StartingSector and NumberOfFullSectors: a disk's sector for
// images, because their sections start anywhere in the file, and 4 KiB for data.
func (s *Section) sectorSize() int64 {
	if s.Image {
		return 512
	}
	return pageSize
}

// firstSubsection returns the address of the first subsection, which lies right behind the control area.
func (k *Kernel) firstSubsection(area paging.Virt) paging.Virt {
	return area + paging.Virt(k.layout.Section.AreaSize)
}

// subsections returns the chain that starts at va, as long as it can be read and names area; area 0 stands for the area
// in the first subsection. Sectors are of sectorSize bytes. The error says that a subsection cannot be read.
func (k *Kernel) subsections(va, area paging.Virt, sectorSize int64) ([]Subsection, error) {
	l := &k.layout.Section
	var out []Subsection
	seen := map[paging.Virt]bool{}
	for va != 0 && !seen[va] && len(seen) < maxSubsections {
		seen[va] = true
		r, err := k.kernel.record(va, k.subsectionSize())
		if err != nil {
			return out, err
		}
		if area != 0 && r.ptr(l.SubArea) != area {
			break
		}
		area = r.ptr(l.SubArea)
		s := k.subsection(va, r, sectorSize)
		if s.Ptes > maxPtes {
			break
		}
		out = append(out, s)
		va = r.ptr(l.SubNext)
	}
	return out, nil
}

// subsectionSize is how much of a subsection is read: up to the last member that is used.
func (k *Kernel) subsectionSize() int {
	l := &k.layout.Section
	return int(max(l.SubArea, l.SubBase, l.SubNext, l.SubPtes, l.SubSector, l.SubSectors, l.SubFlags)) + k.kernel.pointer
}

func (k *Kernel) subsection(va paging.Virt, r record, sectorSize int64) Subsection {
	l := &k.layout.Section
	s := Subsection{
		VA: va, Base: r.ptr(l.SubBase), Ptes: int64(r.u32(l.SubPtes)),
		FileOffset: int64(r.u32(l.SubSector)) * sectorSize, FileSize: int64(r.u32(l.SubSectors)) * sectorSize,
	}
	if l.SubFlagsEnd.Present() {
		flags := r.u32(l.SubFlags + profile.Offset(l.SubFlagsEnd.Offset))
		s.FileSize += int64(l.SubFlagsEnd.Bitfield(flags))
	}
	return s
}

// Page returns page index of a subsection from its prototype entry. The error, when the page is missing, is a
// *[paging.FaultError] that says why.
func (k *Kernel) Page(s Subsection, index int64) (paging.Page, error) {
	if index < 0 || index >= s.Ptes {
		return paging.Page{}, &paging.FaultError{Size: pageSize, State: paging.NotPresent}
	}
	return k.Space.PrototypeAt(s.Base+paging.Virt(index*int64(k.Mode.EntrySize)), k.swap)
}
