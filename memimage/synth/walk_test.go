package synth

import (
	"encoding/binary"
	"io"
	"testing"

	"memlens/memimage/profile"
)

// walker reads a built memory with code of its own: page walks are written out for each mode, and each offset comes
// from the profile.
type walker struct {
	t      *testing.T
	r      io.ReaderAt
	p      *profile.Profile
	paging Paging
	dtb    uint64
}

func newWalker(t *testing.T, s System, m *Memory) walker {
	return walker{t, m.Reader, s.Profile, pagingOf(s), m.Truth.Kernel.DTB}
}

func pagingOf(s System) Paging {
	if s.Paging != 0 {
		return s.Paging
	}
	return defaultPaging(s.Profile)
}

func (w walker) ptr() int { return int(w.p.Arch().PointerSize()) }

func (w walker) phys(pa uint64, n int) uint64 {
	b := make([]byte, 8)
	if _, err := w.r.ReadAt(b[:n], int64(pa)); err != nil {
		w.t.Fatalf("reading %#x: %v", pa, err)
	}
	return binary.LittleEndian.Uint64(b)
}

// entry is the last-level entry of va and whether the walk got there; tables
// in transition are followed.
func (w walker) entry(va uint64) (e uint64, ok bool) {
	var shifts []uint
	size, bits := 8, uint(9)
	table := w.dtb &^ 0xfff
	switch w.paging {
	case X86:
		shifts, size, bits = []uint{22, 12}, 4, 10
	case PAE:
		shifts, table = []uint{30, 21, 12}, w.dtb&^0x1f
	case X64:
		shifts = []uint{39, 30, 21, 12}
	case LA57:
		shifts = []uint{48, 39, 30, 21, 12}
	}
	for i, s := range shifts {
		n := bits
		if w.paging == PAE && i == 0 {
			n = 2
		}
		e = w.phys(table+va>>s&(1<<n-1)*uint64(size), size)
		switch {
		case s == 12:
			return e, true
		case e&1 == 0 && e&0xc00 != 0x800:
			return e, false
		case e&0x81 == 0x81 && (w.paging != PAE || i > 0):
			return e&^(1<<s-1)&0xffffffffff000 | va&(1<<s-1)&^0xfff | 1, true
		}
		table = e & 0xffffffffff000
	}
	return 0, false
}

func (w walker) translate(va uint64) (uint64, bool) {
	e, ok := w.entry(va)
	if !ok || e&1 == 0 && e&0xc00 != 0x800 {
		return 0, false
	}
	return e&0xffffffffff000 | va&0xfff, true
}

// read reads n ≤ 8 bytes at va; the test fails if it is not there.
func (w walker) read(va uint64, n int) uint64 {
	w.t.Helper()
	out := uint64(0)
	for i := range n {
		pa, ok := w.translate(va + uint64(i))
		if !ok {
			w.t.Fatalf("%#x does not translate (DTB %#x)", va+uint64(i), w.dtb)
		}
		out |= w.phys(pa, 1) << (8 * i)
	}
	return out
}

func (w walker) bytes(va uint64, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(w.read(va+uint64(i), 1))
	}
	return out
}

func (w walker) off(path string) uint64 {
	w.t.Helper()
	f, ok := w.p.Field(path)
	if !ok {
		w.t.Fatalf("profile %s lacks %s", w.p.Name(), path)
	}
	return uint64(f.Offset)
}

func (w walker) pointer(va uint64) uint64 { w.t.Helper(); return w.read(va, w.ptr()) }

// list walks a list of structures from its head.
func (w walker) list(head, link uint64) (out []uint64) {
	w.t.Helper()
	for at := w.pointer(head); at != head; at = w.pointer(at) {
		out = append(out, at-link)
		if back := w.pointer(w.pointer(at) + uint64(w.ptr())); back != at {
			w.t.Fatalf("entry %#x: its Flink's Blink is %#x", at, back)
		}
		if len(out) > 1000 {
			w.t.Fatalf("the list at %#x does not end", head)
		}
	}
	return out
}

// unicode reads a _UNICODE_STRING.
func (w walker) unicode(va uint64) string {
	w.t.Helper()
	n := int(w.read(va, 2))
	raw := w.bytes(w.pointer(va+uint64(w.ptr())), n)
	runes := make([]rune, n/2)
	for i := range runes {
		runes[i] = rune(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return string(runes)
}

// processes are the EPROCESS addresses of the active list.
func (w walker) processes(head uint64) []uint64 {
	return w.list(head, w.off("_EPROCESS.ActiveProcessLinks"))
}

func (w walker) in(dtb uint64) walker { w.dtb = dtb; return w }
