package nt

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/synth"
)

// vad writes a descriptor of the pages from start to end, private unless a prototype entry is given.
func (f *flat) vad(start, end uint64, left, right, proto paging.Virt) paging.Virt {
	v := &f.l.VAD
	va := f.alloc(int(v.LastProto) + 0x20)
	f.field(va, v.Start, start)
	f.field(va, v.End, end)
	if v.StartHigh.Present() {
		f.at(va, v.StartHigh)[0], f.at(va, v.EndHigh)[0] = byte(start>>32), byte(end>>32)
	}
	f.ptr(va, v.Left, left)
	f.ptr(va, v.Right, right)
	f.flag(va, v.Private, proto == 0)
	if proto != 0 {
		f.ptr(va, v.FirstProto, proto)
		f.ptr(va, v.LastProto, proto+paging.Virt(end-start)*paging.Virt(f.k.Mode.EntrySize))
	}
	return va
}

// flag writes a bit of a descriptor's flags.
func (f *flat) flag(va paging.Virt, m profile.Field, set bool) {
	flags := max(f.l.VAD.Flags, 0)
	bit := byte(1) << (m.BitPos % 8)
	b := &f.at(va, flags)[m.BitPos/8]
	if *b &^= bit; set {
		*b |= bit
	}
}

func ranges(p *Process) (got []string, damage []string) {
	for v, err := range p.VADs() {
		if err != nil {
			damage = append(damage, err.Error())
			continue
		}
		got = append(got, fmt.Sprintf("%x-%x", uint64(v.Start>>12), uint64(v.End>>12)))
	}
	return got, damage
}

func TestTreesOfDescriptors(t *testing.T) {
	for _, name := range kinds {
		for what, c := range map[string]struct {
			tree   func(f *flat) paging.Virt
			want   string // all descriptors
			damage string // part of the one error, if any
			in     map[paging.Virt]string
		}{
			"none": {func(f *flat) paging.Virt { return 0 }, "[]", "", map[paging.Virt]string{0x1000: ""}},
			"one": {func(f *flat) paging.Virt { return f.vad(0x10, 0x1f, 0, 0, 0) }, "[10-20]", "",
				map[paging.Virt]string{0xffff: "", 0x10000: "10", 0x1ffff: "10", 0x20000: ""}},
			"three": {func(f *flat) paging.Virt {
				return f.vad(0x20, 0x2f, f.vad(0x10, 0x10, 0, 0, 0), f.vad(0x30, 0x30, 0, 0, 0), 0)
			},
				"[10-11 20-30 30-31]", "", map[paging.Virt]string{0x10000: "10", 0x11000: "", 0x2f000: "20", 0x30000: "30", 0x31000: ""}},
			"loop to the root": {func(f *flat) paging.Virt {
				leaf := f.vad(0x10, 0x10, 0, 0, 0)
				root := f.vad(0x20, 0x20, leaf, 0, 0)
				f.ptr(leaf, f.l.VAD.Right, root)
				return root
			}, "[10-11 20-21]", "lead back", map[paging.Virt]string{0x10000: "10", 0x20000: "20", 0x15000: ""}},
			"loop to itself": {func(f *flat) paging.Virt {
				root := f.vad(0x20, 0x20, 0, 0, 0)
				f.ptr(root, f.l.VAD.Left, root)
				return root
			}, "[20-21]", "lead back", map[paging.Virt]string{0x10000: "", 0x20000: "20"}},
			"wild pointer": {func(f *flat) paging.Virt { return f.vad(0x20, 0x20, 0x1234, f.vad(0x30, 0x30, 0, 0, 0), 0) },
				"[20-21 30-31]", "cannot be read", map[paging.Virt]string{0x10000: "", 0x30000: "30"}},
			"wild root":      {func(f *flat) paging.Virt { return 0xdead0000 }, "[]", "cannot be read", map[paging.Virt]string{0x1000: ""}},
			"inverted range": {func(f *flat) paging.Virt { return f.vad(0x20, 0x20, f.vad(0x10, 0xf, 0, 0, 0), 0, 0) }, "[20-21]", "damaged", map[paging.Virt]string{0x10000: "", 0x20000: "20"}},
			"beyond the space": {func(f *flat) paging.Virt {
				return f.vad(0x20, 0x20, 0, f.vad(0x30, 1<<(f.k.Mode.VirtBits-12), 0, 0, 0), 0)
			},
				"[20-21]", "damaged", map[paging.Virt]string{0x30000: "", 0x20000: "20"}},
			"wrong side": {func(f *flat) paging.Virt { return f.vad(0x20, 0x20, f.vad(0x30, 0x30, 0, 0, 0), 0, 0) },
				"[30-31 20-21]", "", map[paging.Virt]string{0x30000: "", 0x20000: "20"}},
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				f := newFlat(t, name, 1<<20)
				if what == "beyond the space" && f.k.Mode.VirtBits == 32 && f.l.VAD.Start.Size < 4 {
					t.Skip("page numbers have too few bits")
				}
				p := f.process(c.tree(f))
				got, damage := ranges(p)
				if fmt.Sprint(got) != c.want {
					t.Errorf("descriptors %v, want %v", got, c.want)
				}
				if n := len(damage); n > 1 || (n == 1) != (c.damage != "") || n == 1 && !strings.Contains(damage[0], c.damage) {
					t.Errorf("damage %q, want %q", damage, c.damage)
				}
				for range 2 { // the second time after its neighbours were looked up
					for _, va := range slices.Sorted(keys(c.in)) {
						v, ok := p.VAD(va)
						if start := fmt.Sprintf("%x", uint64(v.Start>>12)); ok != (c.in[va] != "") || ok && start != c.in[va] {
							t.Errorf("%#x lies in %s, %v, want %q", va, start, ok, c.in[va])
						}
					}
				}
			})
		}
	}
}

func keys[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// chain makes a tree that is a chain of n descriptors, to the left or to the right.
func (f *flat) chain(n int, left bool) (root paging.Virt) {
	for i := range n {
		at := uint64(2 * (n - i))
		if left {
			at = uint64(2 * (i + 1))
			root = f.vad(at, at, root, 0, 0)
		} else {
			root = f.vad(at, at, 0, root, 0)
		}
	}
	return root
}

func TestDeepTrees(t *testing.T) {
	for _, name := range []string{kinds[0], kinds[4]} {
		for _, left := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/left=%v", name, left), func(t *testing.T) {
				f := newFlat(t, name, 8<<20)
				const n = maxVADDepth + 100
				p := f.process(f.chain(n, left))
				got, damage := ranges(p)
				switch {
				case left && (len(got) != maxVADDepth || len(damage) != 1 || !strings.Contains(damage[0], "deeper")):
					t.Errorf("%d descriptors, damage %q", len(got), damage)
				case !left && (len(got) != n || damage != nil): // a chain to the right needs no memory
					t.Errorf("%d descriptors, damage %q", len(got), damage)
				}
				top, bottom := paging.Virt(2)<<12, paging.Virt(2*n)<<12
				if left {
					top, bottom = bottom, top
				}
				if _, ok := p.VAD(top); !ok {
					t.Error("the root is not found")
				}
				if _, ok := p.VAD(bottom); ok {
					t.Error("the limit on the depth of trees is not kept")
				}
			})
		}
	}
}

// TestLookupOfNeighboursIsCheap looks up every page of a large mapping at the bottom of a deep tree. With a descent for
// each page, it would read a thousand million descriptors.
func TestLookupOfNeighboursIsCheap(t *testing.T) {
	f := newFlat(t, "WinXPSP2x86", 8<<20)
	bottom := f.vad(0x70000, 0x7ffff, 0, 0, f.base)
	root := bottom
	for i := maxVADDepth - 2; i > 0; i-- {
		root = f.vad(uint64(i), uint64(i), 0, root, 0)
	}
	p := f.process(root)
	for page := paging.Virt(0x60000); page < 0x80000; page++ {
		if _, ok, err := p.PrototypePTE(page << 12); err != nil || ok != (page >= 0x70000) {
			t.Fatalf("page %#x: %v", page, ok)
		}
	}
}

func TestDescriptorsAreThoseBuilt(t *testing.T) {
	for _, name := range kinds {
		for _, loop := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/loop=%v", name, loop), func(t *testing.T) {
				s := system(t, name)
				for i := range s.Processes {
					s.Processes[i].VADLoop = loop
				}
				l := newLab(t, s)
				truth := truthByPID(l.built)
				for p, err := range l.whole.Processes() {
					if err != nil {
						t.Fatal(err)
					}
					want := truth[p.PID]
					got, damage := ranges(p)
					if len(got) != want.VADs || (len(damage) > 0) != (loop && want.VADs > 0) {
						t.Errorf("%s: %d descriptors, damage %q, want %d", want.Name, len(got), damage, want.VADs)
					}
					if v, ok := p.VAD(paging.Virt(want.Base)); want.File != nil && (!ok || !v.Image || v.Private || uint64(v.Start) != want.Base || uint64(v.End) != want.Base+uint64(want.Size)) {
						t.Errorf("%s: image descriptor %+v, %v, want %#x and %#x bytes", want.Name, v, ok, want.Base, want.Size)
					}
				}
			})
		}
	}
}

func truthByPID(m *synth.Memory) map[uint64]synth.ProcessTruth {
	out := map[uint64]synth.ProcessTruth{}
	for _, p := range m.Truth.Processes {
		out[p.PID] = p
	}
	return out
}

// FuzzVADs takes any bytes for the memory in which a tree lies.
func FuzzVADs(f *testing.F) {
	for i, name := range kinds {
		fl := newFlat(f, name, 1<<20)
		root := fl.vad(0x20, 0x2f, fl.vad(0x10, 0x10, 0, 0, fl.base+0x4000), fl.vad(0x30, 0x31, 0, 0, 0), 0)
		f.Add(uint8(i), uint16(root-fl.base), slices.Clone(fl.mem[0x4000:0x4400]))
	}
	f.Fuzz(func(t *testing.T, kind uint8, root uint16, mem []byte) {
		fl := newFlat(t, kinds[int(kind)%len(kinds)], 1<<16)
		copy(fl.mem[0x4000:], mem)
		p := fl.process(fl.base + paging.Virt(root))
		var starts []paging.Virt
		n := 0
		for v, err := range p.VADs() {
			if n++; n > 3<<16 {
				t.Fatal("more descriptors and errors than the memory can hold")
			}
			if err == nil && v.End <= v.Start {
				t.Fatalf("descriptor %+v", v)
			}
			if len(starts) < 100 {
				starts = append(starts, v.Start, v.End)
			}
		}
		for _, va := range starts {
			v, ok := p.VAD(va)
			if ok && (va < v.Start || va >= v.End) {
				t.Fatalf("%#x is said to lie in %+v", va, v)
			}
			again, _ := p.descend(va)
			if again.ok != ok || ok && again.vad.VA != v.VA {
				t.Fatalf("%#x lies in %+v, %v, and looked up anew in %+v", va, v, ok, again)
			}
			p.PrototypePTE(va)
			_, _ = p.Space().Translate(va)
		}
	})
}

// TestUnbackedAddressesAreOneStep looks at addresses without a descriptor, and at private ones: a header may claim
// gigabytes of such addresses.
func TestUnbackedAddressesAreOneStep(t *testing.T) {
	for _, name := range kinds {
		f := newFlat(t, name, 1<<20)
		right := f.vad(0x70000, 0x70010, 0, 0, 0)
		left := f.vad(0x100, 0x1ff, 0, 0, f.alloc(0x100*8))
		p := &Process{kernel: f.k, vadRoot: f.vad(0x400, 0x4ff, left, right, 0)}
		for va, want := range map[paging.Virt]paging.Virt{0: 0x100000, 0x200000: 0x400000, 0x450000: 0x500000, 0x500000: 0x70000000, 0x150000: 0x150000} {
			if got := p.Unbacked(va); got != want {
				t.Errorf("%s: from %#x on nothing up to %#x, want %#x", name, va, got, want)
			}
		}
	}
}
