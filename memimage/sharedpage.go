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

// findSharers returns the listed ones.
func (s *pageSources) findSharers() []sharer {
	if s.exe.Area == 0 || s.image.Kernel.CombinesPages() {
		return nil
	}
	var out []sharer
	parents := s.image.byPID()
	for _, p := range s.image.sharing(s.exe.Area) {
		if p.VA != s.exe.Process.VA && p.MapsAt(s.exe.Base, s.exe.Area) && p.CheckSpace() == nil {
			out = append(out, sharer{p, family(p, s.exe.Area, parents)})
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

// family returns what tells apart the processes of a section that cannot have been cloned from each other. A clone (fork)
// shares the frames of its parent's own pages until one of them writes. So a process belongs to the family of its parent
// when that has the same section, or is not there to be asked.
func family(p *Process, area paging.Virt, parents map[uint64]*Process) uint64 {
	for range parents {
		parent := parents[p.PPID]
		if parent == nil {
			return p.PPID
		}
		if other, err := parent.ImageArea(); err == nil && other != area || parent.PEB == 0 {
			return p.PID
		}
		p = parent
	}
	return 0 // the parents go round in a ring
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
