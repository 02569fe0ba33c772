package integrity

import (
	"fmt"
	"testing"
)

var samples = []string{"../restore/testdata/reloc32.exe", "../restore/testdata/reloc64.exe", "../restore/testdata/data32.exe", "../restore/testdata/data64.exe",
	"../restore/testdata/delay32.exe", "../restore/testdata/delay64.exe", "../restore/testdata/guard32.exe", "../restore/testdata/guard64.exe",
	"testdata/library32.dll", "testdata/library64.dll"}

// boots are how an image gets into memory.
var boots = []struct {
	name  string
	vista bool
	by    uint64
}{
	{"xp", false, 0},
	{"xp moved", false, 0x120000},
	{"vista", true, 0x3450000},
}

// sights are the parts of an image in memory.
var sights = []struct {
	name string
	seen
}{
	{"all", seen{}},
	{"every page private", seen{private: true}},
	{"file cache only", seen{private: true, cached: true, section: func(int64) bool { return false }}},
	{"half of the section, and file cache", seen{private: true, cached: true, section: func(rva int64) bool { return rva%0x2000 == 0 }}},
	{"section without its header", seen{private: true, section: func(rva int64) bool { return rva != 0 }}},
	{"without relocations and imports", seen{private: true, section: func(rva int64) bool { return rva == 0 || rva == 0x1000 }}},
}

// start does the work of the loader and of the program.
func (p *program) start(s *system) *program {
	p.bind(s)
	i := 0
	p.eachDelayed(func(rva int64, dll, name string) {
		if i++; i%2 == 1 {
			p.Write(rva, p.Pointer(s.address(p.T, dll, name)))
		}
	})
	for n, section := range p.PE.Sections {
		if section.Name == ".00cfg" {
			for at := int64(0); at < int64(section.VirtualSize); at += int64(len(p.Pointer(0))) {
				p.Write(int64(section.VirtualAddress)+at, p.Pointer(s.address(p.T, "ntdll", "LdrpValidate")))
			}
		}
		if section.Name == ".data" && section.VirtualSize > 0x100 { // not where delayed imports are
			p.Write(int64(section.VirtualAddress)+int64(section.VirtualSize)/2+int64(n), []byte("written by the program"))
		}
	}
	return p
}

func run(t testing.TB, in Input) *Result {
	t.Helper()
	w := &counting{}
	r, err := CompareFor(in, w)
	if err != nil {
		t.Fatal(err)
	}
	w.check(t, r)
	return r
}

// list writes runs for a failing test.
func list(r *Result) string {
	s := r.Verdict.String()
	for _, x := range r.Runs {
		s += fmt.Sprintf("\n%#x+%d (%d) %s: %s %s, % x -> % x, target %#x %s+%#x, %s", x.RVA, x.Len, x.Changed, x.Section, x.Cause, x.Certainty, x.Was, x.Is, x.Target, x.TargetModule, x.TargetRVA, x.Note)
	}
	for _, m := range r.NotCompared {
		s += fmt.Sprintf("\n%d pages: %s", m.Pages, m.Why)
	}
	return s
}

// TestCleanProgramsAreEqual starts programs and looks at them in every way: no change is found.
func TestCleanProgramsAreEqual(t *testing.T) {
	for _, path := range samples {
		for _, boot := range boots {
			for _, sight := range sights {
				for _, modules := range []string{"all modules", "some", "none"} {
					t.Run(fmt.Sprintf("%s, %s, %s, %s", path, boot.name, sight.name, modules), func(t *testing.T) {
						p := loadProgram(t, path, boot.vista, boot.by)
						s := windows(p.Plus)
						p.start(s)
						switch modules {
						case "some":
							s.dlls, s.partial = s.dlls[2:3], true
						case "none":
							s = nil
						}
						r := run(t, p.input(s, sight.seen))
						if r.Verdict.Code != Equal {
							t.Error(list(r))
						}
						missing := 0
						for _, m := range r.NotCompared {
							missing += m.Pages
						}
						if r.Comparable()+missing != r.Pages {
							t.Errorf("%d pages are comparable and %d are not, of %d", r.Comparable(), missing, r.Pages)
						}
						if sight.name == "all" && len(r.Runs) == 0 {
							t.Error("the loader's work is not listed")
						}
					})
				}
			}
		}
	}
}
