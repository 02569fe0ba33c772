package main

import (
	"net"
	"net/url"
)

// openAddresses returns the addresses that a browser can open when the server listens on addr: here on this machine,
// and elsewhere on other machines, if it listens on all addresses. machine are the addresses of this machine.
func openAddresses(addr *net.TCPAddr, machine []net.Addr) (here string, elsewhere []string) {
	if !addr.IP.IsUnspecified() {
		return pageAddress(*addr), nil
	}
	for _, a := range machine {
		// A browser cannot open a link-local address: it needs the name of an interface, and that is different on the other machine.
		if own, ok := a.(*net.IPNet); ok && own.IP.IsGlobalUnicast() && (own.IP.To4() != nil || addr.IP.To4() == nil) {
			elsewhere = append(elsewhere, pageAddress(net.TCPAddr{IP: own.IP, Port: addr.Port}))
		}
	}
	return pageAddress(net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: addr.Port}), elsewhere
}

func pageAddress(addr net.TCPAddr) string {
	return (&url.URL{Scheme: "http", Host: addr.String(), Path: "/"}).String()
}
