// Package peers reads what memlens writes with other programs' code whose dependencies are too many for memlens's own
// module. It is a module of its own: cd testdata/peers && go test ./...
package peers

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-delve/delve/pkg/proc/core/minidump"

	"memlens/memimage/mdmp"
	"memlens/memimage/sparse"
)

const (
	base  = 0x7ff612340000
	stack = 0x4b0c2ff000
)

// sample is a dump of a process, and the process's memory: random bytes in three ranges.
func sample(t *testing.T) (*mdmp.Dump, *sparse.Reader) {
	t.Helper()
	version := mdmp.FixedFileInfo{0xbd, 0x04, 0xef, 0xfe, 0, 0, 1, 0, 2, 0, 1, 0, 4, 0, 3, 0}
	record := append([]byte("RSDS"), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 7, 0, 0, 0, 'a', '.', 'p', 'd', 'b', 0)
	control := mdmp.Control{IP: base + 0x1234, SP: stack + 0x800, FP: stack + 0x900, Flags: 0x246, CS: 0x33, SS: 0x2b}
	d := &mdmp.Dump{
		Time:    time.Date(2020, 5, 6, 7, 8, 9, 0, time.UTC),
		System:  mdmp.System{Arch: mdmp.X64, Processors: 4, Product: 1, Major: 10, Build: 19041, ServicePack: "Service Pack 2", Suite: 0x110, Features: [2]uint64{0x1234}},
		Process: mdmp.Process{ID: 3256, Created: time.Date(2020, 5, 6, 0, 0, 0, 0, time.UTC)},
		Threads: []mdmp.Thread{{ID: 100, TEB: stack + 0x1000, Stack: stack, Context: control.Context(mdmp.X64)}},
		Modules: []mdmp.Module{{Base: base, Size: 0x5000, CheckSum: 0x1234, TimeDateStamp: 0x5eb25d00, Name: `C:\Windows\a.exe`, Version: version, CodeView: record}},
		Regions: []mdmp.Region{
			{Start: stack, Len: 0x1000, Allocation: stack - 0x1000, AllocatedAs: 4, State: mdmp.Commit, Protect: 4, Type: mdmp.Private},
			{Start: base, Len: 0x5000, Allocation: base, AllocatedAs: 0x80, State: mdmp.Commit, Protect: 0x80, Type: mdmp.Image},
		},
		Memory: []mdmp.Range{{Start: stack, Len: 0x1000}, {Start: base, Len: 0x2000}, {Start: base + 0x3000, Len: 0x1000}},
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var extents []sparse.Extent
	for _, r := range d.Memory {
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
	return d, memory
}

// saved writes a dump to a file, and returns the file's path.
func saved(t *testing.T, d *mdmp.Dump, memory *sparse.Reader) string {
	t.Helper()
	f, _, err := d.Open(memory)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, f.Size())
	if n, err := f.ReadAt(b, 0); n < len(b) {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "minidump.dmp")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDelve reads a dump with Delve's reader, which shares no code with LLVM's: every range byte by byte, modules,
// regions, threads and the known registers. Delve reads only dumps of x64, and it demands registers of each thread.
// There is only one module: Delve skips the reserved members at the end of a MINIDUMP_MODULE, and so reads the
// second module from the wrong place.
func TestDelve(t *testing.T) {
	d, memory := sample(t)
	got, err := minidump.Open(saved(t, d, memory), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Pid != d.Process.ID || int64(got.Timestamp) != d.Time.Unix() {
		t.Errorf("process %d at %d", got.Pid, got.Timestamp)
	}
	delveRanges(t, got, d, memory)
	if len(got.Modules) != len(d.Modules) {
		t.Fatalf("%d modules, want %d", len(got.Modules), len(d.Modules))
	}
	for i, m := range got.Modules {
		want := d.Modules[i]
		if m.BaseOfImage != want.Base || m.SizeOfImage != want.Size || m.Checksum != want.CheckSum || m.TimeDateStamp != want.TimeDateStamp || m.Name != want.Name || !bytes.Equal(m.CVRecord, want.CodeView) {
			t.Errorf("module %+v, want %+v", m, want)
		}
	}
	if len(got.MemoryInfo) != len(d.Regions) {
		t.Fatalf("%d regions, want %d", len(got.MemoryInfo), len(d.Regions))
	}
	for i, r := range got.MemoryInfo {
		want := d.Regions[i]
		if r.Addr != want.Start || r.Size != want.Len || uint32(r.State) != want.State || uint32(r.Protection) != want.Protect || uint32(r.Type) != want.Type {
			t.Errorf("region %+v, want %+v", r, want)
		}
	}
	if len(got.Threads) != len(d.Threads) {
		t.Fatalf("%d threads, want %d", len(got.Threads), len(d.Threads))
	}
	for i, th := range got.Threads {
		want := d.Threads[i]
		if th.ID != want.ID || th.TEB != want.TEB {
			t.Errorf("thread %d, TEB %#x, want %+v", th.ID, th.TEB, want)
		}
	}
	// the registers of sample's thread
	if c := got.Threads[0].Context; c.Rip != base+0x1234 || c.Rsp != stack+0x800 || c.EFlags != 0x246 || c.Rax != 0 {
		t.Errorf("registers %+v", c)
	}
}

// delveRanges checks that the memory is in the same ranges. Delve lists the stacks of threads as ranges, too.
func delveRanges(t *testing.T, got *minidump.Minidump, d *mdmp.Dump, memory *sparse.Reader) {
	t.Helper()
	seen := map[uint64]bool{}
	for _, r := range got.MemoryRanges {
		want := make([]byte, len(r.Data))
		if _, err := memory.ReadAt(want, int64(r.Addr)); err != nil || !bytes.Equal(r.Data, want) {
			t.Errorf("%d bytes at %#x differ: %v", len(r.Data), r.Addr, err)
		}
		seen[r.Addr] = seen[r.Addr] || len(r.Data) > 0
	}
	for _, r := range d.Memory {
		if !seen[r.Start] {
			t.Errorf("%#x is in no range", r.Start)
		}
	}
}
