package restore

import (
	"encoding/binary"
	"math"

	"memlens/memimage/sparse"
)

// diff is the changes to a page: runs of an offset (2 bytes), a length (1 byte) and the bytes.
type diff []byte

const diffHeader = 3

// newDiff returns the diff that turns from into to, both of one page.
func newDiff(from, to []byte) diff {
	var d diff
	for i := 0; i < len(to); i++ {
		if i%8 == 0 && i+8 <= len(to) && binary.LittleEndian.Uint64(from[i:]) == binary.LittleEndian.Uint64(to[i:]) {
			i += 7
			continue
		}
		if from[i] == to[i] {
			continue
		}
		end := i + 1
		for end < len(to) && end-i < 255 && from[end] != to[end] {
			end++
		}
		d = binary.LittleEndian.AppendUint16(d, uint16(i))
		d = append(append(d, byte(end-i)), to[i:end]...)
		i = end - 1
	}
	return d
}

// apply changes p, the bytes of the page from offset off on.
func (d diff) apply(p []byte, off int64) {
	for len(d) > 0 {
		at, n := int64(binary.LittleEndian.Uint16(d)), int64(d[2])
		b := d[diffHeader : diffHeader+n]
		d = d[diffHeader+n:]
		switch at -= off; {
		case at >= int64(len(p)):
			return
		case at >= 0:
			copy(p[at:], b)
		case at+n > 0:
			copy(p, b[-at:])
		}
	}
}

// patched is a page with a diff: offsets 0 to 4095.
type patched struct {
	page Page
	diff diff
}

// Size returns the size of a page.
func (p *patched) Size() int64 { return pageSize }

// ReadAt implements sparse.Source.
func (p *patched) ReadAt(b []byte, off int64) (int, error) {
	n, err := sparse.Section(p.page.Src, p.page.Off, pageSize).ReadAt(b, off)
	p.diff.apply(b[:n], off)
	return n, err
}

// Probe implements sparse.Source.
func (p *patched) Probe(off int64) (int64, error) {
	return sparse.Section(p.page.Src, p.page.Off, pageSize).Probe(off)
}

// hole is a source without bytes that says why.
type hole string

// Error returns the reason.
func (h hole) Error() string { return string(h) }

// Size returns the largest size; the extent cuts it.
func (h hole) Size() int64 { return math.MaxInt64 }

// ReadAt implements sparse.Source.
func (h hole) ReadAt(_ []byte, off int64) (int, error) {
	_, err := h.Probe(off)
	return 0, err
}

// Probe implements sparse.Source.
func (h hole) Probe(off int64) (int64, error) {
	rest := math.MaxInt64 - off
	return rest, &sparse.HoleError{Off: off, Len: rest, Err: h}
}
