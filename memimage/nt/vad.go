package nt

import (
	"fmt"
	"iter"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// VAD is a virtual address descriptor: a stretch of a process's addresses and what stands behind it.
type VAD struct {
	VA         paging.Virt // of the descriptor itself
	Start, End paging.Virt // first address and the one behind the last
	Private    bool        // memory of the process's own, without prototype entries
	Image      bool        // an executable mapped as one
	FirstProto paging.Virt // of the prototype entry of Start
	lastProto  paging.Virt // last one that follows FirstProto without a gap
	subsection paging.Virt // 0 where there is none
	area       paging.Virt
}

// Limits on trees of descriptors. Those of Windows XP are splay trees, which may be as deep as they have nodes.
const (
	maxVADs     = 1 << 20
	maxVADDepth = 1 << 14
	vadTypeImg  = 2 // _MI_VAD_TYPE VadImageMap
)

// vadRoot returns the topmost descriptor of an _EPROCESS. VadRoot is a pointer to it (Windows XP and from 8.1 on,
// where it is an _RTL_AVL_TREE) or an _MM_AVL_TABLE, whose root is the right child of a node of its own.
func (k *Kernel) vadRoot(r record) paging.Virt {
	f := k.layout.EPROCESS.VadRoot
	off := profile.Offset(f.Offset)
	if f.Type == "_MM_AVL_TABLE" && k.layout.VAD.Root.Present() {
		off += k.layout.VAD.Root
	}
	return r.ptr(off)
}

// vad reads the descriptor at va and its children.
func (k *Kernel) vad(va paging.Virt) (v VAD, left, right paging.Virt, err error) {
	l := &k.layout.VAD
	r, err := k.kernel.sparseRecord(va, k.vadSize())
	if err != nil {
		if page, perr := k.kernel.record(va, int(l.End.Offset)+8); perr != nil || len(page.b) == 0 {
			return VAD{}, 0, 0, fmt.Errorf("nt: the address descriptor at %#x cannot be read: %w", uint64(va), err)
		}
	}
	start, _ := r.field(l.Start)
	end, _ := r.field(l.End)
	if l.StartHigh.Present() && l.EndHigh.Present() {
		start |= r.u8(l.StartHigh) << 32
		end |= r.u8(l.EndHigh) << 32
	}
	v = VAD{VA: va, Start: paging.Virt(start << 12), End: paging.Virt((end + 1) << 12)}
	flags := r.u(max(l.Flags, 0), k.kernel.pointer)
	v.Private = l.Private.Bitfield(flags) != 0
	v.Image = l.Type.Present() && l.Type.Bitfield(flags) == vadTypeImg || l.ImageMap.Present() && l.ImageMap.Bitfield(flags) != 0
	if !v.Private {
		v.FirstProto, v.lastProto = r.ptr(l.FirstProto), r.ptr(l.LastProto)
		v.subsection = r.ptr(l.Subsection)
		v.area = r.ptr(l.Area)
	}
	return v, r.ptr(l.Left), r.ptr(l.Right), nil
}

// vadSize is how much of a descriptor is read: that of a short one may end earlier, what follows is not used then.
func (k *Kernel) vadSize() int { return int(k.layout.VAD.LastProto) + k.kernel.pointer }

// VAD returns the descriptor that va lies in; false when there is none or the way to it is damaged. The descent
// narrows the range of addresses at every step, so that a loop ends it.
func (p *Process) VAD(va paging.Virt) (VAD, bool) {
	low, high := paging.Virt(0), ^paging.Virt(0)
	at := p.vadRoot
	for range maxVADDepth {
		if at == 0 {
			return VAD{}, false
		}
		v, left, right, err := p.kernel.vad(at)
		if err != nil || v.Start < low || v.End > high || v.End <= v.Start {
			return VAD{}, false
		}
		switch {
		case va < v.Start:
			high, at = v.Start, left
		case va >= v.End:
			low, at = v.End, right
		default:
			return v, true
		}
	}
	return VAD{}, false
}

// VADs yields the process's descriptors in the order of the tree: by address, if it is sound. A damaged descriptor is
// an error in its place; what lies below it is lost. Each descriptor comes once.
func (p *Process) VADs() iter.Seq2[VAD, error] {
	return func(yield func(VAD, error) bool) {
		type step struct {
			vad   VAD
			right paging.Virt
		}
		var path []step
		seen := map[paging.Virt]bool{}
		at := p.vadRoot
		for {
			for at != 0 && len(seen) < maxVADs {
				if seen[at] {
					if !yield(VAD{VA: at}, fmt.Errorf("nt: the address descriptors lead back to %#x", uint64(at))) {
						return
					}
					break
				}
				seen[at] = true
				v, left, right, err := p.kernel.vad(at)
				if err != nil {
					if !yield(VAD{VA: at}, err) {
						return
					}
					break
				}
				path = append(path, step{v, right})
				at = left
			}
			if len(path) == 0 {
				return
			}
			last := path[len(path)-1]
			path = path[:len(path)-1]
			if !yield(last.vad, nil) {
				return
			}
			at = last.right
		}
	}
}

// PrototypePTE implements [paging.Backing].
func (p *Process) PrototypePTE(va paging.Virt) (paging.Virt, bool) {
	v, ok := p.VAD(va)
	if !ok || v.Private || v.FirstProto == 0 {
		return 0, false
	}
	return p.kernel.prototypeOf(v, int64((va-v.Start)>>12))
}

// prototypeOf returns the address of the prototype entry of page index of a descriptor. Entries follow each other up to
// LastContiguousPte; those behind belong to later subsections.
func (k *Kernel) prototypeOf(v VAD, index int64) (paging.Virt, bool) {
	size := paging.Virt(k.Mode.EntrySize)
	proto := v.FirstProto + paging.Virt(index)*size
	if proto <= v.lastProto || v.lastProto < v.FirstProto {
		return proto, true
	}
	sub := v.subsection
	if sub == 0 && v.area != 0 {
		sub = k.firstSubsection(v.area)
	}
	skip := int64(0)
	for s := range k.subsections(sub, v.area, pageSize) {
		if skip == 0 && v.FirstProto >= s.Base && v.FirstProto < s.Base+paging.Virt(s.Ptes)*size {
			skip = int64((v.FirstProto - s.Base) / size)
		}
		if index+skip < s.Ptes {
			return s.Base + paging.Virt(index+skip)*size, true
		}
		index -= s.Ptes - skip
		skip = 0
	}
	return 0, false
}
