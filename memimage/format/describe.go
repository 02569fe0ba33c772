package format

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"unicode/utf8"
)

const (
	describeSample = 64 << 10 // bytes looked at in each place
	describePlaces = 64       // places looked at, spread over the file
	describeScan   = 64 << 20 // bytes at the front searched for the banner of another system
)

// Describe says in a few words what a file of size bytes most probably is, for messages about images in which no
// Windows was found: "an ELF program", "the memory of a Linux system", "nothing but zeros". It reads a bounded number
// of samples, at most 70 MiB, and never fails; what cannot be read counts as zeros.
func Describe(src io.ReaderAt, size int64) string {
	head, _ := readUpTo(src, 0, 2*pageSize)
	if f, ok := recogniseForeign(head, size); ok {
		return f.what
	}
	for _, test := range []func(io.ReaderAt, int64) string{describeSystem, describeText, describeContent} {
		if what := test(src, size); what != "" {
			return what
		}
	}
	return "nothing that is known"
}

// banners are strings that the kernels of other systems keep in memory.
func banners() []struct{ text, what string } {
	return []struct{ text, what string }{
		{"Linux version ", "the memory of a Linux system"},
		{"Darwin Kernel Version ", "the memory of a macOS system"},
		{"FreeBSD/amd64", "the memory of a FreeBSD system"},
		{"VMware ESX", "the memory of a VMware ESX host"},
	}
}

// describeSystem looks for the banner of another system's kernel, with its version.
func describeSystem(src io.ReaderAt, size int64) string {
	const step, overlap = 1 << 20, 256
	buf := make([]byte, step+overlap)
	for off := int64(0); off < min(size, describeScan); off += step {
		n := readSample(src, off, buf)
		for _, b := range banners() {
			if i := bytes.Index(buf[:n], []byte(b.text)); i >= 0 {
				return fmt.Sprintf("%s (%q at %#x)", b.what, printable(buf[i:min(n, i+80)]), off+int64(i))
			}
		}
	}
	return ""
}

// printable returns the ASCII text that b begins with.
func printable(b []byte) string {
	for i, c := range b {
		if c < ' ' || c > '~' {
			return string(b[:i])
		}
	}
	return string(b)
}

// describeText recognises text in its first 4096 bytes.
func describeText(src io.ReaderAt, _ int64) string {
	head, _ := readUpTo(src, 0, pageSize)
	if len(head) == 0 {
		return ""
	}
	for len(head) > pageSize-utf8.UTFMax && !utf8.Valid(head) { // a rune may be cut off
		head = head[:len(head)-1]
	}
	if !utf8.Valid(head) {
		return ""
	}
	for _, c := range head {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != 0x1b {
			return ""
		}
	}
	return "text"
}

// describeContent judges by samples spread over the file whether it is empty, or compressed or encrypted.
func describeContent(src io.ReaderAt, size int64) string {
	var histogram [256]int
	total := 0
	buf := make([]byte, describeSample)
	step := max(size/describePlaces, describeSample)
	for off := int64(0); off < size; off += step {
		n := readSample(src, off, buf)
		for _, c := range buf[:n] {
			histogram[c]++
		}
		total += n
	}
	switch {
	case total == 0:
		return "empty or unreadable"
	case histogram[0] == total:
		return fmt.Sprintf("nothing but zeros in %d samples over the file: the acquisition failed, or the file was allocated and never written", describePlaces)
	case entropy(histogram, total) > 7.9:
		return "compressed, encrypted or random data (hardly any redundancy in it)"
	}
	return ""
}

// entropy returns the Shannon entropy in bits per byte.
func entropy(histogram [256]int, total int) float64 {
	var h float64
	for _, n := range histogram {
		if n > 0 {
			p := float64(n) / float64(total)
			h -= p * math.Log2(p)
		}
	}
	return h
}

// readSample fills buf from off as far as it goes, with zeros for what cannot be read inside of the file.
func readSample(src io.ReaderAt, off int64, buf []byte) int {
	n, err := src.ReadAt(buf, off)
	if err == nil || err == io.EOF {
		return n
	}
	clear(buf[n:])
	return len(buf)
}
