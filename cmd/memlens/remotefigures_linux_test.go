package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memlens/memimage/profile"
	"memlens/memimage/synth"
)

// host is a sparse image of 4 GiB, in which pages lie anywhere.
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

// TestFiguresOfAnImageInABucket mounts an image of 4 GiB over a line of 50 ms, on which connections are cut, and reads the
// executable of each process.
func TestFiguresOfAnImageInABucket(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a slow line")
	}
	image := host(t, true)
	local := mounted(t, image)
	const sums = "md5sum */procexedump.exe"
	want := shell(t, local.dir, sums)
	local.unmount()
	endpoint, requests, bytes := poorLine(t, inBucket(t, image), 50*time.Millisecond)
	start := time.Now()
	m := mounted(t, "s3://case7/host.raw", "--s3-endpoint", endpoint)
	t.Logf("mounted after %v: %d requests, %d KiB", time.Since(start), requests.Load(), bytes.Load()>>10)
	got := shell(t, m.dir, sums)
	took, n, read := time.Since(start), requests.Load(), bytes.Load()
	t.Logf("all is read after %v: %d requests, %d KiB, with %d processes", took, n, read>>10, strings.Count(got, "\n"))
	if got != want || strings.Count(got, "\n") < 6 {
		t.Errorf("the executables are\n%swant\n%s", got, want)
	}
	if n > 200 || read > 64<<20 {
		t.Errorf("%d requests, %d bytes", n, read)
	}
	if log := m.log.String(); strings.Contains(log, "ETag") {
		t.Error(log)
	}
}
