package nt

import (
	"context"
	"path/filepath"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"
)

// BenchmarkFind finds the system in a sparse file of 4 GiB that has it anywhere, or at its very end.
func BenchmarkFind(b *testing.B) {
	for _, name := range []string{"WinXPSP2x86", "Win7SP1x86_24000", "Win7SP1x64", "Win10x64_19041"} {
		for where, lowest := range map[string]int64{"anywhere": 0, "at the end": 4<<30 - 16<<20} {
			b.Run(name+"/"+where, func(b *testing.B) {
				s := system(b, name)
				s.RAM, s.Lowest = 4<<30, lowest
				benchFind(b, s)
			})
		}
	}
}

// BenchmarkFindUnknown fails to find a profile for any of 500 processes.
func BenchmarkFindUnknown(b *testing.B) {
	s := row(b, "Win7SP1x64", 500)
	m, err := synth.Build(s)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Find(context.Background(), m.Reader, Options{Profiles: new(profile.Set)}); err == nil {
			b.Fatal("found without a profile")
		}
	}
}

func benchFind(b *testing.B, s synth.System) {
	m, err := synth.Build(s)
	if err != nil {
		b.Fatal(err)
	}
	name := filepath.Join(b.TempDir(), "memory.raw")
	if err := m.WriteFile(name); err != nil {
		b.Fatal(err)
	}
	o := Options{Profiles: profile.Builtin(), Symbols: func(profile.Identity, profile.Version) (*profile.Profile, error) { return s.Profile, nil }}
	mem := fileMemory(b, name)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Find(context.Background(), mem, o); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFindInHostileMemory is the longest that a search can be made to take by page tables that map everything to
// one page: an executable, the kernel, or neither.
func BenchmarkFindInHostileMemory(b *testing.B) {
	for _, c := range []struct {
		name  string
		spoil func(page []byte)
	}{
		{"no executable", func(page []byte) { page[0] = 0 }}, {"an executable", func(page []byte) {}}, {"a kernel", putKernel},
	} {
		b.Run(c.name, func(b *testing.B) {
			mem := make([]byte, 256<<20)
			round(mem, 60000)
			c.spoil(mem[0x4000:])
			r, err := sparse.NewReader(int64(len(mem)), sparse.Extent{Len: int64(len(mem)), Src: sparse.Bytes(mem)})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := Find(context.Background(), r, Options{Profiles: profile.Builtin()}); err == nil {
					b.Fatal("found")
				}
			}
		})
	}
}

// BenchmarkFloodOfPointers searches memory in which every 32 bytes look like page directory pointers.
func BenchmarkFloodOfPointers(b *testing.B) {
	const size = 256 << 20
	r, err := sparse.NewReader(size, sparse.Extent{Len: size, Src: sparse.Whole(repeat(pointers(0x1000)), size)})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	for b.Loop() {
		if _, err := Find(context.Background(), r, Options{Profiles: profile.Builtin()}); err == nil {
			b.Fatal("found")
		}
	}
}

func BenchmarkProcesses(b *testing.B) {
	m, err := synth.Build(row(b, "Win10x64_19041", 5000))
	if err != nil {
		b.Fatal(err)
	}
	k, err := Find(context.Background(), m.Reader, Options{Profiles: profile.Builtin()})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if pids, damage := listed(k); len(pids) != 5001 || damage != nil {
			b.Fatal(len(pids), damage)
		}
	}
}

// BenchmarkVAD looks a page up in a tree of 4,095 descriptors: a page near the last one, and any page.
func BenchmarkVAD(b *testing.B) {
	f := newFlat(b, "Win10x64_19041", 4<<20)
	var tree func(low, high uint64) paging.Virt
	tree = func(low, high uint64) paging.Virt {
		if low > high {
			return 0
		}
		mid := (low + high) / 2
		return f.vad(mid*16, mid*16+15, tree(low, mid-1), tree(mid+1, high), 0)
	}
	p := f.process(tree(1, 4095))
	for name, step := range map[string]paging.Virt{"neighbours": 1, "anywhere": 7919} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for page := paging.Virt(0); b.Loop(); page = (page + step) % (4095 * 16) {
				if _, ok := p.VAD((16 + page) << 12); !ok {
					b.Fatalf("page %#x", page)
				}
			}
		})
	}
}
