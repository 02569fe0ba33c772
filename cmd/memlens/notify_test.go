package main

import (
	"net"
	"path/filepath"
	"runtime"
	"testing"
)

// TestNotifyReady: a socket as systemd gives it receives the word.
func TestNotifyReady(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no systemd")
	}
	name := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenPacket("unixgram", name)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", name)
	notifyReady()
	buf := make([]byte, 100)
	n, _, err := conn.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "READY=1" {
		t.Errorf("systemd reads %q, %v", buf[:n], err)
	}
}
