package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"memlens/memimage/synth/corpus"
)

// tagged serves a folder with an ETag for each file, and counts the requests.
func tagged(t testing.TB, dir string, delay time.Duration) (http.Handler, *atomic.Int64) {
	t.Helper()
	requests := new(atomic.Int64)
	files := http.FileServer(http.Dir(dir))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		time.Sleep(delay)
		if info, err := os.Stat(filepath.Join(dir, r.URL.Path)); err == nil {
			w.Header().Set("ETag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
		}
		files.ServeHTTP(w, r)
	}), requests
}

// TestCacheOfSeveralProcesses runs processes that share a folder of blocks, kills some of the processes, and damages
// files in the folder. The output of each run is true for the local file.
func TestCacheOfSeveralProcesses(t *testing.T) {
	t.Parallel()
	image, _ := demo(t)
	handler, requests := tagged(t, filepath.Dir(image), 2*time.Millisecond)
	server := httptest.NewServer(handler)
	defer server.Close()
	cache := filepath.Join(t.TempDir(), "blocks")
	args := []string{"pages", server.URL + "/demo.raw", "--cache", cache}
	want := succeeds(t, "pages", image)
	for i := range 3 {
		cmd := program(t, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(60+60*i) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
	}
	both := make(chan result)
	for range 2 {
		cmd := program(t, args...)
		go func() { both <- finish(t, cmd) }()
	}
	for range 2 {
		if r := <-both; r.stdout != want || r.code != 0 {
			t.Errorf("one of two at the same time: exit %d, %s\n%s", r.code, r.stderr, r.stdout)
		}
	}
	cold := requests.Swap(0)
	if got := succeeds(t, args...); got != want || requests.Load() > 10 {
		t.Errorf("again, with %d requests:\n%s", requests.Load(), got)
	}
	warm := requests.Swap(0)
	files, _ := filepath.Glob(filepath.Join(cache, "*", "????????????"))
	for i, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 {
			continue // a process was killed before it wrote anything
		}
		b[(i*7919)%len(b)] ^= 0x10
		if err := os.WriteFile(name, b[:len(b)-i%2], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := succeeds(t, args...); got != want || requests.Load() < warm+10 {
		t.Errorf("when all blocks are damaged, with %d requests:\n%s", requests.Load(), got)
	}
	t.Logf("%d requests by processes that were killed and two, %d with the blocks, %d with %d damaged ones", cold, warm, requests.Load(), len(files))
}

// TestProxyOfTheEnvironment reads through a proxy.
func TestProxyOfTheEnvironment(t *testing.T) {
	image, _ := demo(t)
	handler, requests := tagged(t, filepath.Dir(image), 0)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host != "evidence.invalid" {
			t.Errorf("the proxy is asked for %s", r.URL)
		}
		handler.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	cmd := program(t, "info", "http://evidence.invalid/demo.raw")
	cmd.Env = append(cmd.Env, "HTTP_PROXY="+proxy.URL, "http_proxy=", "NO_PROXY=", "no_proxy=")
	if r := finish(t, cmd); r.code != 0 || !strings.Contains(r.stdout, "http://evidence.invalid/demo.raw") || requests.Load() == 0 {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}

// TestUnknownAuthority: a server whose certificate authority the system does not know is refused at once. A server
// whose authority it knows is read from.
func TestUnknownAuthority(t *testing.T) {
	corpus.Long(t)
	image, _ := demo(t)
	handler, _ := tagged(t, filepath.Dir(image), 0)
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	start := time.Now()
	r := memlens(t, "info", server.URL+"/demo.raw?sig=topsecret")
	if r.code != 1 || !strings.Contains(r.stderr, "certificate") || strings.Contains(r.stderr, "topsecret") || time.Since(start) > 5*time.Second {
		t.Errorf("exit %d after %v: %s", r.code, time.Since(start), r.stderr)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := program(t, "info", server.URL+"/demo.raw")
	cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+ca)
	if r := finish(t, cmd); r.code != 0 {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}

// TestInterruptedWhileOpening ends a mount while it waits for a server that does not answer, either from the start or in the middle.
func TestInterruptedWhileOpening(t *testing.T) {
	image, _ := demo(t)
	handler, _ := tagged(t, filepath.Dir(image), 0)
	for _, answered := range []int64{0, 10} {
		var n atomic.Int64
		waits := make(chan struct{}, 100)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) <= answered {
				handler.ServeHTTP(w, r)
				return
			}
			select {
			case waits <- struct{}{}:
			default:
			}
			<-r.Context().Done()
		}))
		dir := t.TempDir()
		cmd := program(t, "mount", server.URL+"/demo.raw", dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-waits
		start := time.Now()
		cmd.Process.Signal(os.Interrupt)
		late := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		err := cmd.Wait()
		late.Stop()
		if took := time.Since(start); err == nil || took > 3*time.Second {
			t.Errorf("after %d answers it ends with %v after %v", answered, err, took)
		}
		server.CloseClientConnections()
		server.Close()
	}
}
