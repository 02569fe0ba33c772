package format

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"

	"memlens/memimage/sparse"
)

// Section types of a QEMU migration stream.
const (
	qevmStart      = 1
	qevmPart       = 2
	qevmEnd        = 3
	qevmFull       = 4
	qevmSubsection = 5
	qevmConfig     = 7
	qevmFooter     = 0x7e
)

// Flags in the low bits of an address in the section "ram".
const (
	ramZero         = 0x02 // a page of one byte over and over
	ramSizes        = 0x04
	ramPage         = 0x08
	ramEnd          = 0x10
	ramContinue     = 0x20 // the same block as the page before
	ramXBZRLE       = 0x40
	ramHook         = 0x80
	ramCompressed   = 0x100
	ramMultifdFlush = 0x200
)

// saveVM is a QEMU migration stream while it is opened. All its numbers are big-endian.
type saveVM struct {
	*input
	at      int64
	err     error // the error that stopped the reading; it is sticky
	machine string
	ram     uint32 // id of the section "ram"
	size    uint64 // bytes of the block pc.ram
	block   string // block of the last page
	layout  *layout
	run     pageRun
}

// openSaveVM opens the migration streams that QEMU's "migrate exec:" and savevm-like commands write. Only the section
// with the memory is read: it comes before the sections of the devices.
func openSaveVM(in *input) (*Image, error) {
	head, err := in.head(8)
	if err != nil {
		return nil, err
	}
	if !head.has(0, "QEVM\x00\x00\x00\x03") {
		return nil, ErrFormat
	}
	s := &saveVM{input: in, at: 8, layout: in.newLayout()}
	s.layout.lastWins = true // a page that was written to during the migration comes again
	done := s.sections()
	s.flush()
	if s.err != nil && !done {
		if ended(s.err) {
			in.cutWithin("before the end of the memory")
		}
		in.note("The stream cannot be read on at offset %#x: %s. Pages that would follow are missing.", s.at, sentence(s.err))
	}
	if low := s.lowMemory(); s.size > low {
		in.note("The machine %q has %s of memory: the memory above %#x is taken to begin at 4 GiB, as that machine has it.", s.machine, sizeText(s.size), low)
	}
	mem, err := s.layout.reader(in)
	if err != nil {
		return nil, err
	}
	return &Image{Format: "QEMU migration stream (savevm)", Memory: mem}, nil
}

// bytes reads n bytes; zeros behind an error.
func (s *saveVM) bytes(n int) []byte {
	b := make([]byte, n)
	if s.err != nil {
		return b
	}
	if _, err := s.ReadAt(b, s.at); err != nil && (err != io.EOF || s.at+int64(n) > s.Size()) {
		if err == io.EOF {
			err = ends("the file ends")
		}
		s.err = err
		clear(b)
		return b
	}
	s.at += int64(n)
	return b
}

func (s *saveVM) u8() byte       { return s.bytes(1)[0] }
func (s *saveVM) u32() uint32    { return binary.BigEndian.Uint32(s.bytes(4)) }
func (s *saveVM) u64() uint64    { return binary.BigEndian.Uint64(s.bytes(8)) }
func (s *saveVM) string() string { return string(s.bytes(int(s.u8()))) }

func (s *saveVM) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

// sections reads up to the end of the memory, and reports whether it got there.
func (s *saveVM) sections() (done bool) {
	for s.err == nil {
		switch kind := s.u8(); kind {
		case qevmConfig:
			s.machine = string(s.bytes(int(min(s.u32(), 256))))
		case qevmSubsection:
			s.subsection()
		case qevmStart, qevmFull:
			id := s.u32()
			name := s.string()
			_, version := s.u32(), s.u32()
			if name != "ram" || version != 4 {
				s.fail("section %q, version %d, comes before the end of the memory and is not known", name, version)
				return false
			}
			s.ram = id
			s.pages()
		case qevmPart, qevmEnd:
			if id := s.u32(); id != s.ram {
				s.fail("section %d comes before the end of the memory and is not known", id)
				return false
			}
			s.pages()
			if kind == qevmEnd && s.err == nil {
				return true
			}
		case qevmFooter:
			s.u32()
		default:
			s.fail("%#x is no type of a section", kind)
		}
	}
	return false
}

// subsection skips the subsections that may follow the configuration.
func (s *saveVM) subsection() {
	name := s.string()
	s.u32() // version
	switch name {
	case "configuration/target-page-bits":
		s.u32()
	case "configuration/uuid":
		s.bytes(16)
	case "configuration/capabilities":
		for range min(s.u32(), 256) {
			s.string()
		}
	default:
		s.fail("subsection %q is not known", name)
	}
}

// pages reads the records of the section "ram" up to its end mark.
func (s *saveVM) pages() {
	for s.err == nil {
		addr := s.u64()
		flags := addr & (pageSize - 1)
		addr &^= pageSize - 1
		switch {
		case s.err != nil:
		case flags&ramSizes != 0:
			s.sizes(addr)
		case flags&(ramZero|ramPage) != 0:
			s.page(addr, flags)
		case flags&ramEnd != 0:
			return
		case flags == ramMultifdFlush:
		case flags&(ramXBZRLE|ramCompressed|ramHook) != 0:
			s.fail("the stream is compressed in a way that is not supported (flags %#x)", flags)
		default:
			s.fail("%#x are no flags of a page", flags)
		}
	}
}

// sizes reads the names and sizes of the blocks of memory, total bytes together.
func (s *saveVM) sizes(total uint64) {
	for total > 0 && s.err == nil {
		name := s.string()
		n := s.u64()
		if n > total {
			s.fail("block %q of %#x bytes is larger than the rest of the memory (%#x)", name, n, total)
			return
		}
		if mainMemory(name) {
			s.size = n
		}
		total -= n
		if n == 0 {
			s.fail("block %q is empty", name)
		}
	}
}

// mainMemory reports whether a block is the memory of the machine.
func mainMemory(name string) bool {
	return name == "pc.ram" || name == "mach-virt.ram" || name == "ram-node0"
}

// page reads one page.
func (s *saveVM) page(addr, flags uint64) {
	if flags&ramContinue == 0 {
		s.block = s.string()
	}
	zero, fill, data := flags&ramZero != 0, byte(0), s.at
	if zero {
		fill = s.u8()
	} else {
		s.at += pageSize
	}
	if s.err != nil || !mainMemory(s.block) {
		return
	}
	if !zero && data+pageSize > s.Size() {
		s.err = cmp.Or(s.err, ends("the file ends within a page"))
		return
	}
	s.place(s.physical(addr), zero, fill, data)
}

// physical returns the physical address of an offset in the block of the machine's memory.
func (s *saveVM) physical(off uint64) uint64 {
	if low := s.lowMemory(); off >= low {
		return off - low + 4<<30
	}
	return off
}

// lowMemory returns how much of the memory lies below 4 GiB, as QEMU's machines divide it.
func (s *saveVM) lowMemory() uint64 {
	if strings.Contains(s.machine, "q35") {
		if s.size >= 0xb0000000 {
			return 0x80000000
		}
		return 0xb0000000
	}
	if s.size >= 0xe0000000 {
		return 0xc0000000
	}
	return 0xe0000000
}

// pageRun is a run of pages that lie at equal distances in the file, or that are all of one byte.
type pageRun struct {
	addr, pages uint64
	data        int64
	stride      int64 // 0: not known yet, with one page
	fill        int   // -1: data
}

// place adds a page to the run that is open, or begins a new one.
func (s *saveVM) place(addr uint64, zero bool, fill byte, data int64) {
	value := -1
	if zero {
		value = int(fill)
	}
	r := &s.run
	if r.pages > 0 && r.fill == value && addr == r.addr+r.pages*pageSize {
		if r.pages == 1 {
			r.stride = data - r.data
		}
		if zero || data == r.data+int64(r.pages)*r.stride {
			r.pages++
			return
		}
	}
	s.flush()
	s.run = pageRun{addr: addr, pages: 1, data: data, fill: value}
}

// flush places the run that is open.
func (s *saveVM) flush() {
	r := s.run
	if r.pages == 0 {
		return
	}
	s.run = pageRun{}
	n := r.pages * pageSize
	if r.fill >= 0 {
		s.layout.addFrom(fill(r.fill), maxPhysical, r.addr, n, r.addr)
		return
	}
	s.layout.addFrom(strided{s.Source, r.data, r.stride, int64(n)}, n, r.addr, n, 0)
}

// strided reads pages that lie at equal distances in a file.
type strided struct {
	src          sparse.Source
	base, stride int64
	size         int64 // of all pages in bytes
}

// Size returns the length of all pages in bytes.
func (s strided) Size() int64 { return s.size }

// place returns where the byte at off lies in the file.
func (s strided) place(off int64) int64 { return s.base + off/pageSize*s.stride + off%pageSize }

// Probe implements [sparse.Source]: its answer covers all pages if the file is complete, else one page.
func (s strided) Probe(off int64) (int64, error) {
	if off < 0 {
		return 0, fmt.Errorf("format: negative offset %d", off)
	}
	if off >= s.size {
		return 0, io.EOF
	}
	n, err := s.src.Probe(s.place(off))
	if err == nil && n > s.place(s.size-1)-s.place(off) {
		return s.size - off, nil
	}
	n = min(n, pageSize-off%pageSize, s.size-off)
	if sparse.IsHole(err) {
		err = &sparse.HoleError{Off: off, Len: n, Err: err}
	}
	return n, err
}

// ReadAt implements [sparse.Source].
func (s strided) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("format: negative offset %d", off)
	}
	done := 0
	for done < len(p) {
		pos := off + int64(done)
		if pos >= s.size {
			return done, io.EOF
		}
		piece := p[done:][:min(int64(len(p)-done), pageSize-pos%pageSize, s.size-pos)]
		n, err := s.src.ReadAt(piece, s.place(pos))
		if done += n; n < len(piece) {
			if sparse.IsHole(err) { // the hole has the same length here as in the file
				_, err = s.Probe(pos + int64(n))
			}
			return done, err
		}
	}
	return done, nil
}

// fill is an endless range of one byte.
type fill byte

// Size returns the largest size that a source can have.
func (fill) Size() int64 { return math.MaxInt64 }

// Probe implements [sparse.Source].
func (fill) Probe(off int64) (int64, error) {
	if off < 0 {
		return 0, fmt.Errorf("format: negative offset %d", off)
	}
	return math.MaxInt64 - off, nil
}

// ReadAt implements [sparse.Source].
func (f fill) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("format: negative offset %d", off)
	}
	if f == 0 {
		clear(p)
		return len(p), nil
	}
	for i := range p {
		p[i] = byte(f)
	}
	return len(p), nil
}

// libvirtHeader is the size of the header of libvirt's save files; the description of the machine follows it.
const libvirtHeader = 92

// openLibvirt opens the save files of virsh: a header, the machine as XML, and QEMU's stream, which may be
// compressed.
func openLibvirt(in *input) (*Image, error) {
	head, err := in.head(libvirtHeader)
	if err != nil {
		return nil, err
	}
	if !head.has(0, "LibvirtQemudSave") && !head.has(0, "LibvirtQemudPart") {
		return nil, ErrFormat
	}
	at := libvirtHeader + int64(head.u32(20))
	if at >= in.Size() {
		return nil, ends("format: %s is a libvirt save file that is truncated: it ends after %s, before its memory", in.Name(), count(int(in.Size()), "byte", "bytes"))
	}
	if head.has(0, "LibvirtQemudPart") {
		in.note("The save was not finished: libvirt marks the file as partial.")
	}
	stream := sparse.Section(in, at, in.Size()-at)
	return in.nested("libvirt save", &inner{Source: stream, name: in.Name()})
}
