package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"memlens/memimage/paging"
	"memlens/memimage/sparse"
)

// Proof is what shows that a layout is that of the store: pages that were asked for.
type Proof struct {
	Asked    int // pages
	Unpacked int // of them, that unpacked to a page
	Damaged  int // whose data did not
	Astray   int // on the way to whose data something could not be what it should be
	Lost     int // that were lost otherwise: what leads to them, or their data, is not in memory
}

// What is asked to prove a layout.
const (
	provingNodes = 256 // nodes of the global tree that are looked at
	provingPages = 64
	leastProving = 2 // pages that must unpack, of which each has a chance of far less than one in a thousand to do so by accident
)

// holds reports whether the pages prove the layout. A wrong one may lead to true pages, too, which are those of other keys: then
// most ways lead astray. Memory that changes while it is acquired has damaged pages, too, each of which is found out by itself.
func (p Proof) holds() bool {
	return p.Unpacked >= leastProving && p.Unpacked >= p.Damaged+p.Astray
}

// worth says how much speaks for a layout.
func (p Proof) worth() int { return p.Unpacked - p.Damaged - p.Astray }

// prove asks for pages all over the global tree. Some of which reading fails do not matter where the others prove the layout.
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

// ask asks for the page with a key, and counts what comes of it. The error says why the page is lost, or wraps a *[sparse.ReadError].
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
	case known.Why == Damaged && p.assumed == InPageFile: // which may be of another moment
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

// astray reports whether the page is lost because something on the way to it cannot be what it should be, as against one that
// is not there.
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
