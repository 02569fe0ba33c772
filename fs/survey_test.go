package fs_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	iofs "io/fs"
	"path"
	"slices"
	"testing"

	"memlens/fs"
)

// survey is one reading of a whole tree, as far as bounds allow. It checks what must be true of any tree, whatever the
// image: every listed directory lists; every listed file opens, has the size in the listing, and is read to it without
// an error; holes are zeros. The sources have no faults, so that no error is an I/O error.
type survey struct {
	t        testing.TB
	fsys     *fs.FS
	block    int                    // bytes of a read
	most     int64                  // bytes read of a file, half at its beginning and half at its end
	budget   int64                  // bytes read of the tree; files that come later are opened only
	backward bool                   // the entry that is listed last is read first
	openOnly func(name string) bool // nil: every file is read
	huge     string                 // the directory of a process that claims a huge executable; empty: none
	files    map[string]seen
}

// hugeFile is the size from which an executable is huge: its pictures and digests take a second per some hundred MiB.
// They are opened, and not read.
const hugeFile = 64 << 20

// seen has the facts that were found about a file or directory.
type seen struct {
	size   int64
	read   bool
	digest uint64 // of the bytes that were read
	xattrs string
}

var digestSeed = maphash.MakeSeed()

func (s *survey) run() map[string]seen {
	s.files = map[string]seen{}
	s.dir(".")
	return s.files
}

func (s *survey) dir(name string) {
	entries, err := s.fsys.ReadDir(name)
	if err != nil {
		s.t.Errorf("the directory %s cannot be listed: %v", name, err)
		return
	}
	s.files[name] = seen{}
	if s.backward {
		slices.Reverse(entries)
	}
	if s.huge == "" && slices.ContainsFunc(entries, isHuge) {
		s.huge = name
		defer func() { s.huge = "" }()
	}
	for _, e := range entries {
		at := path.Join(name, e.Name())
		if _, twice := s.files[at]; twice || !iofs.ValidPath(at) || path.Dir(at) != name {
			s.t.Errorf("%q is listed in %s, twice or without being a name", e.Name(), name)
			continue
		}
		if e.IsDir() {
			s.dir(at)
		} else {
			s.file(at, e)
		}
	}
}

func isHuge(e iofs.DirEntry) bool {
	if path.Ext(e.Name()) != ".exe" || e.IsDir() {
		return false
	}
	info, err := e.Info()
	return err == nil && info.Size() > hugeFile
}

// drawn reports whether a file is a picture, or the memory itself.
func drawn(name string) bool {
	return slices.Contains([]string{".bmp", ".png", ".gif", ".raw"}, path.Ext(name))
}

// reads reports whether a file is read, not only opened.
func (s *survey) reads(name string) bool {
	made := slices.Contains([]string{".png", ".gif", ".json", ".html"}, path.Ext(name)) || path.Base(name) == "similar.csv"
	return s.budget > 0 && (s.openOnly == nil || !s.openOnly(name)) && (s.huge == "" || !made)
}

func (s *survey) file(name string, e iofs.DirEntry) {
	info, err := e.Info()
	if err != nil {
		s.t.Errorf("%s is listed and has no attributes: %v", name, err)
		return
	}
	f, err := s.fsys.Open(name)
	if err != nil {
		s.t.Errorf("%s is listed and does not open: %v", name, err)
		return
	}
	defer f.Close()
	opened, err := f.Stat()
	if err != nil || opened.Size() != info.Size() || info.Size() < 0 {
		s.t.Errorf("%s has %d bytes in the listing and %v when open: %v", name, info.Size(), opened, err)
		return
	}
	found := seen{size: info.Size()}
	if s.reads(name) {
		found.read, found.digest = true, s.content(name, f.(io.ReaderAt), found.size)
		found.xattrs = xattrsOf(f.(fs.Xattrer))
		s.holes(name, f.(interface {
			io.ReaderAt
			fs.Holer
		}), found.size)
	}
	s.files[name] = found
}

// content reads a file, or its beginning and its end, and returns a digest of that.
func (s *survey) content(name string, r io.ReaderAt, size int64) uint64 {
	var h maphash.Hash
	h.SetSeed(digestSeed)
	if half := s.most / 2; size > s.most {
		s.part(name, r, &h, 0, half, size)
		s.part(name, r, &h, size-half, size, size)
	} else {
		s.part(name, r, &h, 0, size, size)
	}
	if n, err := r.ReadAt(make([]byte, 1), size); n != 0 || err != io.EOF {
		s.t.Errorf("%s, read at its end: %d bytes, %v", name, n, err)
	}
	return h.Sum64()
}

func (s *survey) part(name string, r io.ReaderAt, h *maphash.Hash, from, to, size int64) {
	buf := make([]byte, min(int64(s.block), to-from))
	for off := from; off < to; {
		b := buf[:min(int64(len(buf)), to-off)]
		n, err := r.ReadAt(b, off)
		if n < len(b) || err != nil && (err != io.EOF || off+int64(n) != size) {
			s.t.Errorf("%s has %d bytes; of %d at %#x came %d: %v", name, size, len(b), off, n, err)
			return
		}
		h.Write(b)
		off += int64(n)
		s.budget -= int64(n)
	}
}

// maxHoles is how many holes of a file are looked at.
const maxHoles = 50

// holes follows the holes of a file: they do not overlap, and are zeros.
func (s *survey) holes(name string, f interface {
	io.ReaderAt
	fs.Holer
}, size int64) {
	buf := make([]byte, 512)
	for at, n := int64(0), 0; at < size && n < maxHoles; n++ {
		hole, err := f.NextHole(at)
		if err != nil || hole < at || hole > size {
			s.t.Errorf("%s: the next hole from %#x of %#x: %#x, %v", name, at, size, hole, err)
			return
		}
		if hole == size {
			return
		}
		data, err := f.NextData(hole)
		if errors.Is(err, io.EOF) {
			data, err = size, nil
		}
		if err != nil || data <= hole || data > size {
			s.t.Errorf("%s: data behind the hole at %#x of %#x: %#x, %v", name, hole, size, data, err)
			return
		}
		b := buf[:min(int64(len(buf)), data-hole)]
		if _, err := f.ReadAt(b, hole); err != nil && err != io.EOF || !bytes.Equal(b, make([]byte, len(b))) {
			s.t.Errorf("%s: the hole at %#x is no zeros: %v", name, hole, err)
		}
		at = data
	}
}

func xattrsOf(f fs.Xattrer) string {
	var out bytes.Buffer
	for _, name := range f.Xattrs() {
		value, ok := f.Xattr(name)
		fmt.Fprintf(&out, "%s=%q %v\n", name, value, ok)
	}
	return out.String()
}

// sameTree checks that two surveys found the same.
func sameTree(t testing.TB, a, b map[string]seen) {
	for name, x := range a {
		y, ok := b[name]
		switch {
		case !ok:
			t.Errorf("%s was there at the first reading only", name)
		case x.size != y.size:
			t.Errorf("%s had %d bytes at first, then %d", name, x.size, y.size)
		case x.read && y.read && x.digest != y.digest:
			t.Errorf("%s had other bytes at the second reading", name)
		case x.read && y.read && x.xattrs != y.xattrs:
			t.Errorf("%s had other attributes at the second reading:\n%s\n%s", name, x.xattrs, y.xattrs)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			t.Errorf("%s was there at the second reading only", name)
		}
	}
}
