package nt

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// Scan looks for _EPROCESS structures in all of physical memory, in parallel, and returns the processes that the list
// of active processes lacks, in the order of their physical addresses, each once. progress may be nil.
//
// A structure is accepted when it passes all of these checks:
//   - it starts with the dispatcher header of the System process (type and size), at the alignment of pool;
//   - its process id is a multiple of four below 2²⁴, and not 0;
//   - its creation time is zero or one that Windows can have set, and its exit time, if any, is not before it;
//   - both links of the list of active processes, and of its threads, are zero or point into kernel space;
//   - its directory table base, if there is one, is aligned and lies in the memory of the image;
//   - its own address is known, from one of its list heads that points at itself, and the system maps that address to the
//     place where it was found; or, where that mapping is gone, the header of a pool block with the tag of process objects
//     lies before it, and no process with an address has its id, name and creation time: it would be a copy of that
//     process's page.
func (k *Kernel) Scan(ctx context.Context, progress func(done, total int64)) ([]*Process, error) {
	s, err := k.newScan()
	if err != nil {
		return nil, err
	}
	found := func(hits []paging.Phys) bool {
		for _, pa := range hits {
			s.consider(pa)
		}
		return len(s.out) < maxProcesses
	}
	if err := sweep(ctx, k.mem, stretch{0, k.mem.Size(), sweepChunk}, s.look, found, progress); err != nil {
		return nil, fmt.Errorf("nt: scanning for processes: %w", err)
	}
	return slices.DeleteFunc(s.out, func(p *Process) bool { return p.VA == 0 && s.objects[p.object()] }), nil
}

// scan is one search of physical memory for processes.
type scan struct {
	k         *Kernel
	want      uint32 // the first four bytes of a dispatcher header…
	mask      uint32 // …as far as they are the same for all processes
	alignment int
	pid       int // offset of the process id
	known     map[paging.Phys]bool
	objects   map[object]bool // of the processes that have an address
	copies    map[object]bool // of the processes without an address
	out       []*Process
}

func (k *Kernel) newScan() (*scan, error) {
	d := &k.layout.Dispatcher
	s := &scan{k: k, alignment: 2 * k.kernel.pointer, pid: int(k.layout.EPROCESS.PID),
		known: map[paging.Phys]bool{}, objects: map[object]bool{}, copies: map[object]bool{}}
	s.mask = 0xff << (8 * uint(d.Type))
	if d.Size.Present() {
		s.mask |= 0xff << (8 * uint(d.Size))
	}
	for p, err := range k.Processes() {
		if err == nil {
			s.known[p.PA] = true
			s.objects[p.object()] = true
		}
	}
	return s, s.learnHeader()
}

// learnHeader learns the beginning of a process's dispatcher header: from System, or else from the first readable
// process of the list.
func (s *scan) learnHeader() error {
	head, why := s.k.kernel.record(s.k.SystemProcess, 4)
	if why == nil && uint8(head.u8(s.k.layout.Dispatcher.Type))&0x7f == processObject {
		s.want = uint32(head.u32(0)) & s.mask
		return nil
	}
	for p, err := range s.k.Processes() {
		if err != nil {
			continue
		}
		if head, err := s.k.kernel.record(p.VA, 4); err == nil {
			s.want = uint32(head.u32(0)) & s.mask
			return nil
		}
	}
	return fmt.Errorf("nt: scanning for processes: no process of the list can be read: %w", why)
}

// look returns the addresses in a chunk of memory at which a dispatcher header of a process may start. The process id
// is looked at here, where it is cheap, when it lies in the same page.
func (s *scan) look(p []byte, pa paging.Phys) []paging.Phys {
	var out []paging.Phys
	for off := 0; off+s.alignment <= len(p); off += s.alignment {
		if binary.LittleEndian.Uint32(p[off:])&s.mask != s.want {
			continue
		}
		at := off + s.pid
		if off/pageSize == (at+7)/pageSize && !plausibleID(uint64(record{p, s.k.kernel.pointer}.ptr(profile.Offset(at)))) {
			continue
		}
		out = append(out, pa+paging.Phys(off))
	}
	return out
}

func plausibleID(pid uint64) bool { return pid != 0 && pid%4 == 0 && pid < 1<<24 }

// consider adds the process at pa if it is a process, and not known yet.
func (s *scan) consider(pa paging.Phys) {
	k := s.k
	if s.known[pa] {
		return
	}
	head, err := s.physical(pa, 0x40)
	if err != nil {
		return
	}
	var p *Process
	if va, ok := s.address(pa, head); ok {
		if k.inKernelImage(va) { // the Idle process
			return
		}
		if p, err = k.Process(va); err != nil {
			return
		}
	} else {
		r, err := s.physical(pa, k.eprocessSize())
		if err != nil || !s.poolBlock(pa) {
			return
		}
		p = k.decode(r)
		p.PA = pa
	}
	if !s.plausible(p) {
		return
	}
	seen := s.objects
	if p.VA == 0 {
		if seen = s.copies; seen[p.object()] {
			return
		}
	}
	s.known[pa], seen[p.object()] = true, true
	s.out = append(s.out, p)
}

// object identifies a process, wherever copies of its structure lie.
type object struct {
	pid     uint64
	created time.Time
	name    string
}

func (p *Process) object() object { return object{p.PID, p.Created, string(p.RawName)} }

func (s *scan) physical(pa paging.Phys, n int) (record, error) {
	b := make([]byte, n)
	got, err := s.k.cache.ReadAt(b, int64(pa))
	if got == n {
		err = nil
	}
	return record{b[:got], s.k.kernel.pointer}, err
}

// address finds the virtual address of the structure at pa from a list head in it that points at itself.
func (s *scan) address(pa paging.Phys, head record) (paging.Virt, bool) {
	l := s.k.layout
	for _, off := range []profile.Offset{l.Dispatcher.Wait, profileList(s.k), l.EPROCESS.ThreadList} {
		if off < 0 {
			continue
		}
		r, err := s.physical(pa+paging.Phys(off), 2*head.pointer)
		if err != nil {
			continue
		}
		for _, link := range []paging.Virt{r.ptr(0), r.ptr(profile.Offset(head.pointer))} {
			if va := link - paging.Virt(off); s.mapped(va, pa) {
				return va, true
			}
		}
		// A list with one entry: the entry's links both point back at the head.
		if link := r.ptr(0); link == r.ptr(profile.Offset(head.pointer)) && link != 0 {
			if back, err := s.k.kernel.ptr(link); err == nil && s.mapped(back-paging.Virt(off), pa) {
				return back - paging.Virt(off), true
			}
		}
	}
	return 0, false
}

// profileList is where _KPROCESS.ProfileListHead lies: right behind the dispatcher header in every version.
func profileList(k *Kernel) profile.Offset {
	if !k.layout.Dispatcher.Wait.Present() {
		return profile.Absent
	}
	return k.layout.Dispatcher.Wait + profile.Offset(2*k.kernel.pointer)
}

// mapped reports whether the system maps va, in kernel space, to pa.
func (s *scan) mapped(va paging.Virt, pa paging.Phys) bool {
	if va&0xfff != paging.Virt(pa)&0xfff || !s.k.inKernelSpace(va) {
		return false
	}
	page, err := s.k.Space.Translate(va)
	return err == nil && paging.Phys(page.Off)+paging.Phys(va-page.VA) == pa
}

func (k *Kernel) inKernelSpace(va paging.Virt) bool { return k.Mode.IsSystem(va) }

func (k *Kernel) inKernelImage(va paging.Virt) bool {
	return k.Base != 0 && va >= k.Base && va < k.Base+maxKernelImage && va-k.Base < k.imageSize
}

// plausible makes the checks on a process's members in Scan's comment.
func (s *scan) plausible(p *Process) bool {
	switch {
	case !plausibleID(p.PID) || p.oddTimes:
		return false
	case !p.Exited.IsZero() && p.Exited.Before(p.Created):
		return false
	case p.DTB != 0 && int64(p.DTB) >= s.k.mem.Size():
		return false
	case p.Created.IsZero() && len(p.RawName) == 0:
		return false
	}
	return s.links(p, s.k.layout.EPROCESS.Links) && s.links(p, s.k.layout.EPROCESS.ThreadList)
}

// links checks both links of a list at an offset of a process, by its address where it has one: the structure may lie
// over two pages that are not neighbours.
func (s *scan) links(p *Process, off profile.Offset) bool {
	if !off.Present() {
		return true
	}
	size := 2 * s.k.kernel.pointer
	r, err := s.physical(p.PA+paging.Phys(off), size)
	if p.VA != 0 {
		r, err = s.k.kernel.record(p.VA+paging.Virt(off), size)
	}
	if err != nil {
		return false
	}
	for _, link := range []paging.Virt{r.ptr(0), r.ptr(profile.Offset(r.pointer))} {
		if link != 0 && !s.k.inKernelSpace(link) {
			return false
		}
	}
	return true
}

// poolBlock reports whether, within the size of an object's headers, the header of a pool block with the tag of process
// objects lies before pa, at the alignment of pool: "Proc", or "Pro\xe3" with the bit of protected pool
// (_POOL_HEADER.PoolTag).
func (s *scan) poolBlock(pa paging.Phys) bool {
	const headers, tag = 0x100, 4
	if pa < headers {
		return false
	}
	r, err := s.physical(pa-headers, headers)
	if err != nil {
		return false
	}
	for at := tag; at+tag <= headers; at += s.alignment {
		switch string(r.b[at : at+tag]) {
		case "Proc", "Pro\xe3":
			return true
		}
	}
	return false
}
