package mdmp

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"memlens/memimage/sparse"
)

// sample is a dump with one of everything, and its memory.
func sample(t testing.TB, arch Arch) (*Dump, sparse.Source) {
	t.Helper()
	base, stack := uint64(0x400000), uint64(0x12f000)
	if arch != X86 {
		base, stack = 0x7ff612340000, 0x4b0c2ff000
	}
	version := FixedFileInfo{0xbd, 0x04, 0xef, 0xfe, 0, 0, 1, 0, 2, 0, 1, 0, 4, 0, 3, 0}
	record := append([]byte("RSDS"), make([]byte, 16)...)
	for i := range 16 {
		record[4+i] = byte(i + 1)
	}
	record = append(append(record, 7, 0, 0, 0), "a.pdb\x00"...)
	control := Control{IP: base + 0x1234, SP: stack + 0x800, FP: stack + 0x900, Flags: 0x246, CS: 0x33, SS: 0x2b}
	d := &Dump{
		Time:    time.Date(2020, 5, 6, 7, 8, 9, 0, time.UTC),
		System:  System{Arch: arch, Processors: 4, Product: 1, Major: 10, Build: 19041, ServicePack: "Service Pack 2", Suite: 0x110, Features: [2]uint64{0x1234}},
		Process: Process{ID: 3256, Created: time.Date(2020, 5, 6, 0, 0, 0, 0, time.UTC)},
		Threads: []Thread{{ID: 100, TEB: stack + 0x1000, Stack: stack, Context: control.Context(arch)}, {ID: 104, TEB: stack + 0x2000}},
		Modules: []Module{
			{Base: base, Size: 0x5000, CheckSum: 0x1234, TimeDateStamp: 0x5eb25d00, Name: `C:\Windows\a.exe`, Version: version, CodeView: record},
			{Base: base + 0x10000, Size: 0x2000, Name: `C:\Windows\ü.dll`},
		},
		Regions: []Region{
			{Start: stack, Len: 0x1000, Allocation: stack - 0x1000, AllocatedAs: 4, State: Commit, Protect: 4, Type: Private},
			{Start: base, Len: 0x5000, Allocation: base, AllocatedAs: 0x80, State: Commit, Protect: 0x80, Type: Image},
		},
		Comment: "Made of nothing.\n",
		Memory:  []Range{{stack, 0x1000}, {base, 0x2000}, {base + 0x3000, 0x1000}},
	}
	return d, memoryOf(t, d.Memory)
}

// memoryOf is an address space with random bytes in some ranges.
func memoryOf(t testing.TB, ranges []Range) *sparse.Reader {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	var extents []sparse.Extent
	for _, r := range ranges {
		b := make([]byte, r.Len)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		extents = append(extents, sparse.Extent{Off: int64(r.Start), Len: int64(r.Len), Src: sparse.Bytes(b)})
	}
	memory, err := sparse.NewReader(1<<47, extents...)
	if err != nil {
		t.Fatal(err)
	}
	return memory
}

// whole reads a dump to its end.
func whole(t testing.TB, d *Dump, memory sparse.Source) []byte {
	t.Helper()
	f, _, err := d.Open(memory)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, f.Size())
	if n, err := f.ReadAt(b, 0); n < len(b) {
		t.Fatal(err)
	}
	return b
}

// saved writes a sample to a file, and returns its path.
func saved(t *testing.T, d *Dump, memory sparse.Source) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "minidump.dmp")
	if err := os.WriteFile(path, whole(t, d, memory), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// output runs a program of the system on a dump. It skips the test if there is no such program, and fails it with
// MEMLENS_REQUIRE_TOOLS=1.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}
