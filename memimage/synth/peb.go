package synth

import (
	"cmp"
	"fmt"
	"strings"
)

// userAlloc hands out a process's private memory.
type userAlloc struct {
	b    *builder
	p    *proc
	next uint64
	end  uint64

	pages []uint64 // all pages that were handed out
}

// region starts a new private range of n bytes at va, with its VAD.
func (u *userAlloc) region(va uint64, n uint64) {
	n = alignUp(n, pageSize)
	for at := va; at < va+n; at += pageSize {
		u.p.space.mapPage(at, u.b.m.alloc(), u.b.userFlags(ReadWrite, false))
		u.pages = append(u.pages, at)
	}
	u.p.vads = append(u.p.vads, vad{start: va, end: va + n - 1})
	u.next, u.end = va, va+n
}

// alloc hands out n bytes of the range, aligned to 8.
func (u *userAlloc) alloc(n int) uint64 {
	va := u.next
	u.next = alignUp(u.next+uint64(n), 8)
	if u.next > u.end {
		panic(buildError{fmt.Errorf("synth: process %d: its user-mode structures do not fit below %#x", u.p.PID, u.end)})
	}
	return va
}

// userLayout has the parts of the user-mode structures that are the same in every version, for 32-bit and 64-bit
// processes. WoW64's 32-bit structures are written with it, too.
type userLayout struct {
	ptr                                           int
	pebBase, pebLdr, pebParams, pebSession        uint64
	ldrLoad, ldrMemory, ldrInit, ldrSize          uint64
	entryBase, entryPoint, entryImage, entryFull  uint64
	entryName, entrySize                          uint64
	paramsImage, paramsCommand, paramsSize        uint64
	pebOSMajor, pebOSMinor, pebOSBuild, pebNumCPU uint64
}

var (
	user32 = userLayout{
		ptr: 4, pebBase: 8, pebLdr: 0xc, pebParams: 0x10, pebSession: 0x1d4,
		ldrLoad: 0xc, ldrMemory: 0x14, ldrInit: 0x1c, ldrSize: 0x28,
		entryBase: 0x18, entryPoint: 0x1c, entryImage: 0x20, entryFull: 0x24, entryName: 0x2c, entrySize: 0x50,
		paramsImage: 0x38, paramsCommand: 0x40, paramsSize: 0x290,
		pebOSMajor: 0xa4, pebOSMinor: 0xa8, pebOSBuild: 0xac, pebNumCPU: 0x64,
	}
	user64 = userLayout{
		ptr: 8, pebBase: 0x10, pebLdr: 0x18, pebParams: 0x20, pebSession: 0x2c0,
		ldrLoad: 0x10, ldrMemory: 0x20, ldrInit: 0x30, ldrSize: 0x58,
		entryBase: 0x30, entryPoint: 0x38, entryImage: 0x40, entryFull: 0x48, entryName: 0x58, entrySize: 0x98,
		paramsImage: 0x60, paramsCommand: 0x70, paramsSize: 0x400,
		pebOSMajor: 0x118, pebOSMinor: 0x11c, pebOSBuild: 0x120, pebNumCPU: 0xb8,
	}
)

func (l *userLayout) link() uint64 { return uint64(2 * l.ptr) }

// The addresses of user-mode structures.
const (
	paramsVA = 0x20000
	heapVA   = 0x150000
	peb32VA  = 0x7efde000
)

// buildPEB writes the PEB with the loader's lists and the parameters and, for
// a WoW64 process, the 32-bit ones too.
func (b *builder) buildPEB(p *proc) {
	p.peb = b.pebAddress()
	p.eprocess.set("Peb", p.peb)
	p.user.region(p.peb, pageSize)
	native := &user64
	if b.l.ptr == 4 {
		native = &user32
	}
	b.fillPEB(p, native, p.peb, 0)
	if p.Wow64 && b.x64() {
		p.peb32 = peb32VA
		p.user.region(p.peb32, pageSize)
		b.fillPEB(p, &user32, p.peb32, 0x100000)
		b.linkWow64(p)
	}
	b.placePEB(p)
}

// pebAddress is a random address of the kind that the version uses.
func (b *builder) pebAddress() uint64 {
	switch {
	case !b.x64():
		return 0x7ffd3000 + b.m.rng.Uint64N(11)*pageSize
	case b.l.build < 9600:
		return 0x7fffffd3000 + b.m.rng.Uint64N(11)*pageSize
	}
	return 0x4000000000 + b.m.rng.Uint64N(0x200000)*pageSize
}

// fillPEB writes one PEB and the structures that it points to. A process has the loader lists of both of its halves;
// bias keeps their memory apart.
func (b *builder) fillPEB(p *proc, l *userLayout, peb, bias uint64) {
	put := func(off, v uint64, n int) { p.space.write(peb+off, le(v, n)) }
	v := b.version()
	put(l.pebBase, cmp.Or(p.PEBBase, p.base), l.ptr)
	put(l.pebOSMajor, uint64(v.Major), 4)
	put(l.pebOSMinor, uint64(v.Minor), 4)
	put(l.pebOSBuild, uint64(v.Build), 2)
	put(l.pebNumCPU, 1, 4)
	put(l.pebParams, b.fillParams(p, l, paramsVA+bias), l.ptr)
	put(l.pebLdr, b.fillLoader(p, l, heapVA+bias), l.ptr)
}

// fillParams writes _RTL_USER_PROCESS_PARAMETERS.
func (b *builder) fillParams(p *proc, l *userLayout, va uint64) uint64 {
	image, command := utf16le(p.PEBPath), utf16le(p.CommandLine)
	size := l.paramsSize + uint64(len(image)+len(command)+32)
	p.user.region(va, size)
	p.user.alloc(int(l.paramsSize))
	p.space.write(va, append(le(pageSize, 4), le(size, 4)...))
	p.space.write(va+8, le(1, 4)) // Flags: normalized
	b.userString(p, l, va+l.paramsImage, image)
	b.userString(p, l, va+l.paramsCommand, command)
	return va
}

// userString writes a _UNICODE_STRING and its buffer.
func (b *builder) userString(p *proc, l *userLayout, at uint64, raw []byte) {
	buffer := p.user.alloc(len(raw) + 2)
	p.space.write(buffer, raw)
	p.space.unicode(at, buffer, raw, l.ptr)
}

// fillLoader writes _PEB_LDR_DATA and an _LDR_DATA_TABLE_ENTRY for each module
// of this PEB's half that is in the lists. The initialization-order list lacks
// the executable itself.
func (b *builder) fillLoader(p *proc, l *userLayout, va uint64) uint64 {
	p.user.region(va, uint64(len(p.loaded)+1)*0x400)
	ldr := p.user.alloc(int(l.ldrSize))
	p.space.write(ldr, append(le(l.ldrSize, 4), 1))
	load, memory, init := []uint64{ldr + l.ldrLoad}, []uint64{ldr + l.ldrMemory}, []uint64{ldr + l.ldrInit}
	for i, m := range p.loaded {
		if m.Unlinked || m.AsData || i > 0 && m.bits != l.ptr*8 {
			continue
		}
		e := b.fillEntry(p, l, m)
		if !m.Absent[0] {
			load = append(load, e)
		}
		if !m.Absent[1] {
			memory = append(memory, e+l.link())
		}
		if i > 0 && !m.Absent[2] {
			init = append(init, e+2*l.link())
		}
	}
	for _, list := range [][]uint64{load, memory, init} {
		p.space.chain(l.ptr, list...)
	}
	return ldr
}

// fillEntry writes one _LDR_DATA_TABLE_ENTRY.
func (b *builder) fillEntry(p *proc, l *userLayout, m *loaded) uint64 {
	e := p.user.alloc(int(l.entrySize))
	put := func(off, v uint64, n int) { p.space.write(e+off, le(v, n)) }
	put(l.entryBase, m.Base, l.ptr)
	put(l.entryPoint, m.Base+uint64(m.im.entry), l.ptr)
	put(l.entryImage, uint64(m.im.size), 4)
	b.userString(p, l, e+l.entryFull, utf16le(m.Path))
	b.userString(p, l, e+l.entryName, utf16le(baseName(m.Path)))
	return e
}

// baseName is the part behind the last backslash.
func baseName(path string) string { return path[strings.LastIndexByte(path, '\\')+1:] }

// linkWow64 points the process object to the 32-bit PEB: through a structure up to Vista and from Windows 10 1511 on,
// and directly in the versions between.
func (b *builder) linkWow64(p *proc) {
	target := p.peb32
	for _, name := range []string{"_EWOW64PROCESS", "_WOW64_PROCESS"} {
		if n, ok := b.l.SizeOf(name); ok {
			va := b.nonpaged.alloc("Wow6", int(n))
			b.k.write(va, le(p.peb32, 8)) // Peb, Wow64
			b.record(name, va).set("Machine", 0x14c)
			target = va
			break
		}
	}
	p.eprocess.setFirst(target, "WoW64Process", "Wow64Process")
}

// placePEB puts the PEB's page into its state, and the pages of the loader's lists and the parameters into theirs.
func (b *builder) placePEB(p *proc) {
	b.replace(p, p.peb, p.PEB)
	for _, va := range p.user.pages {
		if va != p.peb && va != p.peb32 {
			b.replace(p, va, p.Loader)
		}
	}
}

// replace puts a page that is in memory into another state.
func (b *builder) replace(p *proc, va uint64, state State) {
	pa, _ := p.space.resolve(va)
	switch state {
	case Valid:
		return
	case Transition:
		p.space.set(va, b.softPTE().transition(pa>>pageShift, protReadWrite))
		return
	}
	content := b.m.read(pa, pageSize)
	delete(b.m.frames, pa>>pageShift)
	entry, _ := b.privateEntry(p, va, state, content, 0)
	p.space.set(va, entry)
}
