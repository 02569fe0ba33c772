package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// served starts "memlens serve" and returns the address that it prints. It is interrupted after the test, and must end.
func served(t *testing.T, image string, flags ...string) (url string, log *lockedBuffer) {
	t.Helper()
	cmd := program(t, append([]string{"serve", image, "--listen", "127.0.0.1:0"}, flags...)...)
	cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+t.TempDir())
	log = new(lockedBuffer)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, _ := bufio.NewReader(out).ReadString('\n')
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		late := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
		defer late.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("memlens serve ends with %v:\n%s", err, log)
		}
	})
	url = regexp.MustCompile(`http://[^ ]*/`).FindString(ready)
	if url == "" {
		t.Fatalf("memlens serve says %q:\n%s", ready, log)
	}
	return url, log
}

func fetched(t *testing.T, request *http.Request) (*http.Response, string) {
	t.Helper()
	r, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

func request(t *testing.T, url string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func TestServe(t *testing.T) {
	image, originals := demo(t)
	url, _ := served(t, image, "--reference", originals)
	restored := url + "3256-cmd.exe/restored.exe"
	if _, got := fetched(t, request(t, restored)); got != readFile(t, filepath.Join(originals, "cmd.exe")) {
		t.Error("restored.exe is not the original")
	}
	if r, got := fetched(t, request(t, restored, "Range", "bytes=0-1")); r.StatusCode != http.StatusPartialContent || got != "MZ" {
		t.Errorf("the first two bytes: %d %q", r.StatusCode, got)
	}
	if _, got := fetched(t, request(t, url)); !strings.Contains(got, "<title>Processes of") {
		t.Errorf("the first page: %.300s", got)
	}
	if _, got := fetched(t, request(t, url+"3256-cmd.exe/similar.csv")); !strings.HasPrefix(strings.Split(got, "\n")[1], "cmd.exe,") {
		t.Errorf("similar.csv: %.300s", got)
	}
	strange := request(t, url)
	strange.Host = "evil.example"
	if r, _ := fetched(t, strange); r.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("asked by another name: %d", r.StatusCode)
	}
}

func TestServeWhereItCannot(t *testing.T) {
	image, _ := demo(t)
	url, _ := served(t, image)
	taken := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/")
	for listen, want := range map[string]string{taken: "address already in use", "nonsense": "missing port"} {
		if r := memlens(t, "serve", image, "--listen", listen); r.code != 1 || !strings.Contains(r.stderr, want) {
			t.Errorf("--listen %s: exit %d, %s", listen, r.code, r.stderr)
		}
	}
}

func TestServeToOthersWarns(t *testing.T) {
	image, _ := demo(t)
	url, log := served(t, image, "--listen", "0.0.0.0:0", "--host", "analysis.example")
	if !strings.HasPrefix(url, "http://127.0.0.1:") {
		t.Errorf("it says to open %s, which is no address of a machine", url)
	}
	eventually(t, "others are warned of", func() bool { return strings.Contains(log.String(), "other machines can read the image") })
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{"analysis.example": 200, own: 200, "10.1.2.3:80": 200, "evil.example": 421} {
		named := request(t, url)
		named.Host = host
		if r, _ := fetched(t, named); r.StatusCode != want {
			t.Errorf("called %s: %d, want %d", host, r.StatusCode, want)
		}
	}
}
