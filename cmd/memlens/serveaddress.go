package main

import (
	"net"
	"net/url"
	"strings"
)

// openAddresses returns the addresses by which a browser opens what listens on addr: on this machine, and, where it listens on
// all of the machine's addresses, on others. machine are the addresses of this machine.
func openAddresses(addr *net.TCPAddr, machine []net.Addr) (here string, elsewhere []string) {
	if !addr.IP.IsUnspecified() {
		return pageAddress(*addr), nil
	}
	for _, a := range machine {
		// An address of a link alone is none that a browser opens: it needs the name of an interface, which is another one there.
		if own, ok := a.(*net.IPNet); ok && own.IP.IsGlobalUnicast() && (own.IP.To4() != nil || addr.IP.To4() == nil) {
			elsewhere = append(elsewhere, pageAddress(net.TCPAddr{IP: own.IP, Port: addr.Port}))
		}
	}
	return pageAddress(net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: addr.Port}), elsewhere
}

func pageAddress(addr net.TCPAddr) string {
	return (&url.URL{Scheme: "http", Host: addr.String(), Path: "/"}).String()
}

// listed writes things as a sentence does.
func listed(things []string) string {
	if n := len(things); n > 1 {
		return strings.Join(things[:n-1], ", ") + " and " + things[n-1]
	}
	return strings.Join(things, "")
}
