package format

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// elfNoteOf writes a note.
func elfNoteOf(order binary.ByteOrder, name string, data []byte) []byte {
	var b bytes.Buffer
	for _, v := range []uint32{uint32(len(name) + 1), uint32(len(data)), 0} {
		_ = binary.Write(&b, order, v)
	}
	b.WriteString(name + strings.Repeat("\x00", align4(len(name)+1)-len(name)))
	b.Write(append(data, make([]byte, align4(len(data))-len(data))...))
	return b.Bytes()
}

// qemuNote writes the state of a processor as QEMU does.
func qemuNote(order binary.ByteOrder, cr3 uint64) []byte {
	d := make([]byte, qemuKernelGS+8)
	order.PutUint32(d, 1)
	order.PutUint32(d[4:], uint32(len(d)))
	order.PutUint64(d[qemuCR+3*8:], cr3)
	order.PutUint64(d[qemuKernelGS:], 0xfffff80002c4bd00)
	return elfNoteOf(order, "QEMU", d)
}

// writeELF writes a core file in either class and byte order, through the structures of debug/elf.
func writeELF(order binary.ByteOrder, wide bool, notes []byte, runs []run) []byte {
	var ph, data bytes.Buffer
	ehsize, phsize := 52, 32
	if wide {
		ehsize, phsize = 64, 56
	}
	off := uint64(ehsize + phsize*(len(runs)+1))
	segment := func(kind elf.ProgType, paddr uint64, b []byte) {
		n := uint64(len(b))
		if wide {
			_ = binary.Write(&ph, order, elf.Prog64{Type: uint32(kind), Off: off, Paddr: paddr, Filesz: n, Memsz: n})
		} else {
			_ = binary.Write(&ph, order, elf.Prog32{Type: uint32(kind), Off: uint32(off), Paddr: uint32(paddr), Filesz: uint32(n), Memsz: uint32(n)})
		}
		data.Write(b)
		off += n
	}
	segment(elf.PT_NOTE, 0, notes)
	for _, r := range runs {
		segment(elf.PT_LOAD, r.addr, r.data)
	}
	ident := [16]byte{0x7f, 'E', 'L', 'F', 1, 1, 1}
	if wide {
		ident[4] = 2
	}
	if order == binary.BigEndian {
		ident[5] = 2
	}
	var out bytes.Buffer
	n := uint16(len(runs) + 1)
	if wide {
		_ = binary.Write(&out, order, elf.Header64{Ident: ident, Type: elfCore, Machine: 62, Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: n})
	} else {
		_ = binary.Write(&out, order, elf.Header32{Ident: ident, Type: elfCore, Machine: 3, Version: 1, Phoff: 52, Ehsize: 52, Phentsize: 32, Phnum: n})
	}
	return append(append(out.Bytes(), ph.Bytes()...), data.Bytes()...)
}

func writeQEMU(r []run) []byte {
	le := binary.LittleEndian
	return writeELF(le, true, append(qemuNote(le, 0x187000), qemuNote(le, 0x2000)...), r)
}

// writeXenCore writes a core file as xl dump-core does; the page numbers are alone, or with a second number behind
// each.
func writeXenCore(numbers string, runs []run) []byte {
	le := binary.LittleEndian
	var pages, pfns []byte
	for _, r := range runs {
		pages = append(pages, r.data...)
		for i := range uint64(len(r.data) / pageSize) {
			pfns = le.AppendUint64(pfns, r.addr/pageSize+i)
			if numbers == ".xen_p2m" {
				pfns = le.AppendUint64(pfns, 0x123)
			}
		}
	}
	names := "\x00.shstrtab\x00.xen_pages\x00" + numbers + "\x00"
	out := make([]byte, 64)
	headers := make([]byte, 64)
	for _, s := range []struct {
		name string
		data []byte
	}{{".shstrtab", []byte(names)}, {".xen_pages", pages}, {numbers, pfns}} {
		h := make([]byte, xenSection)
		le.PutUint32(h, uint32(strings.Index(names, s.name)))
		le.PutUint64(h[24:], uint64(len(out)))
		le.PutUint64(h[32:], uint64(len(s.data)))
		headers = append(headers, h...)
		out = append(out, s.data...)
	}
	copy(out, "\x7fELF\x02\x01\x01")
	le.PutUint16(out[16:], elfCore)
	le.PutUint16(out[18:], 62)
	le.PutUint64(out[40:], uint64(len(out)))
	le.PutUint16(out[58:], xenSection)
	le.PutUint16(out[60:], 4)
	le.PutUint16(out[62:], 1)
	return append(out, headers...)
}

// writeVBox writes a core as VirtualBox does, with the state of one processor.
func writeVBox(wide bool, runs []run) []byte {
	cpu := make([]byte, vboxEnd)
	binary.LittleEndian.PutUint64(cpu[vboxCR+16:], 0x39000)
	return writeELF(binary.LittleEndian, wide, elfNoteOf(binary.LittleEndian, "VBCPU", cpu), runs)
}

func TestELFHints(t *testing.T) {
	im, err := Open(newMemSource("a.elf", writeQEMU(testMemory())), Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := im.Hints.CPUs
	if len(c) != 2 || c[0].CR3 != 0x187000 || c[1].CR3 != 0x2000 || c[0].KernelGSBase != 0xfffff80002c4bd00 || im.Hints.Machine != 0x8664 {
		t.Errorf("hints %+v", im.Hints)
	}
	im, err = Open(newMemSource("a.elf", writeVBox(false, testMemory())), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if im.Format != "ELF core, 32-bit, VirtualBox" || im.Hints.CPUs[0].CR3 != 0x39000 || im.Hints.Machine != 0x14c {
		t.Errorf("%s: hints %+v", im.Format, im.Hints)
	}
}

func TestELFCoreOfAProcessIsRefused(t *testing.T) {
	core := writeQEMU(testMemory()[:1])
	binary.LittleEndian.PutUint64(core[64+56+16:], 0x400000) // virtual address
	binary.LittleEndian.PutUint64(core[64+56+24:], 0)        // physical address
	_, err := Open(newMemSource("core", core), Options{})
	var not *NotMemoryError
	if !errors.As(err, &not) || !strings.Contains(not.What, "process") {
		t.Errorf("%v", err)
	}
}

func TestELFSegmentLargerInMemoryIsNoted(t *testing.T) {
	core := writeQEMU(testMemory())
	binary.LittleEndian.PutUint64(core[64+2*56+40:], 0x10000000)
	im, err := Open(newMemSource("core", core), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !noteWith(im, "taken for missing") || !noteWith(im, "again without -p") {
		t.Errorf("notes %q", im.Notes)
	}
	checkMemory(t, im, testMemory())
}

// TestELFSegmentLargerInMemoryIsOfQEMU checks that the note about QEMU is in the notes of QEMU's files only.
func TestELFSegmentLargerInMemoryIsOfQEMU(t *testing.T) {
	core := writeELF(binary.LittleEndian, true, nil, testMemory())
	binary.LittleEndian.PutUint64(core[64+2*56+40:], 0x10000000)
	im, err := Open(newMemSource("core", core), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !noteWith(im, "taken for missing") || noteWith(im, "QEMU") {
		t.Errorf("notes %q", im.Notes)
	}
}

func FuzzELF(f *testing.F) {
	runs := []run{{0x1000, testPages(0x1000, 1)}, {0x5000, testPages(0x5000, 2)}}
	f.Add(writeQEMU(runs))
	f.Add(writeELF(binary.BigEndian, false, qemuNote(binary.BigEndian, 1), runs))
	f.Add(writeXenCore(".xen_pfn", runs))
	f.Add(writeXenCore(".xen_p2m", runs))
	fuzzOpener(f, openELF)
}
