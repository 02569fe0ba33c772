package format

import (
	"cmp"
	"fmt"
	"slices"

	"memlens/memimage/sparse"
)

const (
	pageSize = 4096
	// maxPhysical bounds physical addresses: x86 has at most 52 bits.
	maxPhysical = 1 << 52
	// maxMissing, 64 TiB, bounds the addresses at which a range is believed, so that a damaged header does not make a
	// petabyte of holes. Processors have addresses beyond that, but a machine has its memory at low addresses, with
	// holes of some terabytes at most. Ranges beyond the bound are believed only if the file itself is very large.
	maxMissing = 1 << 46
	// maxSpread times the size of the file is the bound on addresses if that is more than maxMissing.
	maxSpread = 16
	// maxExtents bounds the ranges of an image, 40 bytes each here and again in the reader.
	maxExtents = 1 << 20
)

// layout collects the ranges of an image as its headers give them, keeps the part of each range that the file has,
// and remembers the parts that it lacks.
type layout struct {
	src      sparse.Source
	srcSize  uint64
	claimed  bool // srcSize is a claim of a container
	extents  []sparse.Extent
	size     uint64  // end of memory
	missing  []Range // without their offsets
	end      uint64  // the size that the file should have, if that is known
	have     uint64  // bytes of it that the file has
	wild     int     // ranges that lie outside of any physical memory
	firstOut uint64  // address of the first such range
	dropped  int     // ranges beyond maxExtents
	what     string  // the name of the file in notes, with its article; empty: the name of the input
	by       string  // the source of its ranges; empty: its headers
	lastWins bool    // where ranges overlap, the last one counts, not the first
}

// newLayout returns an empty layout over a file of size bytes.
func newLayout(src sparse.Source, size int64) *layout {
	return &layout{src: src, srcSize: uint64(max(size, 0))}
}

// newLayout returns an empty layout over the input.
func (in *input) newLayout() *layout {
	l := newLayout(in.Source, in.Size())
	l.claimed = in.depth > 0
	return l
}

// add places n bytes at offset off of the file at physical address addr.
func (l *layout) add(addr, n, off uint64) { l.addFrom(l.src, l.srcSize, addr, n, off) }

// addFrom places n bytes at offset off of src, which has size bytes, at physical address addr.
func (l *layout) addFrom(src sparse.Source, size, addr, n, off uint64) {
	if n == 0 {
		return
	}
	limit := l.limit()
	if addr >= limit || n > maxPhysical-addr {
		l.leaveOut(addr)
		return
	}
	have := uint64(0)
	if off < size {
		have = min(n, size-off)
	}
	if have > limit-addr {
		have, n = limit-addr, limit-addr
		l.leaveOut(limit)
	}
	if have > 0 {
		l.place(sparse.Extent{Off: int64(addr), Len: int64(have), Src: src, SrcOff: int64(off)})
		l.size = max(l.size, addr+have)
	}
	if have < n {
		if end := off + n; end > l.end && end >= off {
			l.end, l.have = end, size
		}
		l.miss(addr+have, n-have)
	}
}

// limit returns the address up to which ranges are believed. A size that a container only claims proves nothing.
func (l *layout) limit() uint64 {
	if l.claimed {
		return max(maxMissing, min(l.srcSize, maxPhysical))
	}
	return max(maxMissing, min(l.srcSize, maxPhysical/maxSpread)*maxSpread)
}

// leaveOut counts a range at addr that is not believed.
func (l *layout) leaveOut(addr uint64) {
	if l.wild == 0 {
		l.firstOut = addr
	}
	l.wild++
}

// place appends an extent, or extends the last one if it continues there.
func (l *layout) place(e sparse.Extent) {
	if k := len(l.extents) - 1; k >= 0 {
		last := &l.extents[k]
		if last.Off+last.Len == e.Off && last.SrcOff+last.Len == e.SrcOff && last.Src == e.Src {
			last.Len += e.Len
			return
		}
	}
	if len(l.extents) >= maxExtents {
		l.dropped++
		return
	}
	l.extents = append(l.extents, e)
}

// miss remembers that a range of memory is not in the file.
func (l *layout) miss(addr, n uint64) {
	if addr+n <= maxMissing {
		l.size = max(l.size, addr+n)
	}
	if len(l.missing) < maxExtents {
		l.missing = append(l.missing, Range{Addr: addr, Len: n})
	}
}

// full reports whether nothing more can be added; further ranges are counted as dropped.
func (l *layout) full() bool { return len(l.extents) >= maxExtents }

// reader returns the memory, and notes which bytes are missing. Where ranges overlap, the first one counts, or the
// last one with lastWins.
func (l *layout) reader(in *input) (*sparse.Reader, error) {
	extents := l.extents
	if overlap := sparse.Overlap(extents); overlap > 0 {
		if !l.lastWins {
			in.note("Ranges of the image overlap in %s; where they do, the one that comes first in the container is used.", sizeText(overlap))
			slices.Reverse(extents)
		}
		extents = sparse.Overlay(extents...)
	}
	r, err := sparse.NewReader(int64(l.size), extents...)
	if err != nil {
		return nil, fmt.Errorf("format: %s: %w", in.Name(), err)
	}
	l.describe(in)
	if len(r.Extents()) == 0 {
		return nil, fmt.Errorf("format: %s has no readable memory in it", in.Name())
	}
	return r, nil
}

// describe notes which bytes are missing.
func (l *layout) describe(in *input) {
	if l.wild > 0 {
		in.note("%s outside of physical memory, which is believed up to %#x in a file of this size, and left out: the first begins at %#x. The header is damaged.",
			count(l.wild, "range lies", "ranges lie"), l.limit(), l.firstOut)
	}
	if l.dropped > 0 {
		in.note("Only the first %d ranges are served; %s left out.", maxExtents, count(l.dropped, "more is", "more are"))
	}
	if len(l.missing) == 0 {
		return
	}
	var total uint64
	for _, m := range l.missing {
		total += m.Len
	}
	what := cmp.Or(l.what, in.whole())
	if l.end > 0 {
		in.cut(Truncation{What: what, Have: l.have, Promised: l.end, By: l.by})
	}
	if l.end > maxMissing {
		in.note("No image has as many bytes as %s should: the headers are damaged.", what)
	}
	why := ""
	if len(in.truncated) > 0 {
		why = ", because " + in.truncated[0].What + " is truncated"
	}
	in.note("Of the memory that the headers name, %s in %s missing%s: the first begins at physical address %#x.",
		sizeText(total), count(len(l.missing), "range are", "ranges are"), why, l.missing[0].Addr)
}

// count returns a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// sizeText returns a number of bytes in words: exactly, and if it is large also roughly.
func sizeText(n uint64) string {
	units := []string{"KiB", "MiB", "GiB", "TiB", "PiB"}
	if n < 1024 {
		return count(int(n), "byte", "bytes")
	}
	f := float64(n)
	u := -1
	for f >= 1024 && u < len(units)-1 {
		f /= 1024
		u++
	}
	return fmt.Sprintf("%d bytes (%.4g %s)", n, f, units[u])
}
