package nt

import (
	"encoding/binary"
	"strings"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/synth"
)

// paeLab is a small system with PAE and free lowest pages.
func paeLab(t *testing.T, name string) *lab {
	t.Helper()
	s := system(t, name)
	s.Paging, s.Lowest = synth.PAE, 0x8000
	return newLab(t, s)
}

// setInPointers sets bits in every page directory pointer of every process; with several, each pointer of four gets
// another.
func (l *lab) setInPointers(bits ...uint64) {
	l.t.Helper()
	roots := map[paging.Phys]bool{l.whole.DTB(): true}
	for _, p := range l.built.Truth.Processes {
		roots[paging.Phys(p.DTB)] = true
	}
	for root := range roots {
		b := make([]byte, 32)
		if _, err := l.built.Reader.ReadAt(b, int64(root)); err != nil {
			l.t.Fatal(err)
		}
		for i := range 4 {
			e := binary.LittleEndian.Uint64(b[8*i:])
			binary.LittleEndian.PutUint64(b[8*i:], e|bits[i%len(bits)])
		}
		l.writePhys(int64(root), b)
	}
}

// TestPageDirectoryPointers has PAE systems as processors and emulators leave them: QEMU's own processor sets the accessed
// bit in page directory pointers, and others are free.
func TestPageDirectoryPointers(t *testing.T) {
	for name, bits := range map[string][]uint64{
		"as Windows writes them":  {0},
		"accessed":                {0x20},
		"accessed, some":          {0, 0x20, 0, 0x20},
		"write-through, no cache": {0x8, 0x10},
		"the system's own":        {0x200, 0x400, 0x800},
		"all of them":             {0xe38},
	} {
		for _, kind := range []string{"WinXPSP2x86", "Win7SP1x86"} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				l := paeLab(t, kind)
				l.setInPointers(bits...)
				k := l.kernel()
				checkFound(t, l, k)
				if found := strings.Join(k.Found, "\n"); !strings.Contains(found, "page directory pointers") {
					t.Errorf("it was found otherwise: %s", found)
				}
				l.options.Hints.DTBs = []paging.Phys{l.whole.DTB()}
				checkFound(t, l, l.kernel())
			})
		}
	}
}

// TestReservedPointerBits: with a bit set that has to be clear, four numbers are no page directory pointers.
func TestReservedPointerBits(t *testing.T) {
	p := make([]byte, pageSize)
	for i := range uint64(4) {
		binary.LittleEndian.PutUint64(p[8*i:], 0x1000*(i+1)|0x21)
	}
	if out := fourPointersOf(paging.PAE)(nil, p, 0x7000); len(out) != 1 || out[0].dtb != 0x7000 || out[0].mode != paging.PAE {
		t.Fatalf("found %v", out)
	}
	for _, bit := range []uint{1, 2, 6, 7, 8, 36, 51, 63} {
		for i := range 4 {
			bad := append([]byte(nil), p...)
			binary.LittleEndian.PutUint64(bad[8*i:], binary.LittleEndian.Uint64(p[8*i:])|1<<bit)
			if out := fourPointersOf(paging.PAE)(nil, bad, 0x7000); len(out) != 0 {
				t.Errorf("with bit %d in pointer %d: found %v", bit, i, out)
			}
		}
	}
}

// TestEveryModeIsTried has page directory pointers with a bit that no processor allows, so that they are not found by
// their looks: the System process leads to them, whatever mode the page directories have that were found before.
func TestEveryModeIsTried(t *testing.T) {
	for name, decoy := range map[string]func(l *lab){
		"nothing else looks like a page directory": func(*lab) {},
		"another seems to be one of x86 without PAE": func(l *lab) {
			shared := uint32(l.pa(uint64(paging.X86.Arch.Shared)))
			dir, table := make([]byte, pageSize), make([]byte, pageSize)
			binary.LittleEndian.PutUint32(dir[4*0x300:], 0x5000|0x63)
			binary.LittleEndian.PutUint32(dir[4*0x3ff:], 0x6000|0x63)
			binary.LittleEndian.PutUint32(table[4*0x1f0:], shared|0x63)
			l.writePhys(0x5000, dir)
			l.writePhys(0x6000, table)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := paeLab(t, "WinXPSP2x86")
			l.setInPointers(0x40)
			decoy(l)
			k := l.kernel()
			checkFound(t, l, k)
			if found := strings.Join(k.Found, "\n"); !strings.Contains(found, "found by a search of physical memory") {
				t.Errorf("it was found otherwise: %s", found)
			}
		})
	}
}
