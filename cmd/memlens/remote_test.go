package main

import (
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"memlens/memimage/synth/corpus"
)

// s3Server is versitygw, a real S3 server over a folder. Each folder in it is a bucket.
func s3Server(t testing.TB, dir string) (endpoint string) {
	t.Helper()
	needTool(t, "versitygw")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	cmd := exec.Command("versitygw", "--port", addr, "--access", "tester", "--secret", "secretkey", "posix", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	eventually(t, "versitygw serves", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	t.Setenv("AWS_ACCESS_KEY_ID", "tester")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secretkey")
	t.Setenv("AWS_REGION", "us-east-1")
	return "http://" + addr
}

// poorLine stands before a server. Each request waits, and every eleventh answer breaks off in the middle.
func poorLine(t testing.TB, server string, delay time.Duration) (address string, requests, bytes *atomic.Int64) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	requests, bytes = new(atomic.Int64), new(atomic.Int64)
	to := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(u)
		r.Out.Host = r.In.Host // the signature covers it
	}, ErrorLog: log.New(io.Discard, "", 0)}
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := requests.Add(1)
		time.Sleep(delay)
		line := &brokenLine{w, bytes, 1 << 62}
		if n%11 == 0 {
			line.left = 30_000
		}
		to.ServeHTTP(line, r)
	}))
	t.Cleanup(p.Close)
	return p.URL, requests, bytes
}

// brokenLine counts the bytes that it sends, and breaks off after some bytes.
type brokenLine struct {
	http.ResponseWriter
	sum  *atomic.Int64
	left int64
}

func (b *brokenLine) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		panic(http.ErrAbortHandler)
	}
	b.sum.Add(int64(len(p)))
	return b.ResponseWriter.Write(p)
}

// dumps returns the digests of all procexedump.exe of a mount, in directories of the root.
func dumps(t testing.TB, m *mount) string {
	t.Helper()
	var out strings.Builder
	for _, row := range table(t, m.path("processes.csv")) {
		f, err := os.Open(m.path(row["directory"], "procexedump.exe"))
		if err != nil {
			continue // System has none
		}
		h := md5.New()
		if _, err := io.Copy(h, f); err != nil {
			t.Error(err)
		}
		f.Close()
		fmt.Fprintf(&out, "%x %s\n", h.Sum(nil), row["directory"])
	}
	return out.String()
}

// TestImageInABucket gets info about an image in a bucket, and mounts it, over a poor line. All is as with the local file.
func TestImageInABucket(t *testing.T) {
	corpus.Long(t)
	image, originals := demo(t)
	root := t.TempDir()
	copied := filepath.Join(root, "case7", "host", "demo.raw")
	if err := os.MkdirAll(filepath.Dir(copied), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, []byte(readFile(t, image)), 0o644); err != nil {
		t.Fatal(err)
	}
	endpoint, requests, bytes := poorLine(t, s3Server(t, root), 50*time.Millisecond)
	cache := filepath.Join(t.TempDir(), "blocks")
	info := succeeds(t, "info", "s3://case7/host/demo.raw", "--s3-endpoint", endpoint, "--cache", cache)
	t.Logf("info: %d requests, %d KiB", requests.Load(), bytes.Load()>>10)
	for _, line := range strings.Split(succeeds(t, "info", image), "\n") {
		if !strings.HasPrefix(line, "Image") && !strings.HasPrefix(line, "Note") && !strings.Contains(info, line) {
			t.Errorf("%q is missing in:\n%s", line, info)
		}
	}
	if !strings.Contains(info, "s3://case7/host/demo.raw\n") {
		t.Errorf("it is not named:\n%s", info)
	}
	local := mounted(t, image, "--reference", originals)
	requests.Store(0)
	m := mounted(t, "s3://case7/host/demo.raw", "--s3-endpoint", endpoint, "--reference", originals)
	if got, want := dumps(t, m), dumps(t, local); got != want || strings.Count(got, "\n") < 5 {
		t.Errorf("the executables are\n%swant\n%s", got, want)
	}
	t.Logf("mount: %d requests", requests.Load())
	if df := shell(t, m.dir, "df . | tail -1"); !strings.HasPrefix(df, "s3://case7/host/demo.raw") {
		t.Errorf("df says %s", df)
	}
	if !strings.Contains(m.ready, "demo.raw is mounted on") {
		t.Error(m.ready)
	}
	m.unmount()
}

// TestImageOnAWebServer mounts an image by a URL with a secret, which is shown nowhere. When the server has gone,
// reading is an I/O error, and the mount still ends on a signal.
func TestImageOnAWebServer(t *testing.T) {
	t.Parallel()
	image, _ := demo(t)
	files := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(image))))
	line, _, _ := poorLine(t, files.URL, 0)
	location := strings.Replace(line, "//", "//user:topsecret@", 1) + "/demo.raw?sig=topsecret"
	local := mounted(t, image)
	m := mounted(t, location)
	if got, want := dumps(t, m), dumps(t, local); got != want {
		t.Errorf("the executables are\n%swant\n%s", got, want)
	}
	shown := m.log.String() + m.ready + readFile(t, m.path("image.json")) + shell(t, m.dir, "df . ; grep "+m.dir+" /proc/mounts; cat README.txt index.html") + succeeds(t, "info", location, "--json")
	if strings.Contains(shown, "topsecret") || !strings.Contains(shown, line+"/demo.raw") {
		t.Errorf("%s", shown)
	}
	files.Close()
	read := make(chan error)
	go func() { _, err := os.ReadFile(m.path("memory.raw")); read <- err }()
	select {
	case err := <-read:
		t.Errorf("the server has gone: reading does not wait, but is %v", err)
	case <-time.After(time.Second): // it tries again
	}
	start := time.Now()
	m.unmount()
	if err := <-read; !errors.Is(err, syscall.EIO) && !errors.Is(err, syscall.ENOTCONN) {
		t.Errorf("what waited when the mount ended: %v", err)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("it took %v to end", d)
	}
}

// TestImageThatIsNotThere says why an image at a URL cannot be opened.
func TestImageThatIsNotThere(t *testing.T) {
	files := httptest.NewServer(http.FileServer(http.Dir(t.TempDir())))
	defer files.Close()
	r := memlens(t, "info", files.URL+"/none.raw?sig=topsecret")
	if r.code != 1 || !strings.Contains(r.stderr, "404 Not Found") || strings.Contains(r.stderr, "topsecret") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
	r = memlens(t, "info", "s3://case7/none.raw", "--s3-endpoint", "nonsense")
	if r.code != 1 || !strings.Contains(r.stderr, "must be a URL of a server") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}
