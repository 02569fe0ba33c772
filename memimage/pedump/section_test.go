package pedump

import "testing"

func parsed(t *testing.T, change func(*module)) *Image {
	t.Helper()
	m := plain()
	change(&m)
	im, err := Parse(m.reader(t))
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func TestSectionAt(t *testing.T) {
	im := parsed(t, func(m *module) { m.sections[0].VirtualSize = 0 })
	tests := map[uint32]string{
		0: "", 0xfff: "", 0x1000: ".text", 0x23ff: ".text", 0x2fff: ".text", 0x3000: ".data", 0x3fff: ".data", 0x4fff: ".bss", 0x5000: "", 0xffffffff: "",
	}
	for rva, want := range tests {
		s, ok := im.SectionAt(rva)
		if ok != (want != "") || ok && s.Name() != want {
			t.Errorf("SectionAt(%#x) = %v, %v, want %q", rva, s, ok, want)
		}
	}
}

func TestFileOffsetAndRVA(t *testing.T) {
	aligned := func(m *module) { m.sections[1].PointerToRawData = 0x19ff }
	low := func(m *module) { m.sectionAlign = 0x200 }
	tests := []struct {
		name   string
		change func(*module)
		rva    uint32
		off    int64 // -1: no byte of the file there
	}{
		{"header", aligned, 0x3ff, 0x3ff},
		{"behind the headers", aligned, 0x400, -1},
		{"first section", aligned, 0x1001, 0x401},
		{"raw data behind VirtualSize", aligned, 0x1000 + 0x13ff, 0x400 + 0x13ff},
		{"behind the raw data", aligned, 0x1000 + 0x1400, -1},
		{"raw pointer rounded down to a sector", aligned, 0x3004, 0x1804},
		{"section without data", aligned, 0x4000, -1},
		{"behind the image", aligned, 0x5000, -1},
		{"low alignment maps the file as it is", low, 0x3004, 0x3004},
		{"low alignment ends with the image", low, 0x5000, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			im := parsed(t, tt.change)
			off, ok := im.FileOffset(tt.rva)
			if ok != (tt.off >= 0) || ok && off != tt.off {
				t.Fatalf("FileOffset(%#x) = %#x, %v", tt.rva, off, ok)
			}
			if !ok {
				return
			}
			if rva, ok := im.RVA(off); !ok || rva != tt.rva {
				t.Errorf("RVA(%#x) = %#x, %v", off, rva, ok)
			}
		})
	}
	for _, off := range []int64{-1, 0x1c00, 1 << 40} {
		if rva, ok := parsed(t, aligned).RVA(off); ok {
			t.Errorf("RVA(%#x) = %#x", off, rva)
		}
	}
}
