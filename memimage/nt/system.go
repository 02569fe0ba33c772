package nt

import (
	"encoding/binary"
	"fmt"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// follow completes the kernel from an anchor. The structure that it leads to is System's if all facts that are known
// about System fit. Where no such structure is found, lenient accepts an odd one, if the other processes prove by
// themselves that the profile fits.
func (k *Kernel) follow(a anchor, image *kernelImage, lenient bool) error {
	links := paging.Virt(k.layout.EPROCESS.Links)
	if a.system == 0 {
		first, err := k.kernel.ptr(a.head)
		if err != nil {
			return fmt.Errorf("the list's head: %w", err)
		}
		a.system = first - links
	}
	dtb, odd := k.checkSystem(a.system)
	if odd.any() && !lenient {
		return odd.err()
	}
	var err error
	if a.head == 0 {
		if a.head, err = k.findHead(a.system+links, image); err != nil {
			return err
		}
	}
	k.SystemProcess, k.PsActiveProcessHead = a.system, a.head
	k.Space = paging.NewSpace(k.Mode, k.cache, dtb, k.soft)
	k.kernel.space = k.Space
	k.found("System is the _EPROCESS at %#x, through %s, with profile %s", uint64(a.system), a.how, k.Profile.Name())
	if odd.any() {
		return k.takeOdd(odd)
	}
	return nil
}

// oddities are the reasons why a structure may not be System's, as sentences.
type oddities []string

func (o *oddities) add(format string, args ...any) { *o = append(*o, fmt.Sprintf(format, args...)) }

func (o oddities) any() bool { return len(o) > 0 }

// err is an error for the first reason.
func (o oddities) err() error { return fmt.Errorf("%s", o[0]) }

// checkSystem checks that System's _EPROCESS is at va, and returns its directory table base: where that cannot be used,
// the one by which the kernel was found.
func (k *Kernel) checkSystem(va paging.Virt) (paging.Phys, oddities) {
	var odd oddities
	e := &k.layout.EPROCESS
	r, err := k.kernel.record(va, k.eprocessSize())
	if err != nil {
		odd.add("the _EPROCESS of System at %#x cannot be read: %v", uint64(va), err)
		return k.kernel.space.Root(), odd
	}
	k.checkLooks(va, r, &odd)
	dtb := paging.Phys(r.ptr(e.DTB)) & paging.Phys(k.Mode.RootMask)
	if err := k.checkDTB(dtb, va); err != nil {
		odd.add("%v", err)
		dtb = k.kernel.space.Root()
	}
	if err := k.checkNeighbours(va + paging.Virt(e.Links)); err != nil {
		odd.add("%v", err)
	}
	return dtb, odd
}

// checkLooks checks the members of System's structure.
func (k *Kernel) checkLooks(va paging.Virt, r record, odd *oddities) {
	e := &k.layout.EPROCESS
	if name, pid := r.name(e.Name), r.ptr(e.PID); name != "System" || pid != systemID {
		odd.add("the _EPROCESS at %#x would have the name %q and the id %d", uint64(va), name, pid)
	}
	if peb := r.ptr(e.PEB); peb != 0 {
		odd.add("the System process would have a PEB at %#x", uint64(peb))
	}
}

// checkDTB checks that a directory table base of System maps its structure at va to its place.
func (k *Kernel) checkDTB(dtb paging.Phys, va paging.Virt) error {
	own := paging.NewSpace(k.Mode, k.cache, dtb, k.soft)
	here, err := own.Translate(va)
	if err != nil {
		return fmt.Errorf("the directory table base %#x of System does not map it: %w", uint64(dtb), err)
	}
	if there, err := k.kernel.space.Translate(va); err != nil || there.Off != here.Off {
		return fmt.Errorf("the directory table base %#x of System maps it elsewhere", uint64(dtb))
	}
	return nil
}

// checkNeighbours checks that the neighbours of the list entry at va point back at it.
func (k *Kernel) checkNeighbours(va paging.Virt) error {
	size := paging.Virt(k.kernel.pointer)
	flink, err1 := k.kernel.ptr(va)
	blink, err2 := k.kernel.ptr(va + size)
	if err1 != nil || err2 != nil {
		return fmt.Errorf("the list entry at %#x cannot be read", uint64(va))
	}
	back, err1 := k.kernel.ptr(flink + size)
	forth, err2 := k.kernel.ptr(blink)
	if (err1 != nil || back != va) && (err2 != nil || forth != va) {
		return fmt.Errorf("the list neighbours %#x and %#x of System do not point back", uint64(flink), uint64(blink))
	}
	return nil
}

// findHead returns the head of the list that the entry at va is in: the entry that is no _EPROCESS but a variable of
// the kernel, or else the entry before System, which is first.
func (k *Kernel) findHead(va paging.Virt, image *kernelImage) (paging.Virt, error) {
	before, err := k.kernel.ptr(va + paging.Virt(k.kernel.pointer))
	if err != nil {
		return k.headInImage(va, image, err)
	}
	if k.Base == 0 || image.contains(before) {
		return before, nil
	}
	for at, n := va, 0; n < maxProcesses; n++ {
		if at, err = k.kernel.ptr(at); err != nil || at == va {
			break
		}
		if image.contains(at) {
			return at, nil
		}
	}
	return before, nil
}

// headInImage returns the head of a list with its first entry at va, where that entry cannot be read: the place in the
// kernel's image that points there, and at which the list's last entry points.
func (k *Kernel) headInImage(va paging.Virt, image *kernelImage, cause error) (paging.Virt, error) {
	const most = 64 // pointers that are looked at
	if k.Base == 0 {
		return 0, cause
	}
	size := k.kernel.pointer
	for _, at := range image.Find(binary.LittleEndian.AppendUint64(nil, uint64(va))[:size], size, most) {
		last, err := k.kernel.ptr(at + paging.Virt(size))
		if err != nil {
			continue
		}
		if forth, err := k.kernel.ptr(last); err == nil && forth == at {
			return at, nil
		}
	}
	return 0, fmt.Errorf("nothing leads to the list's head: %w", cause)
}

func (k *kernelImage) contains(va paging.Virt) bool {
	return va >= k.Base && va < k.Base+paging.Virt(k.Size)
}

// Limits on the processes that prove a profile.
const (
	leastProving = 2  // besides System; with fewer nothing is proved
	mostProving  = 64 // that are looked at
	againstOne   = 4  // fitting processes that outweigh an unfitting one: it may be damaged, or tampered with
)

// takeOdd takes an odd structure for System's if the other processes of the list prove that the profile fits: then the
// oddity is damage to System, and no sign of another structure.
func (k *Kernel) takeOdd(odd oddities) error {
	fit, unfit := 0, 0
	for p, err := range k.Processes() {
		if err != nil || p.VA == k.SystemProcess || p.DTB == 0 {
			continue
		}
		if fit+unfit == mostProving {
			break
		}
		if k.isLaidOut(p) {
			fit++
		} else {
			unfit++
		}
	}
	if fit < leastProving || fit < unfit*againstOne {
		return fmt.Errorf("%w; of %d other processes in the list %d are laid out as the profile says, which is too few to prove it", odd.err(), fit+unfit, fit)
	}
	for _, s := range odd {
		k.found("System is odd: %s; that it is System all the same is known by its place in the list, and %d of %d other processes prove the profile", s, fit, fit+unfit)
	}
	if k.odd = true; k.DTB() != k.systemDTB() {
		k.found("the system's address space is read by the page directory at %#x, which is another process's: all share the system's part", uint64(k.DTB()))
	}
	return nil
}

// systemDTB is the directory table base in System's structure; 0 when that cannot be read.
func (k *Kernel) systemDTB() paging.Phys {
	dtb, _ := k.kernel.ptr(k.SystemProcess + paging.Virt(k.layout.EPROCESS.DTB))
	return paging.Phys(dtb) & paging.Phys(k.Mode.RootMask)
}

// isLaidOut reports whether a process other than System has the values that prove the profile's offsets: page tables
// that map the structure itself, an id and a name, links from neighbours that point back, and an environment block in
// user space, if any.
func (k *Kernel) isLaidOut(p *Process) bool {
	page, err := p.tables.Translate(p.VA)
	switch {
	case err != nil || paging.Phys(page.Off)+paging.Phys(p.VA-page.VA) != p.PA:
		return false
	case !plausibleID(p.PID) || !isPlainName(p.RawName) || p.oddTimes:
		return false
	case p.PEB%pageSize != 0 || int64(p.PEB) < 0 || int64(p.PEB) >= k.Mode.UserSpace():
		return false
	}
	head, err := k.kernel.record(p.VA, 4)
	if err != nil || head.u8(profile.Offset(k.layout.Dispatcher.Type))&0x7f != processObject {
		return false
	}
	return k.checkNeighbours(p.VA+paging.Virt(k.layout.EPROCESS.Links)) == nil
}

// isPlainName reports whether a name is printable ASCII.
func isPlainName(name []byte) bool {
	for _, c := range name {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return len(name) > 0
}
