package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"

	"memlens/memimage/sparse"
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

// wideTag writes a field of 8 bytes.
func (w *vmwareWriter) wideTag(name string, value uint64, indices ...uint32) {
	w.tag(name, uint32(value), indices...)
	w.out[len(w.out)-4*len(indices)-4-len(name)-2] += 4
	w.out = binary.LittleEndian.AppendUint32(w.out, uint32(value>>32))
}

// block writes a block whose data begin at a page border.
func (w *vmwareWriter) block(kind byte, name string, data []byte, indices ...uint32) {
	w.out = append(w.out, byte(len(indices)<<6)|kind, byte(len(name)))
	w.out = append(w.out, name...)
	for _, i := range indices {
		w.out = binary.LittleEndian.AppendUint32(w.out, i)
	}
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

// writeVMware returns the state and the memory; if inside is set, the memory is in the state.
func writeVMware(magic uint32, inside bool, runs []run) (state, vmem []byte) {
	cpu := func(w *vmwareWriter) {
		w.tag("CR", 0x187000, 0, 3)
		w.tag("CR", 0x6f8, 0, 4)
	}
	return writeVMwareGroups(magic, cpu, func(w *vmwareWriter) []byte {
		vmem := w.regions(runs)
		if inside {
			w.block(vmwarePlain, "Memory", vmem, 0, 0)
		}
		return vmem
	})
}

// writeVMwareGroups returns a state with the two groups that the functions write, and the memory that the second
// function returns.
func writeVMwareGroups(magic uint32, cpu func(*vmwareWriter), memory func(*vmwareWriter) []byte) (state, vmem []byte) {
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
	cpu(w)
	w.out = append(w.out, 0, 0)
	group(1, "memory")
	vmem = memory(w)
	w.out = append(w.out, 0, 0)
	return w.out, vmem
}

// regions writes where the runs lie, and returns the memory: the runs one behind the other.
func (w *vmwareWriter) regions(runs []run) (vmem []byte) {
	w.tag("align_mask", 0xffff)
	w.tag("regionsCount", uint32(len(runs)))
	for i, r := range runs {
		w.tag("regionPageNum", uint32(len(vmem)/pageSize), uint32(i))
		w.tag("regionPPN", uint32(r.addr/pageSize), uint32(i))
		w.tag("regionSize", uint32(len(r.data)/pageSize), uint32(i))
		vmem = append(vmem, r.data...)
	}
	return vmem
}

// vmwareSource writes the memory and the state beside it, and returns the file with the extension ext.
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

func TestVMwareRegisters(t *testing.T) {
	const cr3, idt, gdt, gs = 0x1_2345_6000, 0xfffff80003cd5080, 0xfffff80003cd5000, 0xfffff80002a0fd00
	block := binary.LittleEndian.AppendUint64([]byte{0xff, 0x0f}, idt)
	var all []byte
	for _, v := range []uint64{0x80050031, 0, 0x865eb08, cr3, 0x6f8, 0, 0, 0, 0} {
		all = binary.LittleEndian.AppendUint64(all, v)
	}
	common := func(w *vmwareWriter) {
		w.tag("cpu:numVCPUs", 1)
		w.wideTag("rip", 0xfffff80002c1c0ba, 0)
		w.wideTag("rsp", 0xfffff80002000000, 0)
		w.tag("S", 0x10, 0, vmwareCS)
		w.wideTag("S.base64", gs, 0, vmwareGS)
	}
	for name, cpu := range map[string]func(*vmwareWriter){
		"fields": func(w *vmwareWriter) {
			common(w)
			for i, v := range []uint64{0x80050031, 0, 0x865eb08, cr3, 0x6f8} {
				w.wideTag("CR64", v, 0, uint32(i))
				w.tag("CR", uint32(v), 0, uint32(i))
			}
			w.tag("GDTR", 127, 0, 0)
			w.tag("GDTR", gdt&0xffffffff, 0, 1)
			w.tag("GDTR", gdt>>32, 0, 2)
			w.tag("IDTR", 4095, 0, 0)
			w.tag("IDTR", idt&0xffffffff, 0, 1)
			w.tag("IDTR", idt>>32, 0, 2)
		},
		"blocks": func(w *vmwareWriter) {
			common(w)
			w.block(vmwarePlain, "CR64", all, 0)
			w.block(vmwarePlain, "GDTR", binary.LittleEndian.AppendUint64([]byte{127, 0}, gdt), 0)
			w.block(vmwarePlain, "IDTR", block, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			state, _ := writeVMwareGroups(0xbad1bad1, cpu, func(w *vmwareWriter) []byte {
				w.block(vmwarePlain, "Memory", testPages(0, 3))
				return nil
			})
			im, err := Open(newMemSource("a.vmss", state), Options{})
			if err != nil {
				t.Fatal(err)
			}
			want := CPU{RIP: 0xfffff80002c1c0ba, RSP: 0xfffff80002000000, CR0: 0x80050031, CR2: 0x865eb08, CR3: cr3, CR4: 0x6f8,
				IDTBase: idt, GDTBase: gdt, GSBase: gs, CodeSelector: 0x10}
			if c := im.Hints.CPUs; len(c) != 1 || c[0] != want {
				t.Errorf("%+v, want %+v", c, want)
			}
			checkMemory(t, im, []run{{0, testPages(0, 3)}})
		})
	}
}

func TestVMwareRegistersOf32Bits(t *testing.T) {
	im, err := Open(vmwareSource(".vmem", ".vmss", testMemory()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c := im.Hints.CPUs; len(c) != 1 || c[0].CR3 != 0x187000 || c[0].CR4 != 0x6f8 {
		t.Errorf("%+v", im.Hints)
	}
}

// TestVMwareSnapshotOfCase reads a snapshot that another author's program wrote.
func TestVMwareSnapshotOfCase(t *testing.T) {
	if testing.Short() {
		t.Skip("unpacks an image")
	}
	im, raw := openPath(t, corpus.UnpackCase(t, "vmware", "plain63_regions.vmsn")), openPath(t, corpus.Unpack(t, "Win10x64_19041.raw"))
	if im.Format != "VMware .vmsn with the memory in it" || im.Memory.Size() != raw.Memory.Size() {
		t.Errorf("%s of %#x bytes", im.Format, im.Memory.Size())
	}
	if digest(t, im.Memory, raw.Memory.Size()) != digest(t, raw.Memory, raw.Memory.Size()) {
		t.Error("the memory differs from the raw image")
	}
}

// refused opens a state that must be refused as something that holds no memory, and returns why.
func refused(t *testing.T, memory func(w *vmwareWriter)) *NotMemoryError {
	t.Helper()
	state, _ := writeVMwareGroups(0xbed3bed3, func(*vmwareWriter) {}, func(w *vmwareWriter) []byte { memory(w); return nil })
	_, err := Open(newMemSource("a.vmss", state), Options{})
	var not *NotMemoryError
	if !errors.As(err, &not) {
		t.Fatalf("%v", err)
	}
	return not
}

func TestVMwareCompressedMemoryIsNamed(t *testing.T) {
	not := refused(t, func(w *vmwareWriter) {
		w.regions(testMemory())
		w.block(vmwarePacked, "Memory", testPages(0, 3), 0, 0)
	})
	if !strings.Contains(not.What, "compressed") || !strings.Contains(not.Do, "mainMem.useNamedFile") {
		t.Error(not)
	}
}

func TestVMwareMemoryInBlocksIsNamed(t *testing.T) {
	not := refused(t, func(w *vmwareWriter) {
		w.block(vmwarePlain, "Memory", testPages(0, 3), 0, 0)
		w.block(vmwarePlain, "Memory", testPages(0, 3), 1, 0)
	})
	if !strings.Contains(not.What, "2 blocks") {
		t.Error(not)
	}
}

// TestVMwareBlockEnds has a region that is larger than its block: the bytes behind the block in the file are no
// memory.
func TestVMwareBlockEnds(t *testing.T) {
	runs := []run{{0x1000, testPages(0x1000, 8)}}
	state, _ := writeVMwareGroups(0xbed3bed3, func(*vmwareWriter) {}, func(w *vmwareWriter) []byte {
		vmem := w.regions(runs)
		w.block(vmwarePlain, "Memory", vmem[:3*pageSize], 0, 0)
		w.block(vmwarePlain, "other", testPages(0x9000, 8))
		return nil
	})
	im, err := Open(newMemSource("a.vmss", state), Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkMemory(t, im, []run{{0x1000, runs[0].data[:3*pageSize]}})
	if !noteWith(im, "missing") {
		t.Errorf("notes %q", im.Notes)
	}
}

func TestVMwareRegionsLeaveMemoryOut(t *testing.T) {
	src := vmwareSource(".vmem", ".vmss", testMemory())
	whole := make([]byte, src.Size())
	_, _ = src.ReadAt(whole, 0)
	longer := newMemSource(src.name, append(whole, testPages(0, 2)...))
	longer.siblings = src.siblings
	im, err := Open(longer, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !noteWith(im, "8192 bytes (8 KiB) of the memory file lie in none of the regions") {
		t.Errorf("notes %q", im.Notes)
	}
	checkMemory(t, im, testMemory())
}

func TestVMwareStateWithMemoryBesideVmem(t *testing.T) {
	src := vmwareSource(".vmem", ".vmss", testMemory())
	src.siblings[".vmss"], _ = writeVMware(0xbed3bed3, true, testMemory())
	im, err := Open(src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !noteWith(im, "has memory in it, too") {
		t.Errorf("notes %q", im.Notes)
	}
}

// besideState is a memory file with a .vmss beside it.
type besideState struct {
	*hugeSource
	state []byte
}

func (s besideState) Beside(name string) (Source, error) {
	if name != "a.vmss" {
		return nil, fs.ErrNotExist
	}
	return newMemSource("a.vmss", s.state), nil
}

func TestVMwareWithoutRegionsAbove3GiB(t *testing.T) {
	state, _ := writeVMwareGroups(0xbed3bed3, func(*vmwareWriter) {}, func(w *vmwareWriter) []byte { w.tag("regionsCount", 0); return nil })
	im, err := Open(besideState{&hugeSource{name: "a.vmem", size: 5 << 30}, state}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if im.Memory.Size() != 6<<30 || !noteWith(im, "names no regions") {
		t.Errorf("size %#x, notes %q", im.Memory.Size(), im.Notes)
	}
}

func TestVMwareOfARM64(t *testing.T) {
	state, vmem := writeVMwareGroups(0xbed3bed3, func(*vmwareWriter) {}, func(w *vmwareWriter) []byte { return w.regions(testMemory()) })
	copy(state[12:], "Checkpoint\x00")
	w := &vmwareWriter{out: state[:len(state):len(state)]}
	binary.LittleEndian.PutUint64(w.out[12+64:], uint64(len(w.out)))
	w.tag("Platform", 3)
	w.out = append(w.out, 0, 0)
	src := newMemSource("a.vmem", vmem)
	src.siblings = map[string][]byte{".vmsn": w.out}
	im, err := Open(src, Options{})
	if err != nil || im.Hints.Machine != 0xaa64 {
		t.Errorf("%v, %+v", err, im)
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

// TestVMwareRegionsWithoutTheirNumber has regions whose number is missing, and a region that has one field twice and
// lacks another. Complete regions are used, and the memory is not taken for undivided.
func TestVMwareRegionsWithoutTheirNumber(t *testing.T) {
	runs := testMemory()
	for _, twice := range []bool{false, true} {
		state, vmem := writeVMwareGroups(0xbed2bed2, func(*vmwareWriter) {}, func(w *vmwareWriter) []byte { return w.regions(runs) })
		copy(state[bytes.Index(state, []byte("regionsCount")):], "regionsC0unt")
		want := runs
		if twice { // the last region then has its place twice, and no page in the file
			i := bytes.LastIndex(state, []byte("regionPageNum"))
			copy(state[i:], "regionXXXXXXX")
			i = bytes.LastIndex(state, []byte("regionSize"))
			w := &vmwareWriter{}
			w.tag("regionPPN", uint32(runs[len(runs)-1].addr/pageSize), uint32(len(runs)-1))
			state = slices.Insert(state, i-2, w.out...)
			want = runs[:len(runs)-1]
		}
		src := newMemSource("a.vmem", vmem)
		src.siblings = map[string][]byte{".vmss": state}
		im := openTest(t, src)
		checkSubset(t, im, flat(runs))
		if n, err := sparse.Present(im.Memory); n != present(want) || err != nil || !noteWith(im, "says 0 regions of memory and has") {
			t.Errorf("%d bytes, want %d, %v, notes %q", n, present(want), err, im.Notes)
		}
	}
}

func present(runs []run) (n int64) {
	for _, r := range runs {
		n += int64(len(r.data))
	}
	return n
}
