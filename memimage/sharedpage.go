package memimage

import (
	"fmt"

	"memlens/memimage/paging"
	"memlens/memimage/restore"
)

// A page of another process may be a copy that the process has written to. It is taken for the section's page only with
// a proof. The prototype entry proves it, where it can be read. Otherwise it is proved when two processes map one frame
// at the same address of the same section, neither can write to it, and neither is a clone of the other's family: a
// process that writes to a page of an image gets a frame of its own. On kernels that combine pages of equal bytes this
// proves nothing.

// Bits of a valid page-table entry (_MMPTE_HARDWARE). On machines with several processors Windows keeps in bit 11
// whether the page may be written to.
const (
	pteWrite         = 1 << 1
	pteSoftwareWrite = 1 << 11
)

// sharer is a process that has a section mapped.
type sharer struct {
	*Process
	family family
}

// mapping is the section and the address of an image in processes.
type mapping struct{ area, base paging.Virt }

// mappedPage is a page of a mapping.
type mappedPage struct {
	mapping
	rva uint32
}

// Bounds of the work and the results for all processes of a section together, which would be the same for each.
const (
	maxSharers      = 1024    // processes that are asked for each page: a hostile list has 65,536 of one section
	maxSharing      = 1 << 12 // processes that are asked whether they have the section mapped at the address
	keptSharers     = 256     // mappings
	keptSharedPages = 1 << 16
)

// sharers returns the listed processes that have the section mapped at the address, the first up to maxSharers; none
// where they could prove nothing. For the program of a process only the processes of that program are asked, once for
// each mapping; for anything else all processes are asked.
func (im *Image) sharers(m mapping) []sharer {
	switch {
	case m.area == 0 || im.Kernel.CombinesPages():
		return nil
	case len(im.executables().processes[m.area]) == 0:
		return im.mappings()[m]
	}
	return keep(im.faults, im.sharersOf, m, func() []sharer { return im.findSharers(m) })
}

// findSharers returns the sharers of a section that is the program of processes.
func (im *Image) findSharers(m mapping) []sharer {
	var out []sharer
	all, families := im.executables().processes[m.area], im.families()
	for _, p := range all[:min(len(all), maxSharing)] {
		if len(out) == maxSharers {
			break
		}
		if p.MapsAt(m.base, m.area) && p.CheckSpace() == nil {
			out = append(out, sharer{p, families[p]})
		}
	}
	return several(out)
}

// several returns the sharers if they belong to several families.
func several(all []sharer) []sharer {
	for _, s := range all {
		if s.family != all[0].family {
			return all
		}
	}
	return nil
}

// shared returns the section's page at an RVA, if other processes prove it. It is for processes without proof of their
// own, and finds the same for each.
func (s *pageSources) shared(rva uint32) []restore.Page {
	m := s.mapping()
	if len(s.image.sharers(m)) == 0 {
		return nil
	}
	page := keep(s.image.faults, s.image.sharedPages, mappedPage{m, rva}, func() *restore.Page { return s.findShared(m, rva) })
	if page == nil {
		return nil
	}
	return []restore.Page{*page}
}

// mapping returns the section and the address of the image.
func (s *pageSources) mapping() mapping { return mapping{s.Area, s.Base} }

func (s *pageSources) findShared(m mapping, rva uint32) *restore.Page {
	first := map[paging.Phys]sharer{} // by frame
	for _, p := range s.image.sharers(m) {
		page, err := s.page(p.Own(), rva)
		if err != nil || page.State != paging.Valid || page.Entry&(pteWrite|pteSoftwareWrite) != 0 {
			continue
		}
		frame, _ := page.Physical()
		before, known := first[frame]
		if !known {
			first[frame] = p
			continue
		}
		if p.family != before.family {
			c := s.sectionPage(page)
			c.Label = fmt.Sprintf("image section, mapped by processes %d and %d", before.PID, p.PID)
			return &c
		}
	}
	return nil
}
