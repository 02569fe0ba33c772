package synth

import (
	"bytes"
	"errors"
	"testing"
)

func TestDumpLevels(t *testing.T) {
	m := build(t, mixedSystem(named(t, "WinXPSP2x86")))
	last := -1
	for _, l := range []Level{OwnTable, Prototypes, VADs, PageFiles} {
		n := 0
		for _, p := range m.Truth.Processes {
			for i := range p.Pages {
				if p.Pages[i].Readable(l) {
					n++
				}
			}
		}
		if n <= last {
			t.Errorf("level %d reads %d pages, the one before %d", l, n, last)
		}
		last = n
	}
}

func TestDumpsOfWholeImage(t *testing.T) {
	for _, name := range []string{"WinXPSP2x86", "Win10x64_19041"} {
		m := build(t, typical(named(t, name)))
		p := findPID(t, m, 1200)
		exe, err := p.ProcExeDump(OwnTable)
		if err != nil {
			t.Fatal(err)
		}
		im, _ := parseImage(p.File)
		text := im.sections[0]
		if !bytes.Equal(exe[text.raw:text.raw+text.rawSize], p.File[text.raw:text.raw+text.rawSize]) {
			t.Errorf("%s: the code in the dump is not the file's", name)
		}
		mem, err := p.ProcMemDump(OwnTable)
		if err != nil {
			t.Fatal(err)
		}
		if len(mem) != int(p.Size) {
			t.Errorf("%s: procmemdump has %#x bytes, SizeOfImage is %#x", name, len(mem), p.Size)
		}
		dumped, err := parseImage(mem)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range dumped.sections {
			if s.raw != s.va || s.rawSize != s.size {
				t.Errorf("%s: section %d: %+v, want raw as virtual", name, i, s)
			}
		}
	}
}

func TestDumpErrors(t *testing.T) {
	section := peOffset + peHeaderBytes + 0xe0
	for name, c := range map[string]struct {
		change func(p *Process)
		want   error
	}{
		"PEB paged out":     {func(p *Process) { p.PEB = PageFile }, ErrNoPEB},
		"exited":            {func(p *Process) { p.Dead = true }, ErrNoPEB},
		"header on disk":    {func(p *Process) { p.Pages = func(int) State { return VadDisk } }, ErrNoHeader},
		"no signature":      {func(p *Process) { p.Mangle = func(b []byte) { b[0] = 0 } }, ErrNotPE},
		"section too large": {func(p *Process) { p.Mangle = func(b []byte) { put32(b, section+16, 1<<31) } }, ErrSection},
		"no file alignment": {func(p *Process) { p.Mangle = func(b []byte) { put32(b, peOffset+peHeaderBytes+36, 0) } }, ErrLayout},
	} {
		s := typical(named(t, "WinXPSP2x86"))
		s.Processes = s.Processes[:1]
		c.change(&s.Processes[0])
		if _, err := findPID(t, build(t, s), 368).ProcExeDump(OwnTable); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", name, err, c.want)
		}
	}
}
