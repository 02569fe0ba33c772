package pedump

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
)

// sameAsVolatility builds both layouts of mem without the pages missing, and compares them with
// the transcription of Volatility.
func sameAsVolatility(t *testing.T, mem []byte, missing ...int64) {
	t.Helper()
	v := volatility{mem: mem, missing: map[int64]bool{}}
	for _, p := range missing {
		v.missing[p] = true
	}
	m := holed(t, mem, missing...)
	im, err := Parse(m)
	wantExe, exeOK := v.exe()
	wantMem, memOK := v.memory()
	if err != nil {
		if exeOK || memOK {
			t.Fatalf("Parse: %v, but Volatility writes files", err)
		}
		return
	}
	for _, l := range []struct {
		name  string
		build func(sparse.Source) (*sparse.Reader, error)
		want  []byte
		ok    bool
	}{{"file", im.FileLayout, wantExe, exeOK}, {"memory", im.MemoryLayout, wantMem, memOK}} {
		r, err := l.build(m)
		if (err == nil) != l.ok {
			t.Fatalf("%s layout: error %v, Volatility succeeds: %v", l.name, err, l.ok)
		}
		if err != nil {
			continue
		}
		if err := sparsetest.Check(r); err != nil {
			t.Errorf("%s layout: %v", l.name, err)
		}
		if !bytes.Equal(content(t, r), l.want) {
			t.Errorf("%s layout: %#x bytes differ from Volatility's %#x", l.name, r.Size(), len(l.want))
		}
	}
}

func TestLayoutsEqualVolatility(t *testing.T) {
	tests := map[string]func(*module){
		"plain":                         func(*module) {},
		"page of a section missing":     func(m *module) { m.missing = []int64{2} },
		"raw pointer not aligned":       func(m *module) { m.sections[1].PointerToRawData = 0x1955 },
		"raw pointer zero over headers": func(m *module) { m.sections[1].PointerToRawData = 0 },
		"raw pointer far away":          func(m *module) { m.sections[1].PointerToRawData = 0x123456 },
		"sections overlap in the file":  func(m *module) { m.sections[1].PointerToRawData = 0x600 },
		"empty section does not extend": func(m *module) { m.sections[2].PointerToRawData = 0x100000 },
		"raw larger than virtual":       func(m *module) { m.sections[1].SizeOfRawData = 0x3000 },
		"sections not ascending":        func(m *module) { m.sections[1].VirtualAddress = 0x800 },
		"file alignment 0":              func(m *module) { m.fileAlgn = 0 },
		"section alignment 0":           func(m *module) { m.sectionAlign = 0 },
		"both 0 and no sections":        func(m *module) { m.fileAlgn, m.sectionAlign, m.sections = 0, 0, nil },
		"section alignment 4 GiB":       func(m *module) { m.sectionAlign = 0xffffffff },
		"section alignment odd":         func(m *module) { m.sectionAlign = 7 },
		"size of image 0":               func(m *module) { m.sizeOfImage = 0 },
		"image 0, sections 0":           func(m *module) { m.sizeOfImage = 0; m.sections = make([]Section, 3) },
		"headers of no size":            func(m *module) { m.sizeOfHeaders = 0 },
		"headers beyond address space":  func(m *module) { m.sizeOfHeaders = 0x9000 },
		"image beyond address space":    func(m *module) { m.sizeOfImage = 0xa000 },
		"section beyond address space": func(m *module) {
			m.sizeOfImage = 0xb000
			m.sections[2].VirtualAddress = 0xa000
			m.sections[2].SizeOfRawData = 0x300
		},
		"table straddles a missing page": func(m *module) { m.lfanew, m.missing = 0xe90, []int64{1} },
		"only Characteristics missing":   func(m *module) { m.lfanew, m.sections, m.missing = 0x1000-0xf8-38, m.sections[:1], []int64{1} },
		"only PointerToRawData missing":  func(m *module) { m.lfanew, m.sections, m.missing = 0x1000-0xf8-22, m.sections[:1], []int64{1} },
		"table over the NT headers":      func(m *module) { m.optionalHeader = 0 },
		"65535 sections":                 func(m *module) { m.numberOfSections = 65535 },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			m := plain()
			change(&m)
			sameAsVolatility(t, m.bytes(), m.missing...)
		})
	}
}

func TestHolesKeepTheirReason(t *testing.T) {
	m := plain()
	m.missing = []int64{2}
	m.sections[1].PointerToRawData = 0x3000
	r := m.reader(t)
	im, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	l, err := im.FileLayout(r)
	if err != nil {
		t.Fatal(err)
	}
	var runs []sparse.Run
	for run := range sparse.Runs(l) {
		runs = append(runs, run)
	}
	want := []struct{ off, n int64 }{{0, 0x1400}, {0x1400, 0x400}, {0x1800, 0x1800}, {0x3000, 0x200}}
	if len(runs) != len(want) {
		t.Fatalf("runs %+v", runs)
	}
	for i, w := range want {
		if runs[i].Off != w.off || runs[i].Len != w.n {
			t.Errorf("run %d is %#x+%#x, want %#x+%#x", i, runs[i].Off, runs[i].Len, w.off, w.n)
		}
	}
	if !errors.Is(runs[1].Err, errPaged) {
		t.Errorf("missing page: %v", runs[1].Err)
	}
	if hole := new(sparse.HoleError); !errors.As(runs[2].Err, &hole) || hole.Err != nil {
		t.Errorf("gap between sections: %v", runs[2].Err)
	}
}

// manySections is an image of 65535 sections. Each is as large as the image.
func manySections(size uint32) module {
	m := plain()
	m.sizeOfImage, m.size, m.sections = size, 0x300000, make([]Section, 65535)
	for i := range m.sections {
		m.sections[i] = Section{VirtualAddress: uint32(i), SizeOfRawData: size, PointerToRawData: uint32(i) << 16}
	}
	return m
}

func TestManyHugeSections(t *testing.T) {
	m := manySections(0xffffffff)
	r := m.reader(t)
	im, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	l, err := im.FileLayout(r)
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(65534)<<16 + 0xffffffff; l.Size() != want {
		t.Errorf("size %#x, want %#x", l.Size(), want)
	}
	if n := len(l.Extents()); n > 2*65536 {
		t.Errorf("%d extents", n)
	}
	if l, err = im.MemoryLayout(r); err != nil || l.Size() != 0xffffffff {
		t.Errorf("memory layout: %v", err)
	}
}

func FuzzLayouts(f *testing.F) {
	f.Add(plain().bytes()[:0x2000], uint8(0))
	for _, name := range []int32{0x40, 0xe90, 0xf00} {
		m := plain()
		m.lfanew = name
		f.Add(m.bytes()[:0x2000], uint8(2))
	}
	f.Fuzz(func(t *testing.T, mem []byte, missing uint8) {
		if len(mem) > 0x4000 || !tame(mem) {
			return
		}
		var pages []int64
		for p := range int64(4) {
			if missing>>p&1 != 0 {
				pages = append(pages, p)
			}
		}
		sameAsVolatility(t, mem, pages...)
	})
}

// tame bounds the sizes in mem's headers and reports whether the files stay small: files of
// gigabytes are right, but slow to compare.
func tame(mem []byte) bool {
	v := volatility{mem: mem}
	if nt, ok := fuzzHeader(v); ok && v.valid(nt+24+64) {
		binary.LittleEndian.PutUint16(mem[nt+6:], uint16(v.u16(nt+6)%16))
		binary.LittleEndian.PutUint16(mem[nt+24+56+2:], 0)
		binary.LittleEndian.PutUint16(mem[nt+24+60+2:], 0)
	}
	im, err := Parse(sparse.Bytes(mem))
	if err != nil {
		return true
	}
	for _, s := range im.Sections {
		if s.PointerToRawData > 1<<18 {
			return false
		}
	}
	return im.NumberOfSections < 16 && im.SizeOfImage < 1<<16 && im.SizeOfHeaders < 1<<16
}

func fuzzHeader(v volatility) (nt int64, ok bool) {
	defer recoverCrash(&ok)
	return v.ntHeader(), true
}

func BenchmarkParseAndLayOut(b *testing.B) {
	r := plain().reader(b)
	b.ReportAllocs()
	for b.Loop() {
		im, err := Parse(r)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := im.FileLayout(r); err != nil {
			b.Fatal(err)
		}
		if _, err := im.MemoryLayout(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkManySections(b *testing.B) {
	r := manySections(0xffffffff).reader(b)
	b.ReportAllocs()
	for b.Loop() {
		im, err := Parse(r)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := im.FileLayout(r); err != nil {
			b.Fatal(err)
		}
	}
}
