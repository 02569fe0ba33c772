package nt

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"memlens/memimage/profile"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"
)

var fullGiB = flag.Int64("fullgib", 4, "how many GiB of other data BenchmarkFindAtTheEnd puts before the system")

// noise is memory full of other data, made as quickly as it is copied: pages of random bytes, of text, of zeros, of pointers,
// and of page table entries. It is the same at every reading, and differs from MiB to MiB.
type noise struct {
	size  int64
	pages []byte
	read  atomic.Int64 // bytes so far
}

const noisePages = 2048

func newNoise(size int64) *noise {
	n := &noise{size: size, pages: make([]byte, noisePages*pageSize)}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range noisePages {
		page := n.pages[i*pageSize : (i+1)*pageSize]
		switch kind := r.IntN(10); {
		case kind < 4:
			fillWith(page, r.Uint64)
		case kind < 7:
			fillWith(page, func() uint64 { return 0x2020202020202020 | r.Uint64()&0x5f5f5f5f5f5f5f5f })
		case kind < 8:
			fillWith(page, func() uint64 { return 0xfffff80000000000 | r.Uint64()&0x7fffffffff })
		case kind < 9:
			fillWith(page, func() uint64 { return 0x8000000000000063 | r.Uint64()&0xffffff000 })
		}
	}
	return n
}

func fillWith(page []byte, word func() uint64) {
	for at := 0; at < len(page); at += 8 {
		binary.LittleEndian.PutUint64(page[at:], word())
	}
}

func (n *noise) Size() int64 { return n.size }

func (n *noise) Probe(off int64) (int64, error) { return sparse.Whole(nil, n.size).Probe(off) }

func (n *noise) ReadAt(p []byte, off int64) (int, error) {
	n.read.Add(int64(len(p)))
	for done := 0; done < len(p); {
		at := off + int64(done)
		chunk := uint64(at>>20) * 0x9e3779b97f4a7c15 >> 32
		from := int64(chunk%noisePages*pageSize+uint64(at&0xfffff)) % int64(len(n.pages))
		done += copy(p[done:min(int64(len(p)), int64(done)+1<<20-at&0xfffff)], n.pages[from:])
	}
	return len(p), nil
}

// atTheEnd returns a memory that begins with other data, followed by 256 MiB with a system.
func atTheEnd(t testing.TB, name string, before *noise) (*sparse.Reader, synth.System) {
	t.Helper()
	const room = 256 << 20
	s := system(t, name)
	s.RAM, s.Lowest = before.size+room, before.size
	m, err := synth.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	mem, err := sparse.NewReader(s.RAM, sparse.Extent{Len: before.size, Src: before}, sparse.Extent{Off: before.size, Len: room, Src: m.Reader, SrcOff: before.size})
	if err != nil {
		t.Fatal(err)
	}
	return mem, s
}

// told records the calls of Progress.
type told struct {
	what        []string
	done, total int64
	wrong       bool // it went back, or beyond the end
}

func (p *told) hear(what string, done, total int64) {
	if len(p.what) == 0 || p.what[len(p.what)-1] != what {
		p.what, p.done = append(p.what, what), 0
	}
	p.wrong = p.wrong || done < p.done || done > total
	p.done, p.total = done, total
}

// TestFindAtTheEnd finds a system behind other data, which must be read once, and checks the reported progress.
func TestFindAtTheEnd(t *testing.T) {
	before := newNoise(300 << 20)
	mem, s := atTheEnd(t, "Win7SP1x64", before)
	var p told
	o := Options{Profiles: profile.Builtin(), Progress: p.hear}
	k, err := Find(context.Background(), mem, o)
	if err != nil {
		t.Fatal(err)
	}
	if k.Profile.Name() != s.Profile.Name() || int64(k.DTB()) < before.size {
		t.Errorf("%s, page directory at %#x", k.Profile.Name(), uint64(k.DTB()))
	}
	if read := before.read.Load(); read < before.size || read > before.size+2<<20 {
		t.Errorf("%d bytes of other data were read, of %d", read, before.size)
	}
	if !slices.Equal(p.what, []string{"searching for the kernel"}) || p.wrong || p.done < before.size-sweepChunk || p.total != mem.Size() {
		t.Errorf("progress was %+v", p)
	}
}

// TestFindInNothing reads other data twice and no more: for page directories, and for the System process.
func TestFindInNothing(t *testing.T) {
	before := newNoise(200 << 20)
	mem, err := sparse.NewReader(before.size, sparse.Extent{Len: before.size, Src: before})
	if err != nil {
		t.Fatal(err)
	}
	var p told
	if _, err = Find(context.Background(), mem, Options{Profiles: profile.Builtin(), Progress: p.hear}); err == nil {
		t.Fatal("found")
	}
	if read := before.read.Load(); read > 2*before.size+8<<20 {
		t.Errorf("%d bytes were read, of %d", read, before.size)
	}
	if !slices.Equal(p.what, []string{"searching for the kernel", "searching for the System process"}) || p.wrong || p.done < before.size-2*sweepChunk {
		t.Errorf("progress was %+v", p)
	}
}

// TestFindIsCancelled ends either search of all memory in its middle.
func TestFindIsCancelled(t *testing.T) {
	for n, during := range []string{"searching for the kernel", "searching for the System process"} {
		noLeak(t)
		before := newNoise(200 << 20)
		mem, err := sparse.NewReader(before.size, sparse.Extent{Len: before.size, Src: before})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		_, err = Find(ctx, mem, Options{Profiles: profile.Builtin(), Progress: func(what string, done, total int64) {
			if what == during && done >= total/4 {
				cancel()
			}
		}})
		if read := before.read.Load() - int64(n)*before.size; !errors.Is(err, context.Canceled) || read > before.size/2 {
			t.Errorf("%s: %v after %d bytes", during, err, read)
		}
	}
}

// BenchmarkFindAtTheEnd finds a system behind other data. All of that data must be looked at once, and no more.
func BenchmarkFindAtTheEnd(b *testing.B) {
	for _, name := range []string{"Win7SP1x64", "Win10x64_19041"} {
		b.Run(name, func(b *testing.B) {
			before := newNoise(*fullGiB << 30)
			mem, s := atTheEnd(b, name, before)
			o := Options{Profiles: profile.Builtin(), Symbols: func(profile.Identity, profile.Version) (*profile.Profile, error) { return s.Profile, nil }}
			b.SetBytes(before.size)
			b.ReportAllocs()
			before.read.Store(0)
			for b.Loop() {
				if _, err := Find(context.Background(), mem, o); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(before.read.Load())/float64(b.N)/float64(before.size), "times-read")
		})
	}
}

// BenchmarkFindInNothing fails to find a system in other data. No search of memory without a system takes longer.
func BenchmarkFindInNothing(b *testing.B) {
	before := newNoise(*fullGiB << 30)
	mem, err := sparse.NewReader(before.size, sparse.Extent{Len: before.size, Src: before})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(before.size)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Find(context.Background(), mem, Options{Profiles: profile.Builtin()}); err == nil {
			b.Fatal("found")
		}
	}
	b.ReportMetric(float64(before.read.Load())/float64(b.N)/float64(before.size), "times-read")
}

// BenchmarkNoise reads other data and does nothing with it: the part of the benchmarks above that is not the search.
func BenchmarkNoise(b *testing.B) {
	before := newNoise(1 << 30)
	buf := make([]byte, sweepChunk)
	b.SetBytes(before.size)
	for b.Loop() {
		for off := int64(0); off < before.size; off += sweepChunk {
			before.ReadAt(buf, off)
		}
	}
}
