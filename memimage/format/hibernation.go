package format

import (
	"bytes"
	"fmt"
	"slices"
)

const (
	// hiberPages is how many pages a compressed block of a hibernation file has at most.
	hiberPages = 16
	hiberBlock = hiberPages * pageSize
	// hiberSearch is how many pages at the front are searched for the tables when the header is wiped.
	hiberSearch = 64
)

// Kinds of a block in a hibernation file.
const (
	hiberStored = iota
	hiberLZ77
	hiberHuffman
)

// hiberFile is a hibernation file while it is opened.
type hiberFile struct {
	*input
	head   fields
	layout *layout
	index  varied
	parts  []packedBlock
	stream *blocks
	placed numberSet // pages that sets were placed at
}

// hiberMagics are the marks of a hibernation file, in lower case: to be resumed from; resumed from, or being so; to break
// into the debugger when resumed from; resumed from again and again (on Windows Embedded).
var hiberMagics = []string{"hibr", "wake", "rstr", "brkp", "horm"}

// openHibernation opens hiberfil.sys of Windows XP to 7 (Xpress blocks behind tables of page ranges) and 8 to 11
// (compression sets). A resume leaves "wake" or "WAKE" in the header, or wipes its page; the memory stays.
func openHibernation(in *input) (*Image, error) {
	head, err := in.head(pageSize)
	if err != nil {
		return nil, err
	}
	magic := string(bytes.ToLower(head.at(0, 4)))
	wiped := len(head) == pageSize && len(bytes.Trim(head, "\x00")) == 0
	if !slices.Contains(hiberMagics, magic) && !wiped {
		return nil, ErrFormat
	}
	h := &hiberFile{input: in, head: head, layout: in.newLayout()}
	h.stream = h.newBlocks(&h.index, hiberBlock, h.load)
	im, err := h.open()
	switch {
	case err != nil:
		return nil, err
	case im == nil && wiped:
		return nil, ErrFormat // a page of zeros does not prove a hibernation file
	case im == nil:
		return nil, h.nothing()
	case wiped:
		in.note("The first page of the hibernation file is wiped, as a resume does it; its tables were found by searching.")
	case magic == "wake" || magic == "rstr":
		in.note("The hibernation file is marked %q: the system was resumed from it, and parts of it may have been overwritten since.", head.at(0, 4))
	}
	return im, nil
}

// nothing returns the error for a file without memory in it.
func (h *hiberFile) nothing() error {
	const length2000 = 0x60
	if h.head.u32(0xc) == length2000 {
		return fmt.Errorf("format: %s is a hibernation file of Windows 2000, by the length of its header: its pages are packed in another way (LZNT1), which is not read", h.Name())
	}
	return fmt.Errorf("format: %s is a hibernation file (%q) without memory in it: neither the tables of XP to 7 nor the compression sets of 8 to 11 were found where the header or the first %d pages have them; it was overwritten after the resume, or is truncated",
		h.Name(), h.head.at(0, 4), hiberSearch)
}

// open tries both generations; the image is nil when there are no tables of either.
func (h *hiberFile) open() (*Image, error) {
	if im, err := h.openRanges(); im != nil || err != nil {
		return im, err
	}
	return h.openSets()
}

// image makes the image from the placed pages.
func (h *hiberFile) image(name string, wide bool, systemTime int) (*Image, error) {
	mem, err := h.layout.reader(h.input)
	if err != nil {
		return nil, err
	}
	h.watch("blocks of the hibernation file", h.stream)
	im := &Image{Format: "Windows hibernation file, " + name, Memory: mem}
	im.Hints.Machine = 0x14c
	if wide {
		im.Hints.Machine = 0x8664
	}
	im.Hints.SystemTime = filetime(h.head.u64(systemTime))
	return im, nil
}

// add appends a block of so many pages that is stored at an offset, and returns its offset in the stream.
func (h *hiberFile) add(at int64, size, pages, kind int) int64 {
	off := h.index.end()
	h.parts = append(h.parts, packedBlock{at: at, size: uint32(size), kind: uint32(kind)})
	h.index.append(int64(pages) * pageSize)
	return off
}

// place places pages of the stream.
func (h *hiberFile) place(page, pages uint64, off int64) {
	n := pages * pageSize
	h.layout.addFrom(h.stream, uint64(off)+n, page*pageSize, n, uint64(off))
}

// load unpacks a block.
func (h *hiberFile) load(i int) ([]byte, error) {
	p := h.parts[i]
	_, size := h.index.block(i)
	data, err := readUpTo(h, p.at, int(p.size))
	if err != nil {
		return nil, err
	}
	if len(data) < int(p.size) {
		return nil, fmt.Errorf("format: the block at %#x is truncated", p.at)
	}
	switch p.kind {
	case hiberLZ77:
		return unpackLZ77(data, int(size))
	case hiberHuffman:
		return xpressHuffman(data, int(size))
	}
	return data, nil
}
