package main

import (
	"log/slog"
	"net"
	"os"
)

// notifyReady tells systemd, where it started the program with Type=notify, that the image is mounted (sd_notify(3)).
func notifyReady() {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	conn, err := net.Dial("unixgram", name) // a name that begins with @ is one without a file
	if err == nil {
		_, err = conn.Write([]byte("READY=1"))
		conn.Close()
	}
	if err != nil {
		slog.Warn("systemd cannot be told that the image is mounted", "error", err)
	}
}
