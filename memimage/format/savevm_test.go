package format

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func isFilled(page []byte) bool { return bytes.Count(page, page[:1]) == len(page) }

// writeSaveVM writes a migration stream; memory above low goes to 4 GiB, and runs must have it there.
func writeSaveVM(machine string, size uint64, runs []run) []byte {
	be := binary.BigEndian
	out := []byte("QEVM\x00\x00\x00\x03\x07")
	out = append(be.AppendUint32(out, uint32(len(machine))), machine...)
	out = append(out, "\x05\x12configuration/uuid\x00\x00\x00\x010123456789abcdef"...)
	section := func(kind byte, name string) {
		out = be.AppendUint32(append(out, kind), 2)
		if name != "" {
			out = append(append(out, byte(len(name))), name...)
			out = append(out, 0, 0, 0, 0, 0, 0, 0, 4)
		}
	}
	end := func() {
		out = be.AppendUint64(out, ramEnd)
		out = be.AppendUint32(append(out, qevmFooter), 2)
	}
	section(qevmStart, "ram")
	out = be.AppendUint64(out, size+0x20000|ramSizes)
	out = be.AppendUint64(append(out, "\x06pc.ram"...), size)
	out = be.AppendUint64(append(out, "\x07pc.bios"...), 0x20000)
	end()
	section(qevmEnd, "")
	page := func(off uint64, data []byte, first bool) {
		flags := uint64(ramPage)
		if isFilled(data) {
			flags, data = ramZero, data[:1]
		}
		if !first {
			flags |= ramContinue
		}
		out = be.AppendUint64(out, off|flags)
		if first {
			out = append(out, "\x06pc.ram"...)
		}
		out = append(out, data...)
	}
	page(runs[0].addr, runs[0].data[:pageSize], true) // comes again below
	out = be.AppendUint64(out, 0x1000|ramPage)
	out = append(append(out, "\x07pc.bios"...), make([]byte, pageSize)...)
	first := true
	for _, r := range runs {
		for i := 0; i < len(r.data); i += pageSize {
			off := r.addr + uint64(i)
			if off >= 4<<30 {
				off -= 1 << 30
			}
			page(off, r.data[i:i+pageSize], first)
			first = false
		}
	}
	end()
	return append(out, 0x00)
}

func writeLibvirt(stream []byte) []byte {
	xml := "<domain type='kvm'/>\x00"
	head := make([]byte, libvirtHeader)
	copy(head, "LibvirtQemudSave")
	binary.LittleEndian.PutUint32(head[16:], 2)
	binary.LittleEndian.PutUint32(head[20:], uint32(len(xml)))
	return append(append(head, xml...), stream...)
}

func TestSaveVMMemoryAbove4GiB(t *testing.T) {
	runs := append(testMemory(), run{4 << 30, testPages(4<<30, 3)})
	im, err := Open(newMemSource("a", writeSaveVM("pc-i440fx-7.2", 4<<30, runs)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !noteWith(im, "begin at 4 GiB") {
		t.Errorf("notes %q", im.Notes)
	}
	checkMemory(t, im, runs)
}

func TestSaveVMLastPageWins(t *testing.T) {
	runs := testMemory()
	again := append([]run{{0x3000, bytes.Repeat([]byte("old "), pageSize/4)}, {0x4000, testPages(0, 1)}}, runs...)
	im, err := Open(newMemSource("a", writeSaveVM("pc", 256<<20, again)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkMemory(t, im, runs)
}

func FuzzSaveVM(f *testing.F) {
	f.Add(writeSaveVM("pc", 1<<20, []run{{0x1000, testPages(0x1000, 6)}}))
	f.Add([]byte("QEVM\x00\x00\x00")) // ends within its header
	fuzzOpener(f, openSaveVM)
}
