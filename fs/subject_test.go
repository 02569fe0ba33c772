package fs_test

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"memlens/memimage"
	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// subject is a sound image from which variants are made.
type subject struct {
	name    string
	mem     []byte
	pointer int // bytes of a pointer
	kinds   []string
	byKind  map[string][]place
	// originals are the files of its programs, where they are known.
	originals map[string][]byte
}

// somewhere picks a structure: kinds first, for there are more pool allocations than processes.
func (s *subject) somewhere(rng *rand.Rand) place {
	places := s.byKind[s.kinds[rng.IntN(len(s.kinds))]]
	return places[rng.IntN(len(places))]
}

// builtSystems are the systems that the campaign builds: each form of page tables and of the kernel's block of debugger data.
var builtSystems = []string{"WinXPSP2x86", "Win7SP1x86", "Win7SP1x64", "Win10x64_19041"}

// buildSubject builds a small system with two programs, one all in memory, one in all sorts of states, and a process that
// no list has.
func buildSubject(t testing.TB, name string) *subject {
	t.Helper()
	p, err := profile.Builtin().ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	bits := 64
	if p.Arch().PointerSize() == 4 {
		bits = 32
	}
	cmd := synth.NewProgram(synth.Program{Name: "cmd.exe", Base: 0x4ad00000, Code: 0x1400, Data: 0x800, Bits: bits})
	note := synth.NewProgram(synth.Program{Name: "notepad.exe", Base: 0x1000000, Code: 0x2c00, Data: 0x1000, Bits: bits})
	library := synth.NewProgram(synth.Program{Name: "kernel32.dll", Base: 0x7c800000, Code: 0x1000, DLL: true, Bits: bits})
	m, err := synth.Build(synth.System{Profile: p, RAM: 8 << 20, Seed: 1, Processes: []synth.Process{
		{PID: 3256, PPID: 4, Name: "cmd.exe", Path: `C:\WINDOWS\system32\cmd.exe`, Image: cmd, Modules: []synth.Module{{Image: library, Path: `C:\WINDOWS\system32\kernel32.dll`}}},
		{PID: 2284, PPID: 4, Name: "notepad.exe", Path: `C:\WINDOWS\system32\notepad.exe`, Image: note, Pages: synth.Mixed(3), Section: synth.MixedSection(3), Cached: func(page int) bool { return page%2 == 0 }},
		{PID: 2976, PPID: 4, Name: "agent.exe", Image: cmd, Hidden: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	mem := make([]byte, m.Reader.Size())
	if _, err := m.Reader.ReadAt(mem, 0); err != nil {
		t.Fatal(err)
	}
	s := newSubject(t, name, mem)
	s.originals = map[string][]byte{"cmd.exe": cmd.File, "notepad.exe": note.File}
	return s
}

// sharedSubject is a reference image.
func sharedSubject(t testing.TB, name string) *subject {
	t.Helper()
	mem, err := os.ReadFile(corpus.Unpack(t, name+".raw"))
	if err != nil {
		t.Fatal(err)
	}
	return newSubject(t, name, mem)
}

// newSubject finds the places in a memory that are worth damaging.
func newSubject(t testing.TB, name string, mem []byte) *subject {
	t.Helper()
	im, err := memimage.OpenSource(t.Context(), newMutant(mem), memimage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	s := &subject{name: name, mem: mem, byKind: map[string][]place{}}
	s.addProcesses(t, im)
	s.addPages()
	s.addPool("pool", poolTags)
	s.kinds = slices.Sorted(maps.Keys(s.byKind))
	for _, kind := range []string{"process", "environment", "page table", "header", "pool"} {
		if len(s.byKind[kind]) == 0 {
			t.Fatalf("%s: no %s was found to damage", name, kind)
		}
	}
	return s
}

// add adds a structure; bytes behind the end of the memory are no part of it.
func (s *subject) add(kind string, off, size int64) {
	off &^= 7
	if size = min(size, int64(len(s.mem))-off); off >= 0 && size > 8 {
		s.byKind[kind] = append(s.byKind[kind], place{kind, off, size})
	}
}

// addProcesses adds the parts of a process: its object, page tables, environment and header.
func (s *subject) addProcesses(t testing.TB, im *memimage.Image) {
	scanned, err := im.Scanned(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	listed, _ := im.Processes()
	seen := map[int64]bool{}
	for _, p := range slices.Concat(listed, scanned) {
		space := p.Tables()
		mode := space.Mode()
		s.pointer = mode.EntrySize
		if mode.VirtBits == 32 {
			s.pointer = 4
		}
		s.add("process", int64(p.PA)-0x80, 0x600) // with the headers in front
		s.addVirtual(space, "environment", p.PEB, 0x400)
		s.addVirtual(space, "header", p.ImageBase(), 0x400)
		s.addTables(mode, int64(space.Root()), len(mode.Levels), seen)
	}
}

func (s *subject) addVirtual(space *paging.Space, kind string, va paging.Virt, size int64) {
	if page, err := space.Translate(va); err == nil && va != 0 && page.Size > 0 {
		s.add(kind, page.Off+int64(va-page.VA), size)
	}
}

// maxTables is how many page tables are damaged.
const maxTables = 400

// addTables adds a table and the tables that it leads to.
func (s *subject) addTables(mode *paging.Mode, at int64, levels int, seen map[int64]bool) {
	if levels == 0 || at < 0 || at+pageSize > int64(len(s.mem)) || seen[at] || len(seen) == maxTables {
		return
	}
	seen[at] = true
	s.add("page table", at, pageSize)
	m := newMutant(s.mem)
	for off := at; off < at+pageSize; off += int64(mode.EntrySize) {
		if entry := m.word(off, mode.EntrySize); entry&0x81 == 1 {
			s.addTables(mode, int64(entry&(1<<40-1)&^(pageSize-1)), levels-1, seen)
		}
	}
}

// addPages adds all pages that hold something, and the headers of executables.
func (s *subject) addPages() {
	zeros := make([]byte, pageSize)
	for off := 0; off+pageSize <= len(s.mem); off += pageSize {
		page := s.mem[off : off+pageSize]
		if page[0] == 'M' && page[1] == 'Z' {
			s.add("header", int64(off), 0x400)
		}
		if !bytes.Equal(page, zeros) {
			s.add("page", int64(off), pageSize)
		}
	}
}

// poolTags are the pool tags of the structures on the way from a process to its executable.
var poolTags = []string{"Pro\xe3", "Proc", "Vad ", "Vadl", "VadS", "Vadm", "VadF", "Sect", "Sec\xf4", "MmCa", "MmCi", "MmSt", "Fil\xe5", "File", "FSfc", "CcSc", "KDBG"}

// addPool adds the allocations with these tags, header and all.
func (s *subject) addPool(kind string, tags []string) {
	for _, tag := range tags {
		for off, n := 0, 0; n < 300; n++ {
			i := bytes.Index(s.mem[off:], []byte(tag))
			if i < 0 {
				break
			}
			off += i
			if off%4 == 0 {
				s.add(kind, int64(off)-8, 0x180)
			}
			off++
		}
	}
}
