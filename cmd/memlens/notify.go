package main

import (
	"log/slog"
	"net"
	"os"
)

// notifyReady reports to systemd that the image is mounted (sd_notify(3)), if systemd has started the program with Type=notify.
func notifyReady() {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	conn, err := net.Dial("unixgram", name) // a name that begins with @ has no file
	if err == nil {
		_, err = conn.Write([]byte("READY=1"))
		conn.Close()
	}
	if err != nil {
		slog.Warn("systemd cannot be told that the image is mounted", "error", err)
	}
}
