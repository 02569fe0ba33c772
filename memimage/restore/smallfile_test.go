package restore

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"memlens/memimage/sparse"
)

// rawSection is a section header of a small file.
type rawSection struct {
	rva, virtual, pointer, raw uint32
}

// smallFile is a PE32 file by its numbers: headers at 0x40, then random bytes without zeros.
type smallFile struct {
	sectionAlign, fileAlign, image, headers uint32
	sections                                []rawSection
	directories                             map[int]directory
	symbols, symbolCount                    uint32
	size                                    int
}

func (f *smallFile) bytes() []byte {
	b := make([]byte, f.size)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(1 + rng.IntN(255))
	}
	const nt, optional = 0x40, 0x58
	table := optional + 224
	clear(b[:min(len(b), table)])
	put32 := func(at int, v uint32) { binary.LittleEndian.PutUint32(b[at:], v) }
	copy(b, "MZ")
	put32(60, nt)
	copy(b[nt:], "PE\x00\x00\x4c\x01")
	binary.LittleEndian.PutUint16(b[nt+6:], uint16(len(f.sections)))
	put32(nt+12, f.symbols)
	put32(nt+16, f.symbolCount)
	binary.LittleEndian.PutUint16(b[nt+20:], 224)
	binary.LittleEndian.PutUint16(b[nt+22:], 0x103) // no relocations
	binary.LittleEndian.PutUint16(b[optional:], magicPE32)
	put32(optional+28, 0x400000)
	put32(optional+32, f.sectionAlign)
	put32(optional+36, f.fileAlign)
	put32(optional+56, f.image)
	put32(optional+60, f.headers)
	put32(optional+92, dirCount)
	for i, d := range f.directories {
		put32(optional+96+8*i, d.rva)
		put32(optional+100+8*i, d.size)
	}
	for i, s := range f.sections {
		at := table + 40*i
		clear(b[at : at+40])
		copy(b[at:], ".s"+string(rune('a'+i)))
		put32(at+8, s.virtual)
		put32(at+12, s.rva)
		put32(at+16, s.raw)
		put32(at+20, s.pointer)
	}
	return b
}

// mapped lays the file out in pages as the memory manager does.
func (f *smallFile) mapped(file []byte) map[uint32][]byte {
	pages := map[uint32][]byte{}
	lay := func(rva, off, end, size, backed int64) {
		for at := int64(0); at < size; at += pageSize {
			page := make([]byte, pageSize)
			if from := off + at; at < backed && from < min(end, int64(len(file))) {
				copy(page, file[from:min(end, int64(len(file)))])
			}
			pages[uint32(rva+at)] = page
		}
	}
	if f.sectionAlign < pageSize {
		lay(0, 0, min(int64(f.image), int64(len(file))), int64(f.image), int64(f.image))
		return pages
	}
	lay(0, 0, int64(f.headers), int64(f.headers), int64(f.headers))
	for _, s := range f.sections {
		unit := int64(f.fileAlign)
		end := (int64(s.pointer) + int64(s.raw) + unit - 1) / unit * unit
		lay(int64(s.rva), int64(s.pointer)/512*512, end, max(int64(s.virtual), 1), int64(s.raw))
	}
	return pages
}

func pagesInput(pages map[uint32][]byte, image uint32) Input {
	return Input{PageCount: int(roundUp(int64(image), pageSize) / pageSize), LoadBase: 0x400000, ByRVA: func(rva uint32) []Page {
		if page := pages[rva]; page != nil {
			return []Page{{Kind: Mapped, Src: sparse.Bytes(page), Phys: -1}}
		}
		return nil
	}}
}

// covers checks that the rows cover the file, that only missing rows cannot be read, and that only missing and
// doubtful rows differ from the file, where there is one.
func covers(t *testing.T, file []byte, r *Result) {
	t.Helper()
	var end int64
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.FileOffset != end || row.Length <= 0 {
			t.Fatalf("row at %#x+%#x after %#x", row.FileOffset, row.Length, end)
		}
		end += row.Length
		b := make([]byte, min(row.Length, 1<<20))
		n, err := r.Reader.ReadAt(b, row.FileOffset)
		if present := row.Kind != Missing; present != (err == nil) || !present && n > 0 {
			t.Fatalf("row %+v: read %d bytes, %v", row, n, err)
		}
		if file == nil {
			continue
		}
		if row.Kind != Missing && row.FileOffset < int64(len(file)) && !bytes.HasPrefix(file[row.FileOffset:], b[:min(n, len(file)-int(row.FileOffset))]) {
			t.Errorf("row %+v is not the file", row)
		}
		if row.Exact() && end > int64(len(file)) {
			t.Errorf("row %+v reaches behind the file's end %#x, and is said to be exact", row, len(file))
		}
	}
	if end != r.Reader.Size() {
		t.Fatalf("rows end at %#x of %#x", end, r.Reader.Size())
	}
}

// notesOf returns the notes of the missing rows.
func notesOf(r *Result) []string {
	var out []string
	for _, row := range r.Rows {
		if row.Kind == Missing {
			out = append(out, row.Note)
		}
	}
	return out
}
