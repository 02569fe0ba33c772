package memimage

import (
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"memlens/memimage/profile"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"
)

// slowServer serves a folder by net/http, and delays each request. Every cutEach-th answer is cut in the middle; 0:
// none.
type slowServer struct {
	*httptest.Server
	requests, bytes atomic.Int64
	cutEach         int64
}

func serveSlowly(t testing.TB, dir string, delay time.Duration) *slowServer {
	t.Helper()
	s := new(slowServer)
	files := http.FileServer(http.Dir(dir))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := s.requests.Add(1)
		time.Sleep(delay)
		if info, err := os.Stat(filepath.Join(dir, r.URL.Path)); err == nil {
			w.Header().Set("ETag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
		}
		left := int64(1 << 62)
		if s.cutEach > 0 && n%s.cutEach == 0 {
			left = 20_000
		}
		files.ServeHTTP(&cutWriter{w, &s.bytes, left}, r)
	}))
	t.Cleanup(s.Server.Close)
	return s
}

// cutWriter counts the bytes of an answer and ends it after some.
type cutWriter struct {
	http.ResponseWriter
	sum  *atomic.Int64
	left int64
}

func (c *cutWriter) Write(b []byte) (int, error) {
	if c.left -= int64(len(b)); c.left < 0 {
		panic(http.ErrAbortHandler)
	}
	c.sum.Add(int64(len(b)))
	return c.ResponseWriter.Write(b)
}

// sumsOfDumps returns the MD5 of each process's executable, zeros in its holes.
func sumsOfDumps(t testing.TB, im *Image) map[string]string {
	t.Helper()
	sums := map[string]string{}
	listed, damage := im.Processes()
	if damage != nil {
		t.Error(damage)
	}
	for _, p := range listed {
		e, err := p.FileDump()
		if err != nil {
			continue // System has none
		}
		h := md5.New()
		if _, err := io.Copy(h, io.NewSectionReader(sparse.ZeroFill(e.Reader, nil), 0, e.Reader.Size())); err != nil {
			t.Error(err)
		}
		sums[fmt.Sprint(p.PID)] = fmt.Sprintf("%x", h.Sum(nil))
	}
	return sums
}

// TestRemoteFigures opens a sparse image of 4 GiB over the network, with 50 ms before each answer, and reads the
// executable of every process. The bytes must equal the local file's.
func TestRemoteFigures(t *testing.T) {
	p, err := profile.Builtin().ByName("Win7SP1x64")
	if err != nil {
		t.Fatal(err)
	}
	exe := synth.NewProgram(synth.Program{Name: "one.exe", Base: 0x140000000, Code: 0x6000, Data: 0x2800, Bits: 64})
	var processes []synth.Process
	for i := range 6 {
		processes = append(processes, synth.Process{PID: uint64(368 + 4*i), PPID: 4, Name: fmt.Sprintf("p%d.exe", i), Image: exe})
	}
	m, err := synth.Build(synth.System{Profile: p, RAM: 4 << 30, LowStub: true, Processes: processes})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := m.WriteFile(filepath.Join(dir, "host.raw")); err != nil {
		t.Fatal(err)
	}
	local, err := Open(context.Background(), filepath.Join(dir, "host.raw"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	want := sumsOfDumps(t, local)
	for _, cut := range []int64{0, 7} {
		s := serveSlowly(t, dir, 50*time.Millisecond)
		s.cutEach = cut
		start := time.Now()
		im, err := Open(t.Context(), s.URL+"/host.raw", Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer im.Close()
		t.Logf("opened after %v: %d requests, %d KiB", time.Since(start), s.requests.Load(), s.bytes.Load()>>10)
		if got := sumsOfDumps(t, im); len(want) < 6 || !maps.Equal(got, want) {
			t.Errorf("the executables are %v, want %v", got, want)
		}
		requests, read := s.requests.Load(), s.bytes.Load()
		t.Logf("after %v: %d requests, %d KiB", time.Since(start), requests, read>>10)
		if most := int64(64 << 20); read > most || requests > 200 && cut == 0 {
			t.Errorf("%d requests, %d bytes", requests, read)
		}
		if im.Name() != "host.raw" || im.Path != s.URL+"/host.raw" || im.ModTime.IsZero() {
			t.Errorf("%s, %s, %v", im.Name(), im.Path, im.ModTime)
		}
	}
}

// TestRemoteContainers opens images in several files, which are found beside the first one, over the network.
func TestRemoteContainers(t *testing.T) {
	m, err := synth.Build(synth.Demo())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.raw")
	if err := m.WriteFile(whole); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	const piece = 10 << 20
	n := 0
	for part := range slices.Chunk(data, piece) {
		n++
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("Host.raw.%03d", n)), part, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := serveSlowly(t, dir, 0)
	im, err := Open(t.Context(), s.URL+"/Host.raw.001?sig=secret", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	local, err := Open(t.Context(), whole, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	if got, want := sumsOfDumps(t, im), sumsOfDumps(t, local); len(want) == 0 || !maps.Equal(got, want) {
		t.Errorf("the executables are %v, want %v", got, want)
	}
	notes := strings.Join(im.Container.Notes, "\n")
	if !strings.Contains(notes, fmt.Sprintf("The image is in %d files", n)) || !strings.Contains(notes, "cannot be listed") || strings.Contains(notes+im.Path, "secret") {
		t.Errorf("%s: %s", im.Path, notes)
	}
}

// TestRemotePageFile takes a page file by its URL.
func TestRemotePageFile(t *testing.T) {
	m, err := synth.Build(synth.Demo())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.raw")
	if err := m.WriteFile(whole); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pagefile.sys"), make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	s := serveSlowly(t, dir, 0)
	im, err := Open(t.Context(), whole, Options{PageFiles: []GivenPageFile{{Path: s.URL + "/pagefile.sys?sig=secret", Number: -1}}})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if given := im.GivenPageFiles(); len(given) == 0 || given[len(given)-1] != "pagefile.sys" {
		t.Errorf("%q", given)
	}
	_, err = Open(t.Context(), whole, Options{PageFiles: []GivenPageFile{{Path: s.URL + "/none.sys?sig=secret", Number: 0}}})
	if err == nil || !strings.Contains(err.Error(), "404") || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	for url, want := range map[string]string{"s3://b/h.aff4/C:/pagefile.sys": "C:/pagefile.sys", "s3://b/h.aff4": "", "https://h/a.AFF4/x": "x"} {
		if _, member, ok := cutMember(url); member != want || ok != (want != "") {
			t.Errorf("%s: %q", url, member)
		}
	}
}
