package nt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

func scanned(t testing.TB, k *Kernel) []*Process {
	t.Helper()
	ps, err := k.Scan(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range ps {
		if p.Listed || i > 0 && ps[i-1].PA >= p.PA {
			t.Errorf("process %d at %#x: listed, or out of order", p.PID, p.PA)
		}
	}
	return ps
}

func ids(ps []*Process) []uint64 {
	var out []uint64
	for _, p := range ps {
		out = append(out, p.PID)
	}
	slices.Sort(out)
	return out
}

func TestScanFindsWhatTheListLacks(t *testing.T) {
	for _, name := range kinds {
		t.Run(name, func(t *testing.T) {
			s := system(t, name)
			s.Idle = true
			l := newLab(t, s)
			got := scanned(t, l.whole)
			if fmt.Sprint(ids(got)) != "[1200 1204]" {
				t.Fatalf("processes %v", ids(got))
			}
			truth := truthByPID(l.built)
			for _, p := range got {
				want := truth[p.PID]
				if uint64(p.VA) != want.EPROCESS || int64(p.PA) != want.EPROCESSPhys || string(p.RawName) != want.Name ||
					!p.Created.Equal(want.Created) || p.Exited.IsZero() != want.Exited.IsZero() {
					t.Errorf("process %+v, want %+v", p, want)
				}
			}
		})
	}
}

// block is an _EPROCESS with the headers before it.
type block struct {
	l    *lab
	b    []byte
	head int // bytes before the structure
}

// blockOf copies a process's structure.
func (l *lab) blockOf(pid uint64) *block {
	l.t.Helper()
	const head = 0x100
	p := truthByPID(l.built)[pid]
	b := make([]byte, head+l.whole.eprocessSize())
	at := max(p.EPROCESSPhys-head, p.EPROCESSPhys&^0xfff)
	if _, err := l.memory().ReadAt(b[head-(p.EPROCESSPhys-at):], at); err != nil {
		l.t.Fatal(err)
	}
	return &block{l, b, head}
}

func (b *block) set(path string, v uint64, size int) *block {
	copy(b.b[b.head+int(b.l.offset(path)):], binary.LittleEndian.AppendUint64(nil, v)[:size])
	return b
}

func (b *block) pid(v uint64) *block { return b.set("_EPROCESS.UniqueProcessId", v, 4) }

// untagged removes the pool header.
func (b *block) untagged() *block {
	clear(b.b[:b.head])
	return b
}

// put writes the structure so that it starts at pa.
func (b *block) put(pa int64) { b.l.writePhys(pa-int64(b.head), b.b) }

// TestScanTellsProcessesFromTheirLooks puts blocks into memory that nothing maps, from 2 MiB on.
func TestScanTellsProcessesFromTheirLooks(t *testing.T) {
	corpus.Long(t)
	const at = 2 << 20
	for _, name := range []string{kinds[0], kinds[4]} {
		s := system(t, name)
		s.Lowest, s.RAM = 6<<20, 12<<20
		whole := newLab(t, s)
		for _, c := range []struct {
			what string
			put  func(l *lab)
			want []uint64
		}{
			{"a freed process", func(l *lab) { l.blockOf(1204).pid(4444).put(at) }, []uint64{4444}},
			{"over the border of a chunk", func(l *lab) { l.blockOf(1204).pid(4444).put(at - 0x100) }, []uint64{4444}},
			{"at the start of a chunk", func(l *lab) { l.blockOf(1204).pid(4444).put(at) }, []uint64{4444}},
			{"two of them", func(l *lab) { l.blockOf(1204).pid(4444).put(at); l.blockOf(1204).pid(4448).put(2 * at) }, []uint64{4444, 4448}},
			{"twice the same", func(l *lab) { l.blockOf(1204).pid(4444).put(at); l.blockOf(1204).pid(4444).put(2 * at) }, []uint64{4444}},
			{"a copy of a listed process", func(l *lab) { l.blockOf(368).put(at) }, nil},
			{"a copy of a hidden process", func(l *lab) { l.blockOf(1200).put(at) }, nil},
			{"no pool header", func(l *lab) { l.blockOf(1204).pid(4444).untagged().put(at) }, nil},
			{"not aligned", func(l *lab) { l.blockOf(1204).pid(4444).put(at + 4) }, nil},
			{"an odd id", func(l *lab) { l.blockOf(1204).pid(4445).put(at) }, nil},
			{"an id of 0", func(l *lab) { l.blockOf(1204).pid(0).put(at) }, nil},
			{"a large id", func(l *lab) { l.blockOf(1204).pid(1 << 24).put(at) }, nil},
			{"exited before it was made", func(l *lab) {
				l.blockOf(1204).pid(4444).set("_EPROCESS.ExitTime", 0x01c0000000000000, 8).put(at)
			}, nil},
			{"made in the year 9000", func(l *lab) { l.blockOf(1204).pid(4444).set("_EPROCESS.CreateTime", 1<<61, 8).put(at) }, nil},
			{"made in 1970", func(l *lab) {
				l.blockOf(1204).pid(4444).set("_EPROCESS.CreateTime", 116444736000000001, 8).put(at)
			}, nil},
			{"links into a program", func(l *lab) {
				l.blockOf(1204).pid(4444).set("_EPROCESS.ActiveProcessLinks", 0x400000, l.whole.kernel.pointer).put(at)
			}, nil},
			{"threads in a program", func(l *lab) {
				l.blockOf(1204).pid(4444).set("_EPROCESS.ThreadListHead", 0x400000, l.whole.kernel.pointer).put(at)
			}, nil},
			{"links that are zero", func(l *lab) {
				l.blockOf(1204).pid(4444).set("_EPROCESS.ActiveProcessLinks", 0, l.whole.kernel.pointer).put(at)
			}, []uint64{4444}},
			{"page tables behind the end of memory", func(l *lab) {
				l.blockOf(1204).pid(4444).set("_EPROCESS.Pcb.DirectoryTableBase", 0x7ffff000, 4).put(at)
			}, nil},
			{"a page of headers", func(l *lab) {
				header := l.blockOf(368).untagged().b[0x100 : 0x100+2*l.whole.kernel.pointer]
				l.writePhys(at, bytes.Repeat(header, 1<<16))
			}, nil},
			{"another type of object", func(l *lab) {
				b := l.blockOf(1204).pid(4444)
				b.b[b.head] = 6
				b.put(at)
			}, nil},
		} {
			t.Run(name+"/"+c.what, func(t *testing.T) {
				l := *whole
				l.t = t
				c.put(&l)
				want := append([]uint64{1200, 1204}, c.want...)
				k := *l.whole // the tables that map memory are not damaged
				k.mem = l.memory()
				k.cache = sparse.NewCache(k.mem, 64)
				if got := ids(scanned(t, &k)); !slices.Equal(got, want) {
					t.Errorf("processes %v, want %v", got, want)
				}
			})
		}
	}
}

// TestScanOverTwoPages moves a hidden process so that it lies over two pages that are not neighbours in memory.
func TestScanOverTwoPages(t *testing.T) {
	for _, name := range kinds {
		t.Run(name, func(t *testing.T) {
			s := system(t, name)
			for i := range s.Processes {
				if s.Processes[i].Hidden {
					s.Processes[i].Bias = 0xe80 // it gets its own page, and the end of the page before is free
				}
			}
			l := newLab(t, s)
			old := truthByPID(l.built)[1200].EPROCESS
			size := uint64(l.whole.eprocessSize())
			moved := old - old%0x1000 - 0x100
			if old&0xfff > 0x180 {
				t.Fatalf("the process is at %#x, not at the start of a page", old)
			}
			b := l.blockOf(1200).b[0x100:]
			for off := 0; off+8 <= len(b); off += l.whole.kernel.pointer {
				v := uint64(record{b, l.whole.kernel.pointer}.ptr(profile.Offset(off)))
				if v >= old && v < old+size {
					copy(b[off:off+l.whole.kernel.pointer], binary.LittleEndian.AppendUint64(nil, v-old+moved))
				}
			}
			l.write(old, make([]byte, 0x40))
			l.write(moved, b[:0x100])
			l.spoil(l.pa(moved)&^0xfff + pageSize)
			l.write(moved+0x100, b[0x100:])
			got := scanned(t, l.kernel())
			if fmt.Sprint(ids(got)) != "[1200 1204]" {
				t.Fatalf("processes %v", ids(got))
			}
			for _, p := range got {
				if p.PID == 1200 && (uint64(p.VA) != moved || string(p.RawName) != "hidden.exe") {
					t.Errorf("process %+v, want it at %#x", p, moved)
				}
			}
		})
	}
}

// spoil fills a page that is not used.
func (l *lab) spoil(pa int64) {
	page := make([]byte, pageSize)
	if _, err := l.memory().ReadAt(page, pa); err != nil || !bytes.Equal(page, make([]byte, pageSize)) {
		l.t.Fatalf("the page at %#x is used, %v", pa, err)
	}
	l.writePhys(pa, bytes.Repeat([]byte{0x41}, pageSize))
}

func TestScanStops(t *testing.T) {
	l := newLab(t, system(t, "WinXPSP2x86"))
	ctx, cancel := context.WithCancel(context.Background())
	progress := func(done, total int64) {
		if total != l.sys.RAM || done < 0 || done >= total {
			t.Errorf("progress %d of %d", done, total)
		}
		cancel()
	}
	if _, err := l.whole.Scan(ctx, progress); err == nil {
		t.Error("the scan went on")
	}
}

func TestScanOfReferenceImages(t *testing.T) {
	for _, name := range []string{"WinXPSP2x86", "WinXPSP2x86PAE", "Win7SP1x86PAE", "Win7SP1x64", "Win10x64_19041"} {
		t.Run(name, func(t *testing.T) {
			mem, truth := referenceMemory(t, name), corpus.Load(t, name)
			k, err := Find(context.Background(), mem, Options{Profiles: profile.Builtin()})
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]bool{}
			for _, p := range truth.Processes {
				if !p.InPslist && p.OffsetV != "" {
					want[p.OffsetP] = true
				}
			}
			got := scanned(t, k)
			for _, p := range got {
				if !want[fmt.Sprintf("%#x", uint64(p.PA))] {
					t.Errorf("process %d %q at %#x is not in the truth", p.PID, p.RawName, uint64(p.PA))
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d processes, want %d", len(got), len(want))
			}
		})
	}
}

// repeat is a memory of any size that repeats a piece.
type repeat []byte

func (r repeat) ReadAt(p []byte, off int64) (int, error) {
	for n := 0; n < len(p); {
		n += copy(p[n:], r[(off+int64(n))%int64(len(r)):])
	}
	return len(p), nil
}

// scanBench is a scan of 1 GiB that repeats a piece of memory, by a kernel of a small one.
func scanBench(b *testing.B, piece []byte) {
	l := newLab(b, system(b, "Win7SP1x64"))
	const size = 1 << 30
	mem, err := sparse.NewReader(size, sparse.Extent{Len: size, Src: sparse.Whole(repeat(piece), size)})
	if err != nil {
		b.Fatal(err)
	}
	s, err := l.whole.newScan()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		err := sweep(context.Background(), mem, stretch{0, size, sweepChunk}, s.look, func(hits []paging.Phys) bool { return true }, nil)
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	m, err := synth.Build(system(b, "Win7SP1x64"))
	if err != nil {
		b.Fatal(err)
	}
	busy := make([]byte, 32<<20)
	if _, err := m.Reader.ReadAt(busy, 0); err != nil {
		b.Fatal(err)
	}
	b.Run("zeros", func(b *testing.B) { scanBench(b, make([]byte, 1<<20)) })
	b.Run("a small system", func(b *testing.B) { scanBench(b, busy) })
}
