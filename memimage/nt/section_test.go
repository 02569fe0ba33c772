package nt

import (
	"encoding/binary"
	"errors"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/synth"
)

// area writes a control area with its segment and a chain of subsections of so many prototype entries each. The
// prototype tables do not follow each other.
func (f *flat) area(ptes ...uint32) (area paging.Virt, subs []paging.Virt) {
	s := &f.l.Section
	each := f.k.subsectionSize()
	each = (each + 15) &^ 15
	area = f.alloc(int(s.AreaSize) + each*len(ptes))
	segment := f.alloc(0x100)
	f.ptr(area, s.AreaSegment, segment)
	f.ptr(segment, s.SegmentArea, area)
	for i, n := range ptes {
		va := area + paging.Virt(int(s.AreaSize)+i*each)
		subs = append(subs, va)
		f.ptr(va, s.SubArea, area)
		f.alloc(64)
		f.ptr(va, s.SubBase, f.alloc(int(min(n, 1<<10))*f.k.Mode.EntrySize))
		f.u32(va, s.SubPtes, n)
		f.u32(va, s.SubSector, uint32(8*i))
		f.u32(va, s.SubSectors, 8)
		if i > 0 {
			f.ptr(subs[i-1], s.SubNext, va)
		}
	}
	return area, subs
}

func TestSubsections(t *testing.T) {
	for _, name := range kinds {
		for _, c := range []struct {
			what   string
			damage func(f *flat, area paging.Virt, subs []paging.Virt)
			want   int // subsections; -1: an error
		}{
			{"whole", func(f *flat, area paging.Virt, subs []paging.Virt) {}, 3},
			{"loop", func(f *flat, area paging.Virt, subs []paging.Virt) { f.ptr(subs[2], f.l.Section.SubNext, subs[0]) }, 3},
			{"loop to itself", func(f *flat, area paging.Virt, subs []paging.Virt) { f.ptr(subs[1], f.l.Section.SubNext, subs[1]) }, 2},
			{"wild", func(f *flat, area paging.Virt, subs []paging.Virt) { f.ptr(subs[1], f.l.Section.SubNext, 0x1230) }, 2},
			{"of another area", func(f *flat, area paging.Virt, subs []paging.Virt) { f.ptr(subs[1], f.l.Section.SubArea, area+0x10) }, 1},
			{"first of another area", func(f *flat, area paging.Virt, subs []paging.Virt) { f.ptr(subs[0], f.l.Section.SubArea, area+0x10) }, -1},
			{"too many entries", func(f *flat, area paging.Virt, subs []paging.Virt) { f.u32(subs[1], f.l.Section.SubPtes, 0xffffffff) }, 1},
		} {
			t.Run(name+"/"+c.what, func(t *testing.T) {
				f := newFlat(t, name, 1<<20)
				area, subs := f.area(1, 4, 3)
				c.damage(f, area, subs)
				s, err := f.k.openSection(area)
				if err != nil || len(s.Subsections) != c.want {
					if c.want >= 0 || err == nil {
						t.Errorf("section %+v, %v, want %d subsections", s, err, c.want)
					}
					return
				}
				for i, sub := range s.Subsections {
					if sub.VA != subs[i] || sub.Ptes != []int64{1, 4, 3}[i] {
						t.Errorf("subsection %d: %+v", i, sub)
					}
				}
			})
		}
	}
}

func TestEndlessSubsections(t *testing.T) {
	f := newFlat(t, "WinXPSP2x86", 1<<20)
	area, _ := f.area(make([]uint32, maxSubsections+50)...)
	if s, err := f.k.openSection(area); err != nil || len(s.Subsections) != maxSubsections {
		t.Errorf("%d subsections, %v, want %d", len(s.Subsections), err, maxSubsections)
	}
}

func TestControlAreas(t *testing.T) {
	for _, name := range kinds {
		f := newFlat(t, name, 1<<20)
		area, _ := f.area(1)
		other, _ := f.area(1)
		segment, err := f.k.kernel.ptr(area + paging.Virt(f.l.Section.AreaSegment))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.k.checkArea(area); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		f.ptr(other, f.l.Section.AreaSegment, segment)
		for what, va := range map[string]paging.Virt{"with another's segment": other, "wild": 0x1230, "null": 0, "of zeros": f.alloc(0x100)} {
			if err := f.k.checkArea(va); err == nil {
				t.Errorf("%s: a control area %s is believed", name, what)
			}
		}
	}
}

// TestPrototypesOverSubsections looks up the pages of a mapping with prototype entries in three tables.
func TestPrototypesOverSubsections(t *testing.T) {
	for _, name := range kinds {
		t.Run(name, func(t *testing.T) {
			f := newFlat(t, name, 1<<20)
			area, subs := f.area(2, 3, 4)
			bases := make([]paging.Virt, 3)
			for i, va := range subs {
				bases[i], _ = f.k.kernel.ptr(va + paging.Virt(f.l.Section.SubBase))
			}
			size := paging.Virt(f.k.Mode.EntrySize)
			for skip := range 2 { // the mapping starts at the first or the second page
				va := f.vad(0x100, 0x108, 0, 0, bases[0]+paging.Virt(skip)*size)
				f.ptr(va, f.l.VAD.LastProto, bases[0]+size)
				if f.l.VAD.Area.Present() {
					f.ptr(va, f.l.VAD.Area, area)
				} else {
					f.ptr(va, f.l.VAD.Subsection, subs[0])
				}
				p := f.process(va)
				for page := range 9 {
					got, ok, _ := p.PrototypePTE(paging.Virt(0x100+page) << 12)
					i, rest := 0, page+skip
					for i < 3 && rest >= i+2 {
						rest -= i + 2
						i++
					}
					if ok != (i < 3) || ok && got != bases[i]+paging.Virt(rest)*size {
						t.Errorf("page %d from %d: %#x, %v", page, skip, got, ok)
					}
				}
				if _, ok, err := p.PrototypePTE(0x109 << 12); ok || err != nil {
					t.Error("the page behind the mapping has a prototype entry")
				}
			}
		})
	}
}

func TestSectionPages(t *testing.T) {
	f := newFlat(t, "Win7SP1x64", 1<<20)
	area, _ := f.area(2)
	s, err := f.k.openSection(area)
	if err != nil {
		t.Fatal(err)
	}
	sub := s.Subsections[0]
	binary.LittleEndian.PutUint64(f.at(sub.Base, 8), 0x5000|1)
	if page, err := f.k.Page(sub, 1); err != nil || page.Off != 0x5000 {
		t.Errorf("page %+v, %v", page, err)
	}
	for _, i := range []int64{-1, 0, 2, 1 << 60} {
		var fault *paging.FaultError
		if _, err := f.k.Page(sub, i); !errors.As(err, &fault) || fault.State != paging.NotPresent {
			t.Errorf("page %d: %v", i, err)
		}
	}
}

// TestImageSections finds the sections of built processes by way of the section object, the descriptor, or the
// file that the process names.
func TestImageSections(t *testing.T) {
	for _, name := range kinds {
		for _, c := range []struct {
			what        string
			set         func(p *synth.Process)
			wild, found bool
		}{
			{"whole", func(p *synth.Process) {}, false, true},
			{"no section object", func(p *synth.Process) { p.NoSection = true }, false, true},
			{"no descriptor", func(p *synth.Process) { p.Orphan = true }, false, true},
			{"neither", func(p *synth.Process) { p.Orphan, p.NoSection = true, true }, false, false},
			{"damaged", func(p *synth.Process) {}, true, true},
			{"damaged, no section object", func(p *synth.Process) { p.NoSection = true }, true, true},
		} {
			t.Run(name+"/"+c.what, func(t *testing.T) {
				s := row(t, name, 0)
				s.Hostile.WildVADs = c.wild
				s.Processes = []synth.Process{{PID: 8, Name: "a", Image: program(s.Profile, "a.exe")}}
				c.set(&s.Processes[0])
				l := newLab(t, s)
				want := truthByPID(l.built)[8]
				if l.whole.layout.EPROCESS.ImageFile.Present() {
					c.found = true // the process names its file
				}
				for p, err := range l.whole.Processes() {
					if err != nil || p.PID != 8 {
						continue
					}
					got, err := p.ImageSection()
					if (err == nil) != c.found || c.found && uint64(got.Area) != want.ControlArea {
						t.Fatalf("section %+v, %v, want %#x", got, err, want.ControlArea)
					}
					if c.found {
						checkSectionPages(t, l.whole, got, want)
					}
				}
			})
		}
	}
}

// checkSectionPages counts a section's pages.
func checkSectionPages(t *testing.T, k *Kernel, s *Section, want synth.ProcessTruth) {
	t.Helper()
	n := 0
	for _, sub := range s.Subsections {
		for i := range sub.Ptes {
			page, err := k.Page(sub, i)
			pa, _ := page.Physical()
			if w := want.Pages[n]; (err == nil && pa != 0) != (w.Section != 0) || w.Section != 0 && int64(pa) != w.Section {
				t.Errorf("page %d at %#x, %v, want %#x (%s)", n, pa, err, w.Section, w.Under)
			}
			n++
		}
	}
	if n != len(want.Pages) {
		t.Errorf("%d pages, want %d", n, len(want.Pages))
	}
}

// FuzzSections takes any bytes for control areas, subsections, file objects and cache maps.
func FuzzSections(f *testing.F) {
	for i, name := range kinds {
		fl := newFlat(f, name, 1<<20)
		area, _ := fl.area(1, 4, 3)
		f.Add(uint8(i), uint16(area-fl.base), append([]byte(nil), fl.mem[0x4000:0x5000]...))
	}
	f.Fuzz(func(t *testing.T, kind uint8, at uint16, mem []byte) {
		fl := newFlat(t, kinds[int(kind)%len(kinds)], 1<<16)
		copy(fl.mem[0x4000:], mem)
		area := fl.base + paging.Virt(at)
		_ = fl.k.checkArea(area)
		if s, err := fl.k.openSection(area); err == nil {
			for _, sub := range s.Subsections {
				if sub.Ptes < 0 || sub.Ptes > maxPtes || sub.FileOffset < 0 || sub.FileSize < 0 {
					t.Fatalf("subsection %+v", sub)
				}
				_, _ = fl.k.Page(sub, sub.Ptes-1)
			}
		}
		v := VAD{Start: 0, End: 1 << 32, FirstProto: area, lastProto: area + 8, subsection: area, parts: new(subsectionChain)}
		for _, index := range []int64{0, 1, 2, 1 << 20} {
			fl.k.prototypeOf(v, index)
		}
		if c, ok := fl.k.CachedFile(area); ok {
			for _, off := range []int64{0, 4096, 1 << 40} {
				c.Page(off)
			}
		}
		p := fl.process(area)
		p.section, p.base = area, area
		if e := p.Mapping(area); e.Pages < 0 {
			t.Fatalf("%d pages", e.Pages)
		} else {
			_, _ = e.SectionPage(0)
			_, _ = e.SectionPage(e.Pages << 12)
		}
	})
}
