package synth

// regions are the kernel's address ranges.
type regions struct {
	kernel   uint64 // base of the kernel image
	nonpaged uint64 // non-paged pool
	paged    uint64 // paged pool
	cache    uint64 // system cache views
	shared   uint64 // KUSER_SHARED_DATA
	kpcr     uint64 // 0: in the non-paged pool's range
	user     uint64 // highest user address
}

// Fixed addresses of all Windows versions.
const (
	sharedX86 = 0xffdf0000
	kpcrX86   = 0xffdff000
	sharedX64 = 0xfffff78000000000
)

// regionsOf returns the ranges of a kernel build. From Windows 10 1607 on they are random; then slot gives the
// top-level slots.
func regionsOf(build uint32, x64 bool, slot func() uint64) regions {
	if !x64 {
		return regionsX86(build)
	}
	r := regions{shared: sharedX64, user: 0x7fffffeffff}
	switch {
	case build < 6000: // Server 2003
		r.kernel, r.nonpaged, r.paged, r.cache = 0xfffff80001000000, 0xfffffadf8c000000, 0xfffffa8000000000, 0xfffff98000000000
	case build < 9600:
		r.kernel, r.nonpaged, r.paged, r.cache = 0xfffff80002a53000, 0xfffffa8000c00000, 0xfffff8a000000000, 0xfffff98000000000
	case build < 14393:
		r.user = 0x7ffffffeffff
		r.kernel, r.nonpaged, r.paged, r.cache = 0xfffff8003c214000, 0xffffe00000200000, 0xffffc00000000000, 0xffffb00000000000
	default:
		r.user = 0x7ffffffeffff
		r.kernel = 0xfffff80624c00000
		r.nonpaged, r.paged, r.cache = slot()+0xf2c600000, slot()+0xb61a00000, slot()
	}
	return r
}

func regionsX86(build uint32) regions {
	r := regions{shared: sharedX86, kpcr: kpcrX86, user: 0x7ffeffff}
	switch {
	case build < 3789: // XP
		r.kernel, r.nonpaged, r.paged, r.cache = 0x804d7000, 0x81000000, 0xe1000000, 0xc1000000
	case build < 6000: // Server 2003
		r.kernel, r.nonpaged, r.paged, r.cache = 0x80800000, 0x89000000, 0xe1000000, 0xc1000000
	case build < 9200:
		r.kernel, r.nonpaged, r.paged, r.cache = 0x82a0b000, 0x85000000, 0x8a000000, 0x92000000
	default:
		r.kernel, r.nonpaged, r.paged, r.cache = 0x81a18000, 0x84000000, 0x8c000000, 0x94000000
	}
	return r
}
