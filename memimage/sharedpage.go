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

// sharer is another process that has the executable's section mapped where this one has it.
type sharer struct {
	*Process
	family uint64
}

// maxSharers bounds the processes that are asked for each page: a hostile list has 65,536 of one section.
const maxSharers = 1024

// findSharers returns the listed ones, the first up to maxSharers.
func (s *pageSources) findSharers() []sharer {
	if s.exe.Area == 0 || s.image.Kernel.CombinesPages() {
		return nil
	}
	var out []sharer
	families := newFamilies(s.exe.Area, s.image.byPID())
	for _, p := range s.image.sharing(s.exe.Area) {
		if len(out) == maxSharers {
			break
		}
		if p.VA != s.exe.Process.VA && p.MapsAt(s.exe.Base, s.exe.Area) && p.CheckSpace() == nil {
			out = append(out, sharer{p, families.of(p)})
		}
	}
	return out
}

// shared returns the section's page at an RVA, if other processes prove it.
func (s *pageSources) shared(rva uint32) []restore.Page {
	first := map[paging.Phys]sharer{} // by frame
	for _, p := range s.sharers() {
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

// byPID returns the listed processes by their number.
func (im *Image) byPID() map[uint64]*Process {
	processes, _ := im.Processes()
	out := make(map[uint64]*Process, len(processes))
	for _, p := range processes {
		out[p.PID] = p
	}
	return out
}
