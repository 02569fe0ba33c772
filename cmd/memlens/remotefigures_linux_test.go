package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memlens/memimage/profile"
	"memlens/memimage/synth"
)

// host is a sparse image of 4 GiB with pages at scattered places.
func host(t testing.TB, lowStub bool) string {
	t.Helper()
	p, err := profile.Builtin().ByName("Win7SP1x64")
	if err != nil {
		t.Fatal(err)
	}
	var processes []synth.Process
	exe := synth.NewProgram(synth.Program{Name: "one.exe", Base: 0x140000000, Code: 0x6000, Data: 0x2800, Bits: 64})
	for i := range 6 {
		processes = append(processes, synth.Process{PID: uint64(368 + 4*i), PPID: 4, Name: fmt.Sprintf("p%d.exe", i), Image: exe})
	}
	return write(t, synth.System{Profile: p, RAM: 4 << 30, LowStub: lowStub, Processes: processes})
}

// inBucket puts a file into a bucket, without reading it, and returns the endpoint of the server. The server keeps the ETag of an
// object in an attribute of its file.
func inBucket(t testing.TB, file string) (endpoint string) {
	t.Helper()
	root := t.TempDir()
	object := filepath.Join(root, "case7", "host.raw")
	if err := os.Mkdir(filepath.Dir(object), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file, object); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(object, "user.etag", []byte(`"5d41402abc4b2a76b9719d911017c592-7"`), 0); err != nil {
		t.Skipf("attributes of files cannot be set here: %v", err)
	}
	return s3Server(t, root)
}

// sums is the command whose requests and time are measured in a mount.
const sums = "md5sum */procexedump.exe"

// figures are the costs of mounting an image and reading the executable of each process.
type figures struct {
	sums            string
	took            time.Duration
	requests, bytes int64
	memory          int64 // KiB, the most that the program used
	log             string
}

// figuresOf mounts the image of a bucket over a line with a delay of 50 ms, on which connections are cut.
func figuresOf(t testing.TB, endpoint string) (f figures) {
	t.Helper()
	endpoint, requests, bytes := poorLine(t, endpoint, 50*time.Millisecond)
	start := time.Now()
	m := mounted(t, "s3://case7/host.raw", "--s3-endpoint", endpoint)
	f.sums = shell(t, m.dir, sums)
	f.took, f.requests, f.bytes, f.log = time.Since(start), requests.Load(), bytes.Load(), m.log.String()
	m.unmount()
	f.memory = m.cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	return f
}

// TestFiguresOfAnImageInABucket mounts an image of 4 GiB and reads the executable of each process. Only little of the
// image is read, in few requests, and the bytes are the same as in the local image.
func TestFiguresOfAnImageInABucket(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a slow line")
	}
	image := host(t, true)
	local := mounted(t, image)
	want := shell(t, local.dir, sums)
	local.unmount()
	f := figuresOf(t, inBucket(t, image))
	t.Logf("%d requests, %d KiB, %v, %d MiB of memory", f.requests, f.bytes>>10, f.took, f.memory>>10)
	if f.sums != want || strings.Count(want, "\n") < 6 {
		t.Errorf("the executables are\n%swant\n%s", f.sums, want)
	}
	if f.requests > 200 || f.bytes > 64<<20 {
		t.Errorf("%d requests, %d bytes", f.requests, f.bytes)
	}
	if strings.Contains(f.log, "ETag") {
		t.Error(f.log)
	}
}

// BenchmarkImageInABucket measures the time for the same work. One image names its kernel in its first MiB; the other
// must be searched for its kernel.
func BenchmarkImageInABucket(b *testing.B) {
	for name, lowStub := range map[string]bool{"named": true, "searched": false} {
		b.Run(name, func(b *testing.B) {
			endpoint := inBucket(b, host(b, lowStub))
			b.ResetTimer()
			for range b.N {
				f := figuresOf(b, endpoint)
				b.ReportMetric(float64(f.requests), "requests")
				b.ReportMetric(float64(f.bytes)/(1<<20), "MiB")
				b.ReportMetric(float64(f.memory)/(1<<10), "MiB-memory")
				b.ReportMetric(f.took.Seconds(), "s")
			}
		})
	}
}
