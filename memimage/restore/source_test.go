package restore

import (
	"bytes"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
)

// TestRestoredFileIsASource checks restored files with the contract of a source, and their rows with the bytes that
// are read. Pages come from everywhere, some are missing, and some have their last half in a hole of the image.
func TestRestoredFileIsASource(t *testing.T) {
	some := func(mod, rest int64) func(int64) bool {
		return func(page int64) bool { return page/pageSize%mod != rest }
	}
	for _, name := range programs {
		file := programFile(t, name)
		p := loadProgram(t, file, true, movedBase(name)).bind(true)
		for what, s := range map[string]sources{
			"all":        {mapped: all, own: all},
			"some":       {mapped: some(3, 2), own: some(4, 3)},
			"file, some": {mapped: some(2, 1), file: some(3, 0)},
			"own":        {own: some(5, 4), processOnly: true},
		} {
			in := p.input(s)
			halved := in
			halved.ByRVA = func(rva uint32) []Page { return halve(t, in.ByRVA(rva), rva) }
			for kind, in := range map[string]Input{"whole": in, "halved": halved} {
				r, err := Restore(in)
				if err != nil {
					continue
				}
				if err := sparsetest.Check(r.Reader); err != nil {
					t.Errorf("%s, %s, %s pages: %v", name, what, kind, err)
				}
				rowsAgree(t, r)
			}
		}
	}
}

// halve cuts off the last half of some candidates: it lies in a hole.
func halve(t *testing.T, pages []Page, rva uint32) []Page {
	t.Helper()
	for i := range pages {
		if pages[i].Src == nil || rva == 0 || rva>>12%3 != 1 {
			continue
		}
		b := make([]byte, pageSize)
		if _, err := pages[i].Src.ReadAt(b, pages[i].Off); err != nil {
			t.Fatal(err)
		}
		r, err := sparse.NewReader(pageSize, sparse.Extent{Len: pageSize / 2, Src: sparse.Bytes(bytes.Clone(b))})
		if err != nil {
			t.Fatal(err)
		}
		pages[i].Src, pages[i].Off = r, 0
	}
	return pages
}

// rowsAgree checks that missing rows are holes, and all other rows can be read.
func rowsAgree(t *testing.T, r *Result) {
	t.Helper()
	for _, row := range r.Rows {
		off, err := sparse.FirstHole(r.Reader, row.FileOffset, row.Length)
		if row.Kind != Missing && err != nil {
			t.Errorf("row %+v is not missing, and has a hole at %#x: %v", row, off, err)
		}
		if n, err := r.Reader.Probe(row.FileOffset); row.Kind == Missing && (n < row.Length || !sparse.IsHole(err)) {
			t.Errorf("row %+v is missing, and Probe says %#x bytes, %v", row, n, err)
		}
	}
}

// TestCompleteNeedsTheSize has every byte exact, with the file's size known and not: without it, there may be more
// bytes behind the last one, and the file is not called complete.
func TestCompleteNeedsTheSize(t *testing.T) {
	file := programFile(t, "reloc32")
	p := loadProgram(t, file, false, 0)
	for _, known := range []bool{false, true} {
		in := p.input(sources{file: all, mapped: all, fileSize: known})
		r := restored(t, in)
		if !r.AllExact() || r.Complete() != known || (r.SizeCertainty == Exact) != known {
			t.Errorf("size known %v: all exact %v, complete %v, size %v", known, r.AllExact(), r.Complete(), r.SizeCertainty)
		}
	}
}
