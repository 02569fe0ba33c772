package memimage

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/synth"
)

// TestMinidumpOfNothing: processes without memory of their own have no minidump, and the error says why.
func TestMinidumpOfNothing(t *testing.T) {
	im := openMemory(t, buildMemory(t, builtSystem(named(t, "Win10x64_19041"))), Options{})
	all := allProcesses(t, im)
	for _, p := range all {
		if p.PID != 1204 { // it has exited
			continue
		}
		if _, err := p.Minidump(context.Background()); err == nil || !strings.Contains(err.Error(), "has exited") || strings.Contains(err.Error(), "\n") {
			t.Errorf("process %d: %v", p.PID, err)
		}
	}
	if err := processOf(t, im, 4).CheckMinidump(); err == nil || !strings.Contains(err.Error(), "System process") {
		t.Errorf("System: %v", err)
	}
}

// TestMinidumpEnds: page tables that lead in circles map more pages than memory has. That ends the walk, and the dump
// says so. A context ends the walk, too.
func TestMinidumpEnds(t *testing.T) {
	if testing.Short() {
		t.Skip("a million steps")
	}
	m := buildMemory(t, builtSystem(named(t, "Win10x64_19041")))
	p := processOf(t, openMemory(t, m, Options{}), 368)
	page, err := p.Process.Space().Translate(p.ImageBase() + pageSize)
	if err != nil {
		t.Fatal(err)
	}
	entry := leBytes(uint64(page.Off) | 0x67) // all entries of the page, and one of the root, lead to the page
	mem := withBytes(t, withBytes(t, m.Reader, page.Off, bytes.Repeat(entry, pageSize/8)), int64(p.DTB)+5*8, entry)
	im := openMemory(t, &synth.Memory{Reader: mem}, Options{})
	d := minidumpOf(t, processOf(t, im, 368))
	if !errors.Is(d.Partial, errTooMuch) && !errors.Is(d.Partial, errScattered) || !strings.Contains(d.Dump.Comment, "was not looked for") {
		t.Errorf("%v: %s", d.Partial, d.Dump.Comment)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := processOf(t, im, 368).Minidump(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// leBytes writes a number, the least byte first.
func leBytes(v uint64) []byte {
	b := make([]byte, 8)
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
	return b
}

// withBytes returns memory with other bytes at an offset.
func withBytes(t *testing.T, mem *sparse.Reader, off int64, p []byte) *sparse.Reader {
	t.Helper()
	n := int64(len(p))
	out, err := sparse.NewReader(mem.Size(), sparse.Extent{Len: off, Src: mem}, sparse.Extent{Off: off, Len: n, Src: sparse.Bytes(p)},
		sparse.Extent{Off: off + n, Len: mem.Size() - off - n, Src: mem, SrcOff: off + n})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestMinidumpFaults: a page that cannot be read gives an error and no zeros; a table that cannot be read gives no
// dump.
func TestMinidumpFaults(t *testing.T) {
	m := buildMemory(t, builtSystem(named(t, "WinXPSP2x86")))
	p := processOf(t, openMemory(t, m, Options{}), 368)
	page, err := p.Process.Space().Translate(p.ImageBase() + 2*pageSize)
	if err != nil {
		t.Fatal(err)
	}
	bad := &failingPage{Source: m.Reader}
	mem, err := sparse.NewReader(m.Reader.Size(), sparse.Extent{Len: m.Reader.Size(), Src: bad})
	if err != nil {
		t.Fatal(err)
	}
	im := openMemory(t, &synth.Memory{Reader: mem}, Options{})
	p = processOf(t, im, 368)
	bad.off = page.Off
	d := minidumpOf(t, p)
	buf := make([]byte, pageSize)
	failed := 0
	for off := d.Head; off < d.File.Size(); off += pageSize {
		if _, err := d.File.ReadAt(buf, off); sparse.Failed(err) {
			failed++
		} else if err != nil {
			t.Errorf("%#x: %v", off, err)
		}
	}
	if failed != 1 {
		t.Errorf("%d pages cannot be read", failed)
	}
}

// failingPage is memory with a page that cannot be read; 0: all pages can be read.
type failingPage struct {
	sparse.Source
	off int64
}

func (f *failingPage) ReadAt(p []byte, off int64) (int, error) {
	if f.off != 0 && off < f.off+pageSize && off+int64(len(p)) > f.off {
		return 0, &sparse.ReadError{Off: off, Err: errors.New("bad sector")}
	}
	return f.Source.ReadAt(p, off)
}

// TestMinidumpOfHugeRegions: every process on systems with control flow guard has a descriptor of a tebibyte, with
// prototype entries that are not in memory. The memory behind it must be found, and must not be reported as missing.
func TestMinidumpOfHugeRegions(t *testing.T) {
	sys := dumpedSystems(t)["x64"]
	for i := range sys.Processes {
		if p := &sys.Processes[i]; p.PID == 400 {
			data := synth.NewProgram(synth.Program{Name: "data.dll", Bits: 64, DLL: true, Base: 0x10000000000})
			p.Modules = append(slices.Clone(p.Modules), synth.Module{Image: data, Path: `C:\data.dll`, AsData: true})
		}
	}
	m := buildMemory(t, sys)
	im := openMemory(t, m, Options{})
	before := minidumpOf(t, processOf(t, im, 400))
	v, ok := processOf(t, im, 400).VAD(0x10000000000)
	if !ok || v.Private {
		t.Fatalf("%+v, %v", v, ok)
	}
	const pages = 1 << 28 // a tebibyte
	page, err := im.Kernel.Space.Translate(v.VA)
	if err != nil {
		t.Fatal(err)
	}
	at := page.Off + int64(v.VA-page.VA)
	mem := m.Reader
	for path, value := range map[string]uint64{
		"_MMVAD_SHORT.EndingVpn": (uint64(v.Start)>>12 + pages - 1) & 0xffffffff, "_MMVAD_SHORT.EndingVpnHigh": (uint64(v.Start)>>12 + pages - 1) >> 32,
		"_MMVAD.LastContiguousPte": uint64(v.FirstProto) + 8*(pages-1),
	} {
		f, ok := sys.Profile.Field(path)
		if !ok {
			t.Fatal(path)
		}
		mem = withBytes(t, mem, at+f.Offset, leBytes(value)[:max(f.Size, 1)])
	}
	p := processOf(t, openMemory(t, &synth.Memory{Reader: mem}, Options{}), 400)
	d := minidumpOf(t, p)
	if v, ok := p.VAD(v.Start); !ok || int64(v.End-v.Start) != pages*pageSize {
		t.Fatalf("%+v", v)
	}
	if d.Partial != nil || d.Pages < before.Pages || d.Missing > before.Missing+1<<12 || !strings.Contains(d.Dump.Comment, "it is not known whether they held anything") {
		t.Errorf("%v, %d pages, %d missing; %d and %d with a small region\n%s", d.Partial, d.Pages, d.Missing, before.Pages, before.Missing, d.Dump.Comment)
	}
	last, want := d.Dump.Memory[len(d.Dump.Memory)-1], before.Dump.Memory[len(before.Dump.Memory)-1]
	if last != want {
		t.Errorf("the last memory is %#x, want %#x", last, want)
	}
}
