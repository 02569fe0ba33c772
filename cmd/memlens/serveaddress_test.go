package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestOpenAddresses(t *testing.T) {
	network := func(text string) net.Addr {
		ip, mask, err := net.ParseCIDR(text)
		if err != nil {
			t.Fatal(err)
		}
		return &net.IPNet{IP: ip, Mask: mask.Mask}
	}
	machine := []net.Addr{network("127.0.0.1/8"), network("192.168.1.7/24"), network("::1/128"), network("fe80::7/64"), network("2001:db8::7/64"), network("169.254.3.4/16")}
	for listen, want := range map[string][]string{
		"127.0.0.1:8080":      {"http://127.0.0.1:8080/"},
		"[::1]:8080":          {"http://[::1]:8080/"},
		"192.168.1.7:80":      {"http://192.168.1.7:80/"},
		"[fe80::7%eth0]:8080": {"http://[fe80::7%25eth0]:8080/"},
		"0.0.0.0:8080":        {"http://127.0.0.1:8080/", "http://192.168.1.7:8080/"},
		"[::]:8080":           {"http://127.0.0.1:8080/", "http://192.168.1.7:8080/", "http://[2001:db8::7]:8080/"},
	} {
		host, port, _ := net.SplitHostPort(listen)
		host, zone, _ := strings.Cut(host, "%")
		number, _ := net.LookupPort("tcp", port)
		here, elsewhere := openAddresses(&net.TCPAddr{IP: net.ParseIP(host), Port: number, Zone: zone}, machine)
		if got := append([]string{here}, elsewhere...); !slices.Equal(got, want) {
			t.Errorf("listening on %s: %q, want %q", listen, got, want)
		}
	}
}

// TestServeSaysWhatCanBeOpened opens every address that serve prints when it listens on all addresses.
func TestServeSaysWhatCanBeOpened(t *testing.T) {
	image, _ := demo(t)
	cmd := program(t, "serve", image, "--listen", ":0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() }()
	lines := bufio.NewReader(out)
	said, _ := lines.ReadString('\n')
	if _, elsewhere := openAddresses(&net.TCPAddr{IP: net.IPv6unspecified}, interfaces(t)); len(elsewhere) > 0 {
		more, _ := lines.ReadString('\n')
		said += more
	}
	go io.Copy(io.Discard, lines)
	addresses := regexp.MustCompile(`http://[^ ,\n]*`).FindAllString(said, -1)
	if len(addresses) == 0 {
		t.Fatalf("serve says %q", said)
	}
	for _, address := range addresses {
		if r, page := fetched(t, request(t, address)); r.StatusCode != http.StatusOK || !strings.Contains(page, "<title>Processes of") {
			t.Errorf("%s: %d", address, r.StatusCode)
		}
	}
}

func interfaces(t *testing.T) []net.Addr {
	t.Helper()
	out, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	return out
}
