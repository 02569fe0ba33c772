package restore_test

import (
	"encoding/binary"
	"math/rand/v2"
)

// boot is how an image gets into memory: the Windows, and whether and how it is moved.
type boot struct {
	name   string
	kernel bool // Windows Vista or later
	move   func(m *image, rng *rand.Rand) bool
	stale  bool // bound imports do not fit
}

// boots are the ways. A way's move reports false where Windows would not move the file so.
var boots = []boot{
	{name: "xp", move: func(m *image, _ *rand.Rand) bool { return true }, stale: true},
	{name: "xp moved", move: byProcess},
	{name: "aslr", kernel: true, move: func(m *image, rng *rand.Rand) bool { return m.dll&dllDynamicBase != 0 && byKernel(m, m.aslr(rng)) }, stale: true},
	{name: "aslr off", kernel: true, move: func(m *image, _ *rand.Rand) bool { return true }},
	{name: "aslr near", kernel: true, move: func(m *image, _ *rand.Rand) bool { return m.dll&dllDynamicBase != 0 && byKernel(m, m.base+0x10000) }},
	{name: "mandatory aslr", kernel: true, move: func(m *image, rng *rand.Rand) bool { return m.dll&dllDynamicBase == 0 && byKernel(m, m.aslr(rng)) }},
	{name: "conflict", kernel: true, move: func(m *image, rng *rand.Rand) bool { return m.dll&dllDynamicBase == 0 && byProcess(m, rng) }},
	{name: "remapped", kernel: true, move: func(m *image, rng *rand.Rand) bool { return byKernel(m, m.aslr(rng)) && byProcess(m, rng) }},
	{name: "remapped near", kernel: true, move: func(m *image, rng *rand.Rand) bool { return byKernel(m, m.aslr(rng)) && byProcessTo(m, m.load+0x10000) }},
}

// aslr chooses an address as the kernel does: a multiple of 64 KiB, low for an image that was linked low.
func (m *image) aslr(rng *rand.Rand) uint64 {
	for {
		load := uint64(0x10000 + rng.Uint32N(0x7000)<<16)
		if m.plus && m.base >= 1<<32 {
			load = 0x7ff600000000 + uint64(rng.Uint32()&^0xffff)
		}
		if load != m.load && load != m.base {
			return load
		}
	}
}

// byKernel relocates the section's own pages and writes the address to the header.
func byKernel(m *image, load uint64) bool {
	if m.characteristics&fileRelocsStripped != 0 || m.asFile() {
		return false
	}
	m.relocate(load-m.base, m.pokeSection)
	m.pokeSection(m.baseAt, m.number(load))
	m.load, m.lies = load, load
	return true
}

// byProcess relocates the process's own copies. The header stays.
func byProcess(m *image, rng *rand.Rand) bool { return byProcessTo(m, m.aslr(rng)) }

func byProcessTo(m *image, load uint64) bool {
	if m.characteristics&fileRelocsStripped != 0 {
		return false
	}
	m.relocate(load-m.load, m.poke)
	m.load = load
	return true
}

// start makes an image of the file and runs it, or returns nil where Windows would not run the file.
func (b *boot) start(f *peFile, rng *rand.Rand) *image {
	m := mapImage(f)
	m.kernel, m.stale = b.kernel, b.stale
	if !m.relocatable() || !b.move(m, rng) {
		return nil
	}
	l := loader{m, rng, 0x7c80_1000}
	if m.plus {
		l.next = 0x7ffb_1234_1000
	}
	l.imports(b.stale)
	l.delayed()
	l.tls()
	l.loadConfig()
	l.run()
	return m
}

// loader is the part of ntdll that prepares an image, and then the program itself.
type loader struct {
	*image
	rng  *rand.Rand
	next uint64 // the address of the next function that is imported
}

// function returns the address of a function in another DLL.
func (l *loader) function() []byte {
	l.next += 0x10 + uint64(l.rng.IntN(0x400))
	return l.number(l.next)
}

// imports binds the import address tables; tables that were bound before only where the DLL is another one.
func (l *loader) imports(stale bool) {
	dir := l.dirs[dirImport]
	for d := int64(dir.rva); dir.rva != 0; d += 20 {
		e := l.read(d, 20)
		if e.u32(12) == 0 || e.u32(16) == 0 {
			return
		}
		if e.u32(4) != 0 && !stale {
			continue
		}
		names, thunk := int64(e.u32(0)), int64(e.u32(16))
		if names == 0 {
			names = thunk
		}
		l.bind(names, thunk)
	}
}

func (l *loader) bind(names, thunk int64) {
	n := int64(l.pointer())
	for i := int64(0); l.readNumber(names+i*n) != 0; i++ {
		l.poke(thunk+i*n, l.function())
	}
}

// delayed resolves every second delayed import of the DLLs.
func (l *loader) delayed() {
	dir := l.dirs[dirDelay]
	for d := int64(dir.rva); dir.rva != 0; d += 32 {
		e := l.read(d, 32)
		if e.u32(4) == 0 || e.u32(0)&1 == 0 {
			return
		}
		l.poke(int64(e.u32(8)), l.number(l.next&^0xffff))
		n := int64(l.pointer())
		for i := int64(0); l.readNumber(int64(e.u32(16))+i*n) != 0; i++ {
			if i%2 == 0 {
				l.poke(int64(e.u32(12))+i*n, l.function())
			}
		}
	}
}

// rva turns an address in the image into an RVA.
func (l *loader) rva(va uint64) int64 { return int64(va - l.load) }

// tls writes the index that the thread-local data got.
func (l *loader) tls() {
	if dir := l.dirs[dirTLS]; dir.rva != 0 {
		l.poke(l.rva(l.readNumber(int64(dir.rva)+2*int64(l.pointer()))), binary.LittleEndian.AppendUint32(nil, 3))
	}
}

// Offsets of pointers to pointers in IMAGE_LOAD_CONFIG_DIRECTORY32 and 64: check and dispatch of CFG, of RFG, of XFG,
// and GuardMemcpyFunctionPointer.
var guards = map[bool][]int64{
	false: {72, 76, 132, 144, 172, 176, 180, 188},
	true:  {112, 120, 216, 232, 280, 288, 296, 312},
}

// loadConfig writes the security cookie, and ntdll's functions where the load configuration asks for them.
func (l *loader) loadConfig() {
	at, n := int64(l.dirs[dirLoadConfig].rva), int64(l.pointer())
	if at == 0 {
		return
	}
	size := int64(l.read(at, 4).u32(0))
	if slot := l.readNumber(at + map[bool]int64{false: 60, true: 88}[l.plus]); slot != 0 {
		l.poke(l.rva(slot), l.number(l.rng.Uint64()))
	}
	for _, g := range guards[l.plus] {
		if slot := l.readNumber(at + g); l.kernel && g+n <= size && slot != 0 {
			l.poke(l.rva(slot), l.function())
		}
	}
}

// run writes to the sections that the program may write to, addresses in the image among the numbers.
func (l *loader) run() {
	for _, s := range l.sections {
		if s.flags&sectionWrite == 0 || s.size() < 16 || l.asFile() {
			continue
		}
		for range 1 + s.size()/0x3000 {
			v := [...]uint64{0, l.load + uint64(l.rng.Uint32N(l.sizeOfImage)), l.rng.Uint64(), l.base + 0x1234}[l.rng.IntN(4)]
			l.poke(int64(s.rva)+l.rng.Int64N(s.size()-8), l.number(v))
		}
	}
}
