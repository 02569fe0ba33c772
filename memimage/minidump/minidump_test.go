package minidump

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
)

// sample is a dump with every stream that is read.
func sample() *writer {
	w := &writer{flags: 0x1826}
	w.system(9, 22621)
	w.stream(MiscInfoStream, append(numbers(832, miscID|miscTimes|miscBuild, 4711, 1600000000, 1, 2), append(make([]byte, buildAt-24),
		append(append([]byte("2\x002\x006\x00"), make([]byte, buildSize-6)...), make([]byte, writerSize)...)...)...))
	w.stream(ModuleListStream, counted(w.module(0x140000000, 0x5000, `C:\a\program.exe`), w.module(0x7ff000000000, 0x3000, `C:\Windows\System32\ntdll.dll`)))
	w.stream(UnloadedModuleListStream, sized(24, numbers(uint64(0x7ffa00000000), 0x2000, 1, 2, w.string("gone.dll"))))
	w.stream(ThreadListStream, counted(numbers(77, 1, 32, 8, uint64(0x7ffe000), uint64(0x10000), 0x2000, 0, 0, 0)))
	w.stream(ThreadInfoListStream, sized(64, numbers(77, 0, 0, 0, uint64(132514416000000000), uint64(0), uint64(0), uint64(0), uint64(0x140001000), uint64(3))))
	w.stream(ThreadNamesStream, counted(numbers(77, uint64(w.string("worker")))))
	w.stream(ExceptionStream, numbers(77, 0, 0xc0000005, 0, uint64(0), uint64(0x140001234)))
	handles := numbers(16, 32, 1, 0)
	w.stream(HandleDataStream, append(handles, numbers(uint64(0x44), w.string("File"), w.string(`\Device\Null`), 0, 0x12019f, 1, 1)...))
	w.stream(CommentStreamA, []byte("taken by hand\x00"))
	w.stream(CommentStreamW, []byte("w\x00i\x00d\x00e\x00\x00\x00"))
	w.infos(MemoryInfo{0x140000000, 0x140000000, 0x80, 2, 0x1000, Commit, Image}, MemoryInfo{0x20000, 0x20000, 4, 0x40, 0x2000, Commit, Private})
	w.memory64(map[uint64][]byte{0x140000000: bytes.Repeat([]byte{1}, 0x1000), 0x20000: bytes.Repeat([]byte{2}, 0x2000)}, 0x20000, 0x140000000)
	return w
}

func open(t testing.TB, data []byte) *Dump {
	t.Helper()
	d, err := Open(sparse.Bytes(data))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// check checks that the memory keeps the contract of a source.
func check(t *testing.T, d *Dump) {
	t.Helper()
	for _, r := range []*sparse.Reader{d.Memory, d.Named} {
		if err := sparsetest.Check(r); err != nil {
			t.Error(err)
		}
	}
}

func TestStreams(t *testing.T) {
	d := open(t, sample().file())
	if len(d.Notes) > 0 || d.Promised != 0 || d.Missing != 0 {
		t.Errorf("a sound dump is damaged: %v, %d, %d", d.Notes, d.Promised, d.Missing)
	}
	if want := (&System{Arch: X64, Major: 10, Build: 22621, Platform: WindowsNT, Product: 1, ServicePack: "Service Pack 9", Processors: 4}); !reflect.DeepEqual(d.System, want) {
		t.Errorf("system %+v", d.System)
	}
	if want := (Misc{4711, true, time.Unix(1600000000, 0).UTC(), "226", ""}); d.Misc != want {
		t.Errorf("misc %+v", d.Misc)
	}
	if len(d.Modules) != 2 || d.Modules[1].Path != `C:\Windows\System32\ntdll.dll` || d.Modules[1].VersionText() != "10.1.22621.3007" || d.Modules[0].Base != 0x140000000 || d.Modules[0].Size != 0x5000 {
		t.Errorf("modules %+v", d.Modules)
	}
	if want := []Unloaded{{0x7ffa00000000, 0x2000, 1, 2, "gone.dll"}}; !reflect.DeepEqual(d.Unloaded, want) {
		t.Errorf("unloaded %+v", d.Unloaded)
	}
	want := Thread{ID: 77, Suspended: 1, Class: 32, Priority: 8, TEB: 0x7ffe000, Stack: 0x10000, StackSize: 0x2000, Name: "worker", Start: 0x140001000,
		Created: time.Date(2020, 12, 3, 4, 0, 0, 0, time.UTC), HasInfo: true}
	if len(d.Threads) != 1 || d.Threads[0] != want {
		t.Errorf("threads %+v", d.Threads)
	}
	if d.Fault == nil || *d.Fault != (Fault{77, 0xc0000005, 0x140001234}) {
		t.Errorf("fault %+v", d.Fault)
	}
	if want := []Handle{{0x44, "File", `\Device\Null`, 0x12019f}}; !reflect.DeepEqual(d.Handles, want) {
		t.Errorf("handles %+v", d.Handles)
	}
	if want := []string{"taken by hand", "wide"}; !reflect.DeepEqual(d.Comments, want) {
		t.Errorf("comments %q", d.Comments)
	}
	if !d.HasInfos || len(d.Infos) != 2 || d.Infos[0].Base != 0x20000 || d.Infos[0].Protect != 0x40 || d.Infos[1].Type != Image {
		t.Errorf("infos %+v", d.Infos)
	}
	if !d.Time.Equal(time.Unix(1700000000, 0)) || d.Flags != 0x1826 || len(d.Streams) != 13 {
		t.Errorf("%v, %#x, %d streams", d.Time, d.Flags, len(d.Streams))
	}
	check(t, d)
}

// TestOldMisc reads the first form of the stream, which has fewer members.
func TestOldMisc(t *testing.T) {
	w := new(writer)
	w.stream(MiscInfoStream, numbers(24, miscTimes, 9, 1600000000, 0, 0))
	if m := open(t, w.file()).Misc; m.HasPID || m.Created.IsZero() || m.Build != "" {
		t.Errorf("%+v", m)
	}
}

func TestAlignedList(t *testing.T) {
	w := new(writer)
	list := counted(w.module(0x400000, 0x1000, "a.exe"))
	w.stream(ModuleListStream, append(append(list[:4:4], 0, 0, 0, 0), list[4:]...))
	if d := open(t, w.file()); len(d.Modules) != 1 || d.Modules[0].Path != "a.exe" {
		t.Errorf("%+v, %v", d.Modules, d.Notes)
	}
}

// TestMemory reads ranges that need not begin or end at pages, from both lists.
func TestMemory(t *testing.T) {
	w := new(writer)
	whole := map[uint64][]byte{0x10000: bytes.Repeat([]byte{1}, 0x1000), 0x11000: bytes.Repeat([]byte{2}, 0x1000)}
	w.memory64(whole, 0x10000, 0x11000)
	w.memory(map[uint64][]byte{0x10ff8: bytes.Repeat([]byte{9}, 16), 0x20010: bytes.Repeat([]byte{3}, 0x23)}, 0x10ff8, 0x20010)
	d := open(t, w.file())
	if !d.Full || d.Ranges != 4 || d.Memory.Size() != 0x20033 || d.Memory.Covered() != 0x2023 {
		t.Errorf("full %v, %d ranges, size %#x, %#x covered", d.Full, d.Ranges, d.Memory.Size(), d.Memory.Covered())
	}
	if len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "overlap in 16 bytes") {
		t.Errorf("notes %q", d.Notes)
	}
	var b [16]byte
	if _, err := d.Memory.ReadAt(b[:], 0x10ff8); err != nil || b != [16]byte{1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2} {
		t.Errorf("where ranges overlap: %v, %v", b, err)
	}
	if n, err := d.Memory.ReadAt(b[:], 0x20028); n != 0xb || !errors.Is(err, io.EOF) || b[0] != 3 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if n, err := d.Memory.ReadAt(b[:], 0x20008); n != 0 || !sparse.IsHole(err) {
		t.Errorf("before a range: %d bytes, %v", n, err)
	}
}

func TestTruncated(t *testing.T) {
	file := sample().file()
	for cut := len(file) - 1; cut > 0; cut -= 4999 {
		d, err := Open(sparse.Bytes(file[:cut]))
		if cut < headerSize {
			if !errors.Is(err, io.ErrUnexpectedEOF) && cut >= len(Magic) {
				t.Errorf("cut at %d: %v", cut, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if d.Promised <= uint64(cut) {
			t.Errorf("cut at %d: the file should have %d bytes", cut, d.Promised)
		}
		if d.Memory.Covered()+int64(d.Missing) > 0x3000 {
			t.Errorf("cut at %d: %d bytes are there and %d missing of 0x3000", cut, d.Memory.Covered(), d.Missing)
		}
		check(t, d)
	}
	d := open(t, file[:len(file)-0x800])
	if _, err := d.Named.Probe(0x140000800); sparse.Cause(err) != errBehind {
		t.Errorf("what is cut off is missing because %v", err)
	}
	if _, err := d.Named.Probe(0x150000000); err != io.EOF {
		t.Errorf("behind the last range: %v", err)
	}
}

// TestHostile opens files with impossible claims.
func TestHostile(t *testing.T) {
	wild := &writer{}
	wild.stream(Memory64ListStream, numbers(uint64(1<<40), uint64(0), uint64(0x1000), uint64(100<<30), uint64(1<<63), uint64(8), uint64(0x2000), ^uint64(0)))
	many := &writer{}
	many.stream(ModuleListStream, numbers(-1))
	many.stream(ThreadListStream, numbers(-1))
	many.stream(MemoryListStream, numbers(-1))
	many.stream(UnloadedModuleListStream, numbers(12, 0, -1))
	many.stream(HandleDataStream, numbers(-1, -1, -1, -1))
	many.stream(MemoryInfoListStream, numbers(16, 1<<20, ^uint64(0)))
	twice := sample()
	twice.stream(ModuleListStream, counted())
	overlapping := &writer{}
	overlapping.infos(MemoryInfo{0x1000, 0x1000, 4, 4, 0x5000, Commit, Private}, MemoryInfo{0x3000, 0x3000, 4, 4, 0x9000, Commit, Private}, MemoryInfo{^uint64(0), 0, 0, 0, 9, 0, 0})
	for name, c := range map[string]struct {
		w    *writer
		note string
	}{
		"wild ranges": {wild, "ranges of memory lie where no addresses are"}, "endless lists": {many, "claims 4294967295 entries, and has 0"},
		"a stream twice": {twice, "more than one ModuleListStream"}, "overlapping regions": {overlapping, "2 of its entries"},
	} {
		d := open(t, c.w.file())
		if !strings.Contains(strings.Join(d.Notes, " "), c.note) {
			t.Errorf("%s: %q", name, d.Notes)
		}
		check(t, d)
	}
}

func TestOtherFiles(t *testing.T) {
	for _, data := range [][]byte{nil, []byte("MD"), []byte("PMDM" + strings.Repeat("x", 40))} {
		if _, err := Open(sparse.Bytes(data)); err != ErrFormat {
			t.Errorf("%q: %v", data, err)
		}
	}
	file := sample().file()
	for off := int64(0); off < int64(len(file)); off += 4096 {
		disk := &sparsetest.Disk{ReaderAt: bytes.NewReader(file), Bad: []sparse.Run{{Off: off, Len: 64}}}
		disk.Break(true)
		d, err := Open(sparse.Whole(disk, int64(len(file))))
		if failed := disk.Failed() > 0; failed != sparse.Failed(err) || !failed && d == nil {
			t.Errorf("with a bad place at %#x: %v", off, err)
		}
	}
}

func TestNames(t *testing.T) {
	for arch, want := range map[uint16]Arch{0: X86, 10: X86, 14: X86, 5: ARM, 13: ARM, 9: X64, 12: ARM64, 0x8003: ARM64} {
		if got := archOf(arch); got != want {
			t.Errorf("%d is %v", arch, got)
		}
	}
	if s := (&Stream{Type: 0xfff0}); s.Name() != "stream of type 0xfff0" {
		t.Error(s.Name())
	}
	if s := (&System{Platform: 0x8201}); s.OtherSystem() != "Linux" {
		t.Error(s.OtherSystem())
	}
}

func FuzzMinidump(f *testing.F) {
	f.Add(sample().file())
	small := &writer{}
	small.memory(map[uint64][]byte{0x1001: {1, 2, 3}}, 0x1001)
	f.Add(small.file())
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Open(sparse.Bytes(data))
		if err != nil {
			return
		}
		if have, all := d.Memory.Covered(), int64(len(data)); d.Ranges == 1 && have > all {
			t.Fatalf("%d bytes of memory in a file of %d", have, all)
		}
		for i := 1; i < len(d.Infos); i++ {
			if d.Infos[i-1].End() > d.Infos[i].Base {
				t.Fatalf("entries overlap at %#x", d.Infos[i].Base)
			}
		}
		var b [64]byte
		for _, e := range d.Memory.Extents()[:min(16, len(d.Memory.Extents()))] {
			if n, err := d.Named.ReadAt(b[:min(64, e.Len)], e.Off); n == 0 {
				t.Fatalf("nothing at %#x: %v", e.Off, err)
			}
		}
	})
}
