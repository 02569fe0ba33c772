package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"memlens/memimage/paging"
	"memlens/memimage/sparse"
)

// Proof is the evidence that a layout is the right one for the store: counts of pages that were read as a test.
type Proof struct {
	Asked    int // pages
	Unpacked int // pages whose data unpacked to a page
	Damaged  int // pages whose data did not unpack
	Astray   int // pages with an impossible value on the way to their data
	Lost     int // pages lost for other reasons: their data, or the structures that lead to them, are not in memory
}

// Limits for the proof of a layout.
const (
	provingNodes = 256 // nodes of the global tree that are looked at
	provingPages = 64
	leastProving = 2 // pages that must unpack; by accident, a page does so far less often than once in a thousand
)

// holds reports whether the pages prove the layout. A wrong layout may lead to true pages, too, but of other keys;
// then most keys meet impossible values. Memory that changes while it is acquired has damaged pages, too, and each
// damaged page is detected.
func (p Proof) holds() bool {
	return p.Unpacked >= leastProving && p.Unpacked >= p.Damaged+p.Astray
}

// worth returns how good the proof of a layout is.
func (p Proof) worth() int { return p.Unpacked - p.Damaged - p.Astray }

// prove reads pages from all over the global tree. Failed reads do not matter if the other pages prove the layout.
func (g *Global) prove() error {
	var first, failed error
	dst := make([]byte, pageSize)
	for _, key := range g.sample() {
		err := g.ask(key, dst)
		first = cmp.Or(first, err)
		if sparse.Failed(err) {
			failed = cmp.Or(failed, err)
		}
	}
	p := g.proof
	switch {
	case p.holds():
		return nil
	case failed != nil:
		return failed
	}
	why := ""
	if first != nil {
		why = fmt.Sprintf(" (%v)", first)
	}
	return fmt.Errorf("of %d pages that its tree has, %d unpack, %d are damaged and %d are lost%s", p.Asked, p.Unpacked, p.Damaged, p.Astray+p.Lost, why)
}

// ask reads the page with a key, and counts the result. The error says why the page is lost, or wraps a
// *[sparse.ReadError].
func (g *Global) ask(key uint32, dst []byte) error {
	p, err := g.locate(key)
	packed := err == nil && p.kind == kindPacked
	if err == nil && p.kind != kindNone {
		err = p.read(dst)
	}
	g.proof.Asked++
	var known *LostError
	switch {
	case err == nil && packed:
		g.proof.Unpacked++
	case err == nil:
	case !errors.As(err, &known):
		g.proof.Lost++
	case known.Why == Damaged && p.assumed == InPageFile: // the page file may be of another time
		g.proof.Lost++
	case known.Why == Damaged || known.Why == OtherFormat:
		g.proof.Damaged++
	case known.Why == Invalid:
		return nil
	case known.astray():
		g.proof.Astray++
	default:
		g.proof.Lost++
	}
	return err
}

// astray reports whether the page is lost because of an impossible value on the way to it, and not because something
// is missing.
func (e *LostError) astray() bool {
	var fault *paging.FaultError
	return (e.Why == NoStore || e.Why == LostRecord || e.Why == NoRegion && e.Err != nil) && !errors.As(e.Err, &fault)
}

// sample returns keys of the global tree, evenly spread over it.
func (g *Global) sample() []uint32 {
	var all []uint32
	g.keys(g.root, provingNodes, func(key, _ uint32) bool {
		all = append(all, key)
		return true
	})
	out := all[:0]
	for i := range min(len(all), provingPages) {
		out = append(out, all[i*len(all)/min(len(all), provingPages)])
	}
	return slices.Clip(out)
}

// sortByDistance sorts layouts by how far their builds are from one.
func sortByDistance(layouts []Layout, build uint32) {
	distance := func(l Layout) uint32 {
		switch {
		case build < l.First:
			return l.First - build
		case build > l.Last:
			return build - l.Last
		}
		return 0
	}
	slices.SortStableFunc(layouts, func(a, b Layout) int { return cmp.Compare(distance(a), distance(b)) })
}
