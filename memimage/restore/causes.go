package restore

import (
	"cmp"
	"encoding/binary"
	"slices"

	"memlens/memimage/sparse"
)

// Range is a piece of a file: Len bytes from Off on.
type Range struct{ Off, Len int64 }

// Causes are the pieces of a recovered file in which it may differ from the original because the
// loader wrote there.
type Causes struct {
	Relocated []Range // numbers that differ by exactly the loader's addend
	Bound     []Range // thunks of imports and delay imports, with any contents
	Slots     []Range // slots that the loader sets, with any contents: guard pointers, security cookie, TLS index, handles
}

// LoaderCauses compares a file that was recovered from the address base with its supposed original. The original's
// tables of relocations and imports, and its load configuration, say where the loader writes. A relocated number
// counts only if it was moved by exactly the distance between base, or the ImageBase of the recovered file, and the
// original's ImageBase: a pointer that was tampered with is not excused. No cause is found where the two files are
// not laid out alike, or where one is no PE file. The error is from a source that fails.
func LoaderCauses(original, recovered sparse.Source, base uint64) (Causes, error) {
	w, other := fileWork(original), fileWork(recovered)
	if w.readHeader() != nil || other.readHeader() != nil || !w.alike(other) {
		return Causes{}, cmp.Or(w.err, other.err)
	}
	w.in.LoadBase, w.section, w.base = w.h.imageBase, w.h.imageBase, w.h.imageBase
	c := causes{work: w, recovered: recovered}
	c.readRelocations()
	c.relocations(w.wrap(base - w.h.imageBase))
	if other.h.imageBase != base {
		c.relocations(w.wrap(other.h.imageBase - w.h.imageBase))
	}
	c.imports()
	c.loaderSlots()
	if w.err != nil { // data whose read failed may have been taken for missing
		return Causes{}, w.err
	}
	return c.Causes, nil
}

// cachedPages is how many pages of a file are kept while its tables are followed.
const cachedPages = 64

// fileWork returns work on a whole file, as if it were in the file cache. Its holes are zeros: the headers may share
// their page with a missing section, and no table is believed because of zeros.
func fileWork(f sparse.Source) *work {
	pages := (f.Size() + pageSize - 1) &^ (pageSize - 1)
	padded, _ := sparse.NewReader(pages, sparse.Extent{Len: f.Size(), Src: f}) // fails for extents that do not fit only
	src := sparse.NewCache(sparse.Whole(sparse.ZeroFill(padded, nil), pages), cachedPages)
	return newWork(Input{ByFileOffset: func(off int64) []Page {
		if off >= f.Size() {
			return nil
		}
		return []Page{{Kind: FileBytes, Src: src, Off: off, Phys: -1}}
	}})
}

// alike reports whether two files have the same bytes in the same places of memory.
func (w *work) alike(other *work) bool {
	for _, d := range []int{dirImport, dirReloc, dirDelay, dirLoadConfig, dirTLS} {
		if w.h.directories[d] != other.h.directories[d] {
			return false
		}
	}
	return w.h.plus == other.h.plus && w.h.sizeOfImage == other.h.sizeOfImage && slices.Equal(w.pieces, other.pieces)
}

// causes is the search for Causes; its work is on the original.
type causes struct {
	*work
	Causes
	recovered sparse.Source
	delta     uint64
}

// loaderSlots finds the slots that the loader sets.
func (c *causes) loaderSlots() {
	c.readSlots()
	for _, s := range c.slots {
		c.Slots = append(c.Slots, c.ranges(s.rva, s.width)...)
	}
}

// relocations finds the numbers that were moved by delta, the header's ImageBase among them.
func (c *causes) relocations(delta uint64) {
	if c.delta = delta; delta == 0 {
		return
	}
	own := slot{rva: uint32(c.h.imageBaseAt), typ: relHighLow}
	if c.h.plus {
		own.typ = relDir64
	}
	c.relocated(own)
	for _, s := range c.relocs.slots {
		c.relocated(s)
	}
}

// relocated notes a slot if all its recovered bytes equal the loader's result for the original.
func (c *causes) relocated(s slot) {
	var b [8]byte
	n := s.width()
	if !c.read(b[:n], int64(s.rva)) {
		return
	}
	binary.LittleEndian.PutUint64(b[:], binary.LittleEndian.Uint64(b[:])+s.amount(c.delta))
	for _, r := range c.ranges(s.rva, n) {
		want := b[:r.Len]
		if !c.recoveredAs(want, r.Off) {
			return
		}
		copy(b[:], b[r.Len:])
	}
	c.Relocated = append(c.Relocated, c.ranges(s.rva, n)...)
}

// recoveredAs reports whether the recovered file has the bytes of want at off, as far as it has any.
func (c *causes) recoveredAs(want []byte, off int64) bool {
	got := make([]byte, len(want))
	n, err := c.recovered.ReadAt(got, off)
	if n < len(got) && !sparse.IsHole(err) {
		c.failed(err)
		return false
	}
	return slices.Equal(got[:n], want[:n])
}

// ranges returns where in the file n bytes of the image lie: a range for each page of memory. So no range can be
// missing in part.
func (c *causes) ranges(rva uint32, n int) []Range {
	var out []Range
	for at := int64(rva); n > 0; {
		off, rest, ok := c.fileOffset(at)
		if !ok || rest <= 0 {
			return nil
		}
		r := Range{off, min(int64(n), rest, pageSize-at%pageSize)}
		out, at, n = append(out, r), at+r.Len, n-int(r.Len)
	}
	return out
}

// imports finds the thunks.
func (c *causes) imports() {
	if dir := c.h.directories[dirImport]; dir.rva != 0 {
		c.eachDescriptor(dir.rva, importDescriptorSize, 12, func(d []byte, _ bool) bool {
			lookup, iat := binary.LittleEndian.Uint32(d), binary.LittleEndian.Uint32(d[16:])
			if lookup == 0 {
				lookup = iat
			}
			c.thunksAt(lookup, iat)
			return true
		})
	}
	if dir := c.h.directories[dirDelay]; dir.rva != 0 {
		c.eachDescriptor(dir.rva, delayDescriptorSize, 4, func(d []byte, _ bool) bool {
			handle, iat, names := c.delayTables(d)
			if handle != 0 {
				c.slots = append(c.slots, loaderSlot{handle, c.h.pointerSize(), indexSlot})
			}
			c.thunksAt(names, iat)
			return true
		})
	}
}

// thunksAt notes as many thunks at iat as lookup has before its end.
func (c *causes) thunksAt(lookup, iat uint32) {
	if lookup == 0 || iat == 0 {
		return
	}
	ps := int64(c.h.pointerSize())
	n := int64(0)
	for {
		v, ok := c.thunk(int64(lookup) + n*ps)
		if !ok || v == 0 {
			break
		}
		n++
	}
	if n > 0 {
		c.Bound = append(c.Bound, c.ranges(iat, int(n*ps))...)
	}
}
