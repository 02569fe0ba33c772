// Package integrity compares the memory of an executable image with the file that it was mapped from, without any other
// reference: the kernel still has the file's own pages. It takes the loader's work into account, and every other
// difference has a cause: an import that leads elsewhere, code that was changed, a header that was erased.
//
// A page that the process shares with the file is equal to it by definition and is not read. A difference is exact where
// the bytes prove it, and assumed, with the reason, where they do not.
//
// Below it are packages sparse, pe and restore (for its tables of the loader's work); above it is package memimage,
// which finds the pages. It knows nothing of Windows' kernel structures: pages come as an Input of functions.
package integrity

import (
	"errors"
	"fmt"

	"memlens/memimage/sparse"
)

const pageSize = 0x1000

// maxPages bounds the pages of an image: the 2 GiB that a header can claim at most.
const maxPages = 1 << 19

// ErrShared is Input.Memory's error for a page without a copy of the process's own: the process sees the file's page.
var ErrShared = errors.New("the process has no copy of the file's page")

// Page is a page of memory or of a file: 4096 bytes at Off of Src.
type Page struct {
	Src sparse.Source
	Off int64
}

// Backing is the kind of memory at the addresses of an image.
type Backing uint8

const (
	ItsFile    Backing = iota // the file that the image claims to be of
	OtherFile                 // another file than that
	Replaced                  // memory that belongs to no file, where the kernel or the loader has a file
	Unbacked                  // memory that belongs to no file, and no list has a file there
	Deleted                   // a file that was deleted
	Transacted                // a file that was opened in a transaction
	AsData                    // a file that is mapped, but not as an image: the loader has not laid it out
)

// Input holds the facts about an image. Its functions must be pure. Their errors are a hole, which says why a page is
// missing, or wrap a *[sparse.ReadError].
type Input struct {
	// Pages is the number of pages of the image in the address space; 0 where that is not known.
	Pages int
	// LoadBase is the address at which the process has the image.
	LoadBase uint64
	// KernelRelocates says that image sections are relocated by the kernel, which writes their address to the header, too:
	// Windows Vista and later.
	KernelRelocates bool
	// Backing is the kind of memory behind the image.
	Backing Backing
	// Doubt says why no byte of any page is sure, such as a damaged container. Then no difference is exact.
	Doubt string
	// Memory returns the process's own copy of the page at an RVA. The error is [ErrShared] where it has none.
	Memory func(rva uint32) (Page, error)
	// File returns the image section's page at an RVA, which no process can have written to.
	File func(rva uint32) (Page, error)
	// Cached returns the page of the file at an offset, a multiple of 4096, as on disk. It may be nil.
	Cached func(off int64) (Page, error)
	// Modules returns the images in the address space. It is called at most once, when a difference needs it. It may be
	// nil.
	Modules func() *Modules
	// Read reads from the address space and reports whether all of p is present. It may be nil.
	Read func(p []byte, va uint64) bool
}

// Compare compares an image with its file. The error is of a source that fails.
func Compare(in Input) (*Result, error) { return CompareFor(in, nobody{}) }

// CompareFor does the same as Compare, and reports every byte that is compared to a witness.
func CompareFor(in Input, w Witness) (*Result, error) {
	c := newComparison(in)
	c.runs.witness = w
	if in.Backing == Replaced || in.Backing == Unbacked || in.Backing == AsData {
		c.result.Verdict = c.verdict()
		return c.result, nil
	}
	c.buffers = freeBuffers.Get().(*buffers)
	defer freeBuffers.Put(c.buffers)
	n, err := c.pages()
	if err != nil {
		return nil, err
	}
	for i := range n {
		if err := c.page(uint32(i) * pageSize); err != nil {
			return nil, fmt.Errorf("integrity: the page at RVA %#x: %w", i*pageSize, err)
		}
	}
	return c.finish()
}
