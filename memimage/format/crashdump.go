package format

import (
	"fmt"
	"time"
)

// crashLayout is where the header of a Microsoft crash dump has its fields: _DUMP_HEADER32 and _DUMP_HEADER64.
type crashLayout struct {
	name       string
	magic      string
	word       int // bytes of an address
	headerSize int
	dtb, pfnDatabase, modules, processes,
	machine, processors, kdbg, runs, dumpType, systemTime int
	pae int // 0: none
}

func crashLayouts() []crashLayout {
	return []crashLayout{
		{name: "64-bit", magic: "PAGEDU64", word: 8, headerSize: 0x2000, dtb: 0x10, pfnDatabase: 0x18, modules: 0x20,
			processes: 0x28, machine: 0x30, processors: 0x34, kdbg: 0x80, runs: 0x88, dumpType: 0xf98, systemTime: 0xfa8},
		{name: "32-bit", magic: "PAGEDUMP", word: 4, headerSize: 0x1000, dtb: 0x10, pfnDatabase: 0x14, modules: 0x18,
			processes: 0x1c, machine: 0x20, processors: 0x24, kdbg: 0x60, runs: 0x64, dumpType: 0xf88, systemTime: 0xfc0, pae: 0x5c},
	}
}

// Types of crash dumps, as dumpType of the header has them.
const (
	crashFull         = 1
	crashSummary      = 2
	crashHeader       = 3
	crashTriage       = 4
	crashBitmapFull   = 5
	crashBitmapKernel = 6
	crashAutomatic    = 7
	crashRangesKernel = 8 // Windows 11: ranges in place of the bitmap
	crashRangesUser   = 9
	crashRangesFull   = 10
)

// maxCrashRuns bounds the run table of a full dump; its place in the header has room for fewer than 90.
const maxCrashRuns = 256

// crashDump is a crash dump while it is opened.
type crashDump struct {
	*input
	crashLayout
	head fields
}

// openCrashDump opens a crash dump, the MEMORY.DMP of Windows and of acquisition tools: _DUMP_HEADER and the pages
// behind it.
func openCrashDump(in *input) (*Image, error) {
	head, err := in.head(0x2000)
	if err != nil {
		return nil, err
	}
	for _, l := range crashLayouts() {
		if head.has(0, l.magic) {
			return (&crashDump{in, l, head}).open()
		}
	}
	return nil, ErrFormat
}

func (d *crashDump) open() (*Image, error) {
	if len(d.head) < d.headerSize {
		return nil, d.shortHeader("a " + d.name + " crash dump")
	}
	l := d.newLayout()
	kind, err := d.place(l)
	if err != nil {
		return nil, err
	}
	mem, err := l.reader(d.input)
	if err != nil {
		return nil, err
	}
	return &Image{Format: fmt.Sprintf("Microsoft crash dump, %s, %s", d.name, kind), Memory: mem, Hints: d.hints()}, nil
}

// place lays the pages of the dump out and names its kind.
func (d *crashDump) place(l *layout) (kind string, err error) {
	kind = "full"
	switch t := d.head.u32(d.dumpType); t {
	case crashFull:
		err = d.placeRuns(l)
	case crashSummary, crashAutomatic, crashRangesKernel:
		kind = "kernel memory"
		d.note("The dump holds the memory of the kernel only: the pages of processes are missing.")
		err = d.placeSelected(l)
	case crashBitmapKernel, crashRangesUser:
		kind = "active memory"
		d.note("The dump holds the pages that were in use only: memory that was not chosen when it was written is missing.")
		err = d.placeSelected(l)
	case crashBitmapFull, crashRangesFull:
		kind = "full by bitmap"
		err = d.placeSelected(l)
	case crashHeader, crashTriage:
		err = &NotMemoryError{Name: d.Name(), What: "a small crash dump (triage minidump)",
			Do: "it holds the stack and little else; configure a complete memory dump, or acquire the memory with a tool"}
	default:
		kind, err = d.placeUnknown(l, t)
	}
	return kind, err
}

// placeUnknown lays out a dump whose type is damaged. The contents show which type is likely.
func (d *crashDump) placeUnknown(l *layout, t uint32) (string, error) {
	d.note("The dump type %#x in the header is not known.", t)
	if sig, _ := readUpTo(d, int64(d.headerSize), 12); sig.has(4, "DUMP") || sig.has(8, "DUMP") {
		return "type unknown, by bitmap", d.placeSelected(l)
	}
	return "type unknown, taken for full", d.placeRuns(l)
}

// placeRuns lays a full dump out by the _PHYSICAL_MEMORY_DESCRIPTOR in its header.
func (d *crashDump) placeRuns(l *layout) error {
	n := int(d.head.u32(d.runs))
	at, step := d.runs+2*d.word, 2*d.word
	room := min((d.runTableEnd()-at)/step, maxCrashRuns)
	if n > room {
		d.note("The header says %d memory runs and has room for %d: it is damaged.", n, room)
		n = room
	}
	off := uint64(d.headerSize)
	for i := range n {
		base, pages := d.address(at+i*step), d.address(at+i*step+d.word)
		if base >= maxPhysical/pageSize || pages > maxPhysical/pageSize {
			d.note("Memory run %d of the header (%#x pages at page %#x) is damaged; it and all runs behind it are left out.", i, pages, base)
			break
		}
		l.add(base*pageSize, pages*pageSize, off)
		off += pages * pageSize
	}
	return nil
}

// runTableEnd returns the end of the run table, which has 700 bytes in both headers.
func (d *crashDump) runTableEnd() int { return d.runs + 700 }

// address reads a field of the size of an address.
func (d *crashDump) address(off int) uint64 { return word(d.head, off, d.word) }

func word(f fields, off, size int) uint64 {
	if size == 4 {
		return uint64(f.u32(off))
	}
	return f.u64(off)
}

// hints returns the facts about the system in the header. Fields that were not filled in hold "PAGE" over and over.
func (d *crashDump) hints() Hints {
	h := Hints{
		DTB:                 d.filled(d.dtb),
		PfnDatabase:         d.filled(d.pfnDatabase),
		PsLoadedModuleList:  d.filled(d.modules),
		PsActiveProcessHead: d.filled(d.processes),
		KDBG:                d.filled(d.kdbg),
		SystemTime:          filetime(d.head.u64(d.systemTime)),
	}
	if machine := d.head.u32(d.machine); machine <= 0xffff {
		h.Machine = uint16(machine)
	}
	if n := d.head.u32(d.processors); n <= 4096 {
		h.Processors = n
	}
	if d.pae != 0 && d.head[d.pae] <= 1 {
		pae := d.head[d.pae] == 1
		h.PAE = &pae
	}
	if build := d.head.u32(12); build <= 0xffff {
		h.BuildNumber = build
	}
	return h
}

// filled reads an address, zero when it was not filled in.
func (d *crashDump) filled(off int) uint64 {
	v := d.address(off)
	if v == 0x4547415045474150 || v == 0x45474150 {
		return 0
	}
	return v
}

// filetime converts 100-nanosecond intervals since 1601; it returns the zero time for a date before 1980 or after
// 2200.
func filetime(t uint64) time.Time {
	const epoch, year1980, year2200 = 116444736000000000, 119600064000000000, 189007776000000000
	if t < year1980 || t > year2200 {
		return time.Time{}
	}
	return time.Unix(0, int64(t-epoch)*100).UTC()
}
