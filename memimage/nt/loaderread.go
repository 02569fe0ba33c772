package nt

import (
	"errors"
	"fmt"
	"slices"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// readLoader reads lists with their heads in the _PEB_LDR_DATA at ldr.
func readLoader(m memory, l *loaderForm, ldr paging.Virt, orders []LoaderOrder) *LoaderLists {
	r := &loaderReader{memory: m, form: l, out: &LoaderLists{Bits: 8 * m.pointer}, index: map[paging.Virt]int{}}
	for _, o := range orders {
		r.out.Complete[o], r.out.Errors[o] = r.list(o, ldr)
		if err := r.out.Errors[o]; err != nil {
			r.out.Errors[o] = fmt.Errorf("nt: the module list %s, %d bits: %w", o, r.out.Bits, err)
		}
	}
	return r.out
}

// loaderReader reads the lists of one loader.
type loaderReader struct {
	memory
	form  *loaderForm
	out   *LoaderLists
	index map[paging.Virt]int // of Entries, by the entry's address
	names int                 // bytes of all names so far
}

// list reads one list. It reports whether the list was followed from end to end, and its damage.
func (r *loaderReader) list(o LoaderOrder, ldr paging.Virt) (complete bool, err error) {
	if ldr == 0 {
		return false, errors.New("the environment block names no loader data (Ldr is 0)")
	}
	at, back, complete, err := r.chain(ldr + paging.Virt(r.form.heads[o]))
	for place, links := range append(at, back...) {
		i, bad := r.entry(links - paging.Virt(r.form.links[o]))
		if bad != nil {
			return false, bad
		}
		if place < len(at) || !complete { // a walk of a list that is whole does not come to the others
			r.out.Entries[i].Places[o] = place
		}
	}
	return complete, err
}

// chain returns the links of a list from its head on: forward and, where that shows damage, the links to which only the
// way back leads. It reports whether the way forward ends at the head.
func (r *loaderReader) chain(head paging.Virt) (at, back []paging.Virt, complete bool, err error) {
	at, complete, err = r.follow(head, 0)
	if err == nil {
		return at, nil, complete, nil
	}
	seen := map[paging.Virt]bool{}
	for _, va := range at {
		seen[va] = true
	}
	back, _, _ = r.follow(head, 1)
	back = slices.DeleteFunc(back, func(va paging.Virt) bool { return seen[va] })
	slices.Reverse(back)
	return at, back[:min(len(back), maxModules-len(at))], complete, err
}

// follow follows a list forward (side 0) or back (side 1). Links that cannot be read are not in the result. A list that
// comes to its head, though links on the way do not point back, is complete, and has an error.
func (r *loaderReader) follow(head paging.Virt, side int) (out []paging.Virt, complete bool, err error) {
	seen := map[paging.Virt]bool{head: true}
	at := head
	links, err := r.links(head)
	if err != nil {
		return nil, false, fmt.Errorf("its head at %#x cannot be read: %w", uint64(head), err)
	}
	var odd error
	for len(out) < maxModules {
		next := links[side]
		if next != head && seen[next] {
			return out, false, fmt.Errorf("it leads back to %#x, which is not its head", uint64(next))
		}
		was := at
		if links, err = r.links(next); err != nil {
			return out, false, fmt.Errorf("it leads from %#x to %#x, which cannot be read: %w", uint64(was), uint64(next), err)
		}
		if back := links[1-side]; back != was && odd == nil {
			odd = fmt.Errorf("it leads from %#x to %#x, but from there back to %#x", uint64(was), uint64(next), uint64(back))
		}
		if next == head {
			return out, true, odd
		}
		seen[next], at = true, next
		out = append(out, next)
	}
	return out, false, fmt.Errorf("it does not end after %d modules", len(out))
}

// links reads a _LIST_ENTRY: Flink and Blink.
func (r *loaderReader) links(va paging.Virt) ([2]paging.Virt, error) {
	b, err := r.record(va, 2*r.pointer)
	return [2]paging.Virt{b.ptr(0), b.ptr(profile.Offset(r.pointer))}, err
}

// entry reads the entry at va, unless it was read for another list, and returns its index.
func (r *loaderReader) entry(va paging.Virt) (int, error) {
	if i, ok := r.index[va]; ok {
		return i, nil
	}
	if r.names > maxModulePaths {
		return 0, fmt.Errorf("it does not end after %d modules with %d bytes of names", len(r.out.Entries), r.names)
	}
	l := r.form
	b, err := r.sparseRecord(va, l.size)
	if _, unreadable := r.ptr(va + paging.Virt(l.Base)); unreadable != nil {
		return 0, fmt.Errorf("its entry at %#x cannot be read: %w", uint64(va), err)
	}
	e := LoaderEntry{
		VA: va, Base: b.ptr(l.Base), Size: uint32(b.u32(l.Size)), EntryPoint: b.ptr(l.EntryPoint), Flags: uint32(b.u32(l.Flags)),
		LoadCount: -1, Places: [loaderLists]int{NoPlace, NoPlace, NoPlace}, Bits: r.out.Bits,
	}
	e.Path, e.Name = r.name(b, l.FullName), r.name(b, l.BaseName)
	if l.LoadCount.Present() {
		e.LoadCount = int(b.u16(l.LoadCount))
	}
	e.Loaded, _ = b.time(l.LoadTime)
	e.Patch = b.ptr(l.Patch)
	r.index[va] = len(r.out.Entries)
	r.out.Entries = append(r.out.Entries, e)
	return r.index[va], nil
}

// name reads the string of a _UNICODE_STRING that is a member of an entry; empty when it cannot be read.
func (r *loaderReader) name(entry record, member profile.Offset) string {
	n := int(entry.u16(member+r.form.length)) &^ 1
	if n == 0 {
		return ""
	}
	s, _ := r.utf16(entry.ptr(member+r.form.buffer), n)
	r.names += len(s)
	return s
}
