package nt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"memlens/memimage/profile"
	"memlens/memimage/sparse"
)

// armMemory is a memory of an ARM64 Windows, written by hand. A page holds 256 descriptors of the lower half of the
// address space and 256 of the upper half, and one of these leads back to the page. Tables lead from there to the
// shared page and to an executable. The numbers are from the Arm Architecture Reference Manual, D8.3 "Translation table
// descriptor formats".
type armMemory []byte

// Bits of descriptors.
const (
	armTable  = 3        // a table, or a page in a table of the last level
	armBlock  = 1        // a block of 2 MiB or 1 GiB
	armUsed   = 1 << 10  // AF
	armInner  = 3 << 8   // SH: inner shareable
	armOwn    = 1 << 11  // nG
	armNever  = 3 << 53  // PXN and UXN: nothing is executed
	armRead   = 1 << 7   // AP[2]: nothing is written
	armTables = 0x80000  // where tables begin
	armRoot   = 0x85000  // where the first table lies
	armPage   = 0x90000  // the shared page
	armExe    = 0x200000 // the kernel's executable, in a block
	armSelf   = 0x1ed    // the entry that leads back to the first table
	armRAM    = 0x400000 // bytes of memory
)

func (m armMemory) put(pa int, v uint64) { binary.LittleEndian.PutUint64(m[pa:], v) }

func (m armMemory) text(pa int, s string) {
	for i, u := range utf16.Encode([]rune(s)) {
		binary.LittleEndian.PutUint16(m[pa+2*i:], u)
	}
}

// newARM returns the memory; machine and processor are the values in the shared page.
func newARM(machine, processor uint16) armMemory {
	m := make(armMemory, armRAM)
	const table = armTable | armUsed | armInner
	m.put(armRoot, 0x86000|table|armOwn)
	for i, slot := range []int{0x1f1, 0x1f2, 0x1f3, 0x1f4, 0x1f5} { // other tables of the upper half, which are not there
		m.put(armRoot+8*slot, uint64(0x300000+i<<12)|table)
	}
	m.put(armRoot+8*armSelf, armRoot|table|armOwn|armNever)
	m.put(armRoot+8*0x1ef, 0x87000|table) // 0xfffff780_00000000, bits 39 to 47
	m.put(0x87000, 0x88000|table)
	m.put(0x88000, 0x89000|table)
	m.put(0x89000, armPage|table|armNever|armRead)
	m.put(armRoot+8*0x1f0, 0x8a000|table)                              // 0xfffff800_00000000
	m.put(0x8a000, 0x8b000|table)                                      // 0xfffff800_00000000
	m.put(0x8b000+8*3, armExe|armBlock|armUsed|armInner|armRead|1<<54) // 0xfffff800_00600000
	shared := armPage
	binary.LittleEndian.PutUint16(m[shared+0x2c:], machine)
	binary.LittleEndian.PutUint16(m[shared+0x2e:], machine)
	m.text(shared+0x30, `C:\Windows`)
	binary.LittleEndian.PutUint32(m[shared+0x260:], 22631)
	binary.LittleEndian.PutUint16(m[shared+0x26a:], processor)
	binary.LittleEndian.PutUint32(m[shared+0x26c:], 10)
	copy(m[armExe:], "MZ")
	binary.LittleEndian.PutUint32(m[armExe+0x3c:], 0x80)
	copy(m[armExe+0x80:], "PE\x00\x00")
	binary.LittleEndian.PutUint16(m[armExe+0x84:], machine)
	return m
}

// kernel makes a kernel of the executable, which pages map one by one, by its debug record.
func (m armMemory) kernel() {
	m.put(0x8b000+8*3, 0x8c000|armTable|armUsed)
	m.put(0x8c000, armExe|armTable|armUsed|armInner|armRead)
	pe := m[armExe+0x80:]
	binary.LittleEndian.PutUint16(pe[4:], 0xaa64)
	binary.LittleEndian.PutUint16(pe[0x18:], 0x20b)
	binary.LittleEndian.PutUint32(pe[0x18+0x38:], 0x900000)
	binary.LittleEndian.PutUint32(pe[0x18+0x70+6*8:], 0x300) // the debug directory
	binary.LittleEndian.PutUint32(pe[0x18+0x70+6*8+4:], 28)
	binary.LittleEndian.PutUint32(m[armExe+0x30c:], 2)
	binary.LittleEndian.PutUint32(m[armExe+0x314:], 0x400)
	copy(m[armExe+0x400:], "RSDS")
	copy(m[armExe+0x418:], "ntkrnlmp.pdb")
}

func (m armMemory) find(t *testing.T) error {
	t.Helper()
	r, err := sparse.NewReader(int64(len(m)), sparse.Extent{Len: int64(len(m)), Src: sparse.Bytes(m)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Find(context.Background(), r, Options{Profiles: profile.Builtin()})
	return err
}

// TestARM64IsNamed finds page tables of an ARM64 Windows in a raw memory.
func TestARM64IsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		machine, processor uint16
		change             func(m armMemory)
	}{
		"as it is":                      {0xaa64, 12, func(armMemory) {}},
		"the machine type alone":        {0xaa64, 0, func(armMemory) {}},
		"the kernel's executable alone": {0, 0, func(m armMemory) { m.kernel() }},
		"the processor alone":           {0, 12, func(armMemory) {}},
		"a block where the shared page lies": {0xaa64, 12, func(m armMemory) {
			copy(m[0x200000:], m[armPage:armPage+0x1000])
			m.put(0x88000, 0x200000|armBlock|armUsed)
		}},
		"another self-map entry": {0xaa64, 12, func(m armMemory) {
			m.put(armRoot+8*armSelf, 0)
			m.put(armRoot+8*0x123, armRoot|armTable|armUsed|armNever)
		}},
		"a self-map entry with the bits of x64": {0xaa64, 12, func(m armMemory) { m.put(armRoot+8*armSelf, armRoot|0x63) }},
	} {
		t.Run(name, func(t *testing.T) {
			m := newARM(c.machine, c.processor)
			c.change(m)
			err := m.find(t)
			var arch *ArchError
			if !errors.As(err, &arch) {
				t.Fatal(err)
			}
			if c.machine == 0xaa64 && !strings.HasPrefix(name, "a self-map") && !strings.Contains(err.Error(), "ARM64 translation table") {
				t.Error(err)
			}
			if arch.Arch.Name != "arm64" || arch.DTB != armRoot || arch.Version.Build != 22631 || !strings.Contains(err.Error(), `C:\Windows`) {
				t.Errorf("%+v: %v", arch, err)
			}
		})
	}
}

// TestARM64InAFileThatBeginsElsewhere finds page tables in a raw file of a memory that does not begin at address 0.
func TestARM64InAFileThatBeginsElsewhere(t *testing.T) {
	for _, begin := range []uint64{1 << 30, 1 << 31, 0x7fc00000} {
		m := newARM(0xaa64, 12)
		for pa := armTables; pa < armTables+0x10000; pa += 8 {
			if e := binary.LittleEndian.Uint64(m[pa:]); e&1 != 0 && pa < armPage {
				m.put(pa, e+begin)
			}
		}
		var arch *ArchError
		if err := m.find(t); !errors.As(err, &arch) || uint64(arch.DTB) != armRoot+begin || !strings.Contains(err.Error(), fmt.Sprintf("begins at physical address %#x", begin)) {
			t.Error(err)
		}
		m.put(armRoot+8*0x180, 0x63) // an entry that no root table of ARM64 has
		if arch = nil; errors.As(m.find(t), &arch) {
			t.Error(arch)
		}
	}
}

// TestARM64IsNotGuessed damages the evidence: then no error speaks of ARM64.
func TestARM64IsNotGuessed(t *testing.T) {
	for name, change := range map[string]func(m armMemory){
		"no entry for the table itself": func(m armMemory) { m.put(armRoot+8*armSelf, 0) },
		"no shared page":                func(m armMemory) { clear(m[armPage : armPage+0x1000]) },
		"no root path":                  func(m armMemory) { clear(m[armPage+0x30 : armPage+0x40]) },
		"another processor": func(m armMemory) {
			m[armPage+0x2c], m[armPage+0x2d], m[armPage+0x26a] = 0x64, 0x86, 9
		},
		"a page descriptor that is not valid": func(m armMemory) { m.put(0x89000, armPage|armUsed) },
	} {
		t.Run(name, func(t *testing.T) {
			m := newARM(0xaa64, 12)
			change(m)
			err := m.find(t)
			var arch *ArchError
			if err == nil || errors.As(err, &arch) {
				t.Error(err)
			}
		})
	}
}

// TestMachineOfTheSharedPage: on a system that can be read, a shared page that names other processors hides nothing.
func TestMachineOfTheSharedPage(t *testing.T) {
	l := newLab(t, system(t, "Win10x64_19041"))
	l.write(uint64(l.whole.Mode.Arch.Shared)+0x2c, []byte{0x64, 0xaa, 0x64, 0xaa})
	k := l.kernel()
	if said := strings.Join(k.Found, "\n"); k.SystemProcess != l.whole.SystemProcess || !strings.Contains(said, "names processors of another kind (arm64)") {
		t.Errorf("found: %s", said)
	}
}
