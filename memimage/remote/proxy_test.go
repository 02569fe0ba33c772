package remote

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy stands before a real server: it delays each request, and cuts connections or answers in its place.
type proxy struct {
	*httptest.Server
	delay    time.Duration
	requests atomic.Int64
	bytes    atomic.Int64
	mu       sync.Mutex
	rng      *rand.Rand
	cut      float64 // the share of the answers that are cut
	// instead answers a request; false: the server answers. May be nil.
	instead func(w http.ResponseWriter, r *http.Request) bool
	// change changes an answer of the server. May be nil.
	change func(r *http.Response)
}

// before starts a proxy in front of a server.
func before(t testing.TB, server string) *proxy {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{rng: rand.New(rand.NewPCG(1, 2))}
	to := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
			r.Out.Host = r.In.Host // the host is signed
		},
		ModifyResponse: func(r *http.Response) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.change != nil {
				p.change(r)
			}
			return nil
		},
	}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.requests.Add(1)
		time.Sleep(p.delay)
		p.mu.Lock()
		instead, at := p.instead, -1
		if p.cut > 0 && p.rng.Float64() < p.cut {
			at = p.rng.IntN(2 * blockSize)
		}
		p.mu.Unlock()
		if instead != nil && instead(w, r) {
			return
		}
		counted := &countedWriter{ResponseWriter: w, sum: &p.bytes, left: at}
		to.ServeHTTP(counted, r)
	}))
	t.Cleanup(p.Server.Close)
	return p
}

// set changes the settings of the proxy while it runs.
func (p *proxy) set(f func(p *proxy)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

// countedWriter counts the bytes of an answer, and cuts the connection after some bytes.
type countedWriter struct {
	http.ResponseWriter
	sum  *atomic.Int64
	left int // below 0: the answer is not cut
}

func (c *countedWriter) Write(b []byte) (int, error) {
	if c.left >= 0 {
		if len(b) > c.left {
			c.ResponseWriter.Write(b[:c.left])
			c.drop()
		}
		c.left -= len(b)
	}
	c.sum.Add(int64(len(b)))
	return c.ResponseWriter.Write(b)
}

// drop cuts the connection.
func (c *countedWriter) drop() {
	if f, ok := c.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
	hijack(c.ResponseWriter)
	panic(http.ErrAbortHandler)
}

func hijack(w http.ResponseWriter) {
	if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		conn.Close()
	}
}

// fileServer serves files by net/http, with the ETag of their bytes.
type fileServer struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string][]byte
	etag  func(name string) string // empty: none
	time  time.Time
}

func serveFiles(t testing.TB, files map[string][]byte) *fileServer {
	f := &fileServer{files: files, etag: func(name string) string { return `"` + name + `-1"` }, time: time.Unix(1700000000, 0)}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		data, ok := f.files[r.URL.Path[1:]]
		tag, at := f.etag(r.URL.Path[1:]), f.time
		f.mu.Unlock()
		if !ok {
			http.NotFound(w, r)
			return
		}
		if tag != "" {
			w.Header().Set("ETag", tag)
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", at, bytes.NewReader(data))
	}))
	t.Cleanup(f.Server.Close)
	return f
}

// set changes the files that are served.
func (f *fileServer) set(change func(f *fileServer)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// random returns n bytes without a zero: a zero among the bytes that were read is not from the file.
func random(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	for i := range b {
		b[i] = byte(1 + rng.IntN(255))
	}
	return b
}

// wholly reads a source in pieces.
func wholly(r io.ReaderAt, size int64, piece int) ([]byte, error) {
	out := make([]byte, 0, size)
	buf := make([]byte, piece)
	for off := int64(0); off < size; {
		n, err := r.ReadAt(buf[:min(int64(piece), size-off)], off)
		out = append(out, buf[:n]...)
		off += int64(n)
		if err != nil && off < size {
			return out, err
		}
	}
	return out, nil
}

func itoa(n int) string { return strconv.Itoa(n) }
