package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"memlens/memimage/reason"
	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
)

const testSize = 5<<20 + 12345

func opened(t testing.TB, url string, o Options) *Source {
	t.Helper()
	s, err := Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestContract checks that a remote source keeps the contract of sources.
func TestContract(t *testing.T) {
	for _, size := range []int{1, 4096, blockSize - 1, blockSize, blockSize + 1, testSize} {
		data := random(size)
		s := opened(t, serveFiles(t, map[string][]byte{"a.raw": data}).URL+"/a.raw", Options{})
		if err := sparsetest.Check(s); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		for _, piece := range []int{4096, 100_000, 3 << 20, testSize + 1} {
			if got, err := wholly(s, int64(size), piece); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes read by %d: %d bytes, %v", size, piece, len(got), err)
			}
		}
	}
}

// TestCutConnections reads through a proxy that cuts every third connection somewhere.
func TestCutConnections(t *testing.T) {
	data := random(testSize)
	p := before(t, serveFiles(t, map[string][]byte{"a.raw": data}).URL)
	p.delay, p.cut = 5*time.Millisecond, 0.33
	s := opened(t, p.URL+"/a.raw", Options{})
	if got, err := wholly(s, s.Size(), 300_000); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if n, direct := p.requests.Load(), int64(testSize/blockSize); n > direct {
		t.Errorf("%d requests", n)
	}
	if s.Stats().Requests != p.requests.Load() {
		t.Errorf("%d requests are counted, the proxy had %d", s.Stats().Requests, p.requests.Load())
	}
}

// fault is an answer that is not right.
type fault struct {
	name    string
	instead func(w http.ResponseWriter, r *http.Request) bool
	change  func(r *http.Response)
	want    string // in the error
	tried   bool   // more than once
}

func status(code int) func(w http.ResponseWriter, r *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool { w.WriteHeader(code); return true }
}

func header(name, value string) func(r *http.Response) {
	return func(r *http.Response) {
		if value == "" {
			r.Header.Del(name)
		} else {
			r.Header.Set(name, value)
		}
	}
}

var faults = []fault{
	{name: "500", instead: status(500), want: "500 Internal Server Error", tried: true},
	{name: "503", instead: status(503), want: "503 Service Unavailable", tried: true},
	{name: "429", instead: status(429), want: "429 Too Many Requests", tried: true},
	{name: "403", instead: status(403), want: "403 Forbidden: the credentials"},
	{name: "404", instead: status(404), want: "404 Not Found"},
	{name: "412", instead: status(412), want: "the object has changed"},
	{name: "cut", instead: func(w http.ResponseWriter, r *http.Request) bool { hijack(w); return true }, want: "given up after", tried: true},
	{name: "whole file", instead: func(w http.ResponseWriter, r *http.Request) bool { r.Header.Del("Range"); return false }, want: "does not serve ranges"},
	{name: "200 with the range", change: func(r *http.Response) { r.StatusCode = 200 }, want: "does not serve ranges"},
	{name: "no Content-Range", change: header("Content-Range", ""), want: "does not serve ranges"},
	{name: "other range", change: header("Content-Range", fmt.Sprintf("bytes 0-65535/%d", testSize)), want: "other bytes"},
	{name: "no sense", change: header("Content-Range", "bytes -1-2/x"), want: "does not say properly"},
	{name: "other size", change: header("Content-Range", "bytes 4194304-4259839/9999999"), want: "has changed"},
	{name: "other ETag", change: header("ETag", `"other"`), want: "has changed"},
	{name: "no ETag", change: header("ETag", ""), want: "its ETag is missing"},
	{name: "too long", change: lengthened(1), want: "longer than it says"},
	{name: "too short", change: lengthened(-1), want: "the answer has 0 bytes", tried: true}, // the second time, only the last byte is requested
	{name: "short range", change: func(r *http.Response) {
		header("Content-Range", fmt.Sprintf("bytes 4194304-4194403/%d", testSize))(r)
		cutTo100(r)
	}, want: "other bytes"},
	{name: "other length", change: cutTo100, want: "the answer has 100 bytes"},
	{name: "gzip", change: header("Content-Encoding", "gzip"), want: "encoded in another way"},
	{name: "401", instead: status(401), want: "401 Unauthorized: the credentials"},
	{name: "410", instead: status(410), want: "410 Gone"},
	{name: "wait long", instead: wait(100), want: "503 Service Unavailable"},
	{name: "stalls", instead: stalls, want: "nothing came for 100ms", tried: true},
}

// wait answers that the client should wait for some seconds.
func wait(seconds int) func(w http.ResponseWriter, r *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Retry-After", itoa(seconds))
		w.WriteHeader(503)
		return true
	}
}

// stalls begins an answer and sends no more.
func stalls(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Set("ETag", `"a.raw-1"`)
	w.Header().Set("Content-Range", strings.Replace(r.Header.Get("Range"), "=", " ", 1)+"/"+itoa(testSize))
	w.WriteHeader(206)
	w.(http.Flusher).Flush()
	<-r.Context().Done()
	return true
}

// cutTo100 sends 100 bytes of an answer, as if they were all.
func cutTo100(r *http.Response) {
	r.Header.Set("Content-Length", "100")
	b := make([]byte, 100)
	_, _ = io.ReadFull(r.Body, b)
	r.Body.Close()
	r.Body, r.ContentLength = readCloser{bytes.NewReader(b)}, 100
}

// lengthened sends an answer in chunks, with more bytes or fewer than it says.
func lengthened(n int) func(r *http.Response) {
	return func(r *http.Response) {
		b := make([]byte, blockSize*spanBlocks+100)
		m := 0
		for m < len(b) {
			k, err := r.Body.Read(b[m:])
			m += k
			if err != nil {
				break
			}
		}
		r.Body = readCloser{bytes.NewReader(b[:m+n])}
		r.Header.Del("Content-Length")
		r.ContentLength = -1
	}
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// TestFaults has one block of a file answered wrongly: reading it is an error that is never taken for a hole, and
// when the fault is over, the whole file is read.
func TestFaults(t *testing.T) {
	data := random(testSize)
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			p := before(t, serveFiles(t, map[string][]byte{"a.raw": data}).URL)
			s := opened(t, p.URL+"/a.raw?token=secret", Options{Deadline: 700 * time.Millisecond, stall: 100 * time.Millisecond})
			p.set(func(p *proxy) { p.instead, p.change = f.instead, f.change })
			asked := p.requests.Load()
			b := make([]byte, 4096)
			n, err := s.ReadAt(b, 4<<20)
			if n != 0 || !sparse.Failed(err) || sparse.IsHole(err) || !strings.Contains(err.Error(), f.want) || strings.Contains(err.Error(), "secret") {
				t.Fatalf("%d bytes, %v", n, err)
			}
			if tries := p.requests.Load() - asked; tries > 1 != f.tried {
				t.Errorf("%d tries", tries)
			}
			p.set(func(p *proxy) { p.instead, p.change = nil, nil })
			if strings.Contains(f.want, "changed") {
				if _, err := s.ReadAt(b, 3<<20); !strings.Contains(fmt.Sprint(err), "changed") {
					t.Errorf("another place: %v", err)
				}
				return
			}
			time.Sleep(badFor + 100*time.Millisecond)
			if got, err := wholly(s, s.Size(), 1<<20); err != nil || !bytes.Equal(got, data) {
				t.Errorf("when it is over: %d bytes, %v", len(got), err)
			}
		})
	}
}

// TestOpeningFails checks that the error says why a file cannot be opened.
func TestOpeningFails(t *testing.T) {
	data := random(testSize)
	server := serveFiles(t, map[string][]byte{"a.raw": data})
	for _, f := range faults {
		if strings.Contains(f.want, "changed") || f.name == "no ETag" || f.name == "gzip" {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			p := before(t, server.URL)
			p.set(func(p *proxy) { p.instead, p.change = f.instead, f.change })
			_, err := Open(t.Context(), strings.Replace(p.URL, "//", "//user:secret@", 1)+"/a.raw?sig=secret", Options{Deadline: 300 * time.Millisecond, stall: 100 * time.Millisecond})
			want := f.want
			switch f.name {
			case "other range":
				return // it is the right one for the first block
			case "too short":
				want = "given up after"
			}
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v; want %s", err, want)
			}
			if errors.Is(err, fs.ErrNotExist) != (f.name == "404" || f.name == "410") {
				t.Errorf("is it there? %v", err)
			}
			if code := reason.Of(err).Code; f.tried && code != reason.ReadFailed {
				t.Errorf("its code is %s: %v", code, err)
			}
		})
	}
}

// TestUnreachable checks that a server that cannot be reached is a failed read, and not the deadline of the whole
// work.
func TestUnreachable(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	_, err = Open(t.Context(), "http://"+closed.Addr().String()+"/a.raw", Options{Deadline: 300 * time.Millisecond})
	if code := reason.Of(err).Code; code != reason.ReadFailed {
		t.Errorf("%q: %v", code, err)
	}
	if err := ofAttempt(fmt.Errorf("dial: %w", context.DeadlineExceeded)); reason.Of(err).Code == reason.Deadline || err.Error() != "dial: context deadline exceeded" {
		t.Error(err)
	}
}

// TestRetryAfter waits for as long as a server asks.
func TestRetryAfter(t *testing.T) {
	data := random(testSize)
	p := before(t, serveFiles(t, map[string][]byte{"a.raw": data}).URL)
	s := opened(t, p.URL+"/a.raw", Options{})
	p.set(func(p *proxy) { p.instead = wait(1) })
	time.AfterFunc(300*time.Millisecond, func() { p.set(func(p *proxy) { p.instead = nil }) })
	start, b := time.Now(), make([]byte, 100)
	if n, err := s.ReadAt(b, 4<<20); n != 100 || err != nil || !bytes.Equal(b, data[4<<20:4<<20+100]) || time.Since(start) < time.Second {
		t.Errorf("%d bytes, %v, after %v", n, err, time.Since(start))
	}
	for in, want := range map[string]time.Duration{"": 0, "7": 7 * time.Second, "-1": 0, "x": 0, "99999999": time.Hour, "Mon, 01 Jan 2001 00:00:00 GMT": 0} {
		if got := retryAfter(in); got != want {
			t.Errorf("%q is %v", in, got)
		}
	}
	if got := retryAfter(time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)); got < 50*time.Second || got > time.Minute {
		t.Errorf("a time is %v", got)
	}
}

// TestChanges has the file replaced while it is read, with each way of saying so.
func TestChanges(t *testing.T) {
	for name, tag := range map[string]func(string) string{
		"strong":  func(s string) string { return `"` + s + `"` },
		"weak":    func(s string) string { return `W/"` + s + `"` },
		"no ETag": func(string) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			server := serveFiles(t, map[string][]byte{"a.raw": random(testSize)})
			server.etag = func(string) string { return tag("1") }
			s := opened(t, server.URL+"/a.raw", Options{CacheDir: t.TempDir()})
			if _, err := s.ReadAt(make([]byte, 10), 2<<20); err != nil {
				t.Fatal(err)
			}
			if notes := strings.Join(s.Notes(), " "); strings.Contains(notes, "is assumed") != (name != "strong") || strings.Contains(notes, "nothing of it is kept") != (name != "strong") {
				t.Errorf("notes: %s", notes)
			}
			server.set(func(f *fileServer) {
				f.files["a.raw"] = bytes.Repeat([]byte("x"), testSize)
				f.etag, f.time = func(string) string { return tag("2") }, f.time.Add(time.Second)
			})
			b := make([]byte, 10)
			if n, err := s.ReadAt(b, 4<<20); n != 0 || !sparse.Failed(err) || !strings.Contains(err.Error(), "has changed") {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
	}
}

// TestEmpty opens a file without bytes.
func TestEmpty(t *testing.T) {
	s := opened(t, serveFiles(t, map[string][]byte{"a.raw": {}}).URL+"/a.raw", Options{})
	if s.Size() != 0 {
		t.Errorf("%d bytes", s.Size())
	}
}

// TestCancel checks that waiting ends when the context does.
func TestCancel(t *testing.T) {
	hangs := make(chan struct{})
	p := before(t, serveFiles(t, map[string][]byte{"a.raw": random(testSize)}).URL)
	ctx, cancel := context.WithCancel(t.Context())
	s, err := Open(ctx, p.URL+"/a.raw", Options{})
	if err != nil {
		t.Fatal(err)
	}
	p.set(func(p *proxy) {
		p.instead = func(w http.ResponseWriter, r *http.Request) bool { close(hangs); <-r.Context().Done(); return true }
	})
	go func() { <-hangs; cancel() }()
	start := time.Now()
	if _, err := s.ReadAt(make([]byte, 10), 2<<20); !sparse.Failed(err) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	s.Close()
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
}

// TestOnce has many readers of the same block at the same time: it is requested once.
func TestOnce(t *testing.T) {
	p := before(t, serveFiles(t, map[string][]byte{"a.raw": random(testSize)}).URL)
	s := opened(t, p.URL+"/a.raw", Options{})
	p.delay = 50 * time.Millisecond
	asked := p.requests.Load()
	done := make(chan error)
	for i := range 32 {
		go func() { _, err := s.ReadAt(make([]byte, 100), 3<<20+int64(i)*1000); done <- err }()
	}
	for range 32 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := p.requests.Load() - asked; n != 1 {
		t.Errorf("%d requests", n)
	}
}

// TestReadAhead reads a file in order: there are few requests, and several run at once.
func TestReadAhead(t *testing.T) {
	size := 64 << 20
	if testing.Short() {
		size = 16 << 20
	}
	data := random(size)
	p := before(t, serveFiles(t, map[string][]byte{"a.raw": data}).URL)
	p.delay = 50 * time.Millisecond
	s := opened(t, p.URL+"/a.raw", Options{})
	start := time.Now()
	got, err := wholly(s, int64(size), 128<<10)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatal(len(got), err)
	}
	n, took := p.requests.Load(), time.Since(start)
	t.Logf("%d MiB in %d requests, %v", size>>20, n, took)
	if n > 100 || p.bytes.Load() > int64(size) {
		t.Errorf("%d requests, %d bytes", n, p.bytes.Load())
	}
}

// TestBeside opens files beside a file on a web server, which does not list them.
func TestBeside(t *testing.T) {
	server := serveFiles(t, map[string][]byte{"f/A.E01": random(100), "f/A.E02": random(200), "f/HOST.VMEM": random(300), "f/HOST.VMSS": random(400)})
	p := before(t, server.URL)
	s := opened(t, p.URL+"/f/A.E01?sas=secret", Options{})
	other, err := s.Beside("A.E02")
	if err != nil || other.Size() != 200 || other.Name() != "A.E02" {
		t.Fatal(other, err)
	}
	for range 2 {
		if _, err := s.Beside("A.E03"); !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
	}
	if n := p.requests.Load(); n != 3 {
		t.Errorf("%d requests", n)
	}
	if _, err := s.Names(); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	upper := opened(t, p.URL+"/f/HOST.VMEM", Options{})
	if other, err := upper.Beside("HOST.vmss"); err != nil || other.Size() != 400 {
		t.Error(err)
	}
	p.set(func(p *proxy) {
		p.instead = func(w http.ResponseWriter, r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, ".vmsn") && status(403)(w, r)
		}
	})
	if _, err := upper.Beside("HOST.vmsn"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(strings.Join(upper.Notes(), ""), "refuses to say") {
		t.Errorf("%v, %q", err, upper.Notes())
	}
	signed := opened(t, p.URL+"/f/A.E01?X-Amz-Signature=00", Options{})
	asked := p.requests.Load()
	if _, err := signed.Beside("A.E02"); !errors.Is(err, fs.ErrNotExist) || p.requests.Load() != asked || len(signed.Notes()) != 1 {
		t.Errorf("%v, %q", err, signed.Notes())
	}
}

// TestCacheOverRuns reads a file twice, with its blocks kept; then with each block damaged in some way; and after the
// file was replaced.
func TestCacheOverRuns(t *testing.T) {
	data := random(testSize)
	server := serveFiles(t, map[string][]byte{"a.raw": data})
	p := before(t, server.URL)
	o := Options{CacheDir: filepath.Join(t.TempDir(), "blocks")}
	read := func(want []byte) (requests int64) {
		t.Helper()
		before := p.requests.Load()
		s := opened(t, p.URL+"/a.raw?X-Amz-Date="+itoa(int(before)), o)
		got, err := wholly(s, s.Size(), 1<<20)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		s.Close()
		return p.requests.Load() - before
	}
	first := read(data)
	sent := p.bytes.Load()
	if n := read(data); n != 1 || first < 5 || p.bytes.Load()-sent != 1 {
		t.Errorf("%d requests, and then %d of %d bytes", first, n, p.bytes.Load()-sent)
	}
	files, _ := filepath.Glob(filepath.Join(o.CacheDir, "*", "????????????"))
	for i, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		switch i % 4 {
		case 0:
			b[len(b)-1] ^= 1
		case 1:
			b = b[:len(b)-1]
		case 2:
			b, _ = os.ReadFile(files[(i+4)%len(files)]) // the file of another block
		case 3:
			b = nil
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n := read(data); n < 5 {
		t.Errorf("%d requests when all are damaged", n)
	}
	other := random(testSize + 1)[:testSize]
	server.set(func(f *fileServer) { f.files["a.raw"] = other; f.etag = func(string) string { return `"other"` } })
	read(other)
}

// TestCacheIsBounded checks that the folder keeps its size, and that other files in it are not removed.
func TestCacheIsBounded(t *testing.T) {
	dir := t.TempDir()
	mine := []string{filepath.Join(dir, "000000000000"), filepath.Join(dir, "notes", "000000000000")}
	os.Mkdir(filepath.Dir(mine[1]), 0o700)
	for _, name := range mine {
		if err := os.WriteFile(name, random(1000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := serveFiles(t, map[string][]byte{"a.raw": random(testSize)})
	o := Options{CacheDir: dir, CacheBytes: 1 << 20}
	s := opened(t, server.URL+"/a.raw", o)
	if _, err := wholly(s, s.Size(), 1<<20); err != nil {
		t.Fatal(err)
	}
	s.Close()
	d, err := newDiskCache(o)
	if err != nil {
		t.Fatal(err)
	}
	if files, total := d.files(); total > 1<<20 || len(files) < 10 {
		t.Errorf("%d files of %d bytes", len(files), total)
	}
	for _, name := range mine {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
}

// TestCacheThatCannotBeWritten warns once, and reads on.
func TestCacheThatCannotBeWritten(t *testing.T) {
	dir, warned := t.TempDir(), 0
	data := random(testSize)
	o := Options{CacheDir: dir, Warn: func(string) { warned++ }}
	server := serveFiles(t, map[string][]byte{"a.raw": data})
	s := opened(t, server.URL+"/a.raw", o)
	sub, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, name := range sub {
		if os.RemoveAll(name) != nil || os.WriteFile(name, nil, 0o600) != nil {
			t.Fatal(sub)
		}
	}
	if got, err := wholly(s, s.Size(), 1<<20); err != nil || !bytes.Equal(got, data) || warned != 1 {
		t.Errorf("%d bytes, %v, %d warnings", len(got), err, warned)
	}
}

func TestShown(t *testing.T) {
	for in, want := range map[string]string{
		"https://user:pw@host:1/a%20b/c.raw?X-Amz-Signature=1#f": "https://host:1/a%20b/c.raw",
		"s3://id:secret@bucket/key":                              "s3://bucket/key",
		"S3://bucket/a/b?c#d":                                    "s3://bucket/a/b?c#d",
		"https://u:secret@ho st/":                                "https://…",
		"/tmp/a?b":                                               "/tmp/a?b",
	} {
		if got := Shown(in); got != want {
			t.Errorf("%s is shown as %s", in, got)
		}
	}
	for _, bad := range []string{"https://u:secret@ho st/", "s3://bucket", "s3://bucket/", "s3://id:secret@bucket/key", "http:///a", "http://host", "http://host/", "http://host/a/"} {
		if _, err := Open(t.Context(), bad, Options{}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestNoDowngrade follows a redirect, but none to a connection without encryption.
func TestNoDowngrade(t *testing.T) {
	old, _ := http.NewRequest("GET", "https://a/x?secret", nil)
	next, _ := http.NewRequest("GET", "http://b/y?secret", nil)
	if err := checkRedirect(next, []*http.Request{old}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	server := serveFiles(t, map[string][]byte{"b.raw": random(1000)})
	p := before(t, server.URL)
	p.set(func(p *proxy) {
		p.instead = func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, server.URL+"/b.raw", http.StatusFound)
			return true
		}
	})
	if s := opened(t, p.URL+"/a.raw", Options{}); s.Size() != 1000 || s.Name() != "a.raw" {
		t.Error(s.Size(), s.Name())
	}
}

// FuzzContentRange reads any text that a server may send.
func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-1/2", "bytes 5-1/2", "bytes */0", "bytes 0-9223372036854775807/9223372036854775807", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if off, end, size, err := contentRange(s); err == nil && (off < 0 || end <= off || size < end) {
			t.Errorf("%q: %d %d %d", s, off, end, size)
		}
	})
}

// TestWillNeed asks for places all over a file ahead: they come at the same time, and are read without another
// request.
func TestWillNeed(t *testing.T) {
	data := random(testSize)
	p := before(t, serveFiles(t, map[string][]byte{"a.raw": data}).URL)
	s := opened(t, p.URL+"/a.raw", Options{})
	p.delay = 100 * time.Millisecond
	start, asked := time.Now(), p.requests.Load()
	if !sparse.IsLate(s) || sparse.WillNeed(s, -1, 10) || !sparse.WillNeed(s, testSize+5, 10) {
		t.Error("it does not come late")
	}
	for _, off := range []int64{2 << 20, 3 << 20, 4 << 20, 5 << 20} {
		sparse.WillNeed(s, off, 100)
	}
	for _, off := range []int64{2 << 20, 3 << 20, 4 << 20, 5 << 20} {
		b := make([]byte, 100)
		if n, err := s.ReadAt(b, off); n != 100 || err != nil || !bytes.Equal(b, data[off:off+100]) {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
	if n, took := p.requests.Load()-asked, time.Since(start); n != 4 || took > 300*time.Millisecond {
		t.Errorf("%d requests, %v", n, took)
	}
}
