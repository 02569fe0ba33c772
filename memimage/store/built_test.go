package store

import (
	"errors"
	"fmt"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"
)

// built is a system that was built with a store, and the view of it that this package gets.
type built struct {
	*synth.Memory
	system  System
	layouts [][]Layout
}

// soft returns the form of entries of 64-bit kernels since the updates of 2018.
func soft(mask uint64) *paging.Soft {
	return &paging.Soft{
		Transition: paging.Bits{Pos: 11, Width: 1}, Prototype: paging.Bits{Pos: 10, Width: 1}, PFN: paging.Bits{Pos: 12, Width: 24},
		FileNumber: paging.Bits{Pos: 12, Width: 4}, FileOffset: paging.Bits{Pos: 32, Width: 32}, Swizzle: paging.Bits{Pos: 4, Width: 1},
		InvalidMask: mask,
	}
}

// build builds a system, whose memory is read through source.
func build(t testing.TB, sys synth.System, source func(sparse.Source) sparse.Source) *built {
	t.Helper()
	m, err := synth.Build(sys)
	if err != nil {
		t.Fatal(err)
	}
	mem := source(m.Reader)
	space := func(dtb uint64) *paging.Space {
		return paging.NewSpace(paging.X64, mem, paging.Phys(dtb), soft(sys.SwizzleMask))
	}
	b := &built{Memory: m, layouts: Layouts(sys.Profile.Version().Build, 8)}
	b.system = System{
		Kernel:   space(m.Truth.Kernel.DTB),
		IsKernel: func(va paging.Virt) bool { return va>>47 == 0x1ffff },
		User:     1 << 47,
		Owner: func(at paging.Virt) (Memory, error) {
			if uint64(at) != m.Truth.Store.EPROCESS {
				return nil, fmt.Errorf("%#x is no process", uint64(at))
			}
			for _, p := range m.Truth.Processes {
				if p.EPROCESS == uint64(at) {
					return space(p.DTB), nil
				}
			}
			return nil, errors.New("the process is gone")
		},
	}
	return b
}

func whole(s sparse.Source) sparse.Source { return s }

func system(t testing.TB, name string) synth.System {
	t.Helper()
	p, err := profile.Builtin().ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return synth.StoreSystem(p)
}

// open opens the store.
func (b *built) open(t testing.TB) *Global {
	t.Helper()
	g, err := Open(b.system, b.globals(), b.layouts)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// globals is the address of SmGlobals.
func (b *built) globals() paging.Virt { return paging.Virt(b.Truth.Kernel.Vars["SmGlobals"]) }
