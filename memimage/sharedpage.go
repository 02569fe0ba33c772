package memimage

import (
	"fmt"

	"memlens/memimage/paging"
	"memlens/memimage/restore"
)

// A page of another process is the section's, and not a copy that the process has written to, when that is proved. Where
// the prototype entry cannot be read, which would tell, it is proved when two processes map one frame at the same address
// of the same section, neither can write to it, and neither is a clone of the other's family: a process that writes to a
// page of an image gets a frame of its own. Kernels that combine pages of equal bytes take the proof away.

// Bits of a valid page-table entry (_MMPTE_HARDWARE). On machines with several processors Windows keeps in bit 11
// whether the page may be written to.
const (
	pteWrite         = 1 << 1
	pteSoftwareWrite = 1 << 11
)

// sharer is a process that has a section mapped as its executable.
type sharer struct {
	*Process
	family uint64
}

// mapping is where processes have a section mapped.
type mapping struct{ area, base paging.Virt }

// mappedPage is a page of a mapping.
type mappedPage struct {
	mapping
	rva uint32
}

// Bounds of what is asked and kept for all processes of a section together: each would find the same.
const (
	maxSharers      = 1024    // that are asked for each page: a hostile list has 65,536 of one section
	maxSharing      = 1 << 12 // that are asked whether they have it mapped there
	keptSharers     = 256     // mappings
	keptSharedPages = 1 << 15
)

// findSharers returns the listed processes that have the section mapped there, the first up to maxSharers.
func (im *Image) findSharers(m mapping) []sharer {
	if m.area == 0 || im.Kernel.CombinesPages() {
		return nil
	}
	var out []sharer
	all := im.sharing(m.area)
	families := newFamilies(m.area, im.byPID())
	for _, p := range all[:min(len(all), maxSharing)] {
		if len(out) == maxSharers {
			break
		}
		if p.MapsAt(m.base, m.area) && p.CheckSpace() == nil {
			out = append(out, sharer{p, families.of(p)})
		}
	}
	return out
}

// sharers is findSharers, which is asked once for each mapping.
func (im *Image) sharers(m mapping) []sharer {
	return keep(im.faults, im.sharersOf, m, func() []sharer { return im.findSharers(m) })
}

// shared returns the section's page at an RVA, if other processes prove it. It is for processes that cannot tell
// themselves, so that each of them finds the same.
func (s *pageSources) shared(rva uint32) []restore.Page {
	m := s.mapping()
	return keep(s.image.faults, s.image.sharedPages, mappedPage{m, rva}, func() []restore.Page { return s.findShared(m, rva) })
}

// mapping is where the address space has the image.
func (s *pageSources) mapping() mapping { return mapping{s.Area, s.Base} }

func (s *pageSources) findShared(m mapping, rva uint32) []restore.Page {
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
			return []restore.Page{c}
		}
	}
	return nil
}

// families tell apart the processes of a section that cannot have been cloned from each other. A clone (fork) shares the
// frames of its parent's own pages until one of them writes. So a process belongs to the family of its parent when that
// has the same section, or is not there to be asked.
type families struct {
	parents map[uint64]*Process // by id
	other   func(p *Process) bool
	known   map[*Process]uint64
}

// newFamilies returns the families of the section with the control area.
func newFamilies(area paging.Virt, parents map[uint64]*Process) *families {
	other := func(p *Process) bool { // it has another section, or none
		its, err := p.ImageArea()
		return err == nil && its != area || p.PEB == 0
	}
	return &families{parents, other, map[*Process]uint64{}}
}

// of returns the family of a process: the id of its first member, or of that one's parent where the parent is gone; 0
// where parents go round in a ring. Each process on the way is asked once.
func (f *families) of(p *Process) uint64 {
	var way []*Process
	family, known := uint64(0), false
	for !known {
		if family, known = f.known[p]; known {
			break
		}
		f.known[p] = 0 // who comes here again goes round in a ring
		way = append(way, p)
		switch parent := f.parents[p.PPID]; {
		case parent == nil:
			family, known = p.PPID, true
		case f.other(parent):
			family, known = p.PID, true
		default:
			p = parent
		}
	}
	for _, member := range way {
		f.known[member] = family
	}
	return family
}

// indexPIDs returns the listed processes by their number.
func (im *Image) indexPIDs() map[uint64]*Process {
	processes, _ := im.Processes()
	out := make(map[uint64]*Process, len(processes))
	for _, p := range processes {
		out[p.PID] = p
	}
	return out
}
