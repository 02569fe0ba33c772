package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	lru "github.com/hashicorp/golang-lru/v2"

	"memlens/memimage/paging"
	"memlens/memimage/sparse"
)

// Memory is an address space: a [paging.Space].
type Memory interface {
	ReadVirt(p []byte, va paging.Virt) (int, error)
	Translate(va paging.Virt) (paging.Page, error)
}

// System is the system in which the store is looked for.
type System struct {
	Kernel Memory // the kernel's address space. It must not read pages through the store itself.
	// IsKernel reports whether an address can be one of the kernel's.
	IsKernel func(va paging.Virt) bool
	// Owner returns the address space of the process whose EPROCESS is at an address; it must not read through the
	// store either.
	Owner func(eprocess paging.Virt) (Memory, error)
	// User is the end of the addresses of user mode.
	User paging.Virt
}

// Global is the compressed store of a system: SmGlobals, its global tree and its stores. It is safe for concurrent use.
type Global struct {
	system System
	layout Layout
	block  paging.Virt // SmGlobals, or the block with the rest of its members
	root   paging.Virt // of the global tree

	nodes  *lru.Cache[paging.Virt, *node]
	stores *lru.Cache[uint32, *store]
	proof  Proof
}

// Bounds of the caches: nodes of trees, of a page each, and stores.
const (
	keptNodes  = 256
	keptStores = 64
)

// Layout returns the layout of the store's structures.
func (g *Global) Layout() Layout { return g.layout }

// Proof returns the proof of the layout.
func (g *Global) Proof() Proof { return g.proof }

// Open opens the store whose SmGlobals is at an address. It goes through the groups of [Layouts]. It takes the first
// group in which a layout is proved, and the layout with the best proof in it. The error says why no layout is
// proved, or wraps a *[sparse.ReadError].
func Open(s System, smGlobals paging.Virt, groups [][]Layout) (*Global, error) {
	var first error
	for _, layouts := range groups {
		g, err := openBest(s, smGlobals, layouts)
		switch {
		case g != nil:
			return g, nil
		case sparse.Failed(err):
			return nil, err
		}
		first = cmp.Or(first, err)
	}
	first = cmp.Or(first, errors.New("no layout of its structures is known"))
	return nil, fmt.Errorf("store: SmGlobals at %#x: %w", uint64(smGlobals), first)
}

// openBest opens the store with the layout that has the best proof; if several are equally good, the first. If no
// layout is proved, best is nil, and the error says why the first one is not.
func openBest(s System, smGlobals paging.Virt, layouts []Layout) (best *Global, first error) {
	for _, l := range layouts {
		g, err := open(s, smGlobals, l)
		if err == nil {
			err = g.prove()
		}
		switch {
		case sparse.Failed(err):
			return nil, err
		case err != nil:
			first = cmp.Or(first, err)
		case best == nil || g.proof.worth() > best.proof.worth():
			best = g
		}
	}
	return best, first
}

// open follows SmGlobals to the root of the global tree.
func open(s System, smGlobals paging.Virt, l Layout) (*Global, error) {
	g := &Global{system: s, layout: l, block: smGlobals}
	g.nodes, _ = lru.New[paging.Virt, *node](keptNodes) // fails for a negative size only
	g.stores, _ = lru.New[uint32, *store](keptStores)
	if l.Inside != 0 {
		at, err := g.pointer(smGlobals + l.Holder)
		if err != nil {
			return nil, err
		}
		if g.block = at - l.Inside; at < l.Inside || !s.IsKernel(g.block) {
			return nil, fmt.Errorf("its pointer %#x leads nowhere", uint64(at))
		}
	}
	var err error
	if g.root, err = g.pointer(g.block + l.Root); err != nil {
		return nil, err
	}
	if _, err := g.node(g.root); err != nil {
		return nil, fmt.Errorf("the root of the global tree: %w", err)
	}
	return g, nil
}

// pointer reads a pointer of the kernel's.
func (g *Global) pointer(at paging.Virt) (paging.Virt, error) {
	var b [8]byte
	if _, err := g.system.Kernel.ReadVirt(b[:g.layout.Pointer], at); err != nil {
		return 0, err
	}
	return pointer(b[:], g.layout.Pointer), nil
}

// Key returns the key of the page at an offset, in pages, of the page file with a number; false: no key stands for
// it. Offsets with more bits than a key has, of 1 TiB and more, have no key: MemProcFS drops the bits, which gives
// the key of another page.
func (l *Layout) Key(number int, page uint64) (uint32, bool) {
	low, fits := uint32(page), page>>l.KeyBits == 0
	if !fits || l.NoNumber {
		return low, fits
	}
	return uint32(number)<<l.KeyBits | low, true
}

// Numbers returns the numbers of page files that the keys of the global tree name, in order; none if keys have no
// such number.
func (g *Global) Numbers() []int {
	if g.layout.NoNumber {
		return nil
	}
	var out []int
	g.keys(g.root, provingNodes, func(key, _ uint32) bool {
		if n := int(key >> g.layout.KeyBits); !slices.Contains(out, n) {
			out = append(out, n)
		}
		return true
	})
	slices.Sort(out)
	return out
}

// Bits of a value in the global tree.
const (
	indexMask  = 1<<10 - 1 // of the store
	indexFlags = 1 << 24   // set: the entry is invalid
)

// store returns the store that the global tree has a key in.
func (g *Global) storeOf(key uint32) (*store, error) {
	v, ok, err := g.find(g.root, key)
	switch {
	case err != nil:
		return nil, lost(NoKey, err)
	case !ok:
		return nil, &LostError{Why: NoKey}
	case v&indexFlags != 0:
		return nil, &LostError{Why: Invalid}
	}
	index := v & indexMask
	if s, ok := g.stores.Get(index); ok {
		return s, nil
	}
	s, err := g.openStore(index)
	if err != nil {
		return nil, lost(NoStore, err)
	}
	g.stores.Add(index, s)
	return s, nil
}

// lost returns the error of a page that is lost because of err. It returns err itself if that is nil, a failed read,
// or such an error already.
func lost(why Why, err error) error {
	var known *LostError
	if err == nil || sparse.Failed(err) || errors.As(err, &known) {
		return err
	}
	return &LostError{Why: why, Err: err}
}
