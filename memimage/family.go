package memimage

import "memlens/memimage/paging"

// executables are the sections of the listed processes' programs, as far as they are found.
type executables struct {
	areas     map[*Process]paging.Virt // control areas
	processes map[paging.Virt][]*Process
}

func (im *Image) findExecutables() executables {
	e := executables{map[*Process]paging.Virt{}, map[paging.Virt][]*Process{}}
	processes, _ := im.Processes()
	for _, p := range processes {
		if area, err := p.ImageArea(); err == nil {
			e.areas[p] = area
			e.processes[area] = append(e.processes[area], p)
		}
	}
	return e
}

// family tells apart processes that cannot have been cloned from each other. A clone (fork) has the program of its
// parent, and shares the frames of its parent's own pages until one of the two writes. So processes of different
// programs are of different families. A process belongs to the family of its parent when the parent has the same
// program, or when the parent cannot be looked at.
type family struct {
	area paging.Virt // of the program
	id   uint64      // of the first process, or of its parent where the parent is gone; 0 where parents go round in a ring
}

// findFamilies returns the families of the listed processes with a known program.
func (im *Image) findFamilies() map[*Process]family {
	areas, processes := im.executables().areas, make(map[uint64]*Process)
	listed, _ := im.Processes()
	for _, p := range listed {
		processes[p.PID] = p
	}
	other := func(p, parent *Process) bool {
		area, known := areas[parent]
		return known && area != areas[p] || parent.PEB == 0
	}
	ids := families{processes, other, map[*Process]uint64{}}
	out := make(map[*Process]family, len(areas))
	for p, area := range areas {
		out[p] = family{area, ids.of(p)}
	}
	return out
}

// families find the numbers of families.
type families struct {
	processes map[uint64]*Process           // by id
	other     func(p, parent *Process) bool // the parent has another program than p, or no program
	known     map[*Process]uint64
}

// parent returns the process that has made p; nil when it is gone, though a later one may have its number.
func (f *families) parent(p *Process) *Process {
	parent := f.processes[p.PPID]
	if parent == nil || parent.Created.After(p.Created) {
		return nil
	}
	return parent
}

// of returns the number of a process's family. Each process on the way is asked once.
func (f *families) of(p *Process) uint64 {
	var way []*Process
	family, known := uint64(0), false
	for !known {
		if family, known = f.known[p]; known {
			break
		}
		f.known[p] = 0 // a process that is reached again is in a ring
		way = append(way, p)
		switch parent := f.parent(p); {
		case parent == nil:
			family, known = p.PPID, true
		case f.other(p, parent):
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
