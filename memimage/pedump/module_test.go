package pedump

import (
	"encoding/binary"
	"errors"
	"testing"

	"memlens/memimage/sparse"
)

// module lays out a small image by hand. The tests change its fields.
type module struct {
	lfanew                 int32
	dos                    uint16
	signature              uint32
	sections               []Section
	numberOfSections       int // -1: len(sections)
	optionalHeader         uint16
	magic                  uint16
	base                   uint64
	sectionAlign, fileAlgn uint32
	sizeOfImage            uint32
	sizeOfHeaders          uint32
	size                   int64   // bytes of address space
	missing                []int64 // pages that cannot be read
}

// plain is an ordinary image of three sections.
func plain() module {
	return module{
		lfanew: 0x80, dos: dosSignature, signature: ntSignature, numberOfSections: -1, optionalHeader: 0xe0,
		magic: magicPE32, base: 0x400000, sectionAlign: 0x1000, fileAlgn: 0x200, sizeOfImage: 0x5000, sizeOfHeaders: 0x400,
		size: 0x8000,
		sections: []Section{
			{RawName: [8]byte{'.', 't', 'e', 'x', 't'}, VirtualSize: 0x1234, VirtualAddress: 0x1000, SizeOfRawData: 0x1400, PointerToRawData: 0x400},
			{RawName: [8]byte{'.', 'd', 'a', 't', 'a'}, VirtualSize: 0x800, VirtualAddress: 0x3000, SizeOfRawData: 0x200, PointerToRawData: 0x1800},
			{RawName: [8]byte{'.', 'b', 's', 's'}, VirtualSize: 0x10, VirtualAddress: 0x4000},
		},
	}
}

func (m module) tableRVA() int64 { return int64(m.lfanew) + optionalOffset + int64(m.optionalHeader) }

// bytes returns the whole address space, with bytes in the holes that nobody may see.
func (m module) bytes() []byte {
	mem := make([]byte, m.size)
	for i := range mem {
		mem[i] = byte(i>>8)*7 + byte(i)
	}
	put16, put32 := binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32
	clear(mem[:min(0x400, len(mem))])
	put16(mem, m.dos)
	put32(mem[0x3c:], uint32(m.lfanew))
	nt := int64(m.lfanew)
	if nt < 0 || nt+0x108 > m.size {
		return mem
	}
	h := mem[nt:]
	put32(h, m.signature)
	put16(h[4:], 0x14c)
	put16(h[6:], uint16(m.numberOfSections))
	if m.numberOfSections < 0 {
		put16(h[6:], uint16(len(m.sections)))
	}
	put32(h[8:], 0x12345678)
	put16(h[20:], m.optionalHeader)
	put16(h[22:], 0x102)
	o := h[optionalOffset:]
	put16(o, m.magic)
	put32(o[16:], 0x1010)
	put32(o[28:], uint32(m.base))
	if m.magic == magicPE32Plus {
		binary.LittleEndian.PutUint64(o[24:], m.base)
	}
	put32(o[32:], m.sectionAlign)
	put32(o[36:], m.fileAlgn)
	put32(o[56:], m.sizeOfImage)
	put32(o[60:], m.sizeOfHeaders)
	put32(o[64:], 0xabcdef)
	put16(o[68:], 3)
	put16(o[70:], 0x8140)
	put32(o[92:], 16)
	put32(o[96+8:], 0x2000)
	put32(o[96+12:], 0x50)
	for i, s := range m.sections {
		b := mem[m.tableRVA()+int64(i)*40:]
		copy(b, s.RawName[:])
		put32(b[8:], s.VirtualSize)
		put32(b[12:], s.VirtualAddress)
		put32(b[16:], s.SizeOfRawData)
		put32(b[20:], s.PointerToRawData)
		put32(b[36:], s.Characteristics)
	}
	return mem
}

var errPaged = errors.New("in page file 0")

// reader returns the module as an address space shows it.
func (m module) reader(t testing.TB) sparse.Source { return holed(t, m.bytes(), m.missing...) }

// holed returns mem without some of its pages.
func holed(t testing.TB, mem []byte, missing ...int64) *sparse.Reader {
	t.Helper()
	var extents []sparse.Extent
	for page := int64(0); page*pageSize < int64(len(mem)); page++ {
		e := sparse.Extent{Off: page * pageSize, Len: min(pageSize, int64(len(mem))-page*pageSize), Src: sparse.Bytes(mem), SrcOff: page * pageSize}
		for _, p := range missing {
			if p == page {
				e.Src, e.SrcOff = paged{}, 0
			}
		}
		extents = append(extents, e)
	}
	r, err := sparse.NewReader(int64(len(mem)), extents...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// paged is a missing page, with a reason.
type paged struct{}

func (paged) Size() int64 { return pageSize }

func (paged) ReadAt(p []byte, off int64) (int, error) {
	return 0, &sparse.HoleError{Off: off, Len: pageSize - off, Err: errPaged}
}

func (g paged) Probe(off int64) (int64, error) {
	_, err := g.ReadAt(nil, off)
	return pageSize - off, err
}

// content reads a layout through ZeroFill: the bytes that Volatility would have written.
func content(t testing.TB, r *sparse.Reader) []byte {
	t.Helper()
	b := make([]byte, r.Size())
	if n, err := sparse.ZeroFill(r, nil).ReadAt(b, 0); n != len(b) {
		t.Fatalf("read %#x of %#x bytes: %v", n, len(b), err)
	}
	return b
}
