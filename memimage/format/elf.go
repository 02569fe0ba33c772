package format

import (
	"cmp"
	"encoding/binary"
	"fmt"
)

// maxSegments bounds the program headers of a core file.
const maxSegments = 1 << 20

// Constants of the ELF format.
const (
	elfCore  = 4 // ET_CORE
	elfLoad  = 1 // PT_LOAD
	elfNote  = 4 // PT_NOTE
	elfMany  = 0xffff
	elfNotes = 1 << 20 // bytes of notes that are read
)

// elfFile is an ELF core file while it is opened.
type elfFile struct {
	*input
	order binary.ByteOrder
	wide  bool // ELFCLASS64
	head  fields
	short bool // a segment is shorter in the file than in memory
	vbox  bool // notes of VirtualBox were seen
	xen   bool // sections of Xen were seen
	hints Hints
}

// elfSegment is a program header.
type elfSegment struct {
	kind                             uint32
	off, vaddr, paddr, filesz, memsz uint64
}

// openELF opens ELF core files that hold physical memory: of QEMU (dump-guest-memory, libvirt, Proxmox), VirtualBox
// (dumpvmcore), Xen (xl dump-core) and Linux' kdump. Programs are refused by the table of foreign files.
func openELF(in *input) (*Image, error) {
	head, err := in.head(64)
	if err != nil {
		return nil, err
	}
	if !head.has(0, "\x7fELF") {
		return nil, ErrFormat
	}
	if len(head) < 52 {
		return nil, in.shortHeader("an ELF file")
	}
	e := &elfFile{input: in, order: binary.LittleEndian, wide: head[4] == 2, head: head}
	if head[5] == 2 {
		e.order = binary.BigEndian
	}
	if e.u16(head, 16) != elfCore {
		return nil, ErrFormat
	}
	return e.open()
}

func (e *elfFile) u16(f fields, off int) uint16 {
	if b := f.at(off, 2); b != nil {
		return e.order.Uint16(b)
	}
	return 0
}

func (e *elfFile) u32(f fields, off int) uint32 {
	if b := f.at(off, 4); b != nil {
		return e.order.Uint32(b)
	}
	return 0
}

func (e *elfFile) u64(f fields, off int) uint64 {
	if b := f.at(off, 8); b != nil {
		return e.order.Uint64(b)
	}
	return 0
}

// pick reads a field that has its own offset and size in each class.
func (e *elfFile) pick(f fields, off32, off64 int) uint64 {
	if e.wide {
		return e.u64(f, off64)
	}
	return uint64(e.u32(f, off32))
}

func (e *elfFile) open() (*Image, error) {
	l := e.newLayout()
	var user, load int // segments of a process, segments
	err := e.segments(func(s elfSegment) error {
		switch s.kind {
		case elfNote:
			return e.notes(s)
		case elfLoad:
			load++
			if s.paddr == 0 && s.vaddr != 0 {
				user++
			}
			e.place(l, s)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if user > 0 && user == load {
		return nil, &NotMemoryError{Name: e.Name(), What: "the core dump of a process", Do: "acquire the physical memory, for instance with QEMU's dump-guest-memory"}
	}
	if load == 0 {
		xen, err := e.xenCore()
		if err != nil {
			return nil, err
		}
		if xen != nil {
			l, e.xen = xen, true
		}
	}
	if e.short && len(e.hints.CPUs) > 0 && !e.vbox {
		e.note("QEMU writes such headers when a guest with paging is dumped with dump-guest-memory -p: the missing memory is usually in the file, but nothing in it says where. Dump the memory again without -p.")
	}
	mem, err := l.reader(e.input)
	if err != nil {
		return nil, err
	}
	e.hints.Machine = elfMachine(e.u16(e.head, 18))
	return &Image{Format: e.name(), Memory: mem, Hints: e.hints}, nil
}

// elfMachine converts e_machine to IMAGE_FILE_MACHINE_*, 0 for a processor that has none.
func elfMachine(m uint16) uint16 {
	return map[uint16]uint16{3: 0x14c, 8: 0x166, 20: 0x1f0, 40: 0x1c4, 50: 0x200, 62: 0x8664, 183: 0xaa64, 243: 0x5064, 258: 0x6264}[m]
}

func (e *elfFile) name() string {
	class := "32-bit"
	if e.wide {
		class = "64-bit"
	}
	switch {
	case e.xen:
		return "ELF core, " + class + ", Xen"
	case e.vbox:
		return "ELF core, " + class + ", VirtualBox"
	case len(e.hints.CPUs) > 0:
		return "ELF core, " + class + ", QEMU"
	}
	return "ELF core, " + class
}

// place adds a segment. The bytes that it has in memory and not in the file were zero, or were left out, or lie at an
// unknown place. The file does not say which.
func (e *elfFile) place(l *layout, s elfSegment) {
	l.add(s.paddr, s.filesz, s.off)
	if s.memsz > s.filesz {
		e.short = true
		e.note("The segment at physical address %#x has %s in memory, and its header says of %s only where they lie in the file: the other %s are taken for missing.",
			s.paddr, sizeText(s.memsz), sizeText(s.filesz), sizeText(s.memsz-s.filesz))
	}
}

// segments calls each with the program headers.
func (e *elfFile) segments(each func(elfSegment) error) error {
	at := e.pick(e.head, 28, 32)
	size, n := int(e.u16(e.head, 42)), uint64(e.u16(e.head, 44))
	want := 32
	if e.wide {
		size, n, want = int(e.u16(e.head, 54)), uint64(e.u16(e.head, 56)), 56
	}
	if n == 0 {
		return nil
	}
	if size < want || at == 0 || at > maxPhysical {
		return fmt.Errorf("format: %s is an ELF core file whose program header table (%d bytes an entry, at %#x) is damaged", e.Name(), size, at)
	}
	if n == elfMany {
		n = e.manySegments()
	}
	var failed error
	seen := uint64(0)
	err := eachRecord(e, int64(at), int64(at+n*uint64(size)), size, func(f fields) bool {
		seen++
		failed = each(e.segment(f))
		return failed == nil
	})
	if failed != nil || err != nil {
		return cmp.Or(failed, err)
	}
	if seen < n {
		e.cutBefore(at+n*uint64(size), "within its program header table")
		e.note("The file ends within its program header table: %d of %d segments are known.", seen, n)
	}
	return nil
}

// manySegments returns the number of program headers that does not fit into the ELF header: sh_info of section 0.
func (e *elfFile) manySegments() uint64 {
	at := e.pick(e.head, 32, 40)
	if at == 0 || at > maxPhysical {
		return elfMany
	}
	sh, err := readUpTo(e, int64(at), 64)
	if err != nil {
		return elfMany
	}
	off := 28
	if e.wide {
		off = 44
	}
	return min(uint64(e.u32(sh, off)), maxSegments)
}

func (e *elfFile) segment(f fields) elfSegment {
	s := elfSegment{kind: e.u32(f, 0)}
	s.off, s.vaddr, s.paddr = e.pick(f, 4, 8), e.pick(f, 8, 16), e.pick(f, 12, 24)
	s.filesz, s.memsz = e.pick(f, 16, 32), e.pick(f, 20, 40)
	return s
}
