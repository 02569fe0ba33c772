package volume

import (
	"fmt"
	"io"
	"sort"

	lru "github.com/hashicorp/golang-lru/v2"

	"memlens/memimage/xpress"
)

// The flags of an attribute.
const (
	flagCompression = 0x00ff
	flagLZNT1       = 1
	flagEncrypted   = 0x4000
)

const (
	// maxUnit is the largest compression unit in bytes; Windows makes units of 64 KiB.
	maxUnit = 1 << 20
	// keptUnits is how many unpacked pieces of an open file are kept.
	keptUnits = 8
)

// stream is the bytes of an attribute.
type stream struct {
	volume  *ntfs
	content []byte // of an attribute within its record
	extents []extent
	size    int64
	init    int64                     // how many bytes have been written; zeros follow
	unit    int64                     // bytes of a compression unit; 0: it is not compressed
	units   *lru.Cache[int64, []byte] // unpacked units; nil: they are not kept
}

// stream returns the bytes of an attribute that is in these pieces.
func (v *ntfs) stream(pieces []*attribute) (*stream, error) {
	s, err := v.partial(pieces)
	if err != nil || s.content != nil {
		return s, err
	}
	return s, s.complete()
}

// complete returns an error unless all bytes have clusters.
func (s *stream) complete() error {
	have := s.clusters()
	if s.size > have*s.volume.cluster { // a number of clusters on this volume, or of a hole: below 1<<62
		return damaged("a file has %d bytes, and clusters for %d", s.size, have*s.volume.cluster)
	}
	return nil
}

// clusters returns how many clusters from the first one on are known.
func (s *stream) clusters() int64 {
	if n := len(s.extents); n > 0 {
		return s.extents[n-1].vcn + s.extents[n-1].n
	}
	return 0
}

// extend adds the next piece.
func (s *stream) extend(a *attribute) (err error) {
	if s.volume == nil || a.headerDamage != "" || !a.outside || a.first != s.clusters() {
		return damaged("the pieces of a file do not follow each other: one begins at cluster %d", a.first)
	}
	s.extents, err = s.volume.decodeRuns(s.extents, a)
	return err
}

// partial returns the bytes of an attribute whose last pieces may be missing.
func (v *ntfs) partial(pieces []*attribute) (*stream, error) {
	if len(pieces) == 0 {
		return nil, damaged("a file has no data")
	}
	a := pieces[0]
	switch {
	case a.headerDamage != "":
		return nil, damaged("an attribute: %s", a.headerDamage)
	case a.flags&flagEncrypted != 0:
		return nil, &UnreadableError{Why: "it is encrypted by EFS"}
	case !a.outside && len(pieces) > 1:
		return nil, damaged("a file has its data twice")
	case !a.outside:
		n := int64(len(a.content))
		return &stream{content: a.content, size: n, init: n}, nil
	}
	extents, err := v.extents(pieces)
	if err != nil {
		return nil, err
	}
	s := &stream{volume: v, extents: extents, size: a.size, init: a.init}
	if last := pieces[len(pieces)-1].last; last >= 1<<62/v.cluster {
		return nil, damaged("a file has %d clusters", last)
	}
	return s, s.compressed(a)
}

// compressed reads from the header how the attribute is compressed.
func (s *stream) compressed(a *attribute) error {
	switch method := a.flags & flagCompression; {
	case method == 0:
		return nil
	case method != flagLZNT1:
		return &UnreadableError{Why: fmt.Sprintf("it is compressed in a way that is not known (%d)", method)}
	case a.unit == 0:
		return nil // marked as compressed, but not compressed
	case a.unit > 16 || s.volume.cluster<<a.unit > maxUnit:
		return damaged("a file has compression units of 1<<%d clusters", a.unit)
	}
	s.unit = s.volume.cluster << a.unit
	return nil
}

// bytes implements [packing].
func (s *stream) bytes() int64 { return s.size }

// opened implements [packing].
func (s *stream) opened() io.ReaderAt {
	if s.unit == 0 {
		return s
	}
	out := *s
	out.units, _ = lru.New[int64, []byte](keptUnits) // fails only for a size of 0
	return &out
}

// ReadAt implements [io.ReaderAt].
func (s *stream) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		if off < 0 || off >= s.size {
			return done, io.EOF
		}
		rest := p[done:min(int64(len(p)), int64(done)+s.size-off)]
		n, err := s.some(rest, off)
		done += n
		off += int64(n)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// some reads at least a byte, within the size.
func (s *stream) some(p []byte, off int64) (int, error) {
	if off >= s.init {
		clear(p)
		return len(p), nil
	}
	p = p[:min(int64(len(p)), s.init-off)]
	switch {
	case s.volume == nil:
		return copy(p, s.content[off:]), nil
	case s.unit > 0:
		b, err := s.unpacked(off / s.unit)
		if err != nil {
			return 0, err
		}
		return copy(p, b[off%s.unit:]), nil
	}
	return s.stored(p, off)
}

// stored reads bytes that are not compressed, from one extent.
func (s *stream) stored(p []byte, off int64) (int, error) {
	cluster := s.volume.cluster
	vcn := off / cluster
	i := sort.Search(len(s.extents), func(i int) bool { return s.extents[i].vcn+s.extents[i].n > vcn })
	if i == len(s.extents) {
		return 0, damaged("cluster %d of a file is not on the disk", vcn)
	}
	e := s.extents[i]
	skip := off - e.vcn*cluster
	p = p[:min(int64(len(p)), e.n*cluster-skip)]
	if e.lcn == hole {
		clear(p)
		return len(p), nil
	}
	n, err := s.volume.src.ReadAt(p, e.lcn*cluster+skip)
	if n == len(p) {
		return n, nil
	}
	return n, missing(err, off+int64(n))
}

// unpacked returns a compression unit as far as it was written. If a unit is not compressed, all its clusters are on
// the disk; if it is zeros, none is; if it is compressed, the first ones are.
func (s *stream) unpacked(unit int64) ([]byte, error) {
	if s.units != nil {
		if b, ok := s.units.Get(unit); ok {
			return b, nil
		}
	}
	size := min(s.unit, s.init-unit*s.unit)
	per := s.unit / s.volume.cluster
	n, err := s.onDisk(unit*per, per)
	if err != nil {
		return nil, err
	}
	b := make([]byte, s.unit)
	if n > 0 {
		for done := int64(0); done < n*s.volume.cluster; {
			k, err := s.stored(b[done:n*s.volume.cluster], unit*s.unit+done)
			if err != nil {
				return nil, err
			}
			done += int64(k)
		}
	}
	if n > 0 && n < per {
		if b, err = xpress.LZNT1Unit(b[:n*s.volume.cluster], int(s.unit)); err == nil && int64(len(b)) < size {
			err = xpress.ErrDamaged
		}
		if err != nil {
			return nil, fmt.Errorf("volume: compression unit %d of the file: %w", unit, err)
		}
	}
	if s.units != nil {
		s.units.Add(unit, b[:size])
	}
	return b[:size], nil
}

// onDisk returns how many of the n clusters from vcn on are on the disk, which must be the first ones.
func (s *stream) onDisk(vcn, n int64) (int64, error) {
	have, end := int64(0), false
	i := sort.Search(len(s.extents), func(i int) bool { return s.extents[i].vcn+s.extents[i].n > vcn })
	for ; i < len(s.extents) && s.extents[i].vcn < vcn+n; i++ {
		e := s.extents[i]
		part := min(e.vcn+e.n, vcn+n) - max(e.vcn, vcn)
		switch {
		case e.lcn == hole:
			end = true
		case end:
			return 0, damaged("a compression unit has clusters on the disk behind missing ones")
		default:
			have += part
		}
	}
	return have, nil
}
