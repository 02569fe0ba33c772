package nt

import (
	"errors"
	"fmt"
	"iter"
	"sync"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
)

// VAD is a virtual address descriptor: a stretch of a process's addresses, and the kind of memory there.
type VAD struct {
	VA         paging.Virt // of the descriptor itself
	Start, End paging.Virt // first address and the address behind the last
	Private    bool        // memory of the process's own, without prototype entries
	Image      bool        // mapped as an executable
	Committed  bool        // private memory that was committed as a whole at its allocation
	Protection Protection  // at the allocation; programs may have changed the protection of single pages since
	FirstProto paging.Virt // of the prototype entry of Start
	lastProto  paging.Virt // last one that follows FirstProto without a gap
	subsection paging.Virt // 0 where there is none
	area       paging.Virt
	parts      *subsectionChain // nil for private memory
	// Unknown says that it stands for memory in the dump of a process without kinds of memory.
	Unknown bool
}

// subsectionChain is the chain of subsections behind a descriptor, read when it is first needed.
type subsectionChain struct {
	mu   sync.Mutex
	read bool
	subs []Subsection
}

// Limits on trees of descriptors. The trees of Windows XP are splay trees, which may be as deep as they have nodes.
const (
	maxVADs     = 1 << 20
	maxVADDepth = 1 << 14
	vadTypeImg  = 2 // _MI_VAD_TYPE VadImageMap
)

// vadRoot returns the topmost descriptor of an _EPROCESS.
func (k *Kernel) vadRoot(r record) paging.Virt { return k.vadRootAt(r, k.layout.EPROCESS.VadRoot) }

// vadRootAt returns the same, where VadRoot is f: a pointer to the descriptor (Windows XP and from 8.1 on, where it is
// an _RTL_AVL_TREE) or an _MM_AVL_TABLE, which has the root as the right child of its own node. It is 0 without a
// VadRoot.
func (k *Kernel) vadRootAt(r record, f profile.Field) paging.Virt {
	if !f.Present() {
		return 0
	}
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
		if page, perr := k.kernel.record(va, int(l.End.Offset)+8); perr != nil || len(page.b) == 0 || sparse.Failed(err) {
			return VAD{}, 0, 0, fmt.Errorf("nt: the address descriptor at %#x cannot be read: %w", uint64(va), err)
		}
	}
	start, _ := r.field(l.Start)
	end, _ := r.field(l.End)
	if l.StartHigh.Present() && l.EndHigh.Present() {
		start |= r.u8(l.StartHigh) << 32
		end |= r.u8(l.EndHigh) << 32
	}
	if higher, ok := r.field(l.StartHigher); ok && higher<<40 < 1<<(k.Mode.VirtBits-12) { // where addresses have so many bits
		start |= higher << 40
		end = followOn(start, end)
	}
	if start > end || end >= 1<<(k.Mode.VirtBits-12) {
		return VAD{}, 0, 0, fmt.Errorf("nt: the address descriptor at %#x is damaged: it would be of the pages %#x to %#x", uint64(va), start, end)
	}
	v = VAD{VA: va, Start: paging.Virt(start << 12), End: paging.Virt((end + 1) << 12)}
	flags := r.u(max(l.Flags, 0), k.kernel.pointer)
	v.Private = l.Private.Bitfield(flags) != 0
	v.Protection = NoProtection
	if l.Protection.Present() {
		v.Protection = Protection(l.Protection.Bitfield(flags))
	}
	v.Committed = v.Private && l.committed(r, flags)
	v.Image = l.Type.Present() && l.Type.Bitfield(flags) == vadTypeImg || l.ImageMap.Present() && l.ImageMap.Bitfield(flags) != 0
	if !v.Private {
		v.readMapping(r, l)
	}
	return v, r.ptr(l.Left), r.ptr(l.Right), nil
}

// committed reports whether a descriptor's flags mark all of the memory as committed.
func (l *vadLayout) committed(r record, flags uint64) bool {
	if l.Committed.Present() {
		return l.Committed.Bitfield(flags) != 0
	}
	return l.Committed1.Present() && l.Flags1.Present() && l.Committed1.Bitfield(r.u(l.Flags1, int(max(l.Committed1.Size, 4)))) != 0
}

// readMapping reads the members that only descriptors of mapped memory have.
func (v *VAD) readMapping(r record, l *vadLayout) {
	v.FirstProto, v.lastProto = r.ptr(l.FirstProto), r.ptr(l.LastProto)
	v.subsection = r.ptr(l.Subsection)
	v.area = r.ptr(l.Area)
	v.parts = new(subsectionChain)
}

// followOn returns the first page number at or behind start with the lowest 40 bits of end: a descriptor has less than
// 4 PiB.
func followOn(start, end uint64) uint64 {
	const low = 1<<40 - 1
	return start + (end-start)&low
}

// vadSize is how much of a descriptor is read: a short descriptor may end earlier, and the rest is not used then.
func (k *Kernel) vadSize() int { return int(k.layout.VAD.LastProto) + k.kernel.pointer }

// vadRange is a stretch of addresses for which the descent through the tree ends in the same way.
type vadRange struct {
	low, high paging.Virt
	vad       VAD
	ok        bool
}

// VAD returns the descriptor that va lies in; false when there is none or the way to it is damaged. The outcome of the
// last descent is kept: neighbouring pages have the same outcome, and a damaged tree may be thousands of descriptors
// deep.
func (p *Process) VAD(va paging.Virt) (VAD, bool) {
	r, _ := p.findVAD(va)
	return r.vad, r.ok
}

// findVAD returns the range that va lies in; with an error, from a read that failed on the way, an empty range.
func (p *Process) findVAD(va paging.Virt) (vadRange, error) {
	if p.dumped != nil {
		return p.dumped.find(va), nil
	}
	if r := p.lastVAD.Load(); r != nil && va >= r.low && va < r.high {
		return *r, nil
	}
	r, err := p.descend(va)
	if sparse.Failed(err) {
		return vadRange{}, err
	}
	p.lastVAD.Store(&r)
	return r, nil
}

// descend looks va up in the tree. It narrows the range of addresses at every step, so that a loop ends it. The error
// says that a descriptor could not be read.
func (p *Process) descend(va paging.Virt) (vadRange, error) {
	r := vadRange{high: ^paging.Virt(0)}
	at := p.vadRoot
	for range maxVADDepth {
		if at == 0 {
			return r, nil
		}
		v, left, right, err := p.kernel.vad(at)
		if err != nil || v.Start < r.low || v.End > r.high {
			return r, err
		}
		switch {
		case va < v.Start:
			r.high, at = v.Start, left
		case va >= v.End:
			r.low, at = v.End, right
		default:
			return vadRange{v.Start, v.End, v, true}, nil
		}
	}
	return r, nil
}

// VADs yields the process's descriptors in the order of the tree: by address, if it is sound. A damaged descriptor is
// an error in its place; the descriptors below it are lost. Each descriptor comes once.
func (p *Process) VADs() iter.Seq2[VAD, error] {
	if p.dumped != nil {
		return p.dumped.each()
	}
	return func(yield func(VAD, error) bool) {
		w := vadWalk{k: p.kernel, seen: map[paging.Virt]bool{}}
		for at := p.vadRoot; ; {
			if err := w.down(at); err != nil && !yield(VAD{VA: w.bad}, err) {
				return
			}
			if len(w.path) == 0 {
				return
			}
			last := w.path[len(w.path)-1]
			w.path = w.path[:len(w.path)-1]
			if !yield(last.vad, nil) {
				return
			}
			at = last.right
		}
	}
}

// vadWalk is a walk over a tree: the descriptors on the way with left sides that are not finished, and all descriptors
// so far.
type vadWalk struct {
	k    *Kernel
	path []vadStep
	seen map[paging.Virt]bool
	bad  paging.Virt // the descriptor that ended the last way down
}

type vadStep struct {
	vad   VAD
	right paging.Virt
}

// down follows left children from at on to the end, or to a damaged descriptor, which is an error.
func (w *vadWalk) down(at paging.Virt) error {
	for at != 0 {
		w.bad = at
		switch {
		case w.seen[at]:
			return fmt.Errorf("nt: the address descriptors lead back to %#x", uint64(at))
		case len(w.seen) >= maxVADs:
			w.path = nil
			return fmt.Errorf("nt: there are more than %d address descriptors", maxVADs)
		case len(w.path) >= maxVADDepth:
			return fmt.Errorf("nt: the tree of address descriptors is deeper than %d at %#x", maxVADDepth, uint64(at))
		}
		w.seen[at] = true
		v, left, right, err := w.k.vad(at)
		if err != nil {
			return err
		}
		w.path = append(w.path, vadStep{v, right})
		at = left
	}
	return nil
}

// PrototypePTE implements [paging.Backing].
func (p *Process) PrototypePTE(va paging.Virt) (paging.Virt, bool, error) {
	r, err := p.findVAD(va)
	if !r.hasPrototypes() {
		return 0, false, err
	}
	return p.kernel.prototypeOf(r.vad, int64((va-r.vad.Start)>>12))
}

func (r *vadRange) hasPrototypes() bool { return r.ok && !r.vad.Private && r.vad.FirstProto != 0 }

// Unbacked implements [paging.Bounded]: it returns the start of the next descriptor, or the end of one without entries.
func (p *Process) Unbacked(va paging.Virt) paging.Virt {
	r, err := p.findVAD(va)
	if err != nil || r.hasPrototypes() {
		return va
	}
	return r.high
}

// WithoutPrototypes returns the end of the addresses of a descriptor from va on without prototype entries in memory; va
// where its page has one. Descriptors of terabytes, such as the bitmap of control flow guard's, have few.
func (p *Process) WithoutPrototypes(v VAD, va paging.Virt) (end paging.Virt) {
	index, size := int64((va-v.Start)>>12), paging.Virt(p.kernel.Mode.EntrySize)
	proto, ok, err := p.kernel.prototypeOf(v, index)
	switch {
	case err != nil:
		return va
	case !ok:
		return v.End
	}
	_, err = p.kernel.Space.Translate(proto)
	fault, ok := errors.AsType[*paging.FaultError](err)
	if !ok || proto%size != 0 {
		return va
	}
	n := min(paging.Virt(fault.Size)/size, (v.End-va)>>12)
	if proto <= v.lastProto {
		n = min(n, (v.lastProto-proto)/size+1)
	}
	if last, ok, _ := p.kernel.prototypeOf(v, index+int64(n)-1); n == 0 || !ok || last != proto+(n-1)*size {
		return va
	}
	return va + n<<12
}

// prototypeOf returns the address of the prototype entry of page index of a descriptor. Entries follow each other up to
// LastContiguousPte; the entries behind belong to later subsections. The error says that a subsection could not be
// read.
func (k *Kernel) prototypeOf(v VAD, index int64) (paging.Virt, bool, error) {
	size := paging.Virt(k.Mode.EntrySize)
	proto := v.FirstProto + paging.Virt(index)*size
	if proto <= v.lastProto || v.lastProto < v.FirstProto {
		return proto, true, nil
	}
	skip := int64(0)
	parts, err := k.parts(v)
	for _, s := range parts {
		if skip == 0 && v.FirstProto >= s.Base && v.FirstProto < s.Base+paging.Virt(s.Ptes)*size {
			skip = int64((v.FirstProto - s.Base) / size)
		}
		if index+skip < s.Ptes {
			return s.Base + paging.Virt(index+skip)*size, true, nil
		}
		index -= s.Ptes - skip
		skip = 0
	}
	return 0, false, err
}

// parts returns the subsections behind a descriptor, from its first one on. The error is a *[sparse.ReadError]; the
// subsections before it are returned.
func (k *Kernel) parts(v VAD) ([]Subsection, error) {
	v.parts.mu.Lock()
	defer v.parts.mu.Unlock()
	if v.parts.read {
		return v.parts.subs, nil
	}
	sub := v.subsection
	if sub == 0 && v.area != 0 {
		sub = k.firstSubsection(v.area)
	}
	subs, err := k.subsections(sub, v.area, pageSize)
	if sparse.Failed(err) {
		return subs, err
	}
	v.parts.subs, v.parts.read = subs, true
	return subs, nil
}
