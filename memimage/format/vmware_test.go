package format

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

type vmwareWriter struct {
	out  []byte
	wide bool
}

func (w *vmwareWriter) tag(name string, value uint32, indices ...uint32) {
	w.out = append(w.out, byte(len(indices)<<6|4), byte(len(name)))
	w.out = append(w.out, name...)
	for _, i := range append(indices, value) {
		w.out = binary.LittleEndian.AppendUint32(w.out, i)
	}
}

// long writes a long field whose data begins at a page.
func (w *vmwareWriter) long(name string, data []byte) {
	w.out = append(w.out, 2<<6|62, byte(len(name)))
	w.out = append(w.out, name...)
	w.out = append(w.out, make([]byte, 8)...) // indices
	for range 2 {
		if w.wide {
			w.out = binary.LittleEndian.AppendUint64(w.out, uint64(len(data)))
		} else {
			w.out = binary.LittleEndian.AppendUint32(w.out, uint32(len(data)))
		}
	}
	pad := (pageSize - (len(w.out)+2)%pageSize) % pageSize
	w.out = binary.LittleEndian.AppendUint16(w.out, uint16(pad))
	w.out = append(append(w.out, make([]byte, pad)...), data...)
}

// writeVMware returns the state and the memory; with inside the memory is in the state.
func writeVMware(magic uint32, inside bool, runs []run) (state, vmem []byte) {
	w := &vmwareWriter{wide: magic&0xf != 0}
	for _, v := range []uint32{magic, 8, 2} {
		w.out = binary.LittleEndian.AppendUint32(w.out, v)
	}
	w.out = append(w.out, make([]byte, 2*vmwareGroup)...)
	group := func(i int, name string) {
		copy(w.out[12+i*vmwareGroup:], name)
		binary.LittleEndian.PutUint64(w.out[12+i*vmwareGroup+64:], uint64(len(w.out)))
	}
	group(0, "cpu")
	w.tag("CR", 0x187000, 0, 3)
	w.tag("CR", 0x6f8, 0, 4)
	w.out = append(w.out, 0, 0)
	group(1, "memory")
	w.tag("regionsCount", uint32(len(runs)))
	for i, r := range runs {
		w.tag("regionPageNum", uint32(len(vmem)/pageSize), uint32(i))
		w.tag("regionPPN", uint32(r.addr/pageSize), uint32(i))
		w.tag("regionSize", uint32(len(r.data)/pageSize), uint32(i))
		vmem = append(vmem, r.data...)
	}
	if inside {
		w.long("Memory", vmem)
	}
	w.out = append(w.out, 0, 0)
	return w.out, vmem
}

// vmwareSource writes the memory and the state beside it, and returns the one with that extension.
func vmwareSource(ext, other string, runs []run) *memSource {
	state, vmem := writeVMware(0xbed2bed2, false, runs)
	src := newMemSource("Win 7"+ext, vmem)
	src.siblings = map[string][]byte{other: state}
	if other == ".vmem" {
		src = newMemSource("Win 7"+ext, state)
		src.siblings = map[string][]byte{other: vmem}
	}
	return src
}

func TestVMwareHints(t *testing.T) {
	im, err := Open(vmwareSource(".vmem", ".vmss", testMemory()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c := im.Hints.CPUs; len(c) != 1 || c[0].CR3 != 0x187000 || c[0].CR4 != 0x6f8 {
		t.Errorf("%+v", im.Hints)
	}
}

func TestVmemAlone(t *testing.T) {
	data := testPages(0, 4)
	im, err := Open(newMemSource("a.VMEM", data), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if im.Format != "VMware .vmem alone" || !noteWith(im, "no .vmss or .vmsn") {
		t.Errorf("%s: %q", im.Format, im.Notes)
	}
	checkMemory(t, im, []run{{0, data}})
}

func TestVmemAloneAbove3GiB(t *testing.T) {
	src := &hugeSource{name: "a.vmem", size: 5 << 30}
	im, err := Open(src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if im.Memory.Size() != 6<<30 || !noteWith(im, "begins at 4 GiB") {
		t.Errorf("size %#x, notes %q", im.Memory.Size(), im.Notes)
	}
}

func TestVMwareStateAlone(t *testing.T) {
	state, _ := writeVMware(0xbed2bed2, false, testMemory())
	_, err := Open(newMemSource("a.vmss", state), Options{})
	var not *NotMemoryError
	if !errors.As(err, &not) || !strings.Contains(not.Do, ".vmem") {
		t.Errorf("%v", err)
	}
}

func TestVMwareDamagedStateFallsBack(t *testing.T) {
	data := testPages(0, 4)
	src := newMemSource("a.vmem", data)
	src.siblings = map[string][]byte{".vmsn": []byte("nonsense")}
	im, err := Open(src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !noteWith(im, "cannot be used") {
		t.Errorf("notes %q", im.Notes)
	}
	checkMemory(t, im, []run{{0, data}})
}

func FuzzVMware(f *testing.F) {
	for _, magic := range vmwareMagics() {
		state, _ := writeVMware(magic, true, []run{{0x1000, testPages(0x1000, 1)}, {0x5000, testPages(0x5000, 2)}})
		f.Add(state)
	}
	fuzzOpener(f, openVMware)
}
