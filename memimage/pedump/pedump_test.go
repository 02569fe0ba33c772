package pedump

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"memlens/memimage/sparse"
)

func TestParse(t *testing.T) {
	for _, magic := range []uint16{magicPE32, magicPE32Plus} {
		m := plain()
		m.magic = magic
		im, err := Parse(m.reader(t))
		if err != nil {
			t.Fatal(err)
		}
		want := Image{
			NTOffset: 0x80, Machine: 0x14c, NumberOfSections: 3, TimeDateStamp: 0x12345678, SizeOfOptionalHeader: 0xe0,
			Characteristics: 0x102, Magic: magic, EntryPoint: 0x1010, ImageBase: 0x400000, SectionAlignment: 0x1000,
			FileAlignment: 0x200, SizeOfImage: 0x5000, SizeOfHeaders: 0x400, CheckSum: 0xabcdef, Subsystem: 3,
			DllCharacteristics: 0x8140, Sections: m.sections, table: 0x178,
		}
		got := *im
		got.Directories, got.index = nil, sparse.Index{}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("magic %#x:\n got %+v\nwant %+v", magic, got, want)
		}
		if magic == magicPE32 && (len(im.Directories) != 16 || im.Directories[1] != Directory{0x2000, 0x50}) {
			t.Errorf("directories %+v", im.Directories)
		}
		if im.PE32Plus() != (magic == magicPE32Plus) {
			t.Errorf("PE32Plus() = %v", im.PE32Plus())
		}
	}
}

func TestParseChecksNoMoreThanVolatility(t *testing.T) {
	tests := map[string]func(*module){
		"magic unknown":               func(m *module) { m.magic = 0x107 },
		"no sections":                 func(m *module) { m.sections = nil },
		"size of image zero":          func(m *module) { m.sizeOfImage, m.sections = 0, nil },
		"alignment not a power of 2":  func(m *module) { m.fileAlgn = 3 },
		"NT headers over DOS header":  func(m *module) { m.lfanew = 0x40 },
		"optional header of no bytes": func(m *module) { m.optionalHeader = 0; m.sections = nil },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			m := plain()
			change(&m)
			if _, err := Parse(m.reader(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestParseHeaderErrors(t *testing.T) {
	tests := []struct {
		name   string
		change func(*module)
		want   string
	}{
		{"header page missing", func(m *module) { m.missing = []int64{0} },
			"no usable PE header: the header page is not in memory (RVA 0x0): in page file 0"},
		{"no MZ", func(m *module) { m.dos = 0x4141 }, "no usable PE header: no MZ signature at the image base: found 0x4141"},
		{"no PE", func(m *module) { m.signature = 0x454e }, "no usable PE header: e_lfanew leads to RVA 0x80, where there is no PE signature: found 0x0000454e"},
		{"e_lfanew beyond the address space", func(m *module) { m.lfanew = 0x7fffffff },
			"no usable PE header: e_lfanew leads to RVA 0x7fffffff, which is not in memory (RVA 0x7fffffff): EOF"},
		{"e_lfanew before the image", func(m *module) { m.lfanew = -0x40 }, "no usable PE header: e_lfanew leads to RVA -0x40, which lies before the image"},
		{"e_lfanew into a missing page", func(m *module) { m.lfanew, m.missing = 0x2100, []int64{2} },
			"no usable PE header: e_lfanew leads to RVA 0x2100, which is not in memory (RVA 0x2100): in page file 0"},
		{"NT headers cut by a missing page", func(m *module) { m.lfanew, m.missing = 0xff0, []int64{1} },
			"no usable PE header: the optional header is not all in memory (RVA 0x1000): in page file 0"},
		{"address space ends in the DOS header", func(m *module) { m.size = 0x400; m.lfanew = 0x3f0 },
			"no usable PE header: e_lfanew leads to RVA 0x3f0, where there is no PE signature: found 0x00000000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := plain()
			tt.change(&m)
			_, err := Parse(m.reader(t))
			var header *HeaderError
			if !errors.As(err, &header) || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Size() int64                       { return 1 << 20 }
func (f failing) Probe(off int64) (int64, error)    { return f.Size() - off, nil }
func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

func TestParseFailingModuleIsNoHeaderError(t *testing.T) {
	shrunk := errors.New("the file shrank")
	_, err := Parse(failing{shrunk})
	if header := new(HeaderError); !errors.Is(err, shrunk) || errors.As(err, &header) {
		t.Errorf("got %v", err)
	}
	if _, err := Parse(failing{io.ErrUnexpectedEOF}); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.HasPrefix(err.Error(), "pedump: ") {
		t.Errorf("got %v", err)
	}
}

func TestSectionTable(t *testing.T) {
	tests := []struct {
		name   string
		change func(*module)
		kept   int
		want   string // "" for no error
	}{
		{"whole", func(*module) {}, 3, ""},
		{"virtual address at the end of the image", func(m *module) { m.sections[2].VirtualAddress = m.sizeOfImage }, 3, ""},
		{"virtual address beyond it", func(m *module) { m.sections[1].VirtualAddress = m.sizeOfImage + 1 }, 1,
			`section 1 (".data"): VirtualAddress 0x5001 is past the end of the image (SizeOfImage 0x5000); Volatility stops there`},
		{"virtual size", func(m *module) { m.sections[2].VirtualSize = 0x40000000 }, 2,
			`section 2 (".bss"): VirtualSize 0x40000000 is larger than the image (SizeOfImage 0x5000); Volatility stops there`},
		{"raw size", func(m *module) { m.sections[0].SizeOfRawData = 0xfffff000 }, 0,
			`section 0 (".text"): SizeOfRawData 0xfffff000 is larger than the image (SizeOfImage 0x5000); Volatility stops there`},
		{"table behind a missing page", func(m *module) { m.optionalHeader, m.missing = 0x1000, []int64{1} }, 0,
			`section 0: its header at RVA 0x1098, one of 3, is not in memory: in page file 0; Volatility stops there`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := plain()
			tt.change(&m)
			im, err := Parse(m.reader(t))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := im.SectionsError(); err != nil {
				got = err.Error()
			}
			if len(im.Sections) != tt.kept || got != tt.want {
				t.Errorf("%d sections, error %q; want %d and %q", len(im.Sections), got, tt.kept, tt.want)
			}
			if _, err := im.FileLayout(m.reader(t)); (err != nil) != (tt.want != "") {
				t.Errorf("file layout: %v", err)
			}
			if _, err := im.MemoryLayout(m.reader(t)); (err != nil) != (tt.want != "") {
				t.Errorf("memory layout: %v", err)
			}
		})
	}
}
