package layout

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrArchive is wrapped by every error about the bytes of an archive.
var ErrArchive = errors.New("layout: damaged archive")

// Archive reads the archives of Encode. It keeps the bytes that it was given, decodes an item only when asked for it,
// and is safe for concurrent use.
type Archive struct {
	strings, structs, headers, bodies items
	text                              string // the bytes of strings: every string decoded is a part of it
}

// Open checks the outline of an archive. The items inside are checked when they are read, so that a damaged one is
// an error wrapping ErrArchive and never a panic.
func Open(b []byte) (*Archive, error) {
	if len(b) < len(magic) || string(b[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: no %q at its start", ErrArchive, magic)
	}
	var a Archive
	rest := b[len(magic):]
	for _, s := range []*items{&a.strings, &a.structs, &a.headers, &a.bodies} {
		var err error
		if rest, err = s.open(rest); err != nil {
			return nil, err
		}
	}
	a.text = string(a.strings.data)
	if len(rest) != 0 || a.headers.n != a.bodies.n {
		return nil, fmt.Errorf("%w: sections do not fit", ErrArchive)
	}
	return &a, nil
}

// Len is the number of tables.
func (a *Archive) Len() int { return a.headers.n }

// Header decodes the header of table i.
func (a *Archive) Header(i int) (Header, error) {
	d := a.decoder(a.headers, i)
	h := d.header()
	return h, d.err("header", i)
}

// maxFields bounds the members of one table. The kernel's symbols have some 30,000 in all.
const maxFields = 1 << 18

// Structs decodes the structures of table i.
func (a *Archive) Structs(i int) ([]Struct, error) {
	d := a.decoder(a.bodies, i)
	var out []Struct
	fields := 0
	for range d.count() {
		s, err := a.structure(int(d.uint32()))
		if err != nil {
			return nil, err
		}
		if fields += len(s.Fields); fields > maxFields {
			return nil, fmt.Errorf("%w: more than %d members", ErrArchive, maxFields)
		}
		out = append(out, s)
	}
	return out, d.err("body", i)
}

func (a *Archive) structure(i int) (Struct, error) {
	d := a.decoder(a.structs, i)
	s := d.structure()
	return s, d.err("structure", i)
}

// items is one section: the ends of its items and their bytes.
type items struct {
	n    int
	ends []byte
	data []byte
}

func (s *items) open(b []byte) (rest []byte, err error) {
	if len(b) < 4 {
		return nil, fmt.Errorf("%w: cut short", ErrArchive)
	}
	n := uint64(binary.LittleEndian.Uint32(b))
	b = b[4:]
	if n*4 > uint64(len(b)) {
		return nil, fmt.Errorf("%w: %d items in %d bytes", ErrArchive, n, len(b))
	}
	s.n, s.ends, s.data = int(n), b[:n*4], b[n*4:]
	size := uint64(0)
	if n > 0 {
		size = uint64(s.end(int(n) - 1))
	}
	if size > uint64(len(s.data)) {
		return nil, fmt.Errorf("%w: items end at %#x of %#x", ErrArchive, size, len(s.data))
	}
	rest, s.data = s.data[size:], s.data[:size]
	return rest, nil
}

func (s items) end(i int) uint32 { return binary.LittleEndian.Uint32(s.ends[i*4:]) }

// span is where item i lies in data; ok is false if there is no such item.
func (s items) span(i int) (from, to uint32, ok bool) {
	if i < 0 || i >= s.n {
		return 0, 0, false
	}
	if i > 0 {
		from = s.end(i - 1)
	}
	to = s.end(i)
	return from, to, from <= to && uint64(to) <= uint64(len(s.data))
}

// decoder reads one item. After the first thing that does not fit, bad is set and everything reads as zero.
type decoder struct {
	a   *Archive
	b   []byte
	bad bool
}

func (a *Archive) decoder(s items, i int) *decoder {
	from, to, ok := s.span(i)
	if !ok {
		return &decoder{a: a, bad: true}
	}
	return &decoder{a: a, b: s.data[from:to]}
}

// err is the verdict on a whole item: everything fitted and nothing is left over.
func (d *decoder) err(what string, i int) error {
	if d.bad || len(d.b) != 0 {
		return fmt.Errorf("%w: %s %d", ErrArchive, what, i)
	}
	return nil
}

func (d *decoder) fail() { d.b, d.bad = nil, true }

func (d *decoder) uint32() uint32 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > math.MaxUint32 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return uint32(v)
}

// count reads the number of things that follow; each takes at least one byte, which bounds it.
func (d *decoder) count() int {
	n := d.uint32()
	if uint64(n) > uint64(len(d.b)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) bytes(n int) []byte {
	if len(d.b) < n {
		d.fail()
		return make([]byte, n)
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) byte() byte { return d.bytes(1)[0] }

func (d *decoder) str() string {
	from, to, ok := d.a.strings.span(int(d.uint32()))
	if !ok {
		d.fail()
		return ""
	}
	return d.a.text[from:to]
}

func (d *decoder) version() (v Version) {
	for i := range v {
		v[i] = d.uint32()
	}
	return v
}

func (d *decoder) header() Header {
	h := Header{Name: d.str(), Source: d.str(), Arch: d.byte(), PTE: d.byte(), KDBG: d.uint32(), Version: d.version()}
	for range d.count() {
		h.Aliases = append(h.Aliases, d.str())
	}
	for range d.count() {
		h.Kernels = append(h.Kernels, d.kernel())
	}
	return h
}

func (d *decoder) kernel() Kernel {
	k := Kernel{PDB: d.str(), GUID: [16]byte(d.bytes(16)), Age: d.uint32(), Version: d.version()}
	n := d.count()
	k.Symbols = make([]Symbol, 0, n)
	for range n {
		k.Symbols = append(k.Symbols, Symbol{Name: d.str(), RVA: d.uint32()})
	}
	return k
}

func (d *decoder) structure() Struct {
	s := Struct{Name: d.str(), Size: d.uint32()}
	n := d.count()
	s.Fields = make([]Field, 0, n)
	for range n {
		s.Fields = append(s.Fields, Field{Name: d.str(), Type: d.str(), Offset: d.uint32(), BitPos: d.byte(), Bits: d.byte()})
	}
	return s
}
