package httpfs

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func tree() fstest.MapFS {
	return fstest.MapFS{
		"index.html":                       {Data: []byte("<!doctype html>root")},
		"1-a%2fb/evil.exe":                 {Data: []byte("MZ0123456789")},
		"1-a%2fb/index.html":               {Data: []byte("<!doctype html>process")},
		"1-a%2fb/diff-vs/<script>.exe.bmp": {Data: []byte("BM")},
		"1-a%2fb/diff-vs/x.html":           {Data: []byte("<script>alert(1)</script>")},
		"processes.csv":                    {Data: []byte("pid\n")},
		"memory.raw":                       {Data: []byte("memory")},
	}
}

func get(t *testing.T, h http.Handler, method, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	r.Host = "127.0.0.1:8080"
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestServe(t *testing.T) {
	h := Handler(tree(), Options{Local: true})
	for _, c := range []struct {
		target string
		status int
		kind   string
		text   string
	}{
		{"/", 200, "text/html; charset=utf-8", "root"},
		{"/index.html", 200, "text/html; charset=utf-8", "root"},
		{"/1-a%252fb/", 200, "text/html; charset=utf-8", "process"},
		{"/1-a%252fb/evil.exe", 200, "application/octet-stream", "MZ0123456789"},
		{"/1-a%252fb/diff-vs/%3Cscript%3E.exe.bmp", 200, "image/bmp", "BM"},
		{"/1-a%252fb/diff-vs/x.html", 200, "application/octet-stream", "alert"},
		{"/processes.csv", 200, "text/plain; charset=utf-8", "pid"},
		{"/nothing", 404, "text/plain; charset=utf-8", "no such file"},
		{"/../handler.go", 404, "text/plain; charset=utf-8", "no such file"},
		{"/1-a%2fb/", 404, "text/plain; charset=utf-8", "no such file"},
	} {
		r := get(t, h, "GET", c.target)
		if got := body(t, r); r.StatusCode != c.status || r.Header.Get("Content-Type") != c.kind || !strings.Contains(got, c.text) {
			t.Errorf("%s: %d %s %q", c.target, r.StatusCode, r.Header.Get("Content-Type"), got)
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: headers %v", c.target, r.Header)
		}
	}
}

func TestExecutablesAreDownloads(t *testing.T) {
	h := Handler(tree(), Options{})
	for target, want := range map[string]string{
		"/1-a%252fb/evil.exe": "attachment; filename=evil.exe", "/memory.raw": "attachment; filename=memory.raw", "/processes.csv": "",
	} {
		if got := get(t, h, "GET", target).Header.Get("Content-Disposition"); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}

func TestRanges(t *testing.T) {
	h := Handler(tree(), Options{})
	r := get(t, h, "GET", "/1-a%252fb/evil.exe", "Range", "bytes=2-4")
	if got := body(t, r); r.StatusCode != http.StatusPartialContent || got != "012" || r.Header.Get("Content-Range") != "bytes 2-4/12" {
		t.Errorf("%d %q %v", r.StatusCode, got, r.Header)
	}
	if r := get(t, h, "GET", "/1-a%252fb/evil.exe", "Range", "bytes=99-"); r.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("past the end: %d", r.StatusCode)
	}
	if r := get(t, h, "HEAD", "/memory.raw"); r.StatusCode != 200 || r.ContentLength != 6 || body(t, r) != "" {
		t.Errorf("HEAD: %d, %d bytes", r.StatusCode, r.ContentLength)
	}
}

func TestDirectories(t *testing.T) {
	h := Handler(tree(), Options{})
	if r := get(t, h, "GET", "/1-a%252fb/diff-vs"); r.StatusCode != 301 || r.Header.Get("Location") != "/1-a%252fb/diff-vs/" {
		t.Errorf("%d to %q", r.StatusCode, r.Header.Get("Location"))
	}
	if r := get(t, h, "GET", "//1-a%252fb"); r.StatusCode != 301 || r.Header.Get("Location") != "/1-a%252fb/" {
		t.Errorf("%d to %q", r.StatusCode, r.Header.Get("Location"))
	}
	got := body(t, get(t, h, "GET", "/1-a%252fb/diff-vs/"))
	if strings.Contains(got, "<script>") || !strings.Contains(got, `href="./%3Cscript%3E.exe.bmp"`) {
		t.Errorf("listing: %s", got)
	}
}

func TestNothingCanBeChanged(t *testing.T) {
	h := Handler(tree(), Options{})
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"} {
		if r := get(t, h, method, "/memory.raw"); r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d", method, r.StatusCode)
		}
	}
}

func TestHosts(t *testing.T) {
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "localhost:8080": 200, "LOCALHOST": 200, "[::1]:8080": 200, "127.0.0.2": 200,
		"evil.example:8080": 421, "evil.example": 421, "127.0.0.1.evil.example": 421, "": 421, "10.0.0.1": 421, "localhost.evil.example": 421,
	} {
		if r := get(t, Handler(tree(), Options{Local: true}), "GET", "/", "Host", host); r.StatusCode != want {
			t.Errorf("%q: %d, want %d", host, r.StatusCode, want)
		}
	}
	beyond := Handler(tree(), Options{Names: []string{"box", "Box.Example.org"}})
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "localhost:8080": 200, "[::1]:8080": 200, "10.0.0.1": 200, "[fe80::1]:80": 200, "BOX:8080": 200, "box.example.org": 200,
		"evil.example:8080": 421, "evil.example": 421, "10.0.0.1.evil.example": 421, "": 421, "box.evil.example": 421, "box.": 421,
	} {
		r := get(t, beyond, "GET", "/", "Host", host)
		if r.StatusCode != want {
			t.Errorf("%q, beyond this machine: %d, want %d", host, r.StatusCode, want)
		}
		if b, _ := io.ReadAll(r.Body); want == 421 && !strings.Contains(string(b), "localhost or box or Box.Example.org or its address") {
			t.Errorf("%q: %s", host, b)
		}
	}
}

// TestSlowClients: a client that takes nothing is cut off, and one that is slow but goes on is not, nor is one that asks for
// more after a while.
func TestSlowClients(t *testing.T) {
	const timeout = 300 * time.Millisecond
	big := fstest.MapFS{"big.bin": {Data: make([]byte, 32<<20)}, "small.txt": {Data: []byte("small")}}
	server := httptest.NewServer(Handler(big, Options{WriteTimeout: timeout}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /big.bin HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	time.Sleep(4 * timeout)
	if n, err := io.Copy(io.Discard, conn); n >= 32<<20 || err == nil && n == 0 {
		t.Errorf("a client that took nothing for long got %d bytes, %v", n, err)
	}
	client := server.Client()
	for range 2 { // on one connection
		r, err := client.Get(server.URL + "/small.txt")
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r.Body); string(b) != "small" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
		r.Body.Close()
		time.Sleep(2 * timeout)
	}
}

// broken has a file of 10 bytes; its second half cannot be read.
type broken struct{}

var errBroken = errors.New("damage")

func (broken) Open(string) (iofs.File, error) { return broken{}, nil }
func (broken) Stat() (iofs.FileInfo, error)   { return broken{}, nil }
func (broken) Read([]byte) (int, error)       { return 0, errBroken }
func (broken) Close() error                   { return nil }
func (broken) Name() string                   { return "x" }
func (broken) Size() int64                    { return 10 }
func (broken) Mode() iofs.FileMode            { return 0o444 }
func (broken) ModTime() time.Time             { return time.Time{} }
func (broken) IsDir() bool                    { return false }
func (broken) Sys() any                       { return nil }
func (broken) ReadAt(p []byte, off int64) (int, error) {
	n := copy(p, "01234"[min(off, 5):])
	if n < len(p) {
		return n, errBroken
	}
	return n, nil
}

func TestDamageIsNoShortFile(t *testing.T) {
	failed := make(chan error, 1)
	server := httptest.NewServer(Handler(broken{}, Options{Failed: func(_ string, err error) { failed <- err }}))
	defer server.Close()
	r, err := http.Get(server.URL + "/x.bin")
	if err == nil {
		defer r.Body.Close()
		_, err = io.ReadAll(r.Body)
	}
	if err == nil {
		t.Error("the client was not told")
	}
	if err := <-failed; !errors.Is(err, errBroken) {
		t.Errorf("reported %v", err)
	}
}
