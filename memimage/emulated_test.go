package memimage

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"memlens/memimage/profile"
	"memlens/memimage/synth"
	"memlens/memimage/synth/guest"
)

// firmware is a boot ROM of 64 KiB that turns on paging with PAE and the page directory pointers at cr3, and faults then:
// the processor looks up the addresses of its next instruction and of the fault's handler.
func firmware(cr3 uint32) []byte {
	le := binary.LittleEndian
	rom := make([]byte, 64<<10)
	code := le.AppendUint32([]byte{0x66, 0xb8}, cr3)                    // mov eax, cr3
	code = append(code, 0x0f, 0x22, 0xd8)                               // mov cr3, eax
	code = append(code, 0x66, 0xb8, 0x20, 0, 0, 0, 0x0f, 0x22, 0xe0)    // mov eax, PAE; mov cr4, eax
	code = append(code, 0x66, 0xb8, 0x11, 0, 0, 0x80, 0x0f, 0x22, 0xc0) // mov eax, PG|ET|PE; mov cr0, eax
	code = append(code, 0xeb, 0xfe)                                     // jmp to itself
	copy(rom[0xff00:], code)
	copy(rom[0xfff0:], []byte{0xe9, 0x0d, 0xff}) // where the processor begins: jmp 0xff00
	return rom
}

// emulated runs a machine of QEMU's own processor over a memory with nothing below 1 MiB, with a firmware, and returns
// the two images that QEMU writes: raw, and an ELF core.
func emulated(t *testing.T, memory []byte, rom []byte, wait time.Duration) (raw, core string) {
	t.Helper()
	qemu, err := exec.LookPath("qemu-system-i386")
	if err != nil {
		if os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{"memory": memory[1<<20:], "rom": rom} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"-m", fmt.Sprint(len(memory) >> 20), "-bios", "rom", "-device", "loader,file=memory,addr=0x100000,force-raw=on",
		"-vga", "none", "-no-reboot", "-no-shutdown"}
	guest.Run(t, dir, qemu, wait, args, fmt.Sprintf("pmemsave 0 %d raw", len(memory)), "dump-guest-memory core") // wait until it has faulted
	return filepath.Join(dir, "raw"), filepath.Join(dir, "core")
}

// TestPAEUnderEmulation opens the memory of a machine with PAE whose processor QEMU emulates: it sets the accessed bit in page
// directory pointers, which real processors have reserved.
func TestPAEUnderEmulation(t *testing.T) {
	p, err := profile.Builtin().ByName("WinXPSP2x86")
	if err != nil {
		t.Fatal(err)
	}
	exe := synth.NewProgram(synth.Program{Name: "cmd.exe", Bits: 32})
	built, err := synth.Build(synth.System{Profile: p, Paging: synth.PAE, RAM: 16 << 20, Lowest: 1 << 20, Processes: []synth.Process{{PID: 3256, PPID: 4, Name: "cmd.exe", Image: exe}}})
	if err != nil {
		t.Fatal(err)
	}
	memory := make([]byte, built.Reader.Size())
	if _, err := built.Reader.ReadAt(memory, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	for _, process := range built.Truth.Processes { // no page directory pointers stay as Windows wrote them
		dtb := uint32(process.DTB)
		var raw, core string
		for wait := time.Second; memory[dtb+3*8] != 0x21; wait *= 3 { // a busy machine may need longer
			if wait > 30*time.Second {
				t.Fatalf("the last pointer at %#x is %#x: the processor has not used it, or sets no bits", dtb, memory[dtb+3*8])
			}
			raw, core = emulated(t, memory, firmware(dtb), wait)
			if memory, err = os.ReadFile(raw); err != nil {
				t.Fatal(err)
			}
		}
		if process.PID != 3256 {
			continue
		}
		for _, path := range []string{raw, core} {
			im, err := Open(t.Context(), path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer im.Close()
			if list, damage := im.Processes(); len(list) != len(built.Truth.Processes) || len(damage) > 0 || uint64(im.Kernel.DTB()) != built.Truth.Kernel.DTB {
				t.Errorf("%s: %d processes, %v; page tables at %#x", filepath.Base(path), len(list), damage, uint64(im.Kernel.DTB()))
			}
		}
	}
}
