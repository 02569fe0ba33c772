package format

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"

	"memlens/memimage/sparse"
)

// HPAK is the format of FDPro of HBGary: physical memory, and with it the page file, in sections one behind the
// other. The layout is not published. It is taken from Volatility 2, whose reader and documentation agree.

const (
	hpakFirst       = 0x20 // offset of the first section
	hpakHeader      = 0xe0 // bytes of the header of a section that are known
	hpakMaxSections = 64
)

// hpakSection is a section: its data, and where the next one begins.
type hpakSection struct {
	kind       string // PHYSDUMP, PAGEDUMP
	name       string // of the file in it
	compressed bool
	size       uint64 // of its content, unpacked
	data       Range  // in the file
	next       uint64
}

// openHPAK opens the memory in an HPAK file.
func openHPAK(in *input) (*Image, error) {
	head, err := in.head(hpakFirst + hpakHeader)
	if err != nil {
		return nil, err
	}
	if !head.has(0, "HPAK") {
		return nil, ErrFormat
	}
	memory, pages, err := hpakSections(in)
	if err != nil {
		return nil, err
	}
	if memory.size == 0 {
		return nil, &NotMemoryError{Name: in.Name(), What: "an HPAK file of FDPro whose section of physical memory is empty", Do: "acquire the memory again"}
	}
	content, err := hpakContent(in, memory)
	if err != nil {
		return nil, err
	}
	if pages.size > 0 {
		in.note("The page file of the machine is in the HPAK file, too (%q, %s). To use it with --pagefile, take it out: %s.", pages.name, sizeText(pages.size), pages.extraction(in.Name()))
	}
	return in.nested("HPAK", content)
}

// hpakSections returns the section of the memory and the section of the page file, which may be missing.
func hpakSections(in *input) (memory, pages hpakSection, err error) {
	found := false
	for at, n := uint64(hpakFirst), 0; n < hpakMaxSections && at < uint64(in.Size()); n++ {
		s, err := readHPAKSection(in, at)
		if err != nil {
			return memory, pages, err
		}
		switch {
		case s.kind == "PHYSDUMP" && !found:
			memory, found = s, true
		case s.kind == "PAGEDUMP" && pages.kind == "":
			pages = s
		}
		if s.next <= at {
			break
		}
		at = s.next
	}
	if !found {
		return memory, pages, fmt.Errorf("format: %s is an HPAK file of FDPro without the section of physical memory: it is truncated or damaged", in.Name())
	}
	return memory, pages, nil
}

// readHPAKSection reads the header of the section at that offset.
func readHPAKSection(in *input, at uint64) (hpakSection, error) {
	f, err := readUpTo(in, int64(at), hpakHeader)
	switch {
	case err != nil:
		return hpakSection{}, err
	case len(f) < hpakHeader && at == hpakFirst:
		return hpakSection{}, in.shortHeader("an HPAK file of FDPro")
	case len(f) < hpakHeader:
		in.cutBefore(at+hpakHeader, "within the header of a section")
		return hpakSection{}, nil
	}
	text := func(off, n int) string { s, _, _ := strings.Cut(string(f[off:off+n]), "\x00"); return s }
	kind, _ := strings.CutPrefix(text(0, 32), "HPAKSECTHPAK_SECTION_")
	s := hpakSection{kind: kind, name: text(0xd4, 12), compressed: f.u32(0x8c) != 0, size: f.u64(0x98), next: f.u64(0xb0)}
	s.data = Range{Off: f.u64(0xa8), Len: s.size}
	if s.compressed {
		s.data.Len = f.u64(0xb8)
	}
	if s.data.Off > maxPhysical || s.data.Len > maxPhysical || s.size > maxPhysical {
		return s, fmt.Errorf("format: the section %q of %s is damaged: it lies at %#x and has %#x bytes", kind, in.Name(), s.data.Off, s.data.Len)
	}
	return s, nil
}

// whole reports whether the data of the section are all in the file.
func (s hpakSection) whole(in *input) bool { return s.data.Off+s.data.Len <= uint64(in.Size()) }

// hpakContent returns the content of a section: in its place in the file, or unpacked.
func hpakContent(in *input, s hpakSection) (*inner, error) {
	if s.data.Off >= uint64(in.Size()) {
		return nil, ends("format: %s is an HPAK file that is truncated: it ends before the memory, which begins at %#x", in.Name(), s.data.Off)
	}
	if s.compressed {
		return unpackHPAK(in, s)
	}
	n := s.data.Len
	if !s.whole(in) {
		in.cut(Truncation{What: in.whole(), Have: uint64(in.Size()), Promised: s.data.Off + n, AtLeast: true, Where: "within the memory"})
		n = uint64(in.Size()) - s.data.Off
	}
	return &inner{Source: sparse.Section(in, int64(s.data.Off), int64(n)), name: unpackedName(in.Name())}, nil
}

// unpackHPAK unpacks a section, which is one stream of gzip or zlib.
func unpackHPAK(in *input, s hpakSection) (*inner, error) {
	counted := &countingReader{src: in, n: int64(s.data.Off), inside: s.whole(in)}
	packed := bufio.NewReaderSize(io.LimitReader(counted, int64(s.data.Len)), 256<<10)
	var r io.Reader
	var err error
	if head, _ := packed.Peek(2); fields(head).has(0, "\x1f\x8b") {
		r, err = gzip.NewReader(packed)
	} else {
		r, err = zlib.NewReader(packed)
	}
	if err != nil {
		r = failing{err}
	}
	content, err := in.spool("HPAK", r, counted, int64(s.size))
	if err != nil {
		return nil, err
	}
	if got := uint64(content.Size()); got != s.size && len(in.truncated) == 0 && len(in.doubts) == 0 {
		in.doubt("The memory in the HPAK file unpacks to %s, and its header says %s: one of them is damaged.", sizeText(got), sizeText(s.size))
	}
	content.outer = nil
	return content, nil
}

// extraction is the command that writes the content of a section to a file.
func (s hpakSection) extraction(name string) string {
	cut := fmt.Sprintf("tail -c +%d '%s' | head -c %d", s.data.Off+1, name, s.data.Len)
	if s.compressed {
		return cut + " | pigz -dcz > pagefile.sys (or gzip -dc, as it was packed)"
	}
	return cut + " > pagefile.sys"
}
