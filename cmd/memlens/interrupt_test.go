package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestInterrupt runs every command on a server that does not answer. Ctrl-C ends it at once. It prints only that it
// was interrupted, and leaves no files.
func TestInterrupt(t *testing.T) {
	asked, end := make(chan struct{}, 100), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-end
	}))
	defer server.Close()
	defer close(end)
	url, out := server.URL+"/x.raw", filepath.Join(t.TempDir(), "out")
	commands := [][]string{{"info", url}, {"pages", url, "--json"}, {"report", url, url}, {"extract", url, "--out", out}, {"serve", url, "--listen", "127.0.0.1:0"}, {"info", demoPath(t), "--symbols", server.URL + "/x.pdb"}}
	if _, err := os.Stat("/dev/fuse"); err == nil {
		commands = append(commands, []string{"mount", url, t.TempDir()}, []string{"mount", url, t.TempDir(), "--", "true"}, []string{"mount", url, t.TempDir(), "--daemon"})
	}
	for _, args := range commands {
		var stdout, stderr lockedBuffer
		cmd := program(t, args...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-asked:
		case <-time.After(10 * time.Second):
			t.Errorf("%q: it asks for nothing", args)
		}
		cmd.Process.Signal(os.Interrupt)
		sent := time.Now()
		cmd.Wait()
		if took := time.Since(sent); took > time.Second {
			t.Errorf("%q: it ends after %v", args, took)
		}
		if cmd.ProcessState.ExitCode() != exitFailed || stdout.String() != "" || !strings.Contains(stderr.String(), "interrupted") || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%q: %v, %q, %q", args, cmd.ProcessState, stdout.String(), stderr.String())
		}
		for len(asked) > 0 {
			<-asked
		}
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("extract leaves a folder behind: %v", err)
	}
}
