package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memlens/memimage/profile"
	"memlens/memimage/synth"
)

// TestTraffic measures how much is read from an image of 32 GiB in a bucket, for the estimate in the README. It is
// run by hand, with the number of processes in MEMLENS_FLEET_TRAFFIC. Each process has its own program of 1 MiB, and
// three DLLs; their pages lie anywhere.
func TestTraffic(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("MEMLENS_FLEET_TRAFFIC"))
	if err != nil {
		t.Skip("MEMLENS_FLEET_TRAFFIC=100 measures what is read of an image of 32 GiB")
	}
	dir := t.TempDir()
	object := filepath.Join(dir, "evidence", "host.raw")
	if err := os.Mkdir(filepath.Dir(object), 0o755); err != nil {
		t.Fatal(err)
	}
	writeHost(t, object, n)
	if err := unix.Setxattr(object, "user.etag", []byte(`"5d41402abc4b2a76b9719d911017c592-7"`), 0); err != nil {
		t.Skipf("attributes of files cannot be set here: %v", err)
	}
	serveS3(t, dir)
	for _, modules := range []bool{false, true} {
		o := options(t)
		o.Shards, o.Pictures, o.Workers, o.Walk.Modules, o.Deadline = 1, 0, 1, modules, time.Hour
		before, start := childTime(), time.Now()
		traffic, err := Run(t.Context(), "prism", []string{"s3://evidence/host.raw"}, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d processes, modules %v: %d requests, %d MiB, %.1f s, %.1f s of processor time", n, modules, traffic.Requests, traffic.Bytes>>20, time.Since(start).Seconds(), (childTime() - before).Seconds())
	}
}

// writeHost writes the memory of a machine with n processes.
func writeHost(t *testing.T, file string, n int) {
	t.Helper()
	p, err := profile.Builtin().ByName("Win10x64_19041")
	if err != nil {
		t.Fatal(err)
	}
	dlls := []synth.Module{}
	for i, base := range []uint64{0x7ff800000000, 0x7ff810000000, 0x7ff820000000} {
		name := fmt.Sprintf("d%d.dll", i)
		dlls = append(dlls, synth.Module{Image: synth.NewProgram(synth.Program{Name: name, Bits: 64, Base: base, Code: 0x100000, DLL: true}), Path: `C:\Windows\System32\` + name})
	}
	sys := synth.System{Profile: p, RAM: 32 << 30, LowStub: true, Seed: 1}
	for i := range n {
		name := fmt.Sprintf("p%d.exe", i)
		sys.Processes = append(sys.Processes, synth.Process{
			PID: uint64(400 + 4*i), PPID: 4, Name: name, Image: synth.NewProgram(synth.Program{Name: name, Bits: 64, Code: 0xc0000, Data: 0x40000}), Modules: dlls,
		})
	}
	m, err := synth.Build(sys)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.WriteFile(file); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MiB of the image are not zeros", m.Resident()>>20)
}

// childTime is the processor time of processes that have ended.
func childTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
