package restore

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// TestExtent restores small files from all of their pages. missing names the parts that only the file has.
func TestExtent(t *testing.T) {
	text := rawSection{0x1000, 0x1000, 0x200, 0x400}
	tests := []struct {
		name    string
		file    smallFile
		size    int // of the restored file, 0: the file's
		missing []string
		noted   bool
	}{
		{"plain", smallFile{image: 0x2000, headers: 0x200, sections: []rawSection{text}, size: 0x600}, 0, nil, false},
		{"raw end not aligned", smallFile{image: 0x2000, headers: 0x200, sections: []rawSection{{0x1000, 0x1000, 0x201, 0x30e}}, size: 0x600}, 0, nil, false},
		{"raw end not aligned, the file ends there", smallFile{image: 0x2000, headers: 0x200, sections: []rawSection{{0x1000, 0x1000, 0x200, 0x30e}}, size: 0x50e}, 0, nil, true},
		{"raw end not aligned, the file ends before the alignment", smallFile{image: 0x2000, headers: 0x200, sections: []rawSection{{0x1000, 0x1000, 0x200, 0x30e}}, size: 0x580}, 0x600, nil, false},
		{"raw data of a byte", smallFile{image: 0x2000, headers: 0x200, sections: []rawSection{{0x1000, 0x1000, 0x200, 1}}, size: 0x400}, 0, nil, false},
		{"file alignment of a page", smallFile{fileAlign: 0x1000, image: 0x2000, headers: 0x200, sections: []rawSection{{0x1000, 0x1000, 0x200, 0xf6}}, size: 0x1000}, 0, nil, false},
		{"file alignment of two pages: the second page is no file", smallFile{fileAlign: 0x2000, sectionAlign: 0x2000, image: 0x6000, headers: 0x200,
			sections: []rawSection{{0x2000, 0x3000, 0x2000, 0x10}}, size: 0x3000}, 0, []string{noteUnmapped}, false},
		{"the section that is over headers", smallFile{image: 0x2000, headers: 0x200, sections: []rawSection{{0x1000, 0x1000, 1, 0x600}}, size: 0x800}, 0, nil, false},
		{"sections not in the order of the file", smallFile{image: 0x4000, headers: 0x200,
			sections: []rawSection{{0x1000, 0x1000, 0x600, 0x200}, {0x2000, 0x1000, 0x200, 0x123}, {0x3000, 0x1000, 0x400, 0x1}}, size: 0x800}, 0, nil, false},
		{"sections over each other", smallFile{image: 0x4000, headers: 0x200,
			sections: []rawSection{{0x1000, 0x1000, 0x200, 0x400}, {0x2000, 0x1000, 0x400, 0x600}, {0x3000, 0x1000, 0x200, 0x400}}, size: 0xa00}, 0, nil, false},
		{"raw data behind the section's pages", smallFile{image: 0x2000, headers: 0x200, sections: []rawSection{{0x1000, 0x10, 0x200, 0x1800}}, size: 0x1a00},
			0, []string{"raw data of .sa behind its pages" + noteNamed}, false},
		{"certificate", smallFile{image: 0x2000, headers: 0x200, sections: []rawSection{text}, directories: map[int]directory{dirCert: {0x600, 0x328}}, size: 0x928},
			0, []string{nameCertificate + noteNamed}, false},
		{"certificate behind an overlay", smallFile{image: 0x2000, headers: 0x200, sections: []rawSection{text}, directories: map[int]directory{dirCert: {0x700, 0x328}}, size: 0xa28},
			0, []string{noteUnmapped, nameCertificate + noteNamed}, false},
		{"certificate between sections", smallFile{image: 0x3000, headers: 0x200, sections: []rawSection{text, {0x2000, 0x1000, 0x800, 0x200}},
			directories: map[int]directory{dirCert: {0x600, 0x200}}, size: 0xa00}, 0, []string{nameCertificate + noteNamed}, false},
		{"wild certificate", smallFile{image: 0x2000, headers: 0x200, sections: []rawSection{text}, directories: map[int]directory{dirCert: {0xfffff000, 0xffffffff}}, size: 0x600}, 0, nil, true},
		{"certificate that begins in a section", smallFile{image: 0x2000, headers: 0x200, sections: []rawSection{text}, directories: map[int]directory{dirCert: {0x400, 0x1000}}, size: 0x600}, 0, nil, true},
		{"symbols", smallFile{image: 0x2000, headers: 0x200, sections: []rawSection{text}, symbols: 0x600, symbolCount: 3, size: 0x600 + 54 + 4},
			0, []string{nameSymbols + noteNamed, nameStrings + noteNamed}, true},
		{"wild symbols", smallFile{image: 0x2000, headers: 0x200, sections: []rawSection{text}, symbols: 0x600, symbolCount: 0xffffffff, size: 0x600}, 0, nil, true},
		{"4 GiB of raw data over a page", smallFile{image: 0x2000, headers: 0x200, sections: []rawSection{{0x1000, 0x1000, 0x200, 0xfffffe00}}, size: 0x1200}, 0, nil, true},
		{"4 GiB of everything over a page", smallFile{image: 0x2000, headers: 0x200, sections: []rawSection{{0x1000, 0xfffff000, 0x200, 0xfffffe00}}, size: 0x1200}, 0, nil, true},
		{"a page at the end of 4 GiB", smallFile{image: 0x2000, headers: 0x200, sections: []rawSection{{0x1000, 0x1000, 0xfffffe00, 0x200}}, size: 0x200}, 0, nil, true},
		{"low alignment, no section", smallFile{sectionAlign: 4, fileAlign: 4, image: 1600, headers: 312, size: 1600}, 0, nil, false},
		{"low alignment, no SizeOfHeaders", smallFile{sectionAlign: 4, fileAlign: 4, image: 1600, size: 1600}, 0, nil, false},
		{"low alignment, small SizeOfHeaders", smallFile{sectionAlign: 16, fileAlign: 16, image: 0x1800, headers: 44, size: 0x1800}, 0, nil, false},
		{"low alignment, no section, more memory than file", smallFile{sectionAlign: 4, fileAlign: 4, image: 0x5800, headers: 312, size: 1600}, 0, nil, false},
		{"low alignment, space behind the raw data", smallFile{sectionAlign: 16, fileAlign: 16, image: 0x5800, headers: 0x200,
			sections: []rawSection{{0x200, 0x5600, 0x200, 0x1000}}, size: 0x1200}, 0, nil, false},
		{"low alignment, more file behind the raw data", smallFile{sectionAlign: 16, fileAlign: 16, image: 0x5800, headers: 0x200,
			sections: []rawSection{{0x200, 0x1000, 0x200, 0x1000}}, size: 0x3210}, 0, nil, false},
		{"low alignment, raw data behind SizeOfImage", smallFile{sectionAlign: 16, fileAlign: 16, image: 0x800, headers: 0x200,
			sections: []rawSection{{0x200, 0x600, 0x200, 0x1000}}, size: 0x1200}, 0, []string{"raw data of .sa behind its pages" + noteNamed}, false},
		{"low alignment, 4 GiB", smallFile{sectionAlign: 4, fileAlign: 4, image: 0xfffffff0, headers: 312, size: 0x3000}, 0, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := tt.file
			if f.sectionAlign == 0 {
				f.sectionAlign = 0x1000
			}
			if f.fileAlign == 0 {
				f.fileAlign = 0x200
			}
			file := f.bytes()
			image := min(f.image, 0x10000)
			f.image = min(f.image, uint32(len(file))+0x2000) // as far as pages are made
			for i := range f.sections {
				f.sections[i].virtual = min(f.sections[i].virtual, 0x10000)
			}
			r := restored(t, pagesInput(f.mapped(file), image))
			covers(t, file, r)
			if tt.size == 0 {
				tt.size = len(file)
			}
			if got := r.Reader.Size(); got != int64(tt.size) {
				t.Errorf("%#x bytes, want %#x; %q", got, tt.size, r.Notes)
			}
			if got := notesOf(r); !slices.Equal(got, tt.missing) {
				t.Errorf("missing: %q, want %q", got, tt.missing)
			}
			if noted := len(r.Notes) > 0; noted != tt.noted {
				t.Errorf("notes: %q", r.Notes)
			}
			if r.SizeCertainty != Assumed || r.SizeProof == "" {
				t.Errorf("the size is %v: %q", r.SizeCertainty, r.SizeProof)
			}
		})
	}
}

// TestRawSizeCase restores the file of the case with that name.
func TestRawSizeCase(t *testing.T) {
	file, err := os.ReadFile(filepath.Join(corpus.Case(t, "raw-size"), "odd.exe"))
	if err != nil {
		t.Fatal(err)
	}
	f := smallFile{sectionAlign: 0x1000, fileAlign: 0x200, image: 0x2000, headers: 0x200, sections: []rawSection{{0x1000, 0x1000, 0x201, 0x30e}}}
	r := restored(t, pagesInput(f.mapped(file), f.image))
	if covers(t, file, r); !same(file, r) || !r.AllExact() {
		t.Errorf("not the file: %+v", r.Rows)
	}
}

// TestTailOfProcess has the page with the end of the raw data only from the process. The bytes behind are in the
// result, unless the section can be written to.
func TestTailOfProcess(t *testing.T) {
	for _, writable := range []bool{false, true} {
		f := smallFile{sectionAlign: 0x1000, fileAlign: 0x200, image: 0x2000, headers: 0x200, sections: []rawSection{{0x1000, 0x1000, 0x200, 0x30e}}, size: 0x600}
		file := f.bytes()
		if writable {
			binary.LittleEndian.PutUint32(file[0x58+224+36:], scnWrite)
		}
		in := pagesInput(f.mapped(file), f.image)
		byRVA := in.ByRVA
		in.ByRVA = func(rva uint32) []Page {
			pages := byRVA(rva)
			if rva == 0x1000 {
				pages[0].Kind = Private
			}
			return pages
		}
		r := restored(t, in)
		covers(t, file, r)
		want := int64(0x600)
		if writable {
			want = 0x50e
		}
		if tail := r.Rows[len(r.Rows)-1]; r.Reader.Size() != want || tail.Exact() {
			t.Errorf("writable %v: %#x bytes, want %#x: %+v", writable, r.Reader.Size(), want, tail)
		}
	}
}

// TestKnownSize restores files with a known size: from the kernel, or from the section that maps them.
func TestKnownSize(t *testing.T) {
	overlay := smallFile{sectionAlign: 0x1000, fileAlign: 0x200, image: 0x2000, headers: 0x200, sections: []rawSection{{0x1000, 0x1000, 0x200, 0x400}},
		directories: map[int]directory{dirCert: {0x608, 0x100}}, size: 0x900}
	low := smallFile{sectionAlign: 16, fileAlign: 16, image: 0x2000, headers: 0x140, size: 0x1234}
	for _, tt := range []struct {
		name    string
		file    smallFile
		set     func(*Input)
		proof   string
		missing []string
	}{
		{"by the kernel", overlay, func(in *Input) { in.FileSize = 0x900 }, proofFileSize, []string{noteUnmapped, nameCertificate + noteNamed, nameOverlay + noteNamed}},
		{"by the section", low, func(in *Input) { in.MappedEnd, in.MappedWhole = 0x1234, true }, proofSection, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := tt.file.bytes()
			in := pagesInput(tt.file.mapped(file), tt.file.image)
			tt.set(&in)
			r := restored(t, in)
			covers(t, file, r)
			if r.Reader.Size() != int64(len(file)) || r.SizeCertainty != Exact || r.SizeProof != tt.proof {
				t.Errorf("%#x bytes, %v: %q", r.Reader.Size(), r.SizeCertainty, r.SizeProof)
			}
			if got := notesOf(r); !slices.Equal(got, tt.missing) {
				t.Errorf("missing: %q, want %q", got, tt.missing)
			}
		})
	}
}

// TestUnknownPageCount has no number of pages: claims of the header count up to the last present page.
func TestUnknownPageCount(t *testing.T) {
	corpus.Long(t)
	const pages = 0x5000 // 80 MiB
	f := smallFile{sectionAlign: 0x1000, fileAlign: 0x200, image: 0x2000, headers: 0x200,
		sections: []rawSection{{0x1000, 0x7fffe000, 0x200, 0xfffffe00}}, size: 0x200}
	header := f.bytes()
	page := make([]byte, pageSize)
	copy(page, header)
	for _, last := range []uint32{0x1000, pages * pageSize} {
		in := Input{LoadBase: 0x400000, ByRVA: func(rva uint32) []Page {
			if rva == 0 || rva == 0x1000 || rva == last {
				return []Page{{Kind: Mapped, Src: sparse.Bytes(page), Phys: -1}}
			}
			return nil
		}}
		r := restored(t, in)
		covers(t, nil, r)
		want := int64(0x200)
		if last > maxClaimed {
			want += int64(last)
		}
		if r.Reader.Size() != want || len(r.Notes) == 0 {
			t.Errorf("a page at %#x: %#x bytes, want %#x; %q", last, r.Reader.Size(), want, r.Notes)
		}
	}
}

// TestDebugData has debug data that is not mapped, and a debug directory that is missing.
func TestDebugData(t *testing.T) {
	f := smallFile{sectionAlign: 0x1000, fileAlign: 0x200, image: 0x3000, headers: 0x200,
		sections:    []rawSection{{0x1000, 0x1000, 0x200, 0x400}, {0x2000, 0x1000, 0x600, 0x200}},
		directories: map[int]directory{dirDebug: {0x2010, 2 * debugEntrySize}}, size: 0x900}
	file := f.bytes()
	clear(file[0x610 : 0x610+2*debugEntrySize])
	binary.LittleEndian.PutUint32(file[0x610+16:], 0x80) // SizeOfData
	binary.LittleEndian.PutUint32(file[0x610+24:], 0x880)
	binary.LittleEndian.PutUint32(file[0x610+debugEntrySize+16:], 0x100000)
	binary.LittleEndian.PutUint32(file[0x610+debugEntrySize+20:], 0x1000) // mapped: no data outside of sections
	binary.LittleEndian.PutUint32(file[0x610+debugEntrySize+24:], 0x200)
	pages := f.mapped(file)
	r := restored(t, pagesInput(pages, f.image))
	covers(t, file, r)
	if want := []string{noteUnmapped, nameDebug + noteNamed}; r.Reader.Size() != 0x900 || !slices.Equal(notesOf(r), want) {
		t.Errorf("%#x bytes; missing %q", r.Reader.Size(), notesOf(r))
	}
	delete(pages, 0x2000)
	r = restored(t, pagesInput(pages, f.image))
	if covers(t, file, r); r.Reader.Size() != 0x800 || len(r.Notes) != 1 {
		t.Errorf("%#x bytes; notes %q", r.Reader.Size(), r.Notes)
	}
}

// TestHostileExtents restores from headers with numbers at the edges of all rules.
func TestHostileExtents(t *testing.T) {
	corpus.Long(t)
	numbers := []uint32{0, 1, 16, 0x1ff, 0x200, 0x201, 0xfff, 0x1000, 0x1001, 0x3000, 0x10000, 0x3ffffff, 0x4000001, 0x7fffffff, 0x80000000, 0xfffffe00, 0xfffff000, 0xffffffff}
	rng := rand.New(rand.NewPCG(3, 4))
	any := func() uint32 { return numbers[rng.IntN(len(numbers))] }
	for range 600 {
		f := smallFile{sectionAlign: any(), fileAlign: any(), image: any(), headers: any(), symbols: any(), symbolCount: any(), size: 0x1000,
			directories: map[int]directory{dirCert: {any(), any()}, dirDebug: {any(), any()}}}
		for range rng.IntN(8) {
			f.sections = append(f.sections, rawSection{any(), any(), any(), any()})
		}
		page := f.bytes()
		in := Input{PageCount: 1 + rng.IntN(5), LoadBase: 0x400000, ByRVA: func(rva uint32) []Page {
			if rva > 0x4000 {
				return nil
			}
			return []Page{{Kind: Mapped, Src: sparse.Bytes(page), Phys: -1}}
		}}
		if rng.IntN(40) == 0 {
			in.PageCount = 0
		}
		if rng.IntN(4) == 0 {
			in.MappedEnd = int64(any())
		}
		if rng.IntN(4) == 0 {
			in.ByFileOffset = func(off int64) []Page {
				if off != 0x1000 {
					return nil
				}
				return []Page{{Src: sparse.Bytes(page), Phys: -1}}
			}
		}
		r := restored(t, in)
		covers(t, nil, r)
		// Seven sections, each behind a gap that is believed, of six pages each.
		if size := r.Reader.Size(); in.MappedEnd == 0 && size > 9*(maxClaimed+8*pageSize) {
			t.Fatalf("%#x bytes of %+v", size, f)
		}
	}
}

// TestTailBehindTheLastRVA has a section that reaches beyond 4 GiB: no page of the image is behind that, and above
// all not the first page again.
func TestTailBehindTheLastRVA(t *testing.T) {
	w := newWork(Input{PageCount: 1 << 20, ByRVA: func(rva uint32) []Page {
		if rva > 0 {
			return nil
		}
		return []Page{{Kind: Mapped, Src: sparse.Bytes(bytes.Repeat([]byte{1}, pageSize))}}
	}})
	last := piece{n: 2 * pageSize, rva: 1<<32 - pageSize}
	for _, clean := range []bool{false, true} {
		if n := w.lastIn(last, 0, last.end(), clean); n != 0 {
			t.Errorf("clean %v: a byte at %#x counts", clean, n)
		}
	}
}

// FuzzExtent restores from a page of hostile headers, which is the page at every RVA, too.
func FuzzExtent(f *testing.F) {
	small := smallFile{sectionAlign: 0x1000, fileAlign: 0x200, image: 0x3000, headers: 0x200, sections: []rawSection{{0x1000, 0x1000, 0x201, 0x30e}, {0x2000, 0x10, 0x600, 0x1800}},
		directories: map[int]directory{dirCert: {0x600, 0x328}, dirDebug: {0x1000, 28}}, symbols: 0x900, symbolCount: 7, size: 0x1000}
	f.Add(small.bytes(), uint16(3), int64(0), int64(0))
	f.Add(small.bytes(), uint16(0), int64(0x600), int64(0))
	f.Add(small.bytes(), uint16(2), int64(0x600), int64(0x601))
	small.sectionAlign, small.fileAlign = 16, 16
	f.Add(small.bytes(), uint16(3), int64(0x567), int64(0))
	f.Fuzz(func(t *testing.T, header []byte, pages uint16, mappedEnd, size int64) {
		page := make([]byte, pageSize)
		copy(page, header)
		in := Input{PageCount: int(pages), LoadBase: 0x400000, MappedEnd: mappedEnd & 0xffffffff, MappedWhole: mappedEnd&1 == 0, FileSize: size & 0xffffffff, ByRVA: func(rva uint32) []Page {
			if rva > 0x8000 {
				return nil
			}
			return []Page{{Kind: Mapped, Src: sparse.Bytes(page), Phys: -1}}
		}}
		r, err := Restore(in)
		if err != nil {
			return
		}
		covers(t, nil, r)
		if n, err := Size(in); err != nil || n != r.Reader.Size() {
			t.Errorf("Size = %#x, %v; the file has %#x", n, err, r.Reader.Size())
		}
		if r.SizeProof == proofFileSize && r.Reader.Size() != in.FileSize {
			t.Errorf("%#x bytes of a file of %#x", r.Reader.Size(), in.FileSize)
		}
	})
}

// TestSignedFile restores signed files from all pages that are ever mapped: the certificate table is missing, by its
// name, and the file has its size.
func TestSignedFile(t *testing.T) {
	for _, name := range []string{"signed32", "signed64"} {
		file := programFile(t, name)
		for _, load := range []uint64{0, movedBase(name)} {
			r := restored(t, loadProgram(t, file, false, load).bind(true).input(sources{mapped: all, own: all}))
			check(t, file, r)
			if want := []string{nameCertificate + noteNamed}; !slices.Equal(notesOf(r), want) {
				t.Errorf("%s: missing %q, want %q", name, notesOf(r), want)
			}
			last := r.Rows[len(r.Rows)-1]
			if r.AllExact() || last.Kind != Missing || last.FileOffset != 6144 || r.Summary().Bytes[Missing] != last.Length {
				t.Errorf("%s: %+v", name, r.Rows)
			}
		}
	}
}
