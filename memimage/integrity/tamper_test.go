package integrity

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"memlens/memimage/restore"
	"memlens/memimage/synth/corpus"
)

// tampering is a change to a program, and the finding that it must give.
type tampering struct {
	name    string
	only    string // programs with this in their name
	do      func(p *program, s *system) int64
	cause   Cause
	target  func(p *program, s *system) uint64 // nil: none
	module  string
	code    VerdictCode
	assumed bool
}

// text returns the RVA of the code.
func (p *program) text() int64 { return int64(p.PE.Section(".text").VirtualAddress) }

func rel32(from, to uint64) []byte {
	return binary.LittleEndian.AppendUint32(nil, uint32(to-from))
}

const hookAt = 0x10 // in the code

// shell is memory of no module, not far from the program.
func shell(p *program, _ *system) uint64 { return p.Load - 0x230000 }

func evil(p *program, s *system) uint64 { return s.address(p.T, "evil.dll", "evil") }

// hook changes code so that it leads to the target, in one of the ways.
func hook(code func(p *program, to uint64, va uint64) []byte, to func(*program, *system) uint64) func(*program, *system) int64 {
	return func(p *program, s *system) int64 {
		rva := p.text() + hookAt
		p.Write(rva, code(p, to(p, s), p.Load+uint64(rva)))
		return rva
	}
}

func jump(_ *program, to, va uint64) []byte { return append([]byte{0xe9}, rel32(va+5, to)...) }

func push(_ *program, to, _ uint64) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte{0x68}, uint32(to)), 0xc3)
}

func pushWide(_ *program, to, _ uint64) []byte {
	b := append(binary.LittleEndian.AppendUint32([]byte{0x68}, uint32(to)), 0xc7, 0x44, 0x24, 0x04)
	return append(binary.LittleEndian.AppendUint32(b, uint32(to>>32)), 0xc3)
}

func register(p *program, to, _ uint64) []byte {
	if p.Plus {
		return append(binary.LittleEndian.AppendUint64([]byte{0x48, 0xb8}, to), 0xff, 0xe0)
	}
	return append(binary.LittleEndian.AppendUint32([]byte{0xb8}, uint32(to)), 0xff, 0xe0)
}

func highRegister(_ *program, to, _ uint64) []byte {
	return append(binary.LittleEndian.AppendUint64([]byte{0x49, 0xbb}, to), 0x41, 0xff, 0xe3)
}

// throughMemory jumps through an address that lies behind the jump.
func throughMemory(p *program, to, va uint64) []byte {
	b := []byte{0xff, 0x25, 0, 0, 0, 0}
	if !p.Plus {
		binary.LittleEndian.PutUint32(b[2:], uint32(va+6))
	}
	return append(b, p.Pointer(to)...)
}

// thunkOf returns the RVA of an import's thunk.
func thunkOf(p *program, fn string) int64 {
	at := int64(-1)
	p.eachThunk(func(rva int64, _, name string) {
		if name == fn {
			at = rva
		}
	})
	if at < 0 {
		p.T.Fatalf("no import %s", fn)
	}
	return at
}

func leadThunk(fn string, to func(*program, *system) uint64) func(*program, *system) int64 {
	return func(p *program, s *system) int64 {
		at := thunkOf(p, fn)
		p.Write(at, p.Pointer(to(p, s)))
		return at
	}
}

func exportTable(p *program) int64 { return p.U32(int64(p.Dirs[0].VirtualAddress) + 28) }

var tamperings = []tampering{
	{name: "jump to no module", do: hook(jump, shell), cause: CodeChanged, target: shell, code: CodeDiffers},
	{name: "jump to a module", only: "32", do: hook(jump, evil), cause: CodeChanged, target: evil, module: "evil.dll", code: CodeDiffers},
	{name: "push and ret", only: "32", do: hook(push, evil), cause: CodeChanged, target: evil, module: "evil.dll", code: CodeDiffers},
	{name: "push and ret, both halves", only: "64", do: hook(pushWide, evil), cause: CodeChanged, target: evil, module: "evil.dll", code: CodeDiffers},
	{name: "mov and jmp", do: hook(register, evil), cause: CodeChanged, target: evil, module: "evil.dll", code: CodeDiffers},
	{name: "mov and jmp by r11", only: "64", do: hook(highRegister, evil), cause: CodeChanged, target: evil, module: "evil.dll", code: CodeDiffers},
	{name: "jmp through memory", do: hook(throughMemory, evil), cause: CodeChanged, target: evil, module: "evil.dll", code: CodeDiffers},
	{name: "breakpoint", do: func(p *program, _ *system) int64 {
		rva := p.text() + 0x22
		p.Write(rva, []byte{p.Read(rva, 1)[0] ^ 0x33})
		return rva
	}, cause: CodeChanged, code: CodeDiffers},
	{name: "short jump to a long one", only: "library32", do: func(p *program, s *system) int64 {
		rva := p.text() + 0x10
		p.Write(rva-0x10, append([]byte{0xe9}, rel32(p.Load+uint64(rva)-0xb, evil(p, s))...))
		p.Write(rva, []byte{0xeb, 0xee})
		return rva
	}, cause: CodeChanged, target: evil, module: "evil.dll", code: CodeDiffers},
	{name: "hot patch", only: "library32", do: hotPatch(evil), cause: HotPatch, target: evil, module: "evil.dll", code: OtherDiffers},
	{name: "hot patch to no module", only: "library32", do: hotPatch(shell), cause: CodeChanged, target: shell, code: CodeDiffers},
	{name: "import to no module", only: "library", do: leadThunk("GetTickCount", shell), cause: ImportChanged, target: shell, code: OtherDiffers},
	{name: "import to a module", only: "library", do: leadThunk("GetTickCount", evil), cause: ImportChanged, target: evil, module: "evil.dll", code: OtherDiffers},
	{name: "import to a function of the same name", only: "library", do: leadThunk("GetTickCount", func(p *program, s *system) uint64 {
		return s.address(p.T, "evil.dll", "GetTickCount")
	}), cause: ImportChanged, target: func(p *program, s *system) uint64 { return s.address(p.T, "evil.dll", "GetTickCount") }, module: "evil.dll", code: OtherDiffers},
	{name: "import by ordinal", only: "library", do: leadThunk("#1", evil), cause: ImportChanged, target: evil, module: "evil.dll", code: OtherDiffers},
	{name: "delay import", only: "delay", do: func(p *program, s *system) int64 {
		at := int64(-1)
		p.eachDelayed(func(rva int64, _, _ string) { at = rva })
		p.Write(at, p.Pointer(evil(p, s)))
		return at
	}, cause: ImportChanged, target: evil, module: "evil.dll", code: OtherDiffers},
	{name: "export", only: "library", do: func(p *program, s *system) int64 {
		at := exportTable(p) + 4
		p.Write(at, binary.LittleEndian.AppendUint32(nil, 0xf0000000))
		return at
	}, cause: ExportChanged, target: func(p *program, _ *system) uint64 {
		if p.Plus {
			return p.Load + 0xf0000000
		}
		return uint64(uint32(p.Load) + 0xf0000000)
	}, code: OtherDiffers},
	{name: "guard pointer", only: "guard", do: func(p *program, s *system) int64 {
		at := int64(p.PE.Section(".00cfg").VirtualAddress)
		p.Write(at, p.Pointer(shell(p, s)))
		return at
	}, cause: GuardChanged, target: shell, code: OtherDiffers},
	{name: "pointer in constants", only: "library", do: func(p *program, s *system) int64 {
		at := int64(p.PE.Section(".rdata").VirtualAddress)
		p.Write(at, p.Pointer(evil(p, s)))
		return at
	}, cause: ConstantChanged, target: evil, module: "evil.dll", code: OtherDiffers},
	{name: "header erased", do: func(p *program, _ *system) int64 {
		p.Write(0, make([]byte, pageSize))
		return 0
	}, cause: HeaderErased, code: OtherDiffers},
	{name: "header changed", do: func(p *program, _ *system) int64 {
		at := p.BaseAt() + 64
		p.Write(at, []byte{0xaa, 0xbb, 0xcc})
		return at
	}, cause: HeaderChanged, code: OtherDiffers},
	{name: "another program's header", do: func(p *program, _ *system) int64 {
		nt := p.U32(60)
		p.Write(nt+8, []byte{1, 2, 3, 4})     // TimeDateStamp
		p.Write(nt+40, []byte{0x77, 0x66, 0}) // AddressOfEntryPoint
		return nt + 8
	}, cause: HeaderChanged, code: NotItsFile},
}

func hotPatch(to func(*program, *system) uint64) func(*program, *system) int64 {
	return func(p *program, s *system) int64 {
		rva := p.text() + 0x10 // of alpha, which begins with mov edi, edi
		p.Write(rva-5, append(append([]byte{0xe9}, rel32(p.Load+uint64(rva), to(p, s))...), 0xeb, 0xf9))
		return rva - 5
	}
}

// TestTamperingsAreFound changes programs as attackers and tools do. Each change must be found at its place, with its
// cause and target, and nothing else.
func TestTamperingsAreFound(t *testing.T) {
	corpus.Long(t)
	for _, x := range tamperings {
		found := false
		for _, path := range samples {
			if !strings.Contains(path, x.only) {
				continue
			}
			for _, boot := range boots {
				for _, sight := range sights[:3] {
					found = true
					t.Run(fmt.Sprintf("%s, %s, %s, %s", x.name, path, boot.name, sight.name), func(t *testing.T) {
						p := loadProgram(t, path, boot.vista, boot.by)
						s := windows(p.Plus)
						for _, d := range s.dlls { // within reach of a relative jump
							if p.Plus && x.only == "32" {
								d.base = p.Load + d.base&0xfffffff
							}
						}
						p.start(s)
						at := x.do(p, s)
						x.check(t, p, s, at, run(t, p.input(s, sight.seen)))
					})
				}
			}
		}
		if !found {
			t.Errorf("%s: no program", x.name)
		}
	}
}

// check compares a result with the change at an RVA.
func (x *tampering) check(t *testing.T, p *program, s *system, at int64, r *Result) {
	if r.Verdict.Code != x.code {
		t.Errorf("the verdict is wrong: %s", list(r))
	}
	hits := 0
	for i := range r.Runs {
		run := &r.Runs[i]
		if run.Cause.Innocent() {
			continue
		}
		target := uint64(0)
		if x.target != nil {
			target = x.target(p, s)
		}
		const same = 2 // bytes of a jump that may be as in the file
		if at >= int64(run.RVA)-same && at < run.End() {
			hits++
			if run.Cause != x.cause || run.Target != target || run.TargetModule != x.module || (run.Certainty == restore.Assumed) != x.assumed {
				t.Errorf("not as it was done: %s at %#x, target %#x: %s", x.cause, at, target, list(r))
			}
		} else if run.Cause != x.cause {
			t.Errorf("more than was done: %s", list(r))
		}
	}
	if hits == 0 {
		t.Errorf("not found: %s at %#x: %s", x.cause, at, list(r))
	}
}

// TestBackings checks the verdict for each kind of memory behind an image.
func TestBackings(t *testing.T) {
	for b, want := range map[Backing]string{
		ItsFile:    "equal to its file in all 8 comparable pages",
		OtherFile:  "not the file that it claims to be: another file is mapped there",
		Replaced:   "not the file that it claims to be: the memory belongs to no file",
		Unbacked:   "no file behind it",
		Deleted:    "not the file that it claims to be: the file was deleted",
		Transacted: "not the file that it claims to be: the file was opened in a transaction, and may never have been on disk so",
		AsData:     "not the file that it claims to be: a file is mapped there as data, not as an image",
	} {
		p := loadProgram(t, "testdata/library64.dll", true, 0x3450000)
		s := windows(true)
		in := p.start(s).input(s, seen{})
		in.Backing = b
		if got := run(t, in).Verdict.String(); got != want {
			t.Errorf("%d: %q, want %q", b, got, want)
		}
	}
}
