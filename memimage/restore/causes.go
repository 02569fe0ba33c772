package restore

import (
	"encoding/binary"
	"errors"
	"slices"

	"memlens/memimage/sparse"
)

// Range is a piece of a file: Len bytes from Off on.
type Range struct{ Off, Len int64 }

// Causes are the pieces of a recovered file in which it may differ from the original because the
// loader wrote there.
type Causes struct {
	Relocated []Range // numbers that differ by just what the loader adds to them
	Bound     []Range // thunks of imports and delay imports, whatever they hold
}

// LoaderCauses compares a file that was recovered from the address base with the original that is
// said to be of it. The original's tables of relocations and imports say where the loader writes;
// a relocated number counts only if it was moved by exactly the distance between base and the
// original's ImageBase, so a pointer that was tampered with is not excused. Nothing is where the
// two files are not laid out alike, or where one is no PE file.
func LoaderCauses(original, recovered sparse.Source, base uint64) Causes {
	w, other := fileWork(original), fileWork(recovered)
	if w.readHeader() != nil || other.readHeader() != nil || !w.alike(other) {
		return Causes{}
	}
	c := causes{work: w, recovered: recovered, delta: w.wrap(base - w.h.imageBase)}
	c.relocations()
	c.imports()
	return c.Causes
}

// cachedPages is how many pages of a file are kept while its tables are followed.
const cachedPages = 64

// fileWork returns work on a whole file, as if it were in the file cache. Its holes are zeros: the
// headers may share their page with a section that is missing, and no table is believed for zeros.
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
	return w.h.plus == other.h.plus && w.h.sizeOfImage == other.h.sizeOfImage && slices.Equal(w.pieces, other.pieces) &&
		w.h.directories[dirImport] == other.h.directories[dirImport] && w.h.directories[dirReloc] == other.h.directories[dirReloc]
}

// causes is the search for Causes; its work is on the original.
type causes struct {
	*work
	Causes
	recovered sparse.Source
	delta     uint64
}

// relocations finds the numbers that were moved, the header's ImageBase among them.
func (c *causes) relocations() {
	if c.delta == 0 {
		return
	}
	own := slot{rva: uint32(c.h.imageBaseAt), typ: relHighLow}
	if c.h.plus {
		own.typ = relDir64
	}
	c.relocated(own)
	c.readRelocations()
	for _, s := range c.relocs.slots {
		c.relocated(s)
	}
}

// relocated notes a slot if all of it that was recovered is what the loader makes of the original.
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
	if gap := sparse.Gap(nil); n < len(got) && !errors.As(err, &gap) {
		return false
	}
	return slices.Equal(got[:n], want[:n])
}

// ranges returns where in the file n bytes of the image lie: a range for each page of memory, and
// so none of which only a part can be missing.
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
			c.bound(lookup, iat)
			return true
		})
	}
	if dir := c.h.directories[dirDelay]; dir.rva != 0 {
		c.eachDescriptor(dir.rva, delayDescriptorSize, 4, func(d []byte, _ bool) bool {
			iat, names := binary.LittleEndian.Uint32(d[12:]), binary.LittleEndian.Uint32(d[16:])
			if binary.LittleEndian.Uint32(d)&1 == 0 {
				iat, names = c.fileRVA(iat), c.fileRVA(names)
			}
			c.bound(names, iat)
			return true
		})
	}
}

// fileRVA turns an address as the file has it into an RVA.
func (c *causes) fileRVA(va uint32) uint32 { return uint32(uint64(va) - c.h.imageBase) }

// bound notes as many thunks at iat as lookup has before its end.
func (c *causes) bound(lookup, iat uint32) {
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
