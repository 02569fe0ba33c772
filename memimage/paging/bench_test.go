package paging

import (
	"testing"

	"memlens/memimage/sparse"
)

// benchSpace maps 1 MiB with small pages.
func benchSpace(b *testing.B, mode *Mode) (*Space, Virt) {
	m := newMachine(b, mode)
	base := Virt(0x400000)
	for va := base; va < base+1<<20; va += pageSize {
		m.set(va, uint64(m.page(1))|entryValid)
	}
	r, err := sparse.NewReader(machineSize, sparse.Extent{Len: machineSize, Src: sourceOf(m.mem)})
	if err != nil {
		b.Fatal(err)
	}
	return NewSpace(mode, sparse.NewCache(r, 4096), m.root, softOf(mode)), base
}

func BenchmarkTranslate(b *testing.B) {
	for _, mode := range Modes() {
		b.Run(mode.Name, func(b *testing.B) {
			s, base := benchSpace(b, mode)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := s.Translate(base + Virt(i)*pageSize&0xfffff); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead1MiB(b *testing.B) {
	for _, mode := range Modes() {
		b.Run(mode.Name, func(b *testing.B) {
			s, base := benchSpace(b, mode)
			w := s.Window(base, 1<<20)
			buf := make([]byte, 1<<20)
			b.SetBytes(1 << 20)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.ReadAt(buf, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
