package fs

import (
	"crypto/sha256"
	"errors"
	"slices"

	lru "github.com/hashicorp/golang-lru/v2"
)

// pageSizes are the lengths of pages and of pieces of pages, by their shapes: many pages of thousands of processes
// differ only in their numbers.
type pageSizes struct {
	byShape *lru.Cache[[sha256.Size]byte, int64]
}

// keptPageSizes is for how many shapes the length is kept.
const keptPageSizes = 1 << 12

func newPageSizes() pageSizes {
	byShape, _ := lru.New[[sha256.Size]byte, int64](keptPageSizes) // fails for a negative size only
	return pageSizes{byShape}
}

// of returns how many bytes a template makes of data.
func (s pageSizes) of(name string, data any) (int64, error) {
	key, ok := shapeOf(name, data)
	if !ok {
		return measure(name, data)
	}
	if n, ok := s.byShape.Get(key); ok {
		return n, nil
	}
	n, err := measure(name, data)
	if err == nil {
		s.byShape.Add(key, n)
	}
	return n, err
}

// piece is a template with its data.
type piece struct {
	name string
	data any
}

// sum returns how many bytes templates make together.
func (s pageSizes) sum(pieces ...piece) (int64, error) {
	var sum int64
	for _, p := range pieces {
		n, err := s.of(p.name, p.data)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// bar returns how many bytes a bar and its legend are, part by part.
func (s pageSizes) bar(b bar) (int64, error) {
	pieces := []piece{{"bar", bar{Label: b.Label}}, {"legend", bar{Label: b.Label}}}
	for _, p := range b.Parts {
		pieces = append(pieces, piece{"part", p})
	}
	return s.sum(pieces...)
}

// modules returns how many bytes the modules of a page are, one by one.
func (s pageSizes) modules(all []pageModule) (int64, error) {
	if len(all) == 0 {
		return s.of("modules", all)
	}
	var none pageModule
	frame, err := s.of("modules", []pageModule{none})
	if err != nil {
		return 0, err
	}
	inFrame, err := s.sum(piece{"modulerow", none}, piece{"modulesection", none})
	if err != nil {
		return 0, err
	}
	var pieces []piece
	for _, m := range all {
		pieces = append(pieces, piece{"modulerow", m}, piece{"modulesection", m})
	}
	n, err := s.sum(pieces...)
	return frame - inFrame + n, err
}

// process returns the length in bytes of the page of a process: the sum of its pieces, and of the page without them.
func (s pageSizes) process(page *processPage) (int64, error) {
	rest := *page
	rest.Modules, rest.Facts = nil, nil
	var pieces []piece
	for _, f := range page.Facts {
		pieces = append(pieces, piece{"fact", f})
	}
	if len(page.Restored.Parts) > 0 { // else nothing is said of it
		pieces, rest.RestoredText = append(pieces, piece{"text", page.RestoredText}), ""
	}
	facts, err1 := s.sum(pieces...)
	modules, err2 := s.modules(page.Modules)
	pages, err3 := s.replaced(&rest.Pages)
	restored, err4 := s.replaced(&rest.Restored)
	n, err5 := s.of("process.html", rest)
	return facts + modules + pages + restored + n, errors.Join(err1, err2, err3, err4, err5)
}

// replaced puts a bar that is the same for all pages in the place of another bar, and returns how much longer the other
// bar was.
func (s pageSizes) replaced(b *bar) (int64, error) {
	if len(b.Parts) == 0 { // then a page has none
		return 0, nil
	}
	all, err1 := s.bar(*b)
	b.Parts = []part{{}}
	one, err2 := s.bar(*b)
	return all - one, errors.Join(err1, err2)
}

// gallery returns the length in bytes of a gallery: the sum of its cards, one by one, and of the page without them.
func (s pageSizes) gallery(g *gallery) (int64, error) {
	rest := *g
	rest.Processes = func(func(card) bool) {}
	sum, err := measure("gallery.html", rest)
	if err != nil {
		return 0, err
	}
	for c := range g.Processes {
		n, err := s.card(c)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// card returns how many bytes a card is.
func (s pageSizes) card(c card) (int64, error) {
	var pieces []piece
	for _, p := range c.Bar.Parts {
		pieces = append(pieces, piece{"share", p})
	}
	for _, gap := range c.Gaps {
		pieces = append(pieces, piece{"gap", gap})
	}
	all, err1 := s.sum(pieces...)
	// A card that had them has one of each, which is the same for all cards.
	c.Bar.Parts, c.Gaps = slices.Repeat([]part{{}}, min(len(c.Bar.Parts), 1)), slices.Repeat([]part{{}}, min(len(c.Gaps), 1))
	gap, err2 := int64(0), error(nil)
	if len(c.Gaps) > 0 {
		gap, err2 = s.of("gap", part{})
	}
	n, err3 := s.of("card", c) // a part that counts nothing is not there
	return all - gap + n, errors.Join(err1, err2, err3)
}
