package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Proof is what shows that a layout is that of the store: pages that were asked for.
type Proof struct {
	Asked    int // pages
	Unpacked int // of them, that unpacked to a page
	Damaged  int // whose data did not
	Lost     int // that were lost on the way to their data
}

// What is asked to prove a layout.
const (
	provingNodes = 256 // nodes of the global tree that are looked at
	provingPages = 64
	leastProving = 2 // pages that must unpack, of which each has a chance of far less than one in a thousand to do so by accident
	againstOne   = 4 // pages that outweigh one that is damaged: memory changes while it is acquired
	enough       = 8 // pages that prove the layout however many others are damaged
)

// prove asks for pages all over the global tree.
func (g *Global) prove() (Proof, error) {
	var proof Proof
	var first error
	dst := make([]byte, pageSize)
	for _, key := range g.sample() {
		proof.Asked++
		p, err := g.locate(key)
		if err == nil && p.kind != kindNone {
			err = p.read(dst)
		}
		var known *LostError
		switch {
		case err == nil && p.kind == kindPacked:
			proof.Unpacked++
		case err == nil:
		case !errors.As(err, &known):
			return proof, err
		case known.Why == Damaged || known.Why == OtherFormat:
			proof.Damaged++
		case known.Why != Invalid:
			proof.Lost++
			first = cmp.Or(first, err)
		}
	}
	if proof.Unpacked < leastProving || proof.Unpacked < min(proof.Damaged*againstOne, enough) {
		why := ""
		if first != nil {
			why = fmt.Sprintf(" (%v)", first)
		}
		return proof, fmt.Errorf("of %d pages that its tree has, %d unpack, %d are damaged and %d are lost%s", proof.Asked, proof.Unpacked, proof.Damaged, proof.Lost, why)
	}
	return proof, nil
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
