package memimage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/mdmp"
	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"
)

// dumpedSystems are systems with a process of each width that has pages in all states, and threads.
func dumpedSystems(t *testing.T) map[string]synth.System {
	t.Helper()
	out := map[string]synth.System{}
	for name, builtin := range map[string]string{"x86": "WinXPSP2x86", "PAE": "Win7SP1x86", "Windows 7 x64": "Win7SP1x64", "x64": "Win10x64_19041"} {
		sys := builtSystem(named(t, builtin))
		for i := range sys.Processes {
			if p := &sys.Processes[i]; p.PID == 400 || p.Wow64 {
				p.ThreadList = []synth.Thread{{ID: 612, Stack: 0x230000, State: 5, IP: 0x401234}, {ID: 608, Stack: 0x240000, State: 2, IP: 0x401000}, {ID: 616, Stack: 0x280000, Other: 617}, {ID: 620, Stack: 0x290000, State: 5}}
				p.Regions = append(p.Regions, synth.Region{VA: 0x500000, Data: []byte("written"), Size: 0x4000, Protect: synth.ExecuteReadWrite})
			}
		}
		out[name] = sys
	}
	return out
}

// minidumpOf returns the minidump of a process.
func minidumpOf(t *testing.T, p *Process) *Minidump {
	t.Helper()
	d, err := p.Minidump(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestMinidumpMemory holds the memory of each process's minidump against a walk of the address space page by page: what is
// there is in it, with its bytes, and nothing else.
func TestMinidumpMemory(t *testing.T) {
	for name, sys := range dumpedSystems(t) {
		im := openMemory(t, buildMemory(t, sys), Options{})
		list, _ := im.Processes()
		dumped := 0
		for _, p := range list {
			if p.CheckMinidump() == nil {
				checkMinidumpMemory(t, name, p, minidumpOf(t, p))
				dumped++
			}
		}
		if dumped < 4 {
			t.Errorf("%s: %d processes have a minidump", name, dumped)
		}
	}
}

func checkMinidumpMemory(t *testing.T, name string, p *Process, d *Minidump) {
	t.Helper()
	listed := map[uint64]int64{} // pages, and where they are in the file
	at := d.Head
	for _, r := range d.Dump.Memory {
		for off := uint64(0); off < r.Len; off += pageSize {
			listed[r.Start+off] = at + int64(off)
		}
		at += int64(r.Len)
	}
	if at != d.File.Size() || int64(len(listed)) != d.Pages {
		t.Errorf("%s, process %d: the file has %d bytes and %d pages, want %d and %d", name, p.PID, d.File.Size(), d.Pages, at, len(listed))
	}
	regions, _ := p.Regions()
	space := p.Process.Space()
	for _, r := range append(regions, nt.Region{VAD: nt.VAD{Start: sharedInUser, End: sharedInUser + pageSize}}) {
		for va := r.Start; va < r.End; va += pageSize {
			var want, got [pageSize]byte
			_, err := space.ReadVirt(want[:], va)
			off, ok := listed[uint64(va)]
			if ok != (err == nil) {
				t.Errorf("%s, process %d: %#x is in the dump: %v; reading says %v", name, p.PID, uint64(va), ok, err)
			}
			delete(listed, uint64(va))
			if n, err := d.File.ReadAt(got[:], off); ok && (n < len(got) && err != nil || got != want) {
				t.Errorf("%s, process %d: %#x has other bytes, or %v", name, p.PID, uint64(va), err)
			}
		}
	}
	for va := range listed {
		if _, err := p.Tables().Translate(paging.Virt(va)); err != nil {
			t.Errorf("%s, process %d: %#x is in the dump, and no page table maps it", name, p.PID, va)
		}
	}
}

// TestMinidumpModules: the modules are those of the process that the loader or the kernel has loaded, and their headers, symbol
// files and versions are those of the executables.
func TestMinidumpModules(t *testing.T) {
	for name, sys := range dumpedSystems(t) {
		im := openMemory(t, buildMemory(t, sys), Options{})
		p := processOf(t, im, 368)
		var want, got []string
		found, _ := p.Modules()
		for _, m := range found {
			want = append(want, fmt.Sprintf("%#x %#x %s", m.Found.Base, m.Found.Size, m.Found.Listed().Path))
		}
		for _, m := range minidumpOf(t, p).Dump.Modules {
			got = append(got, fmt.Sprintf("%#x %#x %s", m.Base, m.Size, m.Name))
			file := strings.ToLower(m.Name[strings.LastIndexByte(m.Name, '\\')+1:])
			if !bytes.HasPrefix(m.CodeView, []byte("RSDS")) || m.TimeDateStamp == 0 || !bytes.Contains(m.CodeView, []byte(".pdb")) {
				t.Errorf("%s: %s: stamp %#x, record %q", name, file, m.TimeDateStamp, m.CodeView)
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") || len(got) != 2 {
			t.Errorf("%s: modules\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func processOf(t *testing.T, im *Image, pid uint64) *Process {
	t.Helper()
	list, _ := im.Processes()
	for _, p := range list {
		if p.PID == pid {
			return p
		}
	}
	t.Fatalf("there is no process %d", pid)
	return nil
}

// TestMinidumpThreads: a thread is one whose ids the kernel and the program have alike; one that runs has no registers.
func TestMinidumpThreads(t *testing.T) {
	for name, sys := range dumpedSystems(t) {
		im := openMemory(t, buildMemory(t, sys), Options{})
		p := processOf(t, im, 400)
		found, err := p.FindThreads()
		if err != nil || len(found) != 3 || p.Threads != 4 {
			t.Fatalf("%s: %+v, %v", name, found, err)
		}
		for i, id := range []uint32{608, 612, 620} {
			f := found[i]
			stack := map[uint32]paging.Virt{608: 0x240000, 612: 0x230000, 620: 0x290000}[id]
			if f.ID != id || f.TEB != stack+0x4000 || f.StackLimit != stack || f.StackBase != stack+0x4000 || (f.Registers != nil) != (id == 612) {
				t.Errorf("%s: %+v", name, f)
			}
		}
		want := nt.Registers{IP: 0x401234, SP: 0x232000, Flags: 0x246, CS: 0x33, SS: 0x2b}
		if p.Process.Space().Mode().Arch == paging.ArchX86 {
			want.FP, want.CS, want.SS = 0x232040, 0x1b, 0x23
		}
		if r := found[1].Registers; r == nil || *r != want {
			t.Errorf("%s: %+v, want %+v", name, r, want)
		}
		threads := minidumpOf(t, p).Dump.Threads
		if len(threads) != 3 || threads[0].Context != nil || threads[1].Context == nil || threads[1].Stack != 0x232000 || threads[2].TEB != 0x294000 {
			t.Errorf("%s: %+v", name, threads)
		}
	}
}

// TestMinidumpRegions: regions are those of the descriptors; memory that nobody has committed is reserved.
func TestMinidumpRegions(t *testing.T) {
	for name, sys := range dumpedSystems(t) {
		im := openMemory(t, buildMemory(t, sys), Options{})
		d := minidumpOf(t, processOf(t, im, 400)).Dump
		want := mdmp.Region{Start: 0x500000, Len: 0x1000, Allocation: 0x500000, AllocatedAs: 0x40, State: mdmp.Commit, Protect: 0x40, Type: mdmp.Private}
		behind := mdmp.Region{Start: 0x501000, Len: 0x3000, Allocation: 0x500000, AllocatedAs: 0x40, State: mdmp.Reserve, Type: mdmp.Private}
		found, images := 0, 0
		for _, r := range d.Regions {
			if r == want || r == behind {
				found++
			}
			if r.Type == mdmp.Image && r.State == mdmp.Commit && r.Start == r.Allocation {
				images++
			}
		}
		if found != 2 || images != 2 {
			t.Errorf("%s: %d images, and %+v", name, images, d.Regions)
		}
		if d.System.Processors != 1 || d.System.Product != 1 || d.System.Build != sys.Profile.Version().Build || d.Process.ID != 400 || d.Process.Created.IsZero() {
			t.Errorf("%s: %+v %+v", name, d.System, d.Process)
		}
		for _, text := range []string{"Process 400, ", "only in the mapped file", "Threads: 3 of 4 could be told. 1 have"} {
			if !strings.Contains(d.Comment, text) {
				t.Errorf("%s: the comment does not say %q:\n%s", name, text, d.Comment)
			}
		}
	}
}

// TestMinidumpOfNothing: processes without memory of their own have none, and the reason is said.
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

// TestMinidumpEnds: page tables that lead in circles map more than there is memory; that ends the walk, and is said. So does
// a context.
func TestMinidumpEnds(t *testing.T) {
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

// TestMinidumpFaults: where a page cannot be read there is an error and no zeros; where a table cannot, there is no dump.
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

// failingPage is memory of which a page cannot be read; 0: all can.
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

// TestMinidumpInLLDB opens the minidumps of a process of each width in a debugger: at the base of each module lies what the
// classic dump has, and the thread that waits is where it entered the kernel.
func TestMinidumpInLLDB(t *testing.T) {
	lldb, err := exec.LookPath("lldb")
	if err != nil {
		if os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	systems := dumpedSystems(t)
	for _, c := range []struct {
		system string
		wow64  bool
		says   []string
	}{
		{"x86", false, []string{"(i386)", "tid = 0x0264", "eip = 0x00401234", "esp = 0x00232000"}},
		{"x64", false, []string{"(x86_64)", "tid = 0x0264", "rip = 0x0000000000401234", "rsp = 0x0000000000232000"}},
		{"x64", true, []string{"(x86_64)"}},
	} {
		im := openMemory(t, buildMemory(t, systems[c.system]), Options{})
		list, _ := im.Processes()
		for _, p := range list {
			if _, wow64 := p.Wow64PEB(); wow64 == c.wow64 && (wow64 || p.PID == 400) {
				checkInLLDB(t, lldb, p, c.says)
			}
		}
	}
}

func checkInLLDB(t *testing.T, lldb string, p *Process, says []string) {
	t.Helper()
	d := minidumpOf(t, p)
	file := make([]byte, d.File.Size())
	if n, err := d.File.ReadAt(file, 0); n < len(file) {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "minidump.dmp")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--no-lldbinit", "--batch", "-c", path, "-o", "image list", "-o", "thread list"}
	says = append(says, fmt.Sprintf("Core file '%s'", path))
	for _, m := range d.Dump.Modules {
		says = append(says, m.Name)
		args = append(args, "-o", fmt.Sprintf("memory read --format x --size 1 --num-per-line 16 --count 64 %#x", m.Base))
	}
	if exe, err := p.MemoryDump(); err == nil {
		head := make([]byte, 64)
		if _, err := exe.Reader.ReadAt(head, 0); err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(head); at += 16 {
			line := ""
			for _, c := range head[at : at+16] {
				line += fmt.Sprintf(" 0x%02x", c)
			}
			says = append(says, fmt.Sprintf("%x:%s", uint64(exe.Base)+uint64(at), line))
		}
	}
	if len(d.Dump.Threads) > 1 && d.Dump.Threads[1].Context != nil {
		args = append(args, "-o", "thread select 2", "-o", "register read")
	}
	out, err := exec.Command(lldb, args...).CombinedOutput()
	for _, text := range says {
		if !strings.Contains(string(out), text) {
			t.Errorf("process %d: lldb does not say %q (%v):\n%s", p.PID, text, err, out)
		}
	}
}

// TestMinidumpOfDamagedThreads: a list of threads that leads elsewhere ends, and what is said of the process besides stays.
func TestMinidumpOfDamagedThreads(t *testing.T) {
	sys := dumpedSystems(t)["x64"]
	m := buildMemory(t, sys)
	p := processOf(t, openMemory(t, m, Options{}), 400)
	head, ok := sys.Profile.Field("_EPROCESS.Pcb.ThreadListHead")
	if !ok {
		t.Fatal("no list of threads")
	}
	for _, to := range []uint64{0, 0x1000, uint64(p.VA), uint64(p.VA) + 8, 0xffff_ffff_ffff_fff8} {
		im := openMemory(t, &synth.Memory{Reader: withBytes(t, m.Reader, int64(p.PA)+head.Offset, leBytes(to))}, Options{})
		p := processOf(t, im, 400)
		if found, err := p.FindThreads(); err == nil || len(found) > 0 {
			t.Errorf("%#x: %+v, %v", to, found, err)
		}
		if d := minidumpOf(t, p); len(d.Dump.Threads) != 0 || len(d.Dump.Modules) != 2 {
			t.Errorf("%#x: %+v", to, d.Dump)
		}
	}
}

// TestMinidumpOfHugeRegions: a descriptor of a tebibyte, as each process has one on systems with control flow guard, whose
// prototype entries are not in memory, does not keep what lies behind it from being found, and is not said to be missing.
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
