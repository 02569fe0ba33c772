package nt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// maxDrivers bounds the list of loaded modules. Systems have some hundreds.
const maxDrivers = 1 << 13

// errNoDriverList says that nothing leads to the list of loaded modules.
var errNoDriverList = errors.New("nt: the list of loaded modules (PsLoadedModuleList) is not found: neither the debugger data block nor an export nor the kernel's own entry leads to it")

// PsLoadedModuleList returns the address of the head of the list of loaded modules. The debugger data block names it.
// Where that is lost, the kernel exports it (64-bit kernels), or the profile knows its place, or else a pointer in the
// kernel's image leads to the kernel's own entry, which comes first. Each is believed when the list's first or last
// entry points back at it.
func (k *Kernel) PsLoadedModuleList() (paging.Virt, error) {
	var doubtful paging.Virt
	for _, find := range []func() paging.Virt{k.debuggerDriverList, k.exportedDriverList, k.profileDriverList} {
		switch head := find(); {
		case head == 0:
		case k.checkNeighbours(head) == nil:
			return head, nil
		case doubtful == 0:
			doubtful = head
		}
	}
	if head := k.searchDriverList(); head != 0 {
		return head, nil
	}
	if doubtful != 0 { // the list is damaged around its head
		return doubtful, nil
	}
	return 0, errNoDriverList
}

func (k *Kernel) debuggerDriverList() paging.Virt {
	if k.debugger == nil {
		return 0
	}
	return k.debugger.ptr(k.kernel, kdbgPsLoadedModuleList)
}

func (k *Kernel) exportedDriverList() paging.Virt {
	image, ok := openKernelImage(k.kernel, k.Base)
	if k.Base == 0 || !ok {
		return 0
	}
	va, _ := image.Export("PsLoadedModuleList")
	return va
}

func (k *Kernel) profileDriverList() paging.Virt {
	rva, ok := k.symbol("PsLoadedModuleList")
	if k.Base == 0 || !ok {
		return 0
	}
	return k.Base + paging.Virt(rva)
}

// symbol returns the RVA of a kernel variable that the profile knows for this very kernel.
func (k *Kernel) symbol(name string) (uint64, bool) {
	for _, of := range k.Profile.Kernels() {
		if k.Identity.GUID != "" && strings.EqualFold(of.GUID, k.Identity.GUID) && of.Age == k.Identity.Age {
			return of.Symbol(name)
		}
	}
	return 0, false
}

// searchDriverList looks in the kernel's image for two pointers that are the head of a list with the kernel's own entry
// first. It returns 0 when there is no such head.
func (k *Kernel) searchDriverList() paging.Virt {
	if k.Base == 0 {
		return 0
	}
	page, size := make([]byte, pageSize), k.kernel.pointer
	for rva := paging.Virt(0); rva < k.imageSize; rva += pageSize {
		if _, err := k.kernel.space.ReadVirt(page, k.Base+rva); err != nil {
			continue
		}
		r := record{page, size}
		for off := 0; off+2*size <= pageSize; off += size {
			at := k.Base + rva + paging.Virt(off)
			if k.leadsToKernel(at, r.u(profile.Offset(off), size)) {
				return at
			}
		}
	}
	return 0
}

// leadsToKernel reports whether va, with the first entry at first, is the head of the list of loaded modules.
func (k *Kernel) leadsToKernel(va paging.Virt, first uint64) bool {
	entry := paging.Virt(first)
	if entry%4 != 0 || !k.inKernelSpace(entry) || k.inKernelImage(entry) {
		return false
	}
	back := binary.LittleEndian.AppendUint64(nil, uint64(va))[:k.kernel.pointer]
	r, err := k.kernel.record(entry, driverEntryLayout(k.kernel.pointer).end)
	if err != nil || string(r.b[k.kernel.pointer:2*k.kernel.pointer]) != string(back) {
		return false
	}
	return r.ptr(driverEntryLayout(k.kernel.pointer).base) == k.Base
}

// Drivers yields the images of the list of loaded modules in the list's order, the kernel first, each once. A damaged
// list is followed from both ends. A driver that cannot be read is an error in its place, and does not end the list.
// Where only the links backward lead to a driver, and the links forward are whole, it was unlinked by halves.
func (k *Kernel) Drivers() iter.Seq2[*Driver, error] {
	return func(yield func(*Driver, error) bool) {
		head, err := k.PsLoadedModuleList()
		if err != nil {
			yield(nil, err)
			return
		}
		w := driverWalk{k: k, head: head, yield: yield, seen: map[paging.Virt]bool{}, spaces: k.newDriverSpaces()}
		broken := w.walk(0, nil)
		if w.over || broken != nil && !yield(nil, broken) {
			return
		}
		w.backward, w.whole = true, broken == nil
		if broken = w.walk(paging.Virt(k.kernel.pointer), maps.Clone(w.seen)); !w.over && broken != nil {
			yield(nil, broken)
		}
	}
}

// driverWalk is a walk over the list of loaded modules.
type driverWalk struct {
	k        *Kernel
	head     paging.Virt
	yield    func(*Driver, error) bool
	spaces   *driverSpaces
	seen     map[paging.Virt]bool // entries
	whole    bool                 // the links forward are whole
	backward bool
	over     bool // yield has returned false
}

// walk follows the list from its head through the links at offset side (0: forward, a pointer's size: backward), to the
// head or, when the links forward are not whole, to an entry of the earlier walk. The error says why it did not get
// there.
func (w *driverWalk) walk(side paging.Virt, earlier map[paging.Virt]bool) error {
	k, at := w.k, w.head
	steps := map[paging.Virt]bool{}
	for len(w.seen) < maxDrivers {
		next, err := k.kernel.ptr(at + side)
		switch {
		case err != nil:
			return fmt.Errorf("nt: the list of loaded modules ends at %#x, which cannot be read: %w", uint64(at), err)
		case next == w.head || earlier[next] && !w.whole:
			return nil
		case steps[next]:
			return fmt.Errorf("nt: the list of loaded modules leads from %#x back to %#x, which is not its head", uint64(at), uint64(next))
		}
		steps[next] = true
		if !earlier[next] {
			d, err := k.driver(next)
			if err != nil {
				return fmt.Errorf("nt: the list of loaded modules leads from %#x to %#x: %w", uint64(at), uint64(next), err)
			}
			if w.take(d); w.over {
				return nil
			}
		}
		at = next
	}
	return fmt.Errorf("nt: the list of loaded modules has more than %d entries", maxDrivers)
}

// take yields a driver of the list.
func (w *driverWalk) take(d *Driver) {
	d.Listed = !w.backward || !w.whole
	if !w.backward {
		d.Index = len(w.seen)
	}
	w.seen[d.Entry] = true
	if w.spaces.classify(d); !d.Listed {
		d.Kind = DriverUnlinked
	}
	w.over = !w.yield(d, nil)
}
