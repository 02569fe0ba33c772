package nt

import (
	"bytes"
	"encoding/binary"
	"iter"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// findDebuggerData looks for the block in the kernel's image, plain or encoded: first at the address in the symbols of
// known, which may be nil, then in the sections that can be written to, where all kernels have it, and last in the
// rest.
func findDebuggerData(k *kernelImage, known *profile.Profile) (*debuggerData, bool) {
	s := &blockSearch{k: k}
	if known != nil {
		if rva, ok := known.Symbol("KdDebuggerDataBlock"); ok && rva < uint64(k.Size) {
			if d, ok := s.at(k.Base + paging.Virt(rva)); ok {
				return d, true
			}
		}
	}
	s.begin()
	for r := range k.parts() {
		if d := s.in(r); d != nil {
			return d, true
		}
	}
	return nil, false
}

// blockSearch is the search for the debugger data block in a kernel's image.
type blockSearch struct {
	k     *kernelImage
	codes *codeTable // nil: the kernel does not encode it
	page  []byte
	plain int // tags of plain blocks that were found and led to no block
}

// maxPlainBlocks is how many tags are looked at. Code that names the tag has it, too.
const maxPlainBlocks = 64

// begin makes the tables for a search over pages.
func (s *blockSearch) begin() {
	s.page = make([]byte, pageSize)
	if s.k.mem.space.Mode().Arch.CodedKDBG {
		s.codes = newCodeTable(s.k.Base)
	}
}

// at reads the block at va, plain or encoded, if there is one.
func (s *blockSearch) at(va paging.Virt) (*debuggerData, bool) {
	if d, ok := s.plainAt(va); ok {
		return d, true
	}
	words, err := s.k.mem.record(va+paging.Virt(kdbgTag), 16)
	if err != nil || !s.k.mem.space.Mode().Arch.CodedKDBG {
		return nil, false
	}
	code, ok := codeOf(words.u(0, 8), words.u(8, 8), s.k.Base)
	if !ok {
		return nil, false
	}
	return code.read(s.k, va)
}

// plainAt reads the plain block of this kernel at va, if there is one.
func (s *blockSearch) plainAt(va paging.Virt) (*debuggerData, bool) {
	d, ok := readDebuggerData(s.k.mem, va)
	return d, ok && d.ptr(s.k.mem, kdbgKernBase) == s.k.Base
}

// in looks for the block in a part of the image, in one pass. A plain block is preferred to an encoded one. It returns
// nil when there is none. Pages that cannot be read are skipped.
func (s *blockSearch) in(r span) (coded *debuggerData) {
	last, behind := uint64(0), false // the last word of the page before, if that could be read
	for rva := r.from; rva < r.to; rva += pageSize {
		va := s.k.Base + paging.Virt(rva)
		if _, err := s.k.mem.space.ReadVirt(s.page, va); err != nil {
			behind = false
			continue
		}
		if d := s.plainIn(va); d != nil {
			return d
		}
		if s.codes != nil && coded == nil {
			coded = s.codedIn(va, last, behind)
		}
		last, behind = binary.LittleEndian.Uint64(s.page[pageSize-8:]), true
	}
	return coded
}

// plainIn looks for a plain block in the page at va.
func (s *blockSearch) plainIn(va paging.Virt) *debuggerData {
	for off := 0; s.plain < maxPlainBlocks; off++ {
		i := bytes.Index(s.page[off:], kdbgMark)
		if i < 0 {
			return nil
		}
		if off += i; off%4 != 0 {
			continue
		}
		s.plain++
		if d, ok := s.plainAt(va + paging.Virt(off) - paging.Virt(kdbgTag)); ok {
			return d
		}
	}
	return nil
}

// codedIn looks for an encoded block with the word for the kernel's address in the page at va. The word before that may
// be the last word of the page before.
func (s *blockSearch) codedIn(va paging.Virt, last uint64, behind bool) *debuggerData {
	for off := 0; off < pageSize; off += 8 {
		word := binary.LittleEndian.Uint64(s.page[off:])
		if s.codes.maybe(last, word) && (behind || off > 0) {
			if d, ok := s.decoded(va+paging.Virt(off)-paging.Virt(kdbgKernBase), last, word); ok {
				return d
			}
		}
		last = word
	}
	return nil
}

// decoded returns the block at va with the given words for its tag and the kernel's address, if there is one.
func (s *blockSearch) decoded(va paging.Virt, tag, base uint64) (*debuggerData, bool) {
	code, ok := s.codes.code(tag, base)
	if !ok {
		return nil, false
	}
	return code.read(s.k, va)
}

// span is a part of a kernel's image, from an RVA up to another. Both are multiples of a page.
type span struct{ from, to int64 }

// parts yields the sections of the image that can be written to, and then the rest between them. Where the headers have
// no sections, it yields the whole image.
func (k *kernelImage) parts() iter.Seq[span] {
	return func(yield func(span) bool) {
		data := k.dataParts()
		for _, s := range data {
			if !yield(s) {
				return
			}
		}
		end, size := int64(0), roundUp(int64(k.Size), pageSize)
		for _, s := range append(data, span{size, size}) {
			if end < s.from && !yield(span{end, s.from}) {
				return
			}
			end = s.to
		}
	}
}

// dataParts returns the sections that can be written to, in their order. It joins sections that touch.
func (k *kernelImage) dataParts() (out []span) {
	head, err := k.mem.record(k.Base, pageSize)
	if err != nil {
		return nil
	}
	h, _ := findPEHeader(head.b)
	size, end := roundUp(int64(k.Size), pageSize), int64(0)
	for i := range h.sections {
		s := &h.sections[i]
		from := max(int64(s.rva)&^(pageSize-1), end)
		to := min(roundUp(int64(s.rva)+int64(s.size), pageSize), size)
		if !s.write || from >= to {
			continue
		}
		if n := len(out); n > 0 && out[n-1].to == from {
			out[n-1].to = to
		} else {
			out = append(out, span{from, to})
		}
		end = to
	}
	return out
}
