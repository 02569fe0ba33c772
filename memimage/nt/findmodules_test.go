package nt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// Addresses at which the tests put memory beside a process's program.
const (
	dllVA    = 0x10000000
	hiddenVA = 0x18000000
	byHandVA = 0x20000000
	jitVA    = 0x28000000
)

// library is a DLL for a profile.
func library(p *profile.Profile, name string) *synth.Executable {
	return synth.NewProgram(synth.Program{Name: name, Bits: int(p.Arch().PointerSize()) * 8, DLL: true})
}

// erase returns a change that makes bytes of an image zeros.
func erase(from, to int) func([]byte) { return func(b []byte) { clear(b[from:to]) } }

// machineCode is n bytes that do not look like a program.
func machineCode(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// Offsets in the headers that synth writes.
const (
	synthNT       = 0x80
	synthSections = synthNT + 24
)

// sectionsAt is where the section table of an image of synth begins.
func sectionsAt(p *profile.Profile) int {
	if p.Arch() == profile.X86 {
		return synthSections + 0xe0
	}
	return synthSections + 0xf0
}

// placement is a way to put an executable into the memory of a process.
type placement struct {
	name string
	put  func(s *synth.System, p *synth.Process)
	want string // the findings beside the program: address, kind, header, layout
	main string // kind of the program; empty: loaded
	lack string // part of the evidence
}

// byHand puts a DLL into private memory.
func byHand(m synth.Module) func(s *synth.System, p *synth.Process) {
	return func(s *synth.System, p *synth.Process) {
		m := m
		m.Image, m.Path, m.Base, m.Unlinked, m.Private = library(s.Profile, "evil.dll"), `C:\evil.dll`, byHandVA, true, true
		p.Modules = append(p.Modules, m)
	}
}

const rwx = synth.ExecuteReadWrite

func placements() []placement {
	return []placement{
		{name: "nothing else", put: func(*synth.System, *synth.Process) {}},
		{name: "a DLL", put: func(s *synth.System, p *synth.Process) {
			p.Modules = []synth.Module{{Image: library(s.Profile, "a.dll"), Path: `C:\a.dll`, Base: dllVA}}
		}, want: "10000000 loaded intact memory"},
		{name: "an unlinked DLL", put: func(s *synth.System, p *synth.Process) {
			p.Modules = []synth.Module{{Image: library(s.Profile, "a.dll"), Path: `C:\a.dll`, Base: dllVA}, {Image: library(s.Profile, "b.dll"), Path: `C:\b.dll`, Base: hiddenVA, Unlinked: true}}
		}, want: "10000000 loaded intact memory, 18000000 unlinked intact memory", lack: "no list of modules has it"},
		{name: "absent from load order", put: absent(true, false, false), want: "10000000 unlinked intact memory", lack: "in part: InLoadOrder"},
		{name: "absent from two", put: absent(true, true, false), want: "10000000 unlinked intact memory", lack: "InLoadOrder, InMemoryOrder"},
		{name: "not yet initialized", put: absent(false, false, true), want: "10000000 loaded intact memory"},
		{name: "a DLL without its header", put: func(s *synth.System, p *synth.Process) {
			p.Modules = []synth.Module{{Image: library(s.Profile, "a.dll"), Path: `C:\a.dll`, Base: dllVA, Mangle: erase(0, 0x400)}}
		}, want: "10000000 loaded erased memory"},
		{name: "a DLL whose header is not in memory", put: func(s *synth.System, p *synth.Process) {
			p.Modules = []synth.Module{{Image: library(s.Profile, "a.dll"), Path: `C:\a.dll`, Base: dllVA, Pages: func(page int) synth.State {
				if page == 0 {
					return synth.VadDisk
				}
				return synth.Valid
			}}}
		}, want: "10000000 loaded not in memory memory"},
		{name: "injected", put: byHand(synth.Module{Protect: rwx}), want: "20000000 injected intact memory", lack: "private memory (PAGE_EXECUTE_READWRITE)"},
		{name: "without MZ", put: byHand(synth.Module{Protect: rwx, Mangle: erase(0, 2)}), want: "20000000 header erased MZ erased memory"},
		{name: "without a DOS header", put: byHand(synth.Module{Protect: rwx, Mangle: erase(0, synthNT)}), want: "20000000 header erased MZ erased memory"},
		{name: "without PE", put: byHand(synth.Module{Protect: rwx, Mangle: erase(synthNT, synthNT+4)}), want: "20000000 header erased PE erased memory"},
		{name: "without both", put: byHand(synth.Module{Protect: rwx, Mangle: func(b []byte) {
			clear(b[:2])
			clear(b[synthNT : synthNT+4])
		}}), want: "20000000 header erased MZ and PE erased memory"},
		{name: "without all up to the file header", put: byHand(synth.Module{Protect: rwx, Mangle: erase(0, synthNT+4)}), want: "20000000 header erased MZ and PE erased memory"},
		{name: "with a section table alone", put: func(s *synth.System, p *synth.Process) {
			byHand(synth.Module{Protect: rwx, Mangle: erase(0, sectionsAt(s.Profile))})(s, p)
		}, want: "20000000 header erased MZ and PE erased memory", lack: "sections in order"},
		{name: "without a header", put: byHand(synth.Module{Protect: rwx, Mangle: erase(0, 0x1000)}), want: "20000000 header erased erased memory", lack: "a relocation table"},
		{name: "without a header or relocations", put: byHand(synth.Module{Protect: rwx, Mangle: func(b []byte) {
			clear(b[:0x1000])
			clear(b[len(b)-0x1000:])
		}}), want: "20000000 header erased erased memory", lack: "import descriptors"},
		{name: "with another file in it", put: func(s *synth.System, p *synth.Process) {
			inner := library(s.Profile, "inner.dll").File
			byHand(synth.Module{Protect: rwx, Mangle: func(b []byte) { copy(b[0x2000:], inner) }})(s, p)
			p.Modules[0].Image = synth.NewProgram(synth.Program{Name: "outer.dll", Bits: int(s.Profile.Arch().PointerSize()) * 8, DLL: true, Code: 0x10000})
		}, want: "20000000 injected intact memory"},
		{name: "behind one that claims all", put: func(s *synth.System, p *synth.Process) {
			byHand(synth.Module{Protect: rwx})(s, p)
			fake := machineCode(pageSize)
			copy(fake, library(s.Profile, "fake.dll").File[:0x400])
			binary.LittleEndian.PutUint32(fake[synthNT+24+56:], 0x40000000) // SizeOfImage
			p.Regions = append(p.Regions, synth.Region{VA: byHandVA - 0x1000, Data: fake, Protect: rwx})
		}, want: "1ffff000 injected intact memory, 20000000 injected intact memory"},
		{name: "not to be executed", put: byHand(synth.Module{Protect: synth.ReadWrite})},
		{name: "hollowed", put: func(s *synth.System, p *synth.Process) {
			absent(false, false, false)(s, p)
			p.Private, p.Protect, p.Hollow = true, rwx, program(s.Profile, "other.exe")
		}, want: "10000000 loaded intact memory", main: "hollowed", lack: "private memory (PAGE_EXECUTE_READWRITE) lies there"},
		{name: "hollowed, header erased", put: func(s *synth.System, p *synth.Process) {
			absent(false, false, false)(s, p)
			p.Private, p.Protect, p.Hollow, p.Mangle = true, rwx, program(s.Profile, "other.exe"), erase(0, synthNT+4)
		}, want: "10000000 loaded intact memory", main: "hollowed"},
		{name: "unmapped", put: func(s *synth.System, p *synth.Process) {
			absent(false, false, false)(s, p)
			p.Unmapped = true
		}, want: "10000000 loaded intact memory", main: "hollowed", lack: "nothing is mapped there"},
		{name: "descriptors that know of no image", put: func(s *synth.System, p *synth.Process) { p.Unmapped = true }},
		{name: "mapped as data", put: func(s *synth.System, p *synth.Process) {
			p.Modules = []synth.Module{{Image: library(s.Profile, "data.dll"), Path: `C:\data.dll`, Base: hiddenVA, AsData: true}}
		}, want: "18000000 mapped as data intact file"},
		{name: "code without a program", put: region(synth.Region{Data: machineCode(0x3000), Protect: rwx})},
		{name: "a file in memory that is executed", put: file(0), want: "28000000 injected intact file"},
		{name: "a file behind a page of code", put: file(pageSize), want: "28001000 injected intact file"},
		{name: "a header and no more", put: func(s *synth.System, p *synth.Process) {
			region(synth.Region{Data: library(s.Profile, "a.dll").File[:0x400], Protect: rwx})(s, p)
		}},
		{name: "much that is reserved", put: region(synth.Region{Data: machineCode(0x1000), Size: 1 << 28, Protect: rwx})},
	}
}

func absent(load, memory, init bool) func(*synth.System, *synth.Process) {
	return func(s *synth.System, p *synth.Process) {
		p.Modules = []synth.Module{{Image: library(s.Profile, "a.dll"), Path: `C:\a.dll`, Base: dllVA, Absent: [3]bool{load, memory, init}}}
	}
}

func region(r synth.Region) func(*synth.System, *synth.Process) {
	return func(s *synth.System, p *synth.Process) {
		r := r
		r.VA = jitVA
		p.Regions = append(p.Regions, r)
	}
}

// file puts a file, as it is on disk, behind n bytes of code.
func file(n int) func(*synth.System, *synth.Process) {
	return func(s *synth.System, p *synth.Process) {
		region(synth.Region{Data: append(machineCode(n), library(s.Profile, "a.dll").File...), Protect: rwx})(s, p)
	}
}

// host is a system with one process, and the memory that put adds beside its program.
func host(t testing.TB, name string, put func(*synth.System, *synth.Process)) *lab {
	t.Helper()
	s := row(t, name, 0)
	exe := program(s.Profile, "own.exe")
	p := synth.Process{PID: 8, Name: "own.exe", Image: exe}
	put(&s, &p)
	s.Processes = []synth.Process{p}
	return newLab(t, s)
}

// only returns the one process that is not System.
func only(t testing.TB, k *Kernel) *Process {
	t.Helper()
	for p, err := range k.Processes() {
		if err == nil && p.PID == 8 {
			return p
		}
	}
	t.Fatal("the process is not found")
	return nil
}

// foundOf writes the findings: the program's kind, and the others.
func foundOf(found []FoundModule) (program string, others []string, evidence string) {
	for _, m := range found {
		if evidence += m.Evidence + "\n"; m.Main {
			program = m.Kind.String()
			continue
		}
		others = append(others, fmt.Sprintf("%x %s %s %s", uint64(m.Base), m.Kind, m.Header, m.Layout))
	}
	return program, others, evidence
}

func TestFindModules(t *testing.T) {
	for _, name := range kinds {
		for _, c := range placements() {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				l := host(t, name, c.put)
				found, errs := only(t, l.whole).FindModules()
				program, others, evidence := foundOf(found)
				if want := max(c.main, "loaded"); c.main == "" && program != want || c.main != "" && program != c.main {
					t.Errorf("the program is %q: %s", program, evidence)
				}
				if got := strings.Join(others, ", "); got != c.want || len(errs) > 0 {
					t.Errorf("%s, want %s, %v", got, c.want, errs)
				}
				if !strings.Contains(evidence, c.lack) {
					t.Errorf("evidence %q, want %q", evidence, c.lack)
				}
			})
		}
	}
}

// TestHotPatches has an entry in the loader's lists with the address of the image that patches a module, or a wrong
// address.
func TestHotPatches(t *testing.T) {
	const patchVA = dllVA + 0x1000000
	p := named(t, "Win11x64_22000.318")
	dll, patch := library(p, "patched.dll"), library(p, "patch.dll")
	l := newLab(t, synth.System{Profile: p, RAM: 32 << 20, Processes: []synth.Process{{
		PID: 8, Name: "host.exe", Image: program(p, "host.exe"),
		Modules: []synth.Module{{Image: dll, Path: `C:\Windows\patched.dll`, Base: dllVA}, {Image: patch, Path: `C:\Windows\patch.dll`, Base: patchVA}},
		Regions: []synth.Region{{VA: jitVA, Data: machineCode(0x1000), Protect: synth.ReadWrite}},
	}}})
	for value, want := range map[uint64]paging.Virt{0: 0, patchVA: patchVA, patchVA + 0x1000: 0, jitVA: 0, 0xfffff80000000000: 0} {
		process := only(t, l.whole)
		env, err := process.Environment(process.Space())
		if err != nil {
			t.Fatal(err)
		}
		l.damage = nil
		for _, e := range env.Loader(l.whole).Entries {
			if e.Base != dllVA {
				continue
			}
			page, err := process.Tables().Translate(e.VA)
			if err != nil {
				t.Fatal(err)
			}
			l.writePhys(page.Off+int64(e.VA-page.VA)+int64(l.offset("_LDR_DATA_TABLE_ENTRY.ActivePatchImageBase")), binary.LittleEndian.AppendUint64(nil, value))
		}
		if len(l.damage) != 1 {
			t.Fatalf("%d entries", len(l.damage))
		}
		found, errs := only(t, l.kernel()).FindModules()
		for _, m := range found {
			if m.Base == dllVA && m.Patch != want || m.Base != dllVA && m.Patch != 0 {
				t.Errorf("%#x: the image at %#x is patched by %#x", value, uint64(m.Base), uint64(m.Patch))
			}
		}
		if len(found) != 3 || len(errs) > 0 {
			t.Errorf("%d modules, %v", len(found), errs)
		}
	}
}

// TestChangedProtection has memory that was allocated for writing and then made executable: only page tables show that.
func TestChangedProtection(t *testing.T) {
	for _, name := range []string{"WinXPSP3x86", "Win7SP1x86_24000", "Win7SP1x64", "Win10x64_19041"} {
		for _, c := range []struct {
			what    string
			changed bool
			forbids bool
			want    string
		}{
			{"changed", true, true, "20000000 injected intact memory"},
			{"not changed", false, true, ""},
			{"tables do not tell", true, false, ""},
		} {
			l := host(t, name, func(s *synth.System, p *synth.Process) {
				if s.NoExecute = c.forbids; s.Profile.Arch() == profile.X86 {
					s.Paging = synth.PAE
				}
				byHand(synth.Module{Changed: c.changed})(s, p)
			})
			p := only(t, l.whole)
			found, errs := p.FindModules()
			_, others, _ := foundOf(found)
			if got := strings.Join(others, ", "); got != c.want || len(errs) > 0 {
				t.Errorf("%s, %s: %s, want %s, %v", name, c.what, got, c.want, errs)
			}
			regions, _ := p.Regions()
			for _, r := range regions {
				if (r.Executed > 0) != (c.want != "" && r.Start == byHandVA) {
					t.Errorf("%s, %s: %d pages of %#x can be executed", name, c.what, r.Executed, uint64(r.Start))
				}
			}
		}
	}
}

// TestModulesOf32Bit has a 32-bit process on 64-bit Windows: each loader knows its own modules.
func TestModulesOf32Bit(t *testing.T) {
	for _, name := range []string{"Win7SP1x64", "Win10x64_19041"} {
		s := row(t, name, 0)
		narrow := func(name string) *synth.Executable {
			return synth.NewProgram(synth.Program{Name: name, Bits: 32, DLL: strings.HasSuffix(name, ".dll")})
		}
		s.Processes = []synth.Process{{PID: 8, Name: "wow.exe", Image: narrow("wow.exe"), Wow64: true, Modules: []synth.Module{
			{Image: library(s.Profile, "wide.dll"), Path: `C:\wide.dll`, Base: dllVA},
			{Image: narrow("narrow.dll"), Path: `C:\narrow.dll`, Base: hiddenVA},
			{Image: narrow("unlinked.dll"), Path: `C:\unlinked.dll`, Base: jitVA, Unlinked: true},
			{Image: narrow("evil.dll"), Path: `C:\evil.dll`, Base: byHandVA, Unlinked: true, Private: true, Protect: rwx},
		}}}
		found, errs := only(t, newLab(t, s).whole).FindModules()
		got := ""
		for _, m := range found {
			got += fmt.Sprintf("%x %s %d %v %v, ", uint64(m.Base), m.Kind, m.Bits, m.Entry != nil, m.Entry32 != nil)
		}
		want := "400000 loaded 32 true true, 10000000 loaded 64 true false, 18000000 loaded 32 false true, " +
			"20000000 injected 32 false false, 28000000 unlinked 32 false false, "
		if got != want || len(errs) > 0 {
			t.Errorf("%s: %s, want %s, %v", name, got, want, errs)
		}
	}
}

// TestNoLists removes the loader's lists: then nothing is called unlinked.
func TestNoLists(t *testing.T) {
	for _, name := range kinds {
		l := host(t, name, func(s *synth.System, p *synth.Process) {
			p.PEB = synth.PageFile
			p.Modules = []synth.Module{{Image: library(s.Profile, "a.dll"), Path: `C:\a.dll`, Base: dllVA}}
		})
		found, errs := only(t, l.whole).FindModules()
		program, others, _ := foundOf(found)
		if program != "mapped" || len(others) != 1 || others[0] != "10000000 mapped intact memory" || len(errs) == 0 {
			t.Errorf("%s: %s, %v, %v", name, program, others, errs)
		}
	}
}

// TestDamagedLists damages both lists that an unlinked module should be in: then it is not called unlinked.
func TestDamagedLists(t *testing.T) {
	for _, name := range kinds {
		for heads, want := range map[string]ModuleKind{"one": KindUnlinked, "both": KindMapped} {
			l := host(t, name, func(s *synth.System, p *synth.Process) {
				p.Modules = []synth.Module{{Image: library(s.Profile, "a.dll"), Path: `C:\a.dll`, Base: dllVA, Unlinked: true}}
			})
			p := only(t, l.whole)
			env, err := p.Environment(p.Tables())
			if err != nil {
				t.Fatal(err)
			}
			for i, head := range []profile.Offset{l.whole.layout.Ldr.InLoadOrder, l.whole.layout.Ldr.InMemoryOrder} {
				va := env.ldr + paging.Virt(head)
				page, err := p.Tables().Translate(va)
				if err != nil {
					t.Fatal(err)
				}
				if i == 0 || heads == "both" {
					l.writePhys(page.Off+int64(va-page.VA), []byte{0x10, 0, 0, 0})
				}
			}
			found, errs := only(t, l.kernel()).FindModules()
			if len(found) != 2 || len(errs) == 0 {
				t.Errorf("%s, %s damaged: %+v, %v", name, heads, found, errs)
			}
			for _, m := range found {
				if m.Base == dllVA && m.Kind != want {
					t.Errorf("%s, %s damaged: %s: %s", name, heads, m.Kind, m.Evidence)
				}
			}
		}
	}
}

// TestDamagedDescriptors damages the descriptors of the mappings: that makes no module hollowed.
func TestDamagedDescriptors(t *testing.T) {
	for _, name := range kinds {
		for what, damage := range map[string]func(*synth.System, *synth.Process){
			"wild":   func(s *synth.System, p *synth.Process) { s.Hostile.WildVADs = true },
			"a loop": func(s *synth.System, p *synth.Process) { p.VADLoop = true },
			"no descriptor of the program, and a loop": func(s *synth.System, p *synth.Process) { p.Orphan, p.VADLoop = true, true },
		} {
			l := host(t, name, func(s *synth.System, p *synth.Process) {
				absent(false, false, false)(s, p)
				damage(s, p)
			})
			found, errs := only(t, l.whole).FindModules()
			if len(found) != 2 || found[0].Kind != KindLoaded || found[1].Kind != KindLoaded || len(errs) == 0 {
				t.Errorf("%s, %s: %+v, %v", name, what, found, errs)
			}
		}
	}
}

// TestHostileModules has headers and tables with huge claims everywhere: the search must end soon.
func TestHostileModules(t *testing.T) {
	corpus.Long(t)
	chain := make([]byte, 4<<20) // each page is the head of a chain of relocations that leads on to the end
	for at := 0; at+0x1000 <= len(chain); at += 0x1000 {
		binary.LittleEndian.PutUint32(chain[at:], uint32(at/0x1000+1)*0x1000)
		binary.LittleEndian.PutUint32(chain[at+4:], 0x1000)
		for off := 8; off < 0x1000; off += 4 {
			chain[at+off+1], chain[at+off+3] = 0x30, 0x50
		}
	}
	names := bytes.Repeat([]byte("a.dll\x00\x00\x00\x18\x00\x00\x00\x18\x00\x00\x00"), 1<<18)
	head := library(named(t, "Win7SP1x64"), "a.dll").File[:0x1000]
	heads := bytes.Repeat(head, 1<<10)
	for what, data := range map[string][]byte{"chains": chain, "names": names, "headers": heads} {
		l := host(t, "Win7SP1x64", func(s *synth.System, p *synth.Process) {
			s.RAM = 64 << 20
			region(synth.Region{Data: data, Size: 1 << 40, Protect: rwx})(s, p)
		})
		start := time.Now()
		found, errs := only(t, l.whole).FindModules()
		if spent := time.Since(start); spent > 10*time.Second {
			t.Errorf("%s: it took %v", what, spent)
		}
		t.Logf("%s: %d modules, %v, %v", what, len(found), errs, time.Since(start))
	}
}

// FuzzPEHeader takes any bytes for a page with headers.
func FuzzPEHeader(f *testing.F) {
	for _, name := range []string{"WinXPSP2x86", "Win7SP1x64"} {
		p := named(f, name)
		page := library(p, "a.dll").File[:0x1000]
		f.Add(page)
		for _, n := range []int{2, synthNT + 4, sectionsAt(p)} {
			f.Add(append(make([]byte, n), page[n:]...))
		}
	}
	f.Fuzz(func(t *testing.T, page []byte) {
		h, ok := findPEHeader(page)
		if !ok {
			return
		}
		if h.size <= 0 || h.size > maxPEImage || len(h.sections) == 0 || len(h.sections) > maxPESections || len(h.dirs) > maxDirectories {
			t.Fatalf("%+v", h)
		}
		end := int64(0)
		for _, s := range h.sections {
			if int64(s.rva) < end || int64(s.rva) >= h.size {
				t.Fatalf("a section at %#x of %+v", s.rva, h)
			}
			end = int64(s.rva)
		}
		for rva := range uint32(0x100) {
			if off := h.offset(rva << 8); off < -1 || off > 1<<33 {
				t.Fatalf("offset %#x", off)
			}
		}
		_ = h.says()
	})
}

// FuzzPEBody takes any bytes for an executable without headers.
func FuzzPEBody(f *testing.F) {
	f.Add(machineCode(0x2000), uint64(0x10000000))
	wiped := bytes.Clone(library(named(f, "Win7SP1x64"), "a.dll").File)
	clear(wiped[:0x400])
	f.Add(wiped, uint64(0x180000000))
	f.Fuzz(func(t *testing.T, b []byte, base uint64) {
		p := &peBody{b: b, base: base, inDLL: func(va uint64) bool { return va>>16 == 0x7ffe }}
		traces := p.traces()
		if traces.proof() && len(b) < 2*leastRelocated {
			t.Fatalf("%d bytes prove an executable: %s", len(b), traces.String())
		}
	})
}

// badDisk fails wherever it is read.
type badDisk struct{}

func (badDisk) ReadAt([]byte, int64) (int, error) { return 0, errors.New("the disk is broken") }

// TestModulesBehindReadErrors has pages of a module whose reads fail, and pages that are missing. The failed reads are
// reported, and neither hides the others.
func TestModulesBehindReadErrors(t *testing.T) {
	for _, name := range kinds {
		for what, src := range map[string]sparse.Source{"an error": sparse.Whole(badDisk{}, 1<<40), "a hole": hole} {
			l := host(t, name, func(s *synth.System, p *synth.Process) {
				absent(false, false, false)(s, p)
				byHand(synth.Module{Protect: rwx})(s, p)
			})
			for _, va := range []paging.Virt{dllVA, byHandVA + 0x1000} {
				page, err := only(t, l.whole).Tables().Translate(va)
				if err != nil {
					t.Fatal(err)
				}
				l.damage = append(l.damage, sparse.Extent{Off: page.Off, Len: pageSize, Src: src})
			}
			found, errs := only(t, l.kernel()).FindModules()
			_, others, _ := foundOf(found)
			failed := slices.ContainsFunc(errs, func(err error) bool { return sparse.Failed(err) })
			if got := strings.Join(others, ", "); got != "10000000 loaded not in memory memory, 20000000 injected intact memory" || failed != (src != hole) {
				t.Errorf("%s, %s: %s, %v", name, what, got, errs)
			}
		}
	}
}

// TestOtherFile has another file mapped where the lists have a module: with the same size it may have been renamed.
func TestOtherFile(t *testing.T) {
	for _, c := range []struct {
		listed, mapped string
		size           int64
		want           ModuleKind
		says           string
	}{
		{`C:\Windows\System32\A.DLL`, `\Windows\SysWOW64\a.dll`, 0x3000, KindLoaded, "have it"},
		{`C:\a.dll`, `\b.dll`, 0x3000, KindLoaded, "the file that is mapped is"},
		{`C:\a.dll`, `\b.dll`, 0x5000, KindHollowed, "another size"},
		{`C:\a.dll`, `\a.dll`, 0x5000, KindLoaded, "have it"},
		{``, `\a.dll`, 0x5000, KindLoaded, "have it"},
		{`C:\a.dll`, ``, 0x5000, KindLoaded, "have it"},
	} {
		m := &FoundModule{
			Base: dllVA, Size: c.size, Path: c.mapped, VAD: VAD{Image: true, Start: dllVA}, HasVAD: true,
			Entry: &LoaderEntry{Path: c.listed, Size: 0x3000}, // in all lists, at place 0
		}
		s := moduleSearch{native: &LoaderLists{Complete: [3]bool{true, true, true}}, hasImage: true, treeWhole: true}
		if s.classify(m); m.Kind != c.want || !strings.Contains(m.Evidence, c.says) {
			t.Errorf("%+v: %s: %s", c, m.Kind, m.Evidence)
		}
	}
}

// TestMappingOfAFileAsData distinguishes memory of a file that is mapped as data from an image, and from memory of no
// file.
func TestMappingOfAFileAsData(t *testing.T) {
	for _, name := range kinds {
		l := host(t, name, func(s *synth.System, p *synth.Process) {
			p.Modules = []synth.Module{{Image: library(s.Profile, "data.dll"), Path: `C:\data.dll`, Base: hiddenVA, AsData: true}}
			region(synth.Region{Data: machineCode(0x3000), Protect: rwx})(s, p)
		})
		p := only(t, l.whole)
		found, _ := p.FindModules()
		for _, m := range found {
			if got := p.Mapping(m.Base); got.AsData != (m.Base == hiddenVA) || got.AsData && !got.Unbacked {
				t.Errorf("%s: %s at %#x: as data %v, unbacked %v", name, m.Kind, uint64(m.Base), got.AsData, got.Unbacked)
			}
		}
		for v := range p.VADs() {
			if v.Private && p.Mapping(v.Start).AsData {
				t.Errorf("%s: private memory at %#x is of a file", name, uint64(v.Start))
			}
		}
	}
}
