package format

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"memlens/memimage/sparse"
)

const (
	describeSample = 4 << 10  // bytes looked at in each place
	describePlaces = 1 << 10  // places looked at, spread over the bytes that are present
	describeScan   = 64 << 20 // bytes at the front searched for the banner of another system
)

// Unknown is the answer of [Image.Describe] for memory that it does not recognise.
const Unknown = "nothing that is known"

// Describe describes the most probable content of the memory in a few words, for messages about images in which no
// Windows was found: "an ELF program", "the memory of a Linux system", "nothing but zeros". It reads a bounded number
// of samples, at most 140 MiB, and never fails. It judges only by bytes that are present, and says how many these are
// if others are missing.
func (im *Image) Describe() string {
	return describe(im.Memory, len(im.Truncated) == 0)
}

// describe is Describe for a file that is whole, or truncated.
func describe(src sparse.Source, whole bool) string {
	head, _ := readUpTo(src, 0, 2*pageSize)
	if f, ok := recogniseForeign(head, src.Size()); ok {
		return f.what
	}
	if what := describeSystem(src); what != "" {
		return what
	}
	if what := describeText(src); what != "" {
		return what
	}
	s := takeSamples(src)
	if s.read > 0 && s.histogram[0] == s.read {
		s.other = findOther(src)
	}
	return s.content(whole) + s.basis()
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

// piece is a stretch of a file that is present, as far as is known without reading it.
type piece struct{ off, len int64 }

func (p piece) end() int64 { return p.off + p.len }

// piecesOf returns the pieces of a file: the extents of memory, or of a file out of a container, or the whole file.
// Damage within a piece is found on reading; a search for it would have to unpack everything.
func piecesOf(src sparse.Source) []piece {
	if i, ok := src.(*inner); ok {
		src = i.Source
	}
	r, ok := src.(*sparse.Reader)
	if !ok {
		return []piece{{0, src.Size()}}
	}
	var out []piece
	for _, e := range r.Extents() {
		out = append(out, piece{e.Off, e.Len})
	}
	return out
}

// describeSystem looks for the banner of another system's kernel, with its version, in the first bytes that are
// present.
func describeSystem(src sparse.Source) string {
	left := int64(describeScan)
	for _, p := range piecesOf(src) {
		if what := findBanner(src, p.off, min(p.len, left)); what != "" {
			return what
		}
		if left -= p.len; left <= 0 {
			break
		}
	}
	return ""
}

// findBanner looks for a banner in the n bytes from off on. It reads zeros for bytes that cannot be unpacked: no
// banner has zeros in it.
func findBanner(src sparse.Source, off, n int64) string {
	const step, overlap = 1 << 20, 256
	buf := make([]byte, min(step+overlap, n))
	for end := off + n; off < end; off += step {
		m, _ := sparse.ZeroFill(src, nil).ReadAt(buf[:min(int64(len(buf)), end-off)], off)
		for _, b := range banners() {
			if i := bytes.Index(buf[:m], []byte(b.text)); i >= 0 {
				return fmt.Sprintf("%s (%q at %#x)", b.what, printable(buf[i:min(m, i+80)]), off+int64(i))
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

// describeText recognises a text file by its first 4096 bytes.
func describeText(src sparse.Source) string {
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

// samples holds counts of the bytes in samples from a file, at places spread over the bytes that are present.
type samples struct {
	size, present int64 // bytes of the file, and how many bytes of it are present
	places        int   // how many places were looked at
	failed        int   // how many places could not be read at all
	why           error // the first of the reasons
	read          int   // bytes
	histogram     [256]int
	other         int64 // where something other than zeros is, when the samples have none; -1: not found
}

// takeSamples reads the samples.
func takeSamples(src sparse.Source) *samples {
	s := &samples{size: src.Size()}
	pieces := piecesOf(src)
	for _, p := range pieces {
		s.present += p.len
	}
	step := max(s.present/describePlaces, describeSample)
	buf := make([]byte, describeSample)
	passed, next := int64(0), int64(0) // bytes that are present: before this piece, before the next sample
	for _, p := range pieces {
		for ; next < passed+p.len; next += step {
			off := p.off + next - passed
			s.take(src, off, buf[:min(describeSample, p.end()-off)])
		}
		passed += p.len
	}
	return s
}

// findOther returns the offset of the first byte that is not zero, in the first bytes that are present and not known
// to be zeros; -1 when there is none.
func findOther(src sparse.Source) int64 {
	buf := make([]byte, 1<<20)
	left := int64(describeScan)
	for _, p := range piecesOf(src) {
		for off := p.off; off < p.end(); {
			if n := sparse.Zeros(src, off); n > 0 {
				off += n
				continue
			}
			n, _ := sparse.ZeroFill(src, nil).ReadAt(buf[:min(int64(len(buf)), p.end()-off)], off)
			if i := bytes.IndexFunc(buf[:n], func(r rune) bool { return r != 0 }); i >= 0 {
				return off + int64(i)
			}
			off += int64(len(buf))
			if left -= int64(len(buf)); left <= 0 {
				return -1
			}
		}
	}
	return -1
}

// take reads one sample.
func (s *samples) take(src sparse.Source, off int64, buf []byte) {
	n, err := src.ReadAt(buf, off)
	s.places++
	s.read += n
	for _, c := range buf[:n] {
		s.histogram[c]++
	}
	if n > 0 || err == nil || errors.Is(err, io.EOF) {
		return
	}
	s.failed++
	if s.why == nil {
		s.why = err
	}
}

// content judges by the samples whether the file is empty, or compressed or encrypted.
func (s *samples) content(whole bool) string {
	switch {
	case s.size == 0:
		return "an empty file"
	case s.read == 0:
		return "nothing that could be looked at"
	case s.histogram[0] == s.read && s.other >= 0:
		return fmt.Sprintf("almost nothing but zeros (the first other byte is at %#x)", s.other)
	case s.histogram[0] == s.read && s.failed == 0 && whole && s.present > s.size/2:
		return fmt.Sprintf("nothing but zeros in %s over the file: the acquisition failed, or the file was allocated and never written", count(s.places, "sample", "samples"))
	case s.histogram[0] == s.read:
		return "nothing but zeros"
	case entropy(s.histogram, s.read) > 7.9:
		return "compressed, encrypted or random data (hardly any redundancy in it)"
	}
	return Unknown
}

// basis says how much of the file the judgement is based on, if that is not the whole file. The text is put behind
// the judgement.
func (s *samples) basis() string {
	out := ""
	if s.present < s.size {
		out = fmt.Sprintf(", judged by the %s of it that are there (of %s)", sizeText(uint64(s.present)), sizeText(uint64(s.size)))
		if s.present == 0 {
			out = ": nothing of it is there"
		}
	}
	switch {
	case s.failed == s.places && s.failed > 0:
		out += fmt.Sprintf("; in none of %s tried could it be read: %s", count(s.places, "place", "places"), sentence(s.why))
	case s.failed > 0:
		out += fmt.Sprintf("; in %d of %s tried it could not be read: %s", s.failed, count(s.places, "place", "places"), sentence(s.why))
	}
	return out
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
