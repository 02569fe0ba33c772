package format

import (
	"errors"
	"fmt"
	"hash/adler32"
	"io/fs"
	"path/filepath"
	"sort"
	"strings"

	"memlens/memimage/sparse"
)

const (
	ewfMagic      = "EVF\x09\x0d\x0a\xff\x00"
	ewfHeader     = 13
	ewfSection    = 76
	ewfTable      = 24 // bytes before the entries of a table
	maxEWFChunk   = 4 << 20
	maxEWFTables  = 1 << 16
	ewfMostInFile = 1 << 20 // sections in a segment file
)

// ewfFile is an Expert Witness image while it is opened: chunks of equal size, each compressed or not, in one or more
// segment files. Tables hold the offsets of the chunks.
type ewfFile struct {
	*input
	chunk  int64 // bytes of a chunk
	size   int64
	tables []ewfTableOf
	chunks int64
	memory bool // the medium is said to be memory
	end    string
	// digests are the digests of the medium. The range that they cover is not known before all segments are read.
	digests []Digest
}

// ewfTableOf is a table of chunks.
type ewfTableOf struct {
	src   Source
	first int64 // number of its first chunk
	count int64
	at    int64 // offset of the entries
	base  int64 // the offset that the entries count from
	end   int64 // end of the last chunk
}

// openEWF opens E01 images and the images of SMART (s01), with their segments.
func openEWF(in *input) (*Image, error) {
	head, err := in.head(ewfHeader)
	if err != nil {
		return nil, err
	}
	if !head.has(0, ewfMagic) {
		return nil, ErrFormat
	}
	if len(head) < ewfHeader {
		return nil, in.shortHeader("an EWF image")
	}
	if n := head.u16(9); n != 1 {
		return nil, fmt.Errorf("format: %s is segment %d of an EWF image: open the first one, whose name ends in 01", in.Name(), n)
	}
	e := &ewfFile{input: in}
	segments, err := in.pieces(func(i int) string { return ewfExtension(filepath.Ext(in.Name()), i+1) })
	if err != nil {
		return nil, err
	}
	for i, src := range segments {
		if err := e.segment(src, i+1); err != nil {
			return nil, err
		}
		if e.end != "next" && i < len(segments)-1 {
			in.cut(Truncation{What: src.Name(), Have: uint64(src.Size()), Where: "without the mark of its end"})
			in.note("%s does not end with the mark of its end. How many chunks it lacks is not known, so the segments behind it cannot be placed and are left out.", src.Name())
			break
		}
	}
	return e.open(len(segments))
}

// ewfExtension returns the extension of the n-th segment: .E01 to .E99, then .EAA to .EZZ, .FAA and so on.
func ewfExtension(first string, n int) string {
	letter := byte('E')
	if len(first) > 1 {
		letter = first[1]
	}
	if n < 100 {
		return fmt.Sprintf(".%c%02d", letter, n)
	}
	n -= 100
	return string([]byte{'.', letter + byte(n/676), 'A' + byte(n/26%26), 'A' + byte(n%26)})
}

func (e *ewfFile) open(segments int) (*Image, error) {
	if e.chunk == 0 || e.chunks == 0 {
		return nil, fmt.Errorf("format: %s is an EWF image without its volume section or its tables: it is truncated or damaged", e.Name())
	}
	promised := e.size
	if have := e.chunks * e.chunk; have < e.size {
		e.cut(Truncation{What: "the EWF image", Have: uint64(have), Promised: uint64(e.size)})
		e.note("Some segments are missing, or the last one is truncated: the rest of the EWF image is missing.")
		e.size = have
	} else if e.end != "done" {
		e.cut(Truncation{What: "the EWF image", Have: uint64(e.Size()), Where: "without the mark of its end"})
		e.note("The last segment of the EWF image does not end with the mark of its end.")
	}
	if !e.memory {
		e.note("The EWF image says that its medium is not memory.")
	}
	e.note("The checksum of each chunk of the EWF image is verified when it is read, in %s.", count(segments, "segment", "segments"))
	content := e.watch("EWF chunks", e.newBlocks(uniform{e.chunk, e.size}, e.chunk, e.load))
	im, err := e.nested("EWF (E01)", &inner{Source: content, name: unpackedName(e.Name())})
	if err != nil {
		return nil, err
	}
	whole, err := sparse.NewReader(promised, sparse.Extent{Len: e.size, Src: content})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("format: %s: %w", e.Name(), err), im.Close())
	}
	for _, d := range e.digests {
		d.Of, d.Bytes = "the medium in the EWF image", whole
		im.Digests = append(im.Digests, d)
	}
	return im, nil
}

// pieces opens the files beside in that follow it, up to the first missing one. ext returns the extension of the i-th
// file.
func (in *input) pieces(ext func(i int) string) ([]Source, error) {
	pieces := []Source{in.Source}
	for i := 1; ; i++ {
		src, err := in.sibling(ext(i))
		if errors.Is(err, fs.ErrNotExist) {
			if after, err := in.sibling(ext(i + 1)); err == nil {
				in.note("The file *%s is missing while %s is there: its data and all data behind it are left out.", ext(i), after.Name())
			}
			return pieces, nil
		}
		if err != nil {
			return nil, err
		}
		if i == maxSegmentFiles {
			return nil, fmt.Errorf("format: %s is in more than %d files", in.Name(), maxSegmentFiles)
		}
		pieces = append(pieces, src)
	}
}

// segment follows the chain of sections in a segment file.
func (e *ewfFile) segment(src Source, number int) error {
	head, err := readUpTo(src, 0, ewfHeader)
	if err != nil {
		return err
	}
	if !head.has(0, ewfMagic) || int(head.u16(9)) != number {
		return fmt.Errorf("format: %s is not segment %d of the EWF image %s", src.Name(), number, e.Name())
	}
	at, sectors := int64(ewfHeader), int64(0)
	for range ewfMostInFile {
		s, err := readUpTo(src, at, ewfSection)
		if err != nil {
			return err
		}
		kind, _, _ := strings.Cut(string(s.at(0, min(16, len(s)))), "\x00")
		e.end = kind
		next := int64(s.u64(16))
		if len(s) < ewfSection || s.u32(72) != adler32.Checksum(s[:72]) {
			e.note("At offset %#x of %s there is no section: the segment is truncated or damaged there.", at, src.Name())
			e.end = ""
			return nil
		}
		switch kind {
		case "volume", "disk":
			e.volume(src, at+ewfSection)
		case "sectors":
			sectors = next
		case "table":
			e.table(src, at, next, sectors)
		case "hash", "digest", "xhash":
			e.digest(src, kind, at+ewfSection, next)
		case "done", "next":
			return nil
		}
		if next <= at || next >= maxPhysical {
			return nil
		}
		at = next
	}
	return nil
}

// volume reads the size of the image.
func (e *ewfFile) volume(src Source, at int64) {
	f, err := readUpTo(src, at, 94)
	if err != nil || e.chunk != 0 {
		return
	}
	perChunk, perSector := int64(f.u32(8)), int64(f.u32(12))
	if perChunk <= 0 || perSector <= 0 || perChunk > maxEWFChunk || perSector > maxEWFChunk || perChunk*perSector > maxEWFChunk {
		return
	}
	e.memory = f[0] == 0x10
	e.chunk = perChunk * perSector
	e.size = int64(min(f.u64(16), maxPhysical/uint64(perSector))) * perSector
	if e.size == 0 || e.size > int64(f.u32(4))*e.chunk { // SMART has 32 bits there, and other fields behind
		e.size = int64(f.u32(16)) * perSector
	}
}

// table remembers where the entries of a table are. Its chunks end with the section of sectors before it, or with the
// table itself where they are in it, as SMART and the first EnCase wrote it.
func (e *ewfFile) table(src Source, at, next, sectors int64) {
	f, err := readUpTo(src, at+ewfSection, ewfTable)
	if err != nil || len(f) < ewfTable || len(e.tables) == maxEWFTables || e.chunks > maxPhysical/pageSize {
		return
	}
	if f.u32(20) != adler32.Checksum(f[:20]) {
		e.doubt("The table of chunks at offset %#x of %s has a wrong checksum: chunks may be in each other's place.", at, src.Name())
	}
	t := ewfTableOf{src: src, first: e.chunks, count: int64(f.u32(0)), at: at + ewfSection + ewfTable, base: int64(min(f.u64(8), maxPhysical)), end: sectors}
	if sectors == 0 {
		t.end = min(next, src.Size())
	}
	t.count = min(t.count, max(0, (src.Size()-t.at)/4))
	e.tables = append(e.tables, t)
	e.chunks += t.count
}

// load reads a chunk and verifies its checksum, which zlib does for compressed chunks.
func (e *ewfFile) load(i int) ([]byte, error) {
	n := sort.Search(len(e.tables), func(k int) bool { return e.tables[k].first+e.tables[k].count > int64(i) })
	if n == len(e.tables) {
		return nil, fmt.Errorf("format: EWF chunk %d is missing", i)
	}
	t := e.tables[n]
	k := int64(i) - t.first
	f, err := readUpTo(t.src, t.at+k*4, 8)
	if err != nil {
		return nil, err
	}
	entry, end := f.u32(0), t.end
	if k+1 < t.count {
		end = t.base + int64(f.u32(4)&0x7fffffff)
	}
	at := t.base + int64(entry&0x7fffffff)
	if end <= at || end-at > 2*e.chunk+1024 {
		return nil, fmt.Errorf("format: EWF chunk %d at %#x of %s has a damaged table entry", i, at, t.src.Name())
	}
	data, err := readUpTo(t.src, at, int(end-at))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) < end-at {
		return nil, fmt.Errorf("format: EWF chunk %d at %#x of %s is truncated", i, at, t.src.Name())
	}
	return e.unpack(data, entry>>31 == 1, min(e.chunk, e.size-int64(i)*e.chunk), i)
}

// unpack returns the size bytes of a chunk.
func (e *ewfFile) unpack(data fields, packed bool, size int64, i int) ([]byte, error) {
	if packed {
		out, err := inflateZlib(data, int(e.chunk))
		if err != nil {
			return nil, fmt.Errorf("format: EWF chunk %d: %w", i, err)
		}
		return out[:min(int64(len(out)), size)], nil
	}
	n := len(data) - 4
	if int64(n) < size || data.u32(n) != adler32.Checksum(data[:n]) {
		return nil, fmt.Errorf("format: EWF chunk %d has a wrong checksum", i)
	}
	return data[:size], nil
}
