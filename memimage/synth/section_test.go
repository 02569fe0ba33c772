package synth

import (
	"bytes"
	"fmt"
	"testing"

	"memlens/memimage/profile"
)

// mixedSystem has processes whose pages are in all states; one process is relocated, and two run the same file.
func mixedSystem(p *profile.Profile) System {
	s := typical(p)
	s.PageFile = 1
	for i := range s.Processes {
		proc := &s.Processes[i]
		proc.Pages, proc.Section = Mixed(proc.PID), MixedSection(proc.PID)
		proc.Cached = func(page int) bool { return page%3 != 1 }
	}
	s.Processes[1].Base = 0x10000000
	return s
}

// otherModes are profiles that also run with another paging mode than their usual one.
var otherModes = []struct {
	profile string
	paging  Paging
}{{"WinXPSP3x86", PAE}, {"Win2003SP2x86", PAE}, {"Win7SP1x86", X86}, {"Win10x64_19041", LA57}}

// eachForm runs a test for every profile, and for the other modes.
func eachForm(t *testing.T, test func(t *testing.T, w walker, m *Memory)) {
	t.Helper()
	run := func(p *profile.Profile, paging Paging) {
		t.Run(fmt.Sprintf("%s/%s", p.Name(), paging), func(t *testing.T) {
			s := mixedSystem(p)
			s.Paging = paging
			m := build(t, s)
			test(t, newWalker(t, s, m), m)
		})
	}
	for p := range profile.Builtin().All() {
		run(p, defaultPaging(p))
	}
	for _, c := range otherModes {
		run(named(t, c.profile), c.paging)
	}
}

// protoSize is the size of a page-table entry.
func (w walker) protoSize() int {
	if w.paging == X86 {
		return 4
	}
	return 8
}

// protoAddress is the address that a prototype PTE points to, by the formulas of each layout; lookup says that the
// entry means "see the VAD" instead.
func (w walker) protoAddress(e, pagedPool uint64) (va uint64, lookup bool) {
	switch {
	case w.paging == X86 && e>>12 == 0xfffff:
		return 0, true
	case w.paging == X86 && w.p.Version().Build < 6000:
		return e>>11<<9 + e<<24&0xffffffff>>23 + pagedPool, false
	case w.paging == X86:
		return e>>1&0x7ffffc00 | e<<1&0x3ff&^3 | 0x80000000, false
	case w.paging == PAE:
		return e >> 32, e>>32 == 0xffffffff
	}
	return uint64(int64(e) >> 16), e>>16 == 0xffffffff0000
}

// pageFileOffset is the page file number and offset in bytes of an entry.
func (w walker) pageFileOffset(e uint64) (file, off uint64) {
	if w.paging == X86 {
		return e >> 1 & 15, e >> 12 << 12
	}
	shift := 1
	if f, ok := w.p.Field("_MMPTE_SOFTWARE.PageFileLow"); ok && f.Size == 8 {
		shift = int(f.BitPos)
	}
	return e >> shift & 15, e >> 32 << 12
}

// content is the page that an entry leads to, if the entry is no prototype PTE; a subsection PTE and zero lead
// nowhere.
func (w walker) content(t *testing.T, m *Memory, e uint64) (p []byte, under string) {
	t.Helper()
	switch {
	case e&1 != 0:
		return w.page(e), "valid"
	case e&0x400 != 0:
		return nil, "disk"
	case e&0x800 != 0:
		return w.page(e), "transition"
	case e == 0:
		return nil, "none"
	}
	file, off := w.pageFileOffset(e)
	if off == 0 {
		return make([]byte, pageSize), "zero"
	}
	if file != 1 || off+pageSize > uint64(len(m.PageFile)) {
		t.Fatalf("entry %#x: page file %d, offset %#x of %#x", e, file, off, len(m.PageFile))
	}
	return m.PageFile[off : off+pageSize], "pagefile"
}

func (w walker) page(e uint64) []byte {
	p := make([]byte, pageSize)
	if _, err := w.r.ReadAt(p, int64(e&0xffffffffff000)); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// TestPageStates follows every page of every image by the page tables, the
// prototype PTEs and the page file and compares state and bytes with Truth.
func TestPageStates(t *testing.T) {
	eachForm(t, func(t *testing.T, w walker, m *Memory) {
		seen := make(map[State]int)
		pagedPool := w.pointer(m.Truth.Kernel.Vars["MmPagedPoolStart"])
		for _, p := range m.Truth.Processes {
			if p.File == nil {
				continue
			}
			u := w.in(w.pointer(p.EPROCESS + w.off("_EPROCESS.Pcb.DirectoryTableBase")))
			for i, page := range p.Pages {
				seen[page.State]++
				u.checkPage(t, m, p.Base+uint64(i)*pageSize, page, pagedPool)
			}
		}
		if len(seen) < 12 {
			t.Errorf("only %d states were there: %v", len(seen), seen)
		}
	})
}

func (w walker) checkPage(t *testing.T, m *Memory, va uint64, page PageTruth, pagedPool uint64) {
	t.Helper()
	e, _ := w.entry(va)
	state := ""
	switch {
	case e == 0:
		state, e = "vad-", w.read(page.Proto, w.protoSize())
	case e&1 == 0 && e&0x400 != 0:
		proto, lookup := w.protoAddress(e, pagedPool)
		state = "proto-"
		if lookup {
			proto, state = page.Proto, "lookup-"
		}
		if proto != page.Proto {
			t.Errorf("%#x: prototype PTE at %#x, want %#x", va, proto, page.Proto)
			return
		}
		e = w.read(proto, w.protoSize())
	}
	content, under := w.content(t, m, e)
	if under == "zero" && state == "" {
		under = "demandzero"
	}
	if state+under != page.State.String() {
		t.Errorf("%#x: state %s, want %s", va, state+under, page.State)
	}
	if want := page.Bytes(); !bytes.Equal(content, want) {
		t.Errorf("%#x: %s: the bytes differ", va, page.State)
	}
}

// controlArea follows a process's section object.
func (w walker) controlArea(p ProcessTruth) uint64 {
	if _, ok := w.p.SizeOf("_SECTION"); ok {
		return w.pointer(p.SectionObject + w.off("_SECTION.u1"))
	}
	area := w.pointer(p.SectionObject + w.off("_SECTION_OBJECT.Segment"))
	if w.p.Version().Build < 9200 {
		area = w.pointer(area + w.off("_SEGMENT.ControlArea"))
	}
	return area
}

// TestSubsections walks from the section object through the control area to the file, and compares the pages of valid
// prototypes, of an image that was not relocated, with the file at the sectors that the subsections name.
func TestSubsections(t *testing.T) {
	eachForm(t, func(t *testing.T, w walker, m *Memory) {
		p := *findPID(t, m, 368)
		area := w.controlArea(p)
		if area != p.ControlArea {
			t.Fatalf("control area %#x, want %#x", area, p.ControlArea)
		}
		size, _ := w.p.SizeOf("_CONTROL_AREA")
		page, compared := 0, 0
		for sub := area + uint64(size); sub != 0; sub = w.pointer(sub + w.off("_SUBSECTION.NextSubsection")) {
			if got := w.pointer(sub + w.off("_SUBSECTION.ControlArea")); got != area {
				t.Errorf("subsection %#x: control area %#x", sub, got)
			}
			n := int(w.read(sub+w.off("_SUBSECTION.PtesInSubsection"), 4))
			base := w.pointer(sub + w.off("_SUBSECTION.SubsectionBase"))
			first := int(w.read(sub+w.off("_SUBSECTION.StartingSector"), 4)) * 512
			full := int(w.read(sub+w.off("_SUBSECTION.NumberOfFullSectors"), 4)) * 512
			for i := range n {
				e := w.read(base+uint64(i*w.protoSize()), w.protoSize())
				if content, under := w.content(t, m, e); under == "valid" && i*pageSize < full {
					end := min(first+(i+1)*pageSize, first+full, len(p.File))
					from := p.File[first+i*pageSize : end]
					compared++
					if !bytes.Equal(content[:len(from)], from) {
						t.Errorf("page %d: not the file's bytes at %#x", page+i, first+i*pageSize)
					}
				}
			}
			page += n
		}
		if page != len(p.Pages) || compared == 0 {
			t.Errorf("the subsections have %d pages, want %d; %d compared", page, len(p.Pages), compared)
		}
	})
}

// TestFileCache follows the file object to the data section and the cache map.
func TestFileCache(t *testing.T) {
	eachForm(t, func(t *testing.T, w walker, m *Memory) {
		p := *findPID(t, m, 3256)
		file := w.pointer(p.ControlArea+w.off("_CONTROL_AREA.FilePointer")) &^ (uint64(w.ptr())*2 - 1)
		if file != p.FileObject {
			t.Fatalf("file object %#x, want %#x", file, p.FileObject)
		}
		if got := w.unicode(file + w.off("_FILE_OBJECT.FileName")); got != devicePath(p.Path) {
			t.Errorf("file name %q, want %q", got, devicePath(p.Path))
		}
		pointers := w.pointer(file + w.off("_FILE_OBJECT.SectionObjectPointer"))
		if got := w.pointer(pointers + w.off("_SECTION_OBJECT_POINTERS.ImageSectionObject")); got != p.ControlArea {
			t.Errorf("image section %#x, want %#x", got, p.ControlArea)
		}
		area := w.pointer(pointers + w.off("_SECTION_OBJECT_POINTERS.DataSectionObject"))
		size, _ := w.p.SizeOf("_CONTROL_AREA")
		base := w.pointer(area + uint64(size) + w.off("_SUBSECTION.SubsectionBase"))
		for i := 0; i*pageSize < len(p.File); i++ {
			content, under := w.content(t, m, w.read(base+uint64(i*w.protoSize()), w.protoSize()))
			if want := i%3 != 1; want != (under != "disk") {
				t.Errorf("page %d of the file is %s", i, under)
			} else if want && !bytes.HasPrefix(content, p.File[i*pageSize:min((i+1)*pageSize, len(p.File))]) {
				t.Errorf("page %d of the file: the bytes differ", i)
			}
		}
		checkViews(t, w, p, w.pointer(pointers+w.off("_SECTION_OBJECT_POINTERS.SharedCacheMap")))
	})
}

// checkViews reads the file through the cache map's first view.
func checkViews(t *testing.T, w walker, p ProcessTruth, cacheMap uint64) {
	t.Helper()
	vacbs := uint64(0x40)
	if w.ptr() == 8 {
		vacbs = 0x58
	}
	if got := w.read(cacheMap+8, 8); got != uint64(len(p.File)) {
		t.Errorf("cache map: file size %d, want %d", got, len(p.File))
	}
	vacb := w.pointer(w.pointer(cacheMap + vacbs))
	view := w.pointer(vacb)
	if got := w.bytes(view, 64); !bytes.Equal(got, p.File[:64]) {
		t.Errorf("the view at %#x starts with % x", view, got[:8])
	}
	if got := w.pointer(vacb + uint64(w.ptr())); got != cacheMap {
		t.Errorf("_VACB.SharedCacheMap %#x, want %#x", got, cacheMap)
	}
}
