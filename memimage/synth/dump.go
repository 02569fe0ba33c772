package synth

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Level is how far a reader follows a page: which pages count as readable.
type Level uint8

// The levels. Each of the first four has the page sources of the levels before it. In the truth files they are called
// volatility2, prototype, vad, pagefile, store and store+pagefile.
const (
	OwnTable           Level = iota // valid and transition PTEs
	Prototypes                      // and prototype PTEs with the address of the section's
	VADs                            // and pages that only the VAD leads to
	PageFiles                       // VADs and the page file
	Stores                          // VADs and the compression store, from memory alone
	StoresAndPageFiles              // both
)

// pageFiles says whether the page file is there.
func (l Level) pageFiles() bool { return l == PageFiles || l == StoresAndPageFiles }

// stores says whether the compression store is read.
func (l Level) stores() bool { return l == Stores || l == StoresAndPageFiles }

// readable says whether a page in this state can be read at a level, from
// memory or the page file. Pages that are zero by definition are not counted:
// they read as zeros in any case.
func (s State) readable(l Level) bool {
	w, under, shared := s.shared()
	switch {
	case s.stored():
		return s.Kind().readable(l)
	case !shared:
		return s <= Transition || s == PageFile && l.pageFiles()
	case w == wayProto && l < Prototypes || w != wayProto && l < VADs:
		return false
	}
	if under.plain() == UnderCompressed {
		return under.Kind().readable(l)
	}
	return under <= UnderTransition || under == UnderPageFile && l.pageFiles()
}

// Readable says whether the page can be read at a level.
func (p *PageTruth) Readable(l Level) bool {
	if !p.Table.readable(l) {
		return false
	}
	if w, _, shared := p.State.shared(); shared && w != wayProto && p.Lost {
		return false
	}
	return p.State.readable(l)
}

// Zero says whether the page is zeros by definition: demand zero.
func (p *PageTruth) Zero() bool {
	_, under, shared := p.State.shared()
	return p.State == DemandZero || shared && under == UnderZero
}

// Bytes is the content of the page as the process sees it; nil if it is nowhere.
func (p *PageTruth) Bytes() []byte { return p.content }

// View is the process's image as a reader of a level sees it: SizeOfImage
// rounded up to pages, zeros where a page cannot be read.
func (t *ProcessTruth) View(l Level) []byte { return viewOf(t.Pages, l) }

// View is the module as a reader of a level sees it.
func (t *ModuleTruth) View(l Level) []byte { return viewOf(t.Pages, l) }

func viewOf(pages []PageTruth, l Level) []byte {
	out := make([]byte, len(pages)*pageSize)
	for i := range pages {
		if pages[i].Readable(l) {
			copy(out[i*pageSize:], pages[i].content)
		}
	}
	return out
}

// Why an executable cannot be dumped.
var (
	ErrNoPEB    = errors.New("synth: the process has no PEB in memory")
	ErrNoHeader = errors.New("synth: the page of the image's header cannot be read")
	ErrNotPE    = errors.New("synth: the image is not a PE file")
	ErrSection  = errors.New("synth: a section does not fit into the image") // Volatility stops here; the bytes that it had written are returned too
	ErrLayout   = errors.New("synth: the header's alignments or sections make no layout")
)

// peHeader holds the fields of the image's header that the dumps use; none is trusted.
type peHeader struct {
	view                            []byte
	optional, table, count          int
	sizeOfImage, headers            uint32
	fileAlignment, sectionAlignment uint32
}

// u32 reads a 32-bit value; zero beyond the view.
func (h *peHeader) u32(off int) uint32 {
	if off < 0 || off+4 > len(h.view) {
		return 0
	}
	return binary.LittleEndian.Uint32(h.view[off:])
}

// header makes the checks that Volatility makes.
func (t *ProcessTruth) header(l Level) (*peHeader, error) {
	switch {
	case t.PEB == 0 || t.Dead || !t.peb.readable(l):
		return nil, ErrNoPEB
	case len(t.Pages) == 0 || !t.Pages[0].Readable(l):
		return nil, ErrNoHeader
	}
	h := &peHeader{view: t.View(l)}
	nt := int(int32(h.u32(0x3c)))
	if h.u32(0)&0xffff != 0x5a4d || h.u32(nt) != 0x4550 {
		return nil, ErrNotPE
	}
	h.optional = nt + peHeaderBytes
	h.count = int(h.u32(nt+6) & 0xffff)
	h.table = h.optional + int(h.u32(nt+20)&0xffff)
	h.sizeOfImage, h.headers = h.u32(h.optional+56), h.u32(h.optional+60)
	h.sectionAlignment, h.fileAlignment = h.u32(h.optional+32), h.u32(h.optional+36)
	return h, nil
}

// dumpSection is a section header as the dumps use it.
type dumpSection struct{ size, va, rawSize, raw uint32 }

func (h *peHeader) section(i int) (dumpSection, error) {
	at := h.table + i*sectionBytes
	s := dumpSection{size: h.u32(at + 8), va: h.u32(at + 12), rawSize: h.u32(at + 16), raw: h.u32(at + 20)}
	if max(s.va, s.size, s.rawSize) > h.sizeOfImage {
		return s, fmt.Errorf("%w: section %d", ErrSection, i)
	}
	return s, nil
}

// take is n bytes of the view from an address, zeros beyond its end.
func (h *peHeader) take(va, n uint32) []byte {
	out := make([]byte, n)
	if int(va) < len(h.view) {
		copy(out, h.view[va:])
	}
	return out
}

// ProcExeDump is the file that Volatility 2's procexedump writes, or the file by its rules at a higher level:
// headers, then each section's raw bytes at its file offset rounded down to FileAlignment.
func (t *ProcessTruth) ProcExeDump(l Level) ([]byte, error) {
	h, err := t.header(l)
	if err != nil {
		return nil, err
	}
	if h.fileAlignment == 0 {
		return nil, ErrLayout
	}
	out := h.take(0, h.headers)
	for i := range h.count {
		s, err := h.section(i)
		if err != nil {
			return out, err
		}
		if s.rawSize > 0 {
			at := int(s.raw / h.fileAlignment * h.fileAlignment)
			out = pad(out, at+int(s.rawSize))
			copy(out[at:], h.take(s.va, s.rawSize))
		}
	}
	return out, nil
}

// ProcMemDump is the file that Volatility 2's procmemdump writes, or the file by its rules at a higher level:
// SizeOfImage bytes, the section headers patched so that the file has the layout of the memory.
func (t *ProcessTruth) ProcMemDump(l Level) ([]byte, error) {
	h, err := t.header(l)
	if err != nil {
		return nil, err
	}
	if h.sectionAlignment == 0 {
		return nil, ErrLayout
	}
	out := h.take(0, h.sizeOfImage)
	for i := range h.count {
		s, err := h.section(i)
		if err != nil {
			return out, err
		}
		size := alignUp(uint64(s.size), uint64(h.sectionAlignment))
		if i+1 < h.count {
			size = uint64(h.u32(h.table+(i+1)*sectionBytes+12)) - uint64(s.va)
		}
		if size>>32 != 0 || h.table+(i+1)*sectionBytes > len(out) {
			return out, ErrLayout
		}
		at := h.table + i*sectionBytes
		put32(out, at+8, uint32(size))
		put32(out, at+16, uint32(size))
		put32(out, at+20, s.va)
	}
	return out, nil
}
