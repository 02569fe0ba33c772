package synth

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"memlens/memimage/profile"
)

// newStoreWalk is a walk through a built system.
func newStoreWalk(t *testing.T, s System, m *Memory) *storeWalk {
	build := s.Profile.Version().Build
	if s.Build != 0 {
		build = s.Build
	}
	return &storeWalk{newWalker(t, s, m), m, walkOf(s.Profile.Arch(), build)}
}

// checkStored follows every entry that leads to the store.
func checkStored(t *testing.T, s System, m *Memory) {
	t.Helper()
	w := newStoreWalk(t, s, m)
	for _, p := range m.Truth.Store.Pages {
		if got := w.found(p); got != p.PTE {
			t.Errorf("process %d, %#x, %s: entry %#x, want %#x", p.PID, p.VA, p.Kind, got, p.PTE)
		}
		for _, level := range []Level{Stores, StoresAndPageFiles} {
			got, err := w.page(p.PTE, level == StoresAndPageFiles)
			switch {
			case p.Readable(level) && (err != nil || !bytes.Equal(got, p.Content)):
				t.Errorf("process %d, %#x, %s: %v", p.PID, p.VA, p.Kind, err)
			case !p.Readable(level) && err == nil:
				t.Errorf("process %d, %#x, %s: it can be read", p.PID, p.VA, p.Kind)
			case !p.Readable(level) && p.Kind != StorePageFile && !strings.HasSuffix(p.Why(), err.Error()):
				t.Errorf("process %d, %#x, %s: it is %q, want %q", p.PID, p.VA, p.Kind, err, p.Why())
			}
		}
	}
}

// found is the entry that the page tables have, or the prototype PTE.
func (s *storeWalk) found(p StoredPage) uint64 {
	u := s.walker
	for _, process := range s.m.Truth.Processes {
		if process.PID == p.PID && p.PID != 0 {
			u = s.in(process.DTB)
		}
	}
	e, ok := u.entry(p.VA)
	if p.PID == 0 && ok && e&1 != 0 {
		return s.read(p.VA, 8)
	}
	return e
}

// checkImages compares the pages from the page tables and the store with Truth's pages.
func checkImages(t *testing.T, s System, m *Memory) {
	t.Helper()
	w := newStoreWalk(t, s, m)
	for _, p := range m.Truth.Processes {
		u := w.in(p.DTB)
		for i, page := range p.Pages {
			e, ok := u.entry(p.Base + uint64(i)*pageSize)
			if !ok || !page.State.stored() {
				continue
			}
			got, err := w.page(e, true)
			if page.Readable(StoresAndPageFiles) != (err == nil) || err == nil && !bytes.Equal(got, page.Bytes()) {
				t.Errorf("%s, page %d, %s: %v", p.Name, i, page.State, err)
			}
		}
	}
}

func TestStoreOfEveryBuild(t *testing.T) {
	n := 0
	for p := range profile.Builtin().All() {
		if p.Version().Build < 14393 || p.Arch() == profile.ARM64 {
			continue
		}
		n++
		t.Run(p.Name(), func(t *testing.T) {
			s := StoreSystem(p)
			m := build(t, s)
			checkStored(t, s, m)
			checkImages(t, s, m)
			checkGlobals(t, s, m)
			checkPageFiles(t, s, m)
		})
	}
	if n < 35 {
		t.Errorf("%d profiles, want 35 at least", n)
	}
}

// checkGlobals finds SmGlobals as readers without symbols do: in the first page of the section CACHEALI, by pool
// tags.
func checkGlobals(t *testing.T, s System, m *Memory) {
	t.Helper()
	w, k := newWalker(t, s, m), m.Truth.Kernel
	if w.ptr() == 4 || s.Profile.Version().Build >= 22601 {
		return
	}
	page := k.Base + w.sectionRVA(k.Base, "CACHEALI")
	for at := page; at < page+pageSize-0x1c8; at += 8 {
		row, tree := w.pointer(at), w.pointer(at+0x1c0)
		if row>>47 == 0x1ffff && row%16 == 0 && tree>>47 == 0x1ffff && tree%pageSize == 0 && string(w.bytes(row-12, 4)) == "smSa" {
			if at != m.Truth.Store.SmGlobals || at != k.Vars["SmGlobals"] || tree != m.Truth.Store.GlobalTree {
				t.Errorf("SmGlobals is at %#x, want %#x", at, m.Truth.Store.SmGlobals)
			}
			return
		}
	}
	t.Error("SmGlobals is not in CACHEALI")
}

// sectionRVA is the address of a section of the image at base; 0: no such section.
func (w walker) sectionRVA(base uint64, name string) uint64 {
	nt := base + w.read(base+0x3c, 4)
	table := nt + 24 + w.read(nt+20, 2)
	for i := range w.read(nt+6, 2) {
		if got := w.bytes(table+40*i, 8); strings.TrimRight(string(got), "\x00") == name {
			return w.read(table+40*i+12, 4)
		}
	}
	return 0
}

// checkPageFiles finds the virtual store in the array of page files.
func checkPageFiles(t *testing.T, s System, m *Memory) {
	t.Helper()
	w := newWalker(t, s, m)
	ptr := uint64(w.ptr())
	array, number, count := m.Truth.Kernel.Vars["MiSystemPartition.Vp.PagingFile"], uint64(0xcc), uint64(8)
	build := s.Profile.Version().Build
	switch {
	case ptr == 4:
		number = 0x74
		if build == 14393 {
			count = 4
		}
	case build >= 26100:
		number = 0xac
	}
	n := w.read(array-count, 4)
	if n != 3 || build > 14393 && w.read(array-4, 4) != 1 {
		t.Fatalf("%d page files, want 3", n)
	}
	for i := range n {
		f := w.pointer(array + i*ptr)
		if tag := string(w.bytes(f-[]uint64{0, 4, 12}[ptr/4], 4)); tag != "Mm  " {
			t.Errorf("page file %d has the tag %q", i, tag)
		}
		if bits := w.read(f+number, 1); bits&15 != i || bits&0x40 != 0 != (i == 2) {
			t.Errorf("page file %d has the bits %#x", i, bits)
		}
	}
}

func TestStoreNumbers(t *testing.T) {
	for _, c := range []struct {
		store  Store
		levels []int
	}{
		{Store{Number: 5, OutFile: 3, Levels: 1, Stores: []SMKM{{Index: 0, Levels: 2, Records: 128, RecordSize: 8, RegionBits: 16}}}, []int{2}},
		{Store{Levels: 2, Stores: []SMKM{
			{Index: 1022, Levels: 1, Records: 1, RecordSize: 4000, Header: 96, RegionBits: 12},
			{Index: 31, Levels: 2, Records: 512, RecordSize: 8, RegionBits: 12},
			{Index: 32, Levels: 3, Records: 2, RecordSize: 16, Header: 1, RegionBits: 15},
		}}, []int{1, 2, 3}},
	} {
		for _, name := range []string{"Win10x64_19041", "Win10x86_19041", "Win10x64_16299"} {
			s := StoreSystem(named(t, name))
			s.Store = &c.store
			m := build(t, s)
			checkStored(t, s, m)
			w := newStoreWalk(t, s, m)
			for i, store := range m.Truth.Store.Stores {
				if _, depth, _ := w.search(store.Tree, 0x20002000); depth != c.levels[i] {
					t.Errorf("store %d: a tree of %d levels, want %d", store.Index, depth, c.levels[i])
				}
			}
			if _, depth, _ := w.search(m.Truth.Store.GlobalTree, 0x20002000); depth != c.store.Levels {
				t.Errorf("a global tree of %d levels, want %d", depth, c.store.Levels)
			}
		}
	}
}

// TestStoreMask checks that there are entries of both forms if the mask is one bit of the offset, and plain entries
// without a mask.
func TestStoreMask(t *testing.T) {
	s := StoreSystem(named(t, "Win10x64_19041"))
	m := build(t, s)
	swizzled := make(map[uint64]int)
	for _, p := range m.Truth.Store.Pages {
		swizzled[p.PTE>>4&1]++
		if p.PTE&s.SwizzleMask == 0 {
			t.Errorf("entry %#x lacks the mask", p.PTE)
		}
	}
	if len(swizzled) != 2 {
		t.Errorf("entries by swizzle bit: %v", swizzled)
	}
	for _, mask := range []uint64{0, 1 << 51, 3 << 45} {
		s.SwizzleMask = mask
		checkStored(t, s, build(t, s))
	}
}

// TestStoreTables finds the image of a process whose page tables are in the store.
func TestStoreTables(t *testing.T) {
	for _, name := range []string{"Win10x64_19041", "Win10x86_19041"} {
		s := StoreSystem(named(t, name))
		m := build(t, s)
		p := findPID(t, m, 1044)
		w := newStoreWalk(t, s, m)
		e, ok := w.in(p.DTB).entry(p.Base)
		if ok {
			t.Fatalf("%s: the page table is there", name)
		}
		table, err := w.page(e, false)
		if err != nil {
			t.Fatal(err)
		}
		pte := getN(table, int(p.Base>>12&0x1ff)*8, 8)
		if got := w.walker.page(pte); string(got[:2]) != "MZ" || !bytes.Equal(got, p.Pages[0].Bytes()) {
			t.Errorf("%s: the entry %#x leads to % x", name, pte, got[:2])
		}
		if p.Pages[0].Readable(PageFiles) || !p.Pages[0].Readable(Stores) {
			t.Errorf("%s: the page is readable without the store, or not with it", name)
		}
	}
}

// TestStoreLevels checks that each level reads more pages, and that levels without the store read the same pages as a
// system without a store.
func TestStoreLevels(t *testing.T) {
	m := build(t, StoreSystem(named(t, "Win10x64_19041")))
	count := make(map[Level]int)
	for _, level := range []Level{VADs, PageFiles, Stores, StoresAndPageFiles} {
		for _, p := range m.Truth.Processes {
			for _, pages := range append([][]PageTruth{p.Pages}, regionPages(p)...) {
				for i := range pages {
					if pages[i].Readable(level) {
						count[level]++
					}
				}
			}
		}
	}
	if !(count[VADs] < count[Stores] && count[Stores] < count[StoresAndPageFiles] && count[PageFiles] < count[StoresAndPageFiles]) {
		t.Errorf("pages by level: %v", count)
	}
}

func regionPages(p ProcessTruth) (out [][]PageTruth) {
	for _, r := range p.Regions {
		out = append(out, r.Pages)
	}
	return out
}

// TestStoreKernels checks that the variables are at the addresses in the public symbols.
func TestStoreKernels(t *testing.T) {
	s := StoreSystem(named(t, "Win10x64_19041.985"))
	m := build(t, s)
	rvas := storeRVAs(m.Truth.Kernel.PDB)
	if len(rvas) != 3 {
		t.Fatalf("the kernel %v is in no table", m.Truth.Kernel.PDB)
	}
	for name, rva := range rvas {
		if got := m.Truth.Kernel.Vars[name]; got != m.Truth.Kernel.Base+uint64(rva) {
			t.Errorf("%s is at %#x, want %#x behind %#x", name, got, rva, m.Truth.Kernel.Base)
		}
	}
	w := newWalker(t, s, m)
	if got := w.read(m.Truth.Kernel.Vars[varMask], 8); got != s.SwizzleMask {
		t.Errorf("the mask is %#x, want %#x", got, s.SwizzleMask)
	}
	s.Store.Lacks.RVAs = true
	if m := build(t, s); m.Truth.Kernel.Vars[varSmGlobals] == m.Truth.Kernel.Base+uint64(rvas[varSmGlobals]) {
		t.Error("SmGlobals is where the symbols have it")
	}
	if lines := strings.Count(strings.TrimSpace(storeKernels), "\n"); lines != 180 {
		t.Errorf("%d kernels", lines)
	}
}

// TestStoreSymbols compares the table of kernels with their symbols.
func TestStoreSymbols(t *testing.T) {
	n := 0
	for p := range profile.Builtin().All() {
		for _, k := range p.Kernels() {
			table := storeRVAs(RSDS{GUID: k.GUID, Age: k.Age})
			if table == nil || k.Build < 14393 {
				continue
			}
			n++
			if got := storeSymbols(k.Symbol, k.Build); fmt.Sprint(got) != fmt.Sprint(table) {
				t.Errorf("%s: %#x by symbols, %#x in the table", k.GUID, got, table)
			}
		}
	}
	if n < 100 {
		t.Errorf("%d kernels", n)
	}
}

// TestStoreCode finds SmGlobals by the instructions that name it.
func TestStoreCode(t *testing.T) {
	for _, name := range []string{"Win10x64_14393", "Win10x64_18362", "Win10x86_17134", "Win10x86_18362"} {
		s := StoreSystem(named(t, name))
		m := build(t, s)
		w, k := newWalker(t, s, m), m.Truth.Kernel
		code := w.bytes(k.Base+0x1000, kernelCode)
		got := uint64(0)
		if w.ptr() == 8 {
			at := bytes.Index(code, []byte{0x4c, 0x8b, 0x02, 0x48, 0x8d})
			got = k.Base + 0x1000 + uint64(at) + 17 + getN(code, at+13, 4)
		} else {
			at := bytes.Index(code, []byte{0x8b, 0xd1, 0xb9})
			got = getN(code, at+3, 4)
		}
		if got != m.Truth.Store.SmGlobals {
			t.Errorf("%s: the code names %#x, want %#x", name, got, m.Truth.Store.SmGlobals)
		}
	}
}

// TestStoreLacks builds systems that lack one thing each.
func TestStoreLacks(t *testing.T) {
	for _, c := range []struct {
		name  string
		lacks StoreLacks
		check func(w walker, m *Memory) bool
	}{
		{"section", StoreLacks{Section: true}, func(w walker, m *Memory) bool { return w.sectionRVA(m.Truth.Kernel.Base, "CACHEALI") == 0 }},
		{"globals", StoreLacks{Globals: true}, func(w walker, m *Memory) bool {
			_, ok := w.translate(m.Truth.Kernel.Vars[varSmGlobals])
			return !ok
		}},
		{"array tag", StoreLacks{ArrayTag: true}, func(w walker, m *Memory) bool {
			return string(w.bytes(w.pointer(m.Truth.Store.SmGlobals)-12, 4)) != "smSa"
		}},
		{"files", StoreLacks{Files: true}, func(w walker, m *Memory) bool { return w.pointer(m.Truth.Kernel.Vars[varPagingFile]) == 0 }},
		{"file tag", StoreLacks{FileTag: true}, func(w walker, m *Memory) bool {
			return string(w.bytes(m.Truth.Store.PageFiles[2].Address-12, 4)) != "Mm  "
		}},
		{"file flag", StoreLacks{FileFlag: true}, func(w walker, m *Memory) bool {
			return w.read(m.Truth.Store.PageFiles[2].Address+0xcc, 1) == 2
		}},
		{"mask", StoreLacks{Mask: true}, func(w walker, m *Memory) bool { return w.read(m.Truth.Kernel.Vars["MiInvalidPteMask"], 8) == 0 }},
		{"owner", StoreLacks{Owner: true}, func(w walker, m *Memory) bool {
			return !strings.Contains(fmt.Sprint(w.processes(m.Truth.Kernel.PsActiveProcessHead)), fmt.Sprint(m.Truth.Store.EPROCESS))
		}},
		{"build", StoreLacks{Build: true}, func(w walker, m *Memory) bool {
			return w.pointer(m.Truth.Store.Stores[0].Address+0x370) != m.Truth.Store.Stores[0].Address
		}},
		{"code", StoreLacks{Code: true}, func(w walker, m *Memory) bool {
			return !bytes.Contains(w.bytes(m.Truth.Kernel.Base+0x1000, kernelCode), []byte{0x4c, 0x8b, 0x02, 0x48, 0x8d})
		}},
	} {
		s := StoreSystem(named(t, "Win10x64_18362"))
		s.Store.Lacks = c.lacks
		m := build(t, s)
		if w := newWalker(t, s, m); !c.check(w, m) {
			t.Errorf("%s: it is there", c.name)
		}
	}
}

// TestStoreForms checks that the data of each kind are as its name says.
func TestStoreForms(t *testing.T) {
	seen := make(map[StoreKind]int)
	m := build(t, StoreSystem(named(t, "Win10x64_19041")))
	for _, p := range m.Truth.Store.Pages {
		crosses := p.DataVA/pageSize != (p.DataVA+uint64(max(p.Size, 1))-1)/pageSize
		switch p.Kind {
		case StoreRaw, StoreHalfOut:
			if p.Size != pageSize {
				t.Errorf("%s: size %#x", p.Kind, p.Size)
			}
		case StoreSize0:
			if p.Size != 0 {
				t.Errorf("%s: size %#x", p.Kind, p.Size)
			}
		}
		if (p.Kind == StoreStraddle || p.Kind == StoreHalfOut) && !crosses {
			t.Errorf("%s: data at %#x, %#x bytes", p.Kind, p.DataVA, p.Size)
		}
		if p.Kind.fate() == fateThere || p.Size < pageSize {
			seen[p.Kind]++
		}
	}
	for _, k := range StoreKinds() {
		if seen[k] == 0 && k != StoreHalfOut {
			t.Errorf("no page is %s", k)
		}
	}
}

func TestStoreDeterministic(t *testing.T) {
	s := StoreSystem(named(t, "Win10x64_19041"))
	if a, b := build(t, s), build(t, s); !bytes.Equal(all(t, a), all(t, b)) || !bytes.Equal(a.PageFile, b.PageFile) {
		t.Error("two builds of one System differ")
	}
}

func all(t *testing.T, m *Memory) []byte {
	t.Helper()
	b := make([]byte, m.Reader.Size())
	if _, err := m.Reader.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestStoreMoved finds the block of pool that has the place of SmGlobals from 22H2 on; SmGlobals points into it.
func TestStoreMoved(t *testing.T) {
	for _, c := range []struct {
		profile  string
		build    uint32
		at, back uint64
	}{{"Win11x64_22000.318", 22621, 8, 0x7a8}, {"Win11x64_22000.318", 22631, 8, 0x7a8}, {"Win11x64_26100", 26100, 0x10, 0xc30}} {
		s := StoreSystem(named(t, c.profile))
		s.Build = c.build
		m := build(t, s)
		checkStored(t, s, m)
		w, globals := newWalker(t, s, m), m.Truth.Store.SmGlobals
		if got := w.pointer(m.Truth.Kernel.Vars[varSmGlobals]+c.at) - c.back; got != globals || string(w.bytes(globals-12, 4)) != "SmPa" {
			t.Errorf("build %d: SmGlobals leads to %#x, want %#x", c.build, got, globals)
		}
		if got := w.read(m.Truth.Kernel.Vars["NtBuildNumber"], 2); got != uint64(c.build) {
			t.Errorf("the kernel says that it is build %d", got)
		}
		for _, p := range m.Truth.Store.Pages {
			if c.build == 26100 && p.Key>>28 != 0 {
				t.Errorf("key %#x has the number of the virtual store", p.Key)
			}
		}
	}
}

// TestStoreOptions builds stores on machines that are unlike the usual one.
func TestStoreOptions(t *testing.T) {
	for name, change := range map[string]func(s *System){
		"large pages": func(s *System) { s.LargePages, s.RAM = true, 128<<20 },
		"five levels": func(s *System) { s.Paging = LA57 },
		"shadow":      func(s *System) { s.KVAShadow, s.PCID = true, true },
		"idle":        func(s *System) { s.Idle, s.Store.PID = true, 1600 },
		"high":        func(s *System) { s.RAM, s.Lowest = 16<<30, 9<<30 },
	} {
		t.Run(name, func(t *testing.T) {
			s := StoreSystem(named(t, "Win10x64_19041"))
			change(&s)
			m := build(t, s)
			checkStored(t, s, m)
			checkImages(t, s, m)
			checkGlobals(t, s, m)
			owner := findPID(t, m, m.Truth.Store.PID)
			if owner.Name != "MemCompression" || owner.PPID != 4 || owner.PEB != 0 || !owner.Minimal || owner.EPROCESS != m.Truth.Store.EPROCESS {
				t.Errorf("MemCompression: %+v", owner)
			}
		})
	}
}

func TestStoreRefused(t *testing.T) {
	ten := func() System { return System{Profile: named(t, "Win10x64_19041"), Store: &Store{}} }
	for name, c := range map[string]struct {
		change func(s *System)
		want   string
	}{
		"old build":   {func(s *System) { s.Profile = named(t, "Win10x64_10586") }, "are not known"},
		"server 23H2": {func(s *System) { s.Build = 25398 }, "are not known"},
		"page file":   {func(s *System) { s.PageFile = 2 }, "both the page file and the virtual store"},
		"number":      {func(s *System) { s.Store.Number = 16 }, "must be 1 to 15"},
		"out file":    {func(s *System) { s.Store.OutFile = 2 }, "cannot be the one that is not given"},
		"levels":      {func(s *System) { s.Store.Levels = 4 }, "must have 1 to 3"},
		"index":       {func(s *System) { s.Store.Stores = []SMKM{{Index: 1023}} }, "must be below 1023"},
		"two":         {func(s *System) { s.Store.Stores = append(DefaultStores(), DefaultStores()...) }, "two stores have the index 1"},
		"records":     {func(s *System) { s.Store.Stores = []SMKM{{Levels: 1, Records: 3}} }, "power of two"},
		"record size": {func(s *System) { s.Store.Stores = []SMKM{{Levels: 1, Records: 512, RecordSize: 9}} }, "do not fit into a page"},
		"regions":     {func(s *System) { s.Store.Stores = []SMKM{{Levels: 1, Records: 1, RecordSize: 8, RegionBits: 20}} }, "12 to 16"},
		"no store": {func(s *System) {
			s.Store = nil
			s.Processes = []Process{{PID: 8, Image: NewProgram(Program{Name: "a.exe", Bits: 64}), PEB: Compressed}}
		}, "does not describe"},
	} {
		s := ten()
		c.change(&s)
		if _, err := Build(s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.want)
		}
	}
}
