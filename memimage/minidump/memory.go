package minidump

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"memlens/memimage/sparse"
)

// maxRanges bounds the ranges of memory that are taken, 40 bytes each here and again in the reader.
const maxRanges = 1 << 20

// ranges collects the memory of a dump.
type ranges struct {
	reader  *reader
	extents []sparse.Extent // within the file
	cut     []sparse.Extent // behind its end
	missing uint64
	wild    int
	dropped int
	end     uint64 // behind the last address
}

// memory makes the reader of the dump's memory. Where ranges overlap, the ranges of the Memory64ListStream count, and
// within a list the first one.
func (r *reader) memory(d *Dump) error {
	c := &ranges{reader: r}
	if s, ok := d.stream(Memory64ListStream); ok {
		d.Full = true
		c.long(s)
	}
	if s, ok := d.stream(MemoryListStream); ok {
		c.short(s)
	}
	d.Ranges, d.Missing = len(c.extents)+len(c.cut), c.missing
	c.tell()
	var err error
	if d.Memory, err = c.overlay(c.extents); err != nil {
		return err
	}
	d.Named, err = c.overlay(slices.Concat(c.extents, c.cut))
	return err
}

// long takes the ranges of a Memory64ListStream: their bytes follow each other from one offset on.
func (c *ranges) long(s Stream) {
	const header, size = 16, 16
	h := c.reader.at(s.Off, header)
	if len(h) < header || s.Size < header {
		c.reader.note("The %s is cut off.", s.Name())
		return
	}
	off := h.u64(8)
	c.reader.list(s, header, h.u64(0), size, maxRanges, func(b fields) {
		addr, n := b.u64(0), b.u64(8)
		c.add(addr, n, off)
		if off += n; off < n { // no file reaches there
			off = maxAddress
		}
	})
}

// short takes the ranges of a MemoryListStream, each of which has its own offset.
func (c *ranges) short(s Stream) {
	const size = 16 // of a MINIDUMP_MEMORY_DESCRIPTOR
	c.reader.counted(s, size, maxRanges, func(b fields) {
		c.add(b.u64(0), uint64(b.u32(8)), uint64(b.u32(12)))
	})
}

// add takes n bytes at an offset of the file for the memory at an address.
func (c *ranges) add(addr, n, off uint64) {
	r := c.reader
	switch {
	case n == 0:
		return
	case addr >= maxAddress || n > maxAddress-1-addr:
		c.wild++
		return
	case len(c.extents)+len(c.cut) >= maxRanges:
		c.dropped++
		return
	}
	have := uint64(0)
	if off < r.size {
		have = min(n, r.size-off)
	}
	c.end = max(c.end, addr+n)
	if have > 0 {
		c.extents = append(c.extents, sparse.Extent{Off: int64(addr), Len: int64(have), Src: r.src, SrcOff: int64(off)})
	}
	if have < n {
		if end := off + n; end >= off {
			r.reach(end)
		}
		c.missing += n - have
		c.cut = append(c.cut, sparse.Extent{Off: int64(addr + have), Len: int64(n - have), Src: behindEnd{}, SrcOff: int64(addr + have)})
	}
}

// overlay makes a reader of ranges; where they overlap, the earlier range lies on top.
func (c *ranges) overlay(extents []sparse.Extent) (*sparse.Reader, error) {
	painted := slices.Clone(extents)
	slices.Reverse(painted)
	r, err := sparse.NewReader(int64(c.end), sparse.Overlay(painted...)...)
	if err != nil {
		return nil, fmt.Errorf("minidump: %w", err)
	}
	return r, nil
}

// tell notes irregular ranges.
func (c *ranges) tell() {
	r := c.reader
	if n := sparse.Overlap(c.extents); n > 0 {
		r.note("Ranges of memory overlap in %d bytes; where they do, those of the Memory64ListStream are used, and of one list the first.", n)
	}
	if c.wild > 0 {
		r.note("%d ranges of memory lie where no addresses are, and are left out: the list is damaged.", c.wild)
	}
	if c.dropped > 0 {
		r.note("Only the first %d ranges of memory are taken; %d more are left out.", maxRanges, c.dropped)
	}
}

// errBehind is the reason why bytes of a listed range are missing.
var errBehind = errors.New("behind the end of the file, which is truncated")

// behindEnd stands for the lost bytes of a truncated file.
type behindEnd struct{}

// Size implements [sparse.Source].
func (behindEnd) Size() int64 { return maxAddress - 1 }

// Probe implements [sparse.Source].
func (b behindEnd) Probe(off int64) (int64, error) {
	if off < 0 || off >= b.Size() {
		return 0, io.EOF
	}
	n := b.Size() - off
	return n, &sparse.HoleError{Off: off, Len: n, Err: errBehind}
}

// ReadAt implements [sparse.Source].
func (b behindEnd) ReadAt(_ []byte, off int64) (int, error) {
	_, err := b.Probe(off)
	return 0, err
}
