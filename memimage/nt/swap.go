package nt

import (
	"fmt"
	"slices"

	"memlens/memimage/paging"
	"memlens/memimage/sparse"
	"memlens/memimage/store"
)

// swap reads the pages that the kernel took out of memory: from the compressed store, which is searched when the first
// entry leads to it, and from the given page files. The store is asked first: where the kernel's list of page files is
// not found, a page file may have been given under the store's number.
type swap struct {
	files paging.PageFiles
	store func() *CompressedStore
}

// Page implements [paging.Swap].
func (s *swap) Page(number int, off int64) (paging.Swapped, bool) {
	c := s.store()
	if c != nil && number == c.Number {
		return paging.Swapped{State: paging.Compressed, Src: c.source, Off: off}, true
	}
	at, given := s.files.Page(number, off)
	if !given && c != nil && sparse.Failed(c.Err) {
		return paging.Swapped{State: paging.Compressed, Src: c.source, Off: off}, true
	}
	return at, given
}

// WithPageFiles returns the same kernel with page files by number (nil: not given), and with the compressed store.
func (k *Kernel) WithPageFiles(files ...sparse.Source) *Kernel {
	c := k.withSwap(paging.PageFiles(files))
	c.listed = sparse.Kept(k.faults, c.findPagingFiles)
	if !c.mayCompress() {
		return c
	}
	return c.withSwap(&swap{files, sparse.Kept(k.faults, c.findStore)})
}

// withSwap returns the kernel with places for pages outside of memory.
func (k *Kernel) withSwap(s paging.Swap) *Kernel {
	c := *k
	c.swap = s
	c.Space = k.Space.Follow(paging.Sources{Swap: s})
	c.kernel.space = c.Space
	return &c
}

// mayCompress reports whether the kernel may have a compressed store: since Windows 10. Where entries cannot be used
// for page files, they do not lead to it.
func (k *Kernel) mayCompress() bool { return k.Version.Build >= 10240 && !k.soft.OffsetsUnknown }

// CompressedStore is the store in which Windows keeps compressed pages, as if it were a page file.
type CompressedStore struct {
	Number   int    // of the page file for which the store stands
	NumberBy string // the source of Number
	Found    string // how the store was found and its layout proved, as a sentence; empty: nothing is read from it
	Assumed  bool   // its layout is another build's, and only the pages that unpack support it
	Err      error  // why nothing is read from it

	source sparse.Source
}

// String says in a sentence whether pages of the store are read, and why.
func (c *CompressedStore) String() string {
	of := fmt.Sprintf("page file %d stands for it, as %s so", c.Number, c.NumberBy)
	if c.Number < 0 {
		of = "which page file stands for it is not known"
	}
	if c.Err != nil {
		return fmt.Sprintf("pages in the compressed store are not read: %v; %s", c.Err, of)
	}
	return fmt.Sprintf("pages in the compressed store are read: %s; %s", c.Found, of)
}

// Assumption names the assumption behind the page at an offset; empty: none.
func (c *CompressedStore) Assumption(off int64) string {
	if c == nil {
		return ""
	}
	s, ok := c.source.(*store.Source)
	switch {
	case !ok:
		return ""
	case c.Assumed:
		l := s.Layout()
		return fmt.Sprintf("assumed: that the store is laid out as in builds %d to %d", l.First, l.Last)
	}
	if a := s.Assumption(off); a != store.Nothing {
		return "assumed: " + a.String()
	}
	return ""
}

// CompressedStore returns the compressed store; nil where none is known. It is searched at the first call.
func (k *Kernel) CompressedStore() *CompressedStore {
	if s, ok := k.swap.(*swap); ok {
		return s.store()
	}
	return nil
}

// findStore finds the compressed store. k is the kernel without it. Where it is not found and a read failed meanwhile,
// it may exist: then reading from it fails, too.
func (k *Kernel) findStore() *CompressedStore {
	before := k.faults.Count()
	c := k.lookForStore()
	if err := k.faults.Since(before); err != nil && (c == nil || c.Err != nil) {
		return &CompressedStore{Number: -1, Err: err, source: store.Failing(err)}
	}
	return c
}

func (k *Kernel) lookForStore() *CompressedStore {
	number, by := k.virtualStore()
	g, how, err := k.openStore()
	if err != nil {
		if number < 0 {
			return nil
		}
		return &CompressedStore{Number: number, NumberBy: by, Err: err, source: store.Unknown(err)}
	}
	number, by, err = numberOf(g, number, by)
	if err != nil {
		return &CompressedStore{Number: number, NumberBy: by, Err: err, source: store.Unknown(err)}
	}
	if files, _ := k.swap.(paging.PageFiles); number < len(files) && files[number] != nil {
		files = slices.Clone(files) // a page file that was given under the store's number has none of its data, either
		files[number] = nil
		return k.withSwap(files).lookForStore()
	}
	l, p := g.Layout(), g.Proof()
	c := &CompressedStore{Number: number, NumberBy: by, Assumed: !l.Has(k.Version.Build), source: store.NewSource(g, number)}
	whose := "of its build"
	if c.Assumed {
		whose = fmt.Sprintf("of builds %d to %d, for none that is known of build %d fits", l.First, l.Last, k.Version.Build)
	}
	c.Found = fmt.Sprintf("%s; the layout is that %s: of %d pages that were asked for, %d unpack to a page and %d are damaged", how, whose, p.Asked, p.Unpacked, p.Damaged)
	return c
}

// numberOf checks the number of the page file for which the store stands: the keys in its tree name it. number is from
// the kernel's page files, below 0 where they do not have it.
func numberOf(g *store.Global, number int, by string) (int, string, error) {
	keys := g.Numbers()
	switch {
	case number < 0 && len(keys) == 1:
		return keys[0], "the keys in its tree say", nil
	case number < 0:
		return -1, "", fmt.Errorf("it is not known which page file stands for it")
	case len(keys) > 0 && !slices.Contains(keys, number):
		return number, by, fmt.Errorf("the keys in its tree are of page file %d", keys[0])
	}
	return number, by, nil
}
