package nt

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"memlens/memimage/minidump"
	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
)

// dumpedMemory is the memory of a process that a test makes.
type dumpedMemory struct {
	pages   map[uint64][]byte
	pointer int
}

func (d *dumpedMemory) page(va uint64) []byte {
	if d.pages[va&^0xfff] == nil {
		d.pages[va&^0xfff] = make([]byte, pageSize)
	}
	return d.pages[va&^0xfff]
}

func (d *dumpedMemory) ptr(va, v uint64) {
	at := d.page(va)[va&0xfff:]
	if d.pointer == 4 {
		binary.LittleEndian.PutUint32(at, uint32(v))
		return
	}
	binary.LittleEndian.PutUint64(at, v)
}

// text puts a _UNICODE_STRING at va, and its text at where.
func (d *dumpedMemory) text(va, where uint64, s string) {
	at := d.page(where)[where&0xfff:]
	for i, u := range utf16.Encode([]rune(s)) {
		binary.LittleEndian.PutUint16(at[2*i:], u)
	}
	binary.LittleEndian.PutUint16(d.page(va)[va&0xfff:], uint16(2*len(s)))
	d.ptr(va+uint64(d.pointer), where)
}

// header puts the headers of an executable at va.
func (d *dumpedMemory) header(va uint64, machine uint16) {
	p := d.page(va)
	copy(p, "MZ")
	p[0x3c] = 0x80
	copy(p[0x80:], "PE\x00\x00")
	le := binary.LittleEndian
	le.PutUint16(p[0x84:], machine)
	le.PutUint16(p[0x86:], 1)
	le.PutUint16(p[0x94:], 0xf0)
	le.PutUint16(p[0x96:], 0x22)
	le.PutUint16(p[0x98:], 0x20b)
	le.PutUint32(p[0x98+0x20:], 0x1000)
	le.PutUint32(p[0x98+0x24:], 0x200)
	le.PutUint32(p[0x98+0x38:], 0x2000)
	le.PutUint32(p[0x98+0x3c:], 0x400)
	section := p[0x98+0xf0:]
	copy(section, ".text")
	le.PutUint32(section[8:], 0x1000)
	le.PutUint32(section[12:], 0x1000)
	le.PutUint32(section[16:], 0x200)
	le.PutUint32(section[20:], 0x400)
	le.PutUint32(section[36:], 0x60000020)
}

// reader returns the memory as a dump has it.
func (d *dumpedMemory) reader() *sparse.Reader {
	var extents []sparse.Extent
	end := int64(0)
	for va, b := range d.pages {
		extents = append(extents, sparse.Extent{Off: int64(va), Len: pageSize, Src: sparse.Bytes(b)})
		end = max(end, int64(va)+pageSize)
	}
	r, err := sparse.NewReader(end, extents...)
	if err != nil {
		panic(err)
	}
	return r
}

const (
	dumpTEB  = 0x7e000
	dumpPEB  = 0x7f000
	dumpBase = 0x400000
	dumpDLL  = 0x10000000
)

// newDumpedMemory makes a process with an environment block and a list of two modules.
func newDumpedMemory(arch minidump.Arch) *dumpedMemory {
	d := &dumpedMemory{map[uint64][]byte{}, arch.Pointer()}
	l, form := dumpLayout(arch)
	teb := teb64
	if d.pointer == 4 {
		teb = teb32
	}
	d.ptr(dumpTEB+uint64(teb.self), dumpTEB)
	d.ptr(dumpTEB+uint64(teb.pid), 4711)
	d.ptr(dumpTEB+uint64(teb.peb), dumpPEB)
	const parameters, ldr, first, second, names = 0x50000, 0x51000, 0x52000, 0x53000, 0x54000
	d.ptr(dumpPEB+uint64(l.PEB.ImageBase), dumpBase)
	d.ptr(dumpPEB+uint64(l.PEB.Parameters), parameters)
	d.ptr(dumpPEB+uint64(l.PEB.Ldr), ldr)
	d.text(parameters+uint64(l.Parameters.ImagePath), names, `C:\a\program.exe`)
	d.text(parameters+uint64(l.Parameters.CommandLine), names+0x100, `program.exe -x`)
	for o := range loaderLists {
		head := ldr + uint64(form.heads[o])
		ring := []uint64{head, first + uint64(form.links[o]), second + uint64(form.links[o])}
		for i, at := range ring {
			d.ptr(at, ring[(i+1)%3])
			d.ptr(at+uint64(d.pointer), ring[(i+2)%3])
		}
	}
	for i, entry := range []uint64{first, second} {
		d.ptr(entry+uint64(form.Base), []uint64{dumpBase, dumpDLL}[i])
		binary.LittleEndian.PutUint32(d.page(entry)[form.Size:], 0x2000)
		path := []string{`C:\a\program.exe`, `C:\Windows\System32\a.dll`}[i]
		d.text(entry+uint64(form.FullName), names+0x200+0x200*uint64(i), path)
		d.text(entry+uint64(form.BaseName), names+0x300+0x200*uint64(i), lastName(path))
	}
	for _, base := range []uint64{dumpBase, dumpDLL} {
		d.header(base, 0x8664)
		d.page(base + 0x1000)[0] = 0xc3
	}
	return d
}

func dumpLayout(arch minidump.Arch) (*layout, *loaderForm) {
	k := &Kernel{dump: new(dump)}
	if err := k.describeDump(&minidump.Dump{System: &minidump.System{Arch: arch, Build: 19041}}, profile.Builtin()); err != nil {
		panic(err)
	}
	k.kernel.pointer = arch.Pointer()
	return k.layout, k.nativeLoader()
}

// open opens the memory as a dump of the process.
func (d *dumpedMemory) open(t *testing.T, arch minidump.Arch, change func(*minidump.Dump)) *Process {
	t.Helper()
	m := d.reader()
	md := &minidump.Dump{
		System: &minidump.System{Arch: arch, Major: 10, Build: 19041, Platform: minidump.WindowsNT}, Memory: m, Named: m, Full: true,
		Threads: []minidump.Thread{{ID: 1, TEB: 0x1234000}, {ID: 2, TEB: dumpTEB}}, Time: time.Unix(1e9, 0),
		Modules: []minidump.Module{{Base: dumpBase, Size: 0x2000, Path: `C:\a\program.exe`}, {Base: dumpDLL, Size: 0x2000, Path: `C:\Windows\System32\a.dll`}},
	}
	if change != nil {
		change(md)
	}
	k, err := OpenDump(md, profile.Builtin())
	if err != nil {
		t.Fatal(err)
	}
	if !k.IsDump() || k.Dump() != md {
		t.Error("the dump is not that of the system")
	}
	all := slices.Collect(func(yield func(*Process) bool) {
		for p, err := range k.Processes() {
			if err != nil || !yield(p) {
				return
			}
		}
	})
	if len(all) != 1 {
		t.Fatalf("%d processes", len(all))
	}
	return all[0]
}

// TestDumpedProcess finds the process and its environment block on every architecture.
func TestDumpedProcess(t *testing.T) {
	for _, arch := range []minidump.Arch{minidump.X86, minidump.X64, minidump.ARM, minidump.ARM64} {
		t.Run(arch.String(), func(t *testing.T) {
			p := newDumpedMemory(arch).open(t, arch, nil)
			env, err := p.Environment(p.Space())
			if err != nil {
				t.Fatal(err)
			}
			if p.PID != 4711 || p.PEB != dumpPEB || env.ImageBase != dumpBase || env.Path != `C:\a\program.exe` || env.CommandLine != "program.exe -x" {
				t.Errorf("process %d, PEB %#x, %+v", p.PID, p.PEB, env)
			}
			if string(p.RawName) != "program.exe" || p.DumpedPath() != `C:\a\program.exe` || p.Kind() != OrdinaryProcess || p.CheckSpace() != nil {
				t.Errorf("%q, %q, %v, %v", p.RawName, p.DumpedPath(), p.Kind(), p.CheckSpace())
			}
			if _, ok := p.Wow64PEB(); ok {
				t.Error("a 32-bit environment block is found where there is none")
			}
			found, errs := p.FindModules()
			if len(errs) > 0 || len(found) != 2 {
				t.Fatalf("%d modules, %v", len(found), errs)
			}
			for _, m := range found {
				if m.Kind != KindLoaded || !m.InDump || m.DumpPath == "" || m.Entry == nil {
					t.Errorf("%+v", m)
				}
			}
		})
	}
}

// TestDumpedWow64 finds the second environment block of a 32-bit process by its thread's blocks.
func TestDumpedWow64(t *testing.T) {
	for name, at := range map[string]uint64{"behind the 64-bit block": dumpTEB + tebBehind, "where that says": 0x30000} {
		d := newDumpedMemory(minidump.X64)
		if at == 0x30000 {
			d.ptr(dumpTEB, at)
		}
		narrow := &dumpedMemory{d.pages, 4}
		narrow.ptr(at+uint64(teb32.self), at)
		narrow.ptr(at+uint64(teb32.peb), 0x40000)
		narrow.ptr(0x40000+peb32Base, dumpBase)
		p := d.open(t, minidump.X64, nil)
		if peb, ok := p.Wow64PEB(); !ok || peb != 0x40000 {
			t.Errorf("%s: %#x, %v", name, uint64(peb), ok)
		}
		narrow.ptr(0x40000+peb32Base, dumpBase+0x10000)
		if _, ok := d.open(t, minidump.X64, nil).Wow64PEB(); ok {
			t.Errorf("%s: an environment block of another program is taken", name)
		}
	}
}

// TestDumpedNarrow finds the block of a thread of a 32-bit process on 64-bit Windows by the 64-bit address in the dump.
func TestDumpedNarrow(t *testing.T) {
	d := newDumpedMemory(minidump.X86)
	p := d.open(t, minidump.X86, func(md *minidump.Dump) { md.Threads[1].TEB = dumpTEB - tebBehind })
	if p.PEB != dumpPEB {
		t.Errorf("PEB %#x", uint64(p.PEB))
	}
}

// TestDumpWithoutThreads has no way to the environment block: only the dump's list is left.
func TestDumpWithoutThreads(t *testing.T) {
	d := newDumpedMemory(minidump.X64)
	if p := d.open(t, minidump.X64, func(md *minidump.Dump) { md.Threads = nil }); p.PEB != dumpPEB || p.PID != 0 {
		t.Errorf("the environment block is not found by its contents: %#x", uint64(p.PEB))
	}
	copy(d.page(0x60000), d.page(dumpPEB)) // now there are two
	p := d.open(t, minidump.X64, func(md *minidump.Dump) { md.Threads = nil })
	if _, err := p.Environment(p.Space()); p.PEB != 0 || err == nil || !strings.Contains(err.Error(), "no thread") {
		t.Errorf("PEB %#x, %v", uint64(p.PEB), err)
	}
	if p.DumpedBase() != dumpBase || p.Kind() != OrdinaryProcess {
		t.Errorf("base %#x, %v", uint64(p.DumpedBase()), p.Kind())
	}
	found, _ := p.FindModules()
	for _, m := range found {
		if m.Kind != KindMapped || !strings.Contains(m.Evidence, "cannot be read") {
			t.Errorf("%v: %s", m.Kind, m.Evidence)
		}
	}
}

// TestDumpOfAFewModules has a list without the program, as tools write it that dump only the parts they need.
func TestDumpOfAFewModules(t *testing.T) {
	p := newDumpedMemory(minidump.X64).open(t, minidump.X64, func(md *minidump.Dump) { md.Threads, md.Modules = nil, md.Modules[1:] })
	if p.PEB != dumpPEB || p.DumpedPath() != "" || string(p.RawName) != "program.exe" {
		t.Errorf("PEB %#x, %q, %q", uint64(p.PEB), p.DumpedPath(), p.RawName)
	}
}

// TestDumpedRegions makes descriptors from the dump's records of all addresses.
func TestDumpedRegions(t *testing.T) {
	const commit, free = minidump.Commit, minidump.Free
	d := newDumpedMemory(minidump.X64)
	d.header(0x90000, 0x8664)
	infos := []minidump.MemoryInfo{
		{Base: 0, Size: 0x10000, State: free},
		{Base: 0x20000, Allocation: 0x20000, Asked: 4, Protect: 4, Size: 0x2000, State: commit, Type: minidump.Private},
		{Base: 0x22000, Allocation: 0x20000, Asked: 4, Protect: 0x20, Size: 0x3000, State: commit, Type: minidump.Private},
		{Base: 0x25000, Allocation: 0x20000, Asked: 4, Size: 0x1000, State: minidump.Reserve, Type: minidump.Private},
		{Base: 0x26000, Allocation: 0x26000, Asked: 2, Protect: 2, Size: 0x1000, State: commit, Type: minidump.Mapped},
		{Base: 0x90000, Allocation: 0x90000, Asked: 0x40, Protect: 0x40, Size: 0x2000, State: commit, Type: minidump.Private},
		{Base: dumpBase, Allocation: dumpBase, Asked: 0x80, Protect: 2, Size: 0x1000, State: commit, Type: minidump.Image},
		{Base: dumpBase + 0x1000, Allocation: dumpBase, Asked: 0x80, Protect: 0x20, Size: 0x1000, State: commit, Type: minidump.Image},
		{Base: dumpDLL, Allocation: dumpDLL, Asked: 0x40, Protect: 0x40, Size: 0x2000, State: commit, Type: minidump.Private},
	}
	p := d.open(t, minidump.X64, func(md *minidump.Dump) { md.Infos, md.HasInfos = infos, true })
	regions, errs := p.Regions()
	if len(errs) > 0 {
		t.Error(errs)
	}
	var got []string
	for _, r := range regions {
		got = append(got, fmt.Sprintf("%x-%x %s %s %d", uint64(r.Start), uint64(r.End), r.Type(), r.Protection, r.Executed))
	}
	want := []string{"20000-26000 private PAGE_READWRITE 3", "26000-27000 data PAGE_READONLY 0", "90000-92000 private PAGE_EXECUTE_READWRITE 0",
		"400000-402000 image PAGE_EXECUTE_WRITECOPY 0", "10000000-10002000 private PAGE_EXECUTE_READWRITE 0"}
	if !slices.Equal(got, want) {
		t.Errorf("regions %q", got)
	}
	for va, start := range map[paging.Virt]paging.Virt{0x24fff: 0x20000, 0x20000: 0x20000, dumpBase + 0x1fff: dumpBase} {
		if v, ok := p.VAD(va); !ok || v.Start != start {
			t.Errorf("%#x lies in %#x", uint64(va), uint64(v.Start))
		}
	}
	if _, ok := p.VAD(0x1f000); ok {
		t.Error("free memory has a descriptor")
	}
	kinds := map[paging.Virt]ModuleKind{}
	found, _ := p.FindModules()
	for _, m := range found {
		kinds[m.Base] = m.Kind
	}
	if len(kinds) != 3 || kinds[dumpBase] != KindLoaded || kinds[dumpDLL] != KindHollowed || kinds[0x90000] != KindInjected {
		t.Errorf("kinds %v", kinds)
	}
	checkDumpedMappings(t, p)
}

// checkDumpedMappings checks the mappings of the images of TestDumpedRegions.
func checkDumpedMappings(t *testing.T, p *Process) {
	t.Helper()
	if m := p.Mapping(dumpBase); m.Unbacked || m.Pages != 2 || m.Assumed != "" || m.FileName() != `C:\a\program.exe` {
		t.Errorf("the program: %+v", m)
	} else if _, err := m.SectionPage(0); !sparse.IsHole(err) || !strings.Contains(err.Error(), "not in the dump") {
		t.Errorf("its section's page: %v", err)
	}
	if m := p.Mapping(dumpDLL); !m.Unbacked {
		t.Errorf("what lies in private memory: %+v", m)
	}
}

// TestDumpWithoutRegions has nothing but ranges: the list's modules are assumed, and other programs are of no known
// kind.
func TestDumpWithoutRegions(t *testing.T) {
	d := newDumpedMemory(minidump.X64)
	d.header(0x90000, 0x8664)
	p := d.open(t, minidump.X64, nil)
	found, errs := p.FindModules()
	if len(errs) > 0 || len(found) != 3 || found[0].Base != 0x90000 || found[0].Kind != KindUnknown || found[1].Kind != KindLoaded {
		t.Errorf("%+v, %v", found, errs)
	}
	if m := p.Mapping(dumpDLL); m.Unbacked || m.Assumed == "" || m.Pages != 2 {
		t.Errorf("a listed module: %+v", m)
	}
	if m := p.Mapping(0x90000); !m.Unbacked {
		t.Errorf("a program that no list has: %+v", m)
	}
	if v, ok := p.VAD(dumpBase); !ok || !v.Unknown || v.Type() != "unknown" || v.Protection != NoProtection {
		t.Errorf("%+v", v)
	}
}

// TestDumpedSystem finds nothing of a system in a dump, and does not fail over it.
func TestDumpedSystem(t *testing.T) {
	k := newDumpedMemory(minidump.X64).open(t, minidump.X64, nil).Kernel()
	for d, err := range k.Drivers() {
		if err == nil {
			t.Errorf("driver %+v", d)
		}
	}
	if found, err := k.Scan(t.Context(), nil); len(found) > 0 {
		t.Errorf("scan: %v, %v", found, err)
	}
	if found, err := k.ScanDrivers(t.Context(), nil); len(found) > 0 {
		t.Errorf("scan for drivers: %v, %v", found, err)
	}
	if files, _ := k.PagingFiles(); len(files) > 0 || k.CompressedStore() != nil || k.DTB() != 0 || k.Memory().Size() != 0 {
		t.Error("the dump has parts of a system")
	}
	if _, err := k.UnloadedDrivers(); err == nil {
		t.Error("unloaded drivers")
	}
}

// TestDumpedVersion takes the version of Windows from memory.
func TestDumpedVersion(t *testing.T) {
	d := newDumpedMemory(minidump.X64)
	for i, c := range `D:\WINNT` {
		d.page(uint64(sharedByProgram))[int(sharedSystemRoot)+2*i] = byte(c)
	}
	for build, want := range map[uint16]string{19041: "10.0.19041.2846", 22621: "10.0.19041"} {
		k := d.open(t, minidump.X64, func(md *minidump.Dump) {
			md.Modules = append(md.Modules, minidump.Module{Base: 0x20000000, Path: `C:\Windows\System32\NTDLL.dll`, Version: [4]uint16{10, 0, build, 2846}, HasVersion: true})
		}).Kernel()
		if k.Version.String() != want || k.Root != `D:\WINNT` {
			t.Errorf("%v, %q", k.Version, k.Root)
		}
	}
}

func TestDumpOfNothingKnown(t *testing.T) {
	for _, d := range []*minidump.Dump{{}, {System: &minidump.System{Arch: minidump.IA64}}, {System: &minidump.System{Arch: 77}}} {
		if _, err := OpenDump(d, profile.Builtin()); err == nil {
			t.Errorf("%+v opens", d.System)
		}
	}
}

func TestProtectionOf(t *testing.T) {
	for page, want := range map[uint32]string{1: "PAGE_NOACCESS", 2: "PAGE_READONLY", 4: "PAGE_READWRITE", 8: "PAGE_WRITECOPY", 0x10: "PAGE_EXECUTE",
		0x20: "PAGE_EXECUTE_READ", 0x40: "PAGE_EXECUTE_READWRITE", 0x80: "PAGE_EXECUTE_WRITECOPY", 0x104: "PAGE_GUARD | PAGE_READWRITE",
		0x204: "PAGE_NOCACHE | PAGE_READWRITE", 0x404: "PAGE_WRITECOMBINE | PAGE_READWRITE", 0: "", 3: ""} {
		if got := protectionOf(page); got.String() != want {
			t.Errorf("%#x is %q, want %q", page, got, want)
		}
	}
}

// TestDumpedWow64WithoutThreads finds both environment blocks of a 32-bit process by their contents.
func TestDumpedWow64WithoutThreads(t *testing.T) {
	d := newDumpedMemory(minidump.X64)
	narrow := &dumpedMemory{d.pages, 4}
	const peb, ldr, entry = 0x40000, 0x41000, 0x42000
	narrow.ptr(peb+peb32Base, dumpBase)
	narrow.ptr(peb+peb32Ldr, ldr)
	narrow.ptr(ldr+0xc, entry)
	narrow.ptr(entry+4, ldr+0xc)
	narrow.ptr(entry+0x18, dumpBase)
	without := func(md *minidump.Dump) { md.Threads = nil }
	p := d.open(t, minidump.X64, without)
	if found, ok := p.Wow64PEB(); p.PEB != dumpPEB || !ok || found != peb {
		t.Errorf("%#x, %#x, %v", uint64(p.PEB), uint64(found), ok)
	}
	narrow.ptr(entry+4, 0)
	if _, ok := d.open(t, minidump.X64, without).Wow64PEB(); ok {
		t.Error("a list that does not lead back is taken")
	}
}

// TestDumpOfUnknownKinds has memory of kinds that the writer of the dump did not know. The list of modules gives the
// sizes of modules, and no module is taken for a replaced one.
func TestDumpOfUnknownKinds(t *testing.T) {
	p := newDumpedMemory(minidump.X64).open(t, minidump.X64, func(md *minidump.Dump) {
		md.HasInfos = true
		md.Infos = []minidump.MemoryInfo{
			{Base: dumpBase, Size: 0x1000, State: minidump.Commit},
			{Base: dumpDLL, Size: 0x1000, State: minidump.Commit},
		}
	})
	found, errs := p.FindModules()
	if len(errs) > 0 || len(found) != 2 {
		t.Fatalf("%d modules, %v", len(found), errs)
	}
	for _, m := range found {
		if m.Kind != KindLoaded || m.Size != 0x2000 {
			t.Errorf("%s: %v, %#x bytes", m.DumpPath, m.Kind, m.Size)
		}
		if of := p.Mapping(m.Base); of.Unbacked || of.Pages != 2 || of.Assumed == "" {
			t.Errorf("%s: %+v", m.DumpPath, of)
		}
	}
}
