package nt

import (
	"fmt"

	"memlens/memimage/paging"
)

// follow completes the kernel from an anchor.
func (k *Kernel) follow(a anchor, image *kernelImage) error {
	links := paging.Virt(k.layout.EPROCESS.Links)
	if a.system == 0 {
		first, err := k.kernel.ptr(a.head)
		if err != nil {
			return fmt.Errorf("the list's head: %w", err)
		}
		a.system = first - links
	}
	dtb, err := k.checkSystem(a.system)
	if err != nil {
		return err
	}
	if a.head == 0 {
		if a.head, err = k.findHead(a.system+links, image); err != nil {
			return err
		}
	}
	k.SystemProcess, k.PsActiveProcessHead = a.system, a.head
	k.Space = paging.NewSpace(k.Mode, k.cache, dtb, k.soft)
	k.kernel.space = k.Space
	k.found("System is the _EPROCESS at %#x, through %s, with profile %s", uint64(a.system), a.how, k.Profile.Name())
	return nil
}

// checkSystem checks that there is System's _EPROCESS at va, and returns its directory table base.
func (k *Kernel) checkSystem(va paging.Virt) (paging.Phys, error) {
	e := &k.layout.EPROCESS
	r, err := k.kernel.record(va, k.eprocessSize())
	if err != nil {
		return 0, err
	}
	name, pid := r.name(e.Name), r.ptr(e.PID)
	if name != "System" || pid != 4 {
		return 0, fmt.Errorf("the _EPROCESS at %#x would have the name %q and the id %d", uint64(va), name, pid)
	}
	if peb := r.ptr(e.PEB); peb != 0 {
		return 0, fmt.Errorf("the System process would have a PEB at %#x", uint64(peb))
	}
	dtb := paging.Phys(r.ptr(e.DTB)) & paging.Phys(k.Mode.RootMask)
	own := paging.NewSpace(k.Mode, k.cache, dtb, k.soft)
	here, err := own.Translate(va)
	if err != nil {
		return 0, fmt.Errorf("the directory table base %#x of System does not map it: %w", uint64(dtb), err)
	}
	if there, err := k.kernel.space.Translate(va); err != nil || there.Off != here.Off {
		return 0, fmt.Errorf("the directory table base %#x of System maps it elsewhere", uint64(dtb))
	}
	return dtb, k.checkNeighbours(va + paging.Virt(e.Links))
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

// findHead returns the head of the list that the entry at va is in: the one that is no _EPROCESS but a variable of the
// kernel, or else what comes before System, which is first.
func (k *Kernel) findHead(va paging.Virt, image *kernelImage) (paging.Virt, error) {
	before, err := k.kernel.ptr(va + paging.Virt(k.kernel.pointer))
	if err != nil {
		return 0, err
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

func (k *kernelImage) contains(va paging.Virt) bool {
	return va >= k.Base && va < k.Base+paging.Virt(k.Size)
}
