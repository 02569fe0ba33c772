package sparse

import (
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"sort"
)

// Extent says that the Len bytes at Off of a range are the Len bytes at SrcOff of Src. All three are in bytes.
type Extent struct {
	Off, Len int64
	Src      Source
	SrcOff   int64
}

// End returns the offset of the first byte behind the extent.
func (e Extent) End() int64 { return e.Off + e.Len }

// Reader is a range of bytes made of disjoint extents of other ranges. Bytes that no extent covers are a hole. It is
// immutable, and safe for concurrent use if its sources are.
type Reader struct {
	size    int64
	extents []Extent // sorted by Off, disjoint, non-empty
}

// NewReader returns a reader of size bytes over extents, given in any order; empty ones are dropped. It refuses
// negative numbers, extents that reach beyond size and extents that overlap (see [Overlay] for overlapping ones).
func NewReader(size int64, extents ...Extent) (*Reader, error) {
	if size < 0 {
		return nil, fmt.Errorf("sparse: negative size %d", size)
	}
	sorted := make([]Extent, 0, len(extents))
	for _, e := range extents {
		if err := e.check(size); err != nil {
			return nil, err
		}
		if e.Len > 0 {
			sorted = append(sorted, e)
		}
	}
	sort.SliceStable(sorted, func(i, j int) bool { return sorted[i].Off < sorted[j].Off })
	for i := 1; i < len(sorted); i++ {
		if prev := sorted[i-1]; sorted[i].Off < prev.End() {
			return nil, fmt.Errorf("sparse: extent %#x+%#x overlaps %#x+%#x", sorted[i].Off, sorted[i].Len, prev.Off, prev.Len)
		}
	}
	return &Reader{size: size, extents: coalesce(sorted)}, nil
}

func (e Extent) check(size int64) error {
	if e.Off < 0 || e.Len < 0 || e.SrcOff < 0 || e.Len > size-e.Off || e.Len > math.MaxInt64-e.SrcOff {
		return fmt.Errorf("sparse: extent %#x+%#x (source offset %#x) does not fit in %#x bytes", e.Off, e.Len, e.SrcOff, size)
	}
	if e.Src == nil && e.Len > 0 {
		return fmt.Errorf("sparse: extent %#x+%#x has no source", e.Off, e.Len)
	}
	return nil
}

// coalesce joins neighbours that continue each other in the same source, in place.
func coalesce(sorted []Extent) []Extent {
	out := sorted[:0]
	for _, e := range sorted {
		if n := len(out); n > 0 && out[n-1].continuedBy(e) {
			out[n-1].Len += e.Len
			continue
		}
		out = append(out, e)
	}
	return out
}

func (e Extent) continuedBy(next Extent) bool {
	return e.End() == next.Off && e.SrcOff+e.Len == next.SrcOff && sameSource(e.Src, next.Src)
}

// sameSource compares two sources without the panic that == has for types that cannot be compared.
func sameSource(a, b Source) bool {
	t := reflect.TypeOf(a)
	return t == reflect.TypeOf(b) && t.Comparable() && a == b
}

// Size returns the length of the range in bytes, holes included.
func (r *Reader) Size() int64 { return r.size }

// Extents returns the extents, sorted and disjoint. The caller must not change them.
func (r *Reader) Extents() []Extent { return r.extents }

// Covered returns how many bytes the extents cover. Holes within their sources are not looked for: see [Present].
func (r *Reader) Covered() int64 {
	var n int64
	for _, e := range r.extents {
		n += e.Len
	}
	return n
}

// at returns the index of the first extent that ends behind off; len(r.extents) when there is none.
func (r *Reader) at(off int64) int {
	return sort.Search(len(r.extents), func(i int) bool { return r.extents[i].End() > off })
}

// ReadAt implements [Source]. It stops at the first missing byte with a *[HoleError], whose offset is in this reader.
// A source that ends within its extent has become shorter: that is a *[ReadError], no hole.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("sparse: negative offset %d", off)
	}
	done := 0
	for i := r.at(off); done < len(p); i++ {
		pos := off + int64(done)
		if pos >= r.size {
			return done, io.EOF
		}
		if i == len(r.extents) || r.extents[i].Off > pos {
			return done, r.hole(i, pos)
		}
		n, err := r.extents[i].read(p[done:], pos)
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// hole describes the hole at pos, which lies before extent i.
func (r *Reader) hole(i int, pos int64) *HoleError {
	end := r.size
	if i < len(r.extents) {
		end = r.extents[i].Off
	}
	return &HoleError{Off: pos, Len: end - pos}
}

// read fills p from position pos of the range that e is an extent of, as far as e reaches.
func (e Extent) read(p []byte, pos int64) (int, error) {
	if rest := e.End() - pos; int64(len(p)) > rest {
		p = p[:rest]
	}
	n, err := e.Src.ReadAt(p, e.SrcOff+pos-e.Off)
	if n == len(p) {
		return n, nil
	}
	return n, e.sourceError(err, pos+int64(n))
}

// sourceError translates the error of a source at position pos: a gap stays a gap, clipped to the extent.
func (e Extent) sourceError(err error, pos int64) error {
	if gap := gapLen(err); gap > 0 {
		return &HoleError{Off: pos, Len: min(gap, e.End()-pos), Err: reason(err)}
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("sparse: at %#x: %w", pos, readError(err, e.SrcOff+pos-e.Off))
}

// reason strips the layers of holes off err: the offsets of the readers below mean nothing to the readers above.
func reason(err error) error {
	for {
		hole, ok := err.(*HoleError)
		if !ok || hole.Err == nil {
			return err
		}
		err = hole.Err
	}
}
