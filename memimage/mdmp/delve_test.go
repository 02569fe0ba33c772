package mdmp

import (
	"bytes"
	"testing"

	"github.com/go-delve/delve/pkg/proc/core/minidump"
)

// TestDelve reads a dump with Delve's reader, which shares no code with LLVM's: every range byte by byte, modules,
// regions, threads and the known registers. Delve reads only dumps of x64, and it demands registers of each thread.
// Only one module can be compared: Delve skips the reserved members at the end of a MINIDUMP_MODULE, and so reads the
// second module from the wrong place.
func TestDelve(t *testing.T) {
	d, memory := sample(t, X64)
	d.Modules, d.Threads = d.Modules[:1], d.Threads[:1]
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
	// the registers of sample's first thread
	if c, base := got.Threads[0].Context, d.Modules[0].Base; c.Rip != base+0x1234 || c.Rsp != 0x4b0c2ff800 || c.EFlags != 0x246 || c.Rax != 0 {
		t.Errorf("registers %+v", c)
	}
}

// delveRanges checks that the memory is in the same ranges. Delve lists the stacks of threads as ranges, too.
func delveRanges(t *testing.T, got *minidump.Minidump, d *Dump, memory interface {
	ReadAt([]byte, int64) (int, error)
}) {
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
