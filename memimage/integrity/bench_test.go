package integrity

import (
	"testing"

	"memlens/memimage/pe"
	"memlens/memimage/sparse"
)

func bytesOf(b []byte) sparse.Source { return sparse.Bytes(b) }

// BenchmarkProcesses compares the 30 modules of 30 processes. Their imports lead to each other.
func BenchmarkProcesses(b *testing.B) {
	s := windows(true)
	p := loadProgram(b, "testdata/library64.dll", true, 0x3450000)
	p.start(s)
	kept := s.modules()
	for i := range kept { // as a caller keeps them
		e, own, err := kept[i].Exports()
		kept[i].Exports = func() (*pe.Exports, bool, error) { return e, own, err }
	}
	for b.Loop() {
		for range 30 {
			modules := NewModules(kept, false)
			for range 30 {
				in := p.input(nil, seen{})
				in.Modules = func() *Modules { return modules }
				if r := run(b, in); r.Verdict.Code != Equal {
					b.Fatal(list(r))
				}
			}
		}
	}
}
