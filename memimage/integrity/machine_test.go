package integrity

import (
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"memlens/memimage/pe"
	"memlens/memimage/sparse"
	"memlens/memimage/synth/loaded"
)

// program is an executable in memory as Windows lays it out and changes it.
type program struct{ *loaded.Program }

// loadProgram maps a file at the base that it was linked for, moved by a distance.
func loadProgram(t testing.TB, path string, vista bool, by uint64) *program {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return loadRaw(t, raw, vista, by)
}

// loadRaw is loadProgram for the bytes of a file.
func loadRaw(t testing.TB, raw []byte, vista bool, by uint64) *program {
	t.Helper()
	p := loaded.New(t, raw, vista, 0)
	if by != 0 {
		p = loaded.New(t, raw, vista, p.Base+by)
	}
	return &program{p}
}

func (p *program) string(rva int64) string {
	var out []byte
	for {
		b := p.Read(rva, 1)[0]
		if b == 0 {
			return string(out)
		}
		out, rva = append(out, b), rva+1
	}
}

// eachThunk yields the imports: the RVA of the thunk, the DLL, and the name or #ordinal of the function.
func (p *program) eachThunk(yield func(rva int64, dll, name string)) {
	for d := int64(p.Dirs[1].VirtualAddress); d != 0 && p.U32(d+12) != 0; d += 20 {
		p.eachName(p.U32(d), p.U32(d+16), p.string(p.U32(d+12)), yield)
	}
}

// eachDelayed is eachThunk for imports of DLLs that are loaded late.
func (p *program) eachDelayed(yield func(rva int64, dll, name string)) {
	for d := int64(p.Dirs[13].VirtualAddress); d != 0 && p.U32(d+4) != 0; d += 32 {
		p.eachName(p.U32(d+16), p.U32(d+12), p.string(p.U32(d+4)), yield)
	}
}

func (p *program) eachName(names, thunks int64, dll string, yield func(rva int64, dll, name string)) {
	n := int64(len(p.Pointer(0)))
	for v := p.Thunk(names); v != 0; v = p.Thunk(names) {
		name := "#" + decimal(v&0xffff)
		if v>>(8*n-1) == 0 {
			name = p.string(int64(v) + 2)
		}
		yield(thunks, dll, name)
		names, thunks = names+n, thunks+n
	}
}

// decimal writes a number.
func decimal(v uint64) string { return strconv.FormatUint(v, 10) }

// bind binds all imports to the DLLs of a system.
func (p *program) bind(s *system) *program {
	p.eachThunk(func(rva int64, dll, name string) { p.Write(rva, p.Pointer(s.address(p.T, dll, name))) })
	return p
}

// seen selects the parts of an image in memory.
type seen struct {
	section func(rva int64) bool // nil: all of the section's pages
	own     func(rva int64) bool // nil: all of the process's
	cached  bool
	uncache bool // the file's first page is not cached
	private bool // every page is the process's own
}

var errGone = errors.New("in a page file")

func gone(rva uint32) error {
	return &sparse.HoleError{Off: int64(rva), Len: pageSize, Err: errGone}
}

// input returns the program as a comparison gets it.
func (p *program) input(s *system, v seen) Input {
	in := Input{Pages: int(p.Size / pageSize), LoadBase: p.Load, KernelRelocates: p.Vista}
	in.File = func(rva uint32) (Page, error) {
		page := p.Mapped[int64(rva)]
		if page == nil || v.section != nil && !v.section(int64(rva)) {
			return Page{}, gone(rva)
		}
		return Page{Src: sparse.Bytes(page)}, nil
	}
	in.Memory = func(rva uint32) (Page, error) {
		page := p.Own[int64(rva)]
		if page == nil && v.private {
			page = p.Mapped[int64(rva)]
		}
		switch {
		case page == nil:
			return Page{}, ErrShared
		case v.own != nil && !v.own(int64(rva)):
			return Page{}, gone(rva)
		}
		return Page{Src: sparse.Bytes(page)}, nil
	}
	if v.cached {
		in.Cached = func(off int64) (Page, error) {
			if off < 0 || off >= int64(len(p.Raw)) || off == 0 && v.uncache {
				return Page{}, gone(uint32(off))
			}
			b := make([]byte, pageSize)
			copy(b, p.Raw[off:])
			return Page{Src: sparse.Bytes(b)}, nil
		}
	}
	if s != nil {
		in.Modules = func() *Modules {
			list := append([]Module{{Name: "self", Base: p.Load, Size: uint64(p.Size), Exports: none}}, s.modules()...)
			return NewModules(list, s.partial)
		}
	}
	return in
}

// none are the exports of a program without exports.
func none() (*pe.Exports, bool, error) {
	b := (&dll{}).image()
	clear(b[0x98+96:][:8])
	f, err := pe.OpenImage(sparse.Bytes(b))
	if err != nil {
		return nil, false, err
	}
	e, err := f.Exports()
	return e, true, err
}

// system is the DLLs of an address space.
type system struct {
	dlls    []*dll
	partial bool
}

// dll is a DLL that exports functions.
type dll struct {
	name    string
	base    uint64
	exports []string // "name" or "name=DLL.name"
	own     bool     // its tables are the file's
	missing bool     // its tables cannot be read
	// nameless says that the page with the names of its functions is missing.
	nameless bool
}

// windows are DLLs with all functions that the tests import.
func windows(plus bool) *system {
	base := uint64(0x7c80_0000)
	if plus {
		base = 0x7ffb_1000_0000
	}
	s := &system{dlls: []*dll{
		{"KERNEL32.dll", base, []string{"ExitProcess", "GetTickCount=KERNELBASE.GetTickCount", "GetProcAddress", "GetModuleHandleA", "Sleep"}, true, false, false},
		{"kernelbase.dll", base + 0x100_0000, []string{"GetTickCount=ntdll.#2", "VirtualAlloc"}, true, false, false},
		{"ntdll.dll", base + 0x200_0000, []string{"LdrpValidate", "NtGetTickCount", "RtlExit"}, true, false, false},
		{"ordinal.dll", base + 0x300_0000, []string{"first", "second"}, true, false, false},
		{"late.dll", base + 0x400_0000, []string{"lateOne", "lateTwo"}, true, false, false},
		{"evil.dll", base + 0x500_0000, []string{"GetTickCount", "evil"}, true, false, false},
	}}
	if plus { // a 32-bit process on 64-bit Windows has 32-bit modules of the same names, too, with functions elsewhere
		s.dlls = append(s.dlls, &dll{"KERNEL32.dll", 0x7700_0000, []string{"Sleep", "GetModuleHandleA", "GetProcAddress", "GetTickCount", "ExitProcess"}, true, false, false})
	}
	return s
}

func (s *system) named(t testing.TB, name string) *dll {
	for _, d := range s.dlls {
		if strings.EqualFold(d.name, name) || strings.EqualFold(d.name, name+".dll") {
			return d
		}
	}
	t.Fatalf("no DLL %s", name)
	return nil
}

// address returns where a function is, as the loader finds it.
func (s *system) address(t testing.TB, name, fn string) uint64 {
	d := s.named(t, name)
	for i, e := range d.exports {
		own, to, forwarded := strings.Cut(e, "=")
		if own != fn && fn != "#"+decimal(uint64(i+1)) && !(fn == "#777" && i == 1) {
			continue
		}
		if forwarded {
			module, fn, _ := strings.Cut(to, ".")
			return s.address(t, module, fn)
		}
		return d.base + uint64(codeRVA+16*i)
	}
	t.Fatalf("%s has no %s", name, fn)
	return 0
}

func (s *system) modules() []Module {
	var out []Module
	for _, d := range s.dlls {
		out = append(out, Module{Name: d.name, Base: d.base, Size: 0x10000, Exports: func() (*pe.Exports, bool, error) {
			if d.missing {
				return nil, false, nil
			}
			f, err := pe.OpenImage(d.source())
			if err != nil {
				return nil, false, err
			}
			e, err := f.Exports()
			return e, d.own, err
		}})
	}
	return out
}

// source returns the DLL in memory.
func (d *dll) source() sparse.Source {
	b := sparse.Bytes(d.image())
	if !d.nameless {
		return b
	}
	r, err := sparse.NewReader(b.Size(), sparse.Extent{Len: namesRVA, Src: b})
	if err != nil {
		panic(err)
	}
	return r
}

const (
	codeRVA   = 0x1010
	exportRVA = 0x2000
	namesRVA  = 0x3000
)

// image lays the DLL out: functions at codeRVA, 16 bytes each, and an export directory. Ordinal 777 is the second function.
func (d *dll) image() []byte {
	b := make([]byte, 0x4000)
	put := binary.LittleEndian.PutUint32
	copy(b, "MZ")
	put(b[60:], 0x80)
	copy(b[0x80:], "PE\x00\x00")
	o, directories := b[0x98:], 96
	b[0x80+20], o[0], o[1] = 224, 0x0b, 1
	if d.base>>32 != 0 {
		b[0x80+20], o[1], directories = 240, 2, 112
	}
	put(o[56:], uint32(len(b)))
	put(o[60:], 0x1000)
	put(o[directories-4:], 16)
	put(o[directories:], exportRVA)
	put(o[directories+4:], 0x1800)
	const addresses, names, ordinals, text = exportRVA + 0x100, exportRVA + 0xe00, exportRVA + 0xf00, namesRVA
	const highest = 777
	e := b[exportRVA:]
	put(e[16:], 1)
	put(e[20:], highest)
	put(e[24:], uint32(len(d.exports)))
	put(e[28:], addresses)
	put(e[32:], names)
	put(e[36:], ordinals)
	at := uint32(text)
	ordered := slices.Sorted(slices.Values(d.exports))
	for i, x := range d.exports {
		name, to, forwarded := strings.Cut(x, "=")
		put(b[addresses+4*i:], uint32(codeRVA+16*i))
		place := slices.Index(ordered, x)
		put(b[names+4*place:], at)
		binary.LittleEndian.PutUint16(b[ordinals+2*place:], uint16(i))
		at += uint32(copy(b[at:], name+"\x00"))
		if forwarded {
			put(b[addresses+4*i:], at)
			at += uint32(copy(b[at:], to+"\x00"))
		}
	}
	if len(d.exports) > 1 {
		copy(b[addresses+4*(highest-1):][:4], b[addresses+4:])
	}
	return b
}
