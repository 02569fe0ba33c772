package format

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
	"memlens/memimage/synth/guest"
)

// tool returns the path of an external program, or skips; with MEMLENS_REQUIRE_TOOLS=1 it fails.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if requireTools() {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

// qemuDump runs a guest of mib MiB without an operating system; its firmware fills memory with data of its own. Then
// it stops the guest, gives the commands to the monitor, and returns the directory with the files that the commands
// made.
func qemuDump(t *testing.T, machine string, mib int, commands ...string) string {
	t.Helper()
	qemu := tool(t, "qemu-system-x86_64")
	dir := t.TempDir()
	// until the firmware has given up looking for something to boot
	guest.Run(t, dir, qemu, 2*time.Second, []string{"-machine", machine, "-m", fmt.Sprint(mib)}, commands...)
	return dir
}

// compareRuns compares every run of im below the size of raw with raw, except the given ranges.
func compareRuns(t *testing.T, im *Image, raw []byte, except ...Range) {
	t.Helper()
	var compared int64
	for r := range sparse.Runs(sparse.Section(im.Memory, 0, int64(len(raw)))) {
		for off := r.Off; r.Err == nil && off < r.End(); off += pageSize {
			page := make([]byte, pageSize)
			if _, err := im.Memory.ReadAt(page, off); err != nil && err != io.EOF {
				t.Fatalf("page %#x: %v", off, err)
			}
			if within(except, off) {
				continue
			}
			if !bytes.Equal(page, raw[off:off+pageSize]) {
				t.Fatalf("page %#x differs", off)
			}
			compared += pageSize
		}
	}
	if compared < int64(len(raw))*9/10 {
		t.Errorf("only %#x of %#x bytes are there", compared, len(raw))
	}
}

func within(ranges []Range, off int64) bool {
	for _, r := range ranges {
		if uint64(off) >= r.Addr && uint64(off) < r.Addr+r.Len {
			return true
		}
	}
	return false
}

// TestQEMU opens the files that a real QEMU writes of one guest, in each of its formats, and compares them with its
// pmemsave.
func TestQEMU(t *testing.T) {
	corpus.Long(t)
	for _, machine := range []string{"pc", "q35"} {
		t.Run(machine, func(t *testing.T) { testQEMU(t, machine) })
	}
}

func testQEMU(t *testing.T, machine string) {
	dir := qemuDump(t, machine, 16, "dump-guest-memory plain.elf", "dump-guest-memory -p paging.elf",
		"dump-guest-memory -z zlib.kdump", `migrate "exec:cat > a.savevm"`, "pmemsave 0 0x1000000 a.raw")
	raw, err := os.ReadFile(filepath.Join(dir, "a.raw"))
	if err != nil {
		t.Fatal(err)
	}
	// Below 1 MiB pmemsave reads the firmware and the screen in place of the memory under them.
	shadow := Range{Addr: 0xa0000, Len: 0x60000}
	for _, c := range []struct {
		file, format string
		except       []Range
		cpus         int
	}{
		{"plain.elf", "ELF core", nil, 1},
		{"paging.elf", "ELF core", nil, 1},
		{"zlib.kdump", "kdump-compressed", nil, 1},
		{"a.savevm", "QEMU migration stream", []Range{shadow}, 0},
	} {
		t.Run(c.file, func(t *testing.T) {
			im, err := OpenFile(filepath.Join(dir, c.file), Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer im.Close()
			if !strings.Contains(im.Format, c.format) || len(im.Hints.CPUs) != c.cpus {
				t.Errorf("format %q, %d processors, notes %q", im.Format, len(im.Hints.CPUs), im.Notes)
			}
			compareRuns(t, im, raw, c.except...)
		})
	}
}
