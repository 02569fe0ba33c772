package restore

import (
	"bytes"
	"slices"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
)

// dump writes the program as it is in memory in its file's layout.
func (p *program) dump() []byte {
	out := bytes.Clone(p.Raw)
	for _, s := range p.PE.Sections {
		if s.Offset != 0 {
			copy(out[s.Offset:], p.Read(int64(s.VirtualAddress), int(min(s.Size, s.VirtualSize))))
		}
	}
	copy(out, p.Read(0, int(p.PE.Sections[0].Offset)))
	return out
}

func file(b []byte) sparse.Source { return sparse.Bytes(b) }

// causesOf is LoaderCauses of files that can be read.
func causesOf(t testing.TB, original, recovered sparse.Source, base uint64) Causes {
	t.Helper()
	c, err := LoaderCauses(original, recovered, base)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// unexplained returns the offsets that differ without a cause.
func unexplained(a, b []byte, c Causes) (out []int64) {
	explained := map[int64]bool{}
	for _, r := range slices.Concat(c.Relocated, c.Bound, c.Slots) {
		for i := range r.Len {
			explained[r.Off+i] = true
		}
	}
	for i := range a {
		if a[i] != b[i] && !explained[int64(i)] {
			out = append(out, int64(i))
		}
	}
	return out
}

func TestLoaderCauses(t *testing.T) {
	for _, name := range []string{"reloc32", "reloc64", "delay32", "delay64", "data32", "data64", "fixed32", "fixed64", "guard32", "guard64"} {
		for _, vista := range []bool{false, true} {
			original := programFile(t, name)
			p := loadProgram(t, original, vista, movedBase(name)).bind(true).fillSlots()
			if p.Dirs[dirDelay].Size > 0 {
				p.resolveDelayed()
			}
			dump := p.dump()
			c := causesOf(t, file(original), file(dump), p.Load)
			if bytes.Equal(original, dump) {
				t.Fatalf("%s: the loader changed nothing", name)
			}
			if left := unexplained(original, dump, c); len(left) > 0 {
				t.Errorf("%s, vista %v: %d bytes unexplained, the first at %#x", name, vista, len(left), left[0])
			}
			if moved := p.Load != p.Base; moved != (len(c.Relocated) > 0) {
				t.Errorf("%s: moved %v, %d pieces relocated", name, moved, len(c.Relocated))
			}
		}
	}
}

// TestCausesOfAnotherBase compares a file that was restored by a wrong base with the original.
func TestCausesOfAnotherBase(t *testing.T) {
	original := programFile(t, "data32")
	r := restored(t, loadProgram(t, original, true, movedBase("data32")).input(sources{mapped: all}))
	wrong := make([]byte, len(original))
	r.Reader.ReadAt(wrong, 0)
	if r.ImageBase == linkedBase(t, original) || bytes.Equal(original, wrong) {
		t.Fatal("the base is right: the test is void")
	}
	c := causesOf(t, file(original), file(wrong), movedBase("data32"))
	if left := unexplained(original, wrong, c); len(left) > 0 {
		t.Errorf("%d bytes unexplained, the first at %#x", len(left), left[0])
	}
}

func TestTamperedPointerIsNotExcused(t *testing.T) {
	original := programFile(t, "reloc32")
	p := loadProgram(t, original, false, movedBase("reloc32")).bind(true)
	dump := p.dump()
	c := causesOf(t, file(original), file(dump), p.Load)
	slot := c.Relocated[len(c.Relocated)/2]
	dump[slot.Off]++
	c = causesOf(t, file(original), file(dump), p.Load)
	if left := unexplained(original, dump, c); len(left) == 0 || left[0] < slot.Off || left[len(left)-1] >= slot.Off+slot.Len {
		t.Errorf("unexplained %#x, want bytes of the pointer at %#x", left, slot.Off)
	}
}

func TestNoCausesElsewhere(t *testing.T) {
	original, other := programFile(t, "reloc32"), programFile(t, "data32")
	for name, pair := range map[string][2][]byte{
		"another program": {original, other}, "no PE file": {[]byte("text"), other}, "nothing": {nil, nil}, "cut": {original[:0x100], original},
	} {
		if c := causesOf(t, file(pair[0]), file(pair[1]), 0x12340000); len(c.Bound)+len(c.Relocated)+len(c.Slots) > 0 {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// TestCausesBesideHoles removes the first section's first page, which in the file shares a page with the headers.
func TestCausesBesideHoles(t *testing.T) {
	original := programFile(t, "reloc32")
	p := loadProgram(t, original, false, movedBase("reloc32")).bind(true)
	dump := p.dump()
	whole := causesOf(t, file(original), file(dump), p.Load)
	from := int64(p.PE.Sections[0].Offset)
	size := int64(len(dump))
	src := sparse.Bytes(dump)
	r, err := sparse.NewReader(size, sparse.Extent{Off: 0, Len: from, Src: src}, sparse.Extent{Off: from + 0x200, Len: size - from - 0x200, Src: src, SrcOff: from + 0x200})
	if err != nil {
		t.Fatal(err)
	}
	c := causesOf(t, file(original), r, p.Load)
	if len(c.Bound) != len(whole.Bound) || len(c.Relocated) != len(whole.Relocated) {
		t.Errorf("%d and %d pieces, want %d and %d as without the hole", len(c.Relocated), len(c.Bound), len(whole.Relocated), len(whole.Bound))
	}
}

// TestCausesOfFailingFiles has each page of either file fail once: that is an error, and not a difference without a cause.
func TestCausesOfFailingFiles(t *testing.T) {
	original := programFile(t, "delay32")
	p := loadProgram(t, original, false, movedBase("delay32")).bind(true)
	dump := p.dump()
	want := causesOf(t, file(original), file(dump), p.Load)
	for i := range 2 {
		failed := 0
		for at := int64(0); at < int64(len(original)); at += pageSize {
			files, bytesOf := [2]sparse.Source{file(original), file(dump)}, [2][]byte{original, dump}
			disk := &sparsetest.Disk{ReaderAt: bytes.NewReader(bytesOf[i]), Bad: []sparse.Run{{Off: at, Len: pageSize}}}
			disk.Break(true)
			files[i] = sparse.Whole(disk, int64(len(bytesOf[i])))
			c, err := LoaderCauses(files[0], files[1], p.Load)
			switch {
			case sparse.Failed(err):
				failed++
			case err != nil || !slices.Equal(c.Relocated, want.Relocated) || !slices.Equal(c.Bound, want.Bound) || !slices.Equal(c.Slots, want.Slots):
				t.Errorf("file %d fails at %#x: %v, %d relocated, want %d", i, at, err, len(c.Relocated), len(want.Relocated))
			}
		}
		if failed == 0 {
			t.Errorf("no page of file %d was read", i)
		}
	}
}

func FuzzLoaderCauses(f *testing.F) {
	for _, name := range []string{"reloc32", "delay64", "guard32", "guard64"} {
		original := programFile(f, name)
		f.Add(original[:min(len(original), 1<<13)], original[:min(len(original), 1<<13)], uint64(0x12340000))
	}
	f.Fuzz(func(t *testing.T, original, recovered []byte, base uint64) {
		c := causesOf(t, file(original), file(recovered), base)
		for _, r := range slices.Concat(c.Relocated, c.Bound, c.Slots) {
			if r.Off < 0 || r.Len <= 0 {
				t.Fatalf("%+v", r)
			}
		}
	})
}
