package synth

import "encoding/binary"

// putHeaders writes the DOS header, its program, the NT headers and the
// section table.
func (p *PE) putHeaders(b []byte, sections []placed, dirs directories, imageSize uint32) {
	le := binary.LittleEndian
	copy(b, "MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00\xb8\x00\x00\x00\x00\x00\x00\x00\x40")
	le.PutUint32(b[0x3c:], peOffset)
	copy(b[0x40:], "\x0e\x1f\xba\x0e\x00\xb4\x09\xcd\x21\xb8\x01\x4c\xcd\x21This program cannot be run in DOS mode.\r\r\n$")
	copy(b[peOffset:], "PE\x00\x00")
	p.putFileHeader(b[peOffset+4:], len(sections))
	p.putOptionalHeader(b[peOffset+peHeaderBytes:], sections, dirs, imageSize)
	at := peOffset + peHeaderBytes + int(p.optionalBytes())
	for _, s := range sections {
		putSectionHeader(b[at:], s, p.fileAlign())
		at += sectionBytes
	}
}

// putFileHeader writes _IMAGE_FILE_HEADER.
func (p *PE) putFileHeader(b []byte, sections int) {
	machine, flags := uint16(0x14c), uint16(0x0102)
	if p.Bits == 64 {
		machine, flags = 0x8664, 0x0022
	}
	if p.DLL {
		flags |= 0x2000
	}
	if len(p.Relocs) == 0 {
		flags |= 0x0001 // IMAGE_FILE_RELOCS_STRIPPED
	}
	le := binary.LittleEndian
	le.PutUint16(b, machine)
	le.PutUint16(b[2:], uint16(sections))
	le.PutUint32(b[4:], p.Stamp)
	le.PutUint16(b[16:], uint16(p.optionalBytes()))
	le.PutUint16(b[18:], flags)
}

// putOptionalHeader writes _IMAGE_OPTIONAL_HEADER or its 64-bit form.
func (p *PE) putOptionalHeader(b []byte, sections []placed, dirs directories, imageSize uint32) {
	le := binary.LittleEndian
	le.PutUint16(b, 0x10b)
	b[2] = 9 // linker 9.0
	put32(b, 4, alignUp(uint32(len(sections[0].Data)), p.fileAlign()))
	put32(b, 16, p.Entry)
	put32(b, 20, sections[0].rva)
	tail := 28
	if p.Bits == 64 {
		le.PutUint16(b, 0x20b)
		tail = 24
	}
	putN(b, tail, p.Base, p.ptr())
	put32(b, 32, p.align())
	put32(b, 36, p.fileAlign())
	le.PutUint16(b[40:], 5)
	le.PutUint16(b[44:], 5)
	le.PutUint16(b[48:], 5)
	put32(b, 56, imageSize)
	put32(b, 60, p.headerBytes(len(sections)))
	le.PutUint16(b[68:], 3) // console
	n := p.ptr()
	for i, v := range []uint64{0x100000, 0x1000, 0x100000, 0x1000} {
		putN(b, 72+i*n, v, n)
	}
	put32(b, 72+4*n+4, uint32(len(dirs)))
	for i, d := range dirs {
		put32(b, 72+4*n+8+8*i, d[0])
		put32(b, 72+4*n+12+8*i, d[1])
	}
}

// putSectionHeader writes _IMAGE_SECTION_HEADER.
func putSectionHeader(b []byte, s placed, fileAlign uint32) {
	copy(b[:8], s.Name)
	put32(b, 8, s.size())
	put32(b, 12, s.rva)
	put32(b, 16, alignUp(uint32(len(s.Data)), fileAlign))
	if len(s.Data) > 0 {
		put32(b, 20, s.raw)
	}
	put32(b, 36, s.Flags)
}

// checksum is the image's checksum as ImageHlp computes it, over a file whose
// CheckSum field is zero.
func checksum(p []byte) uint32 {
	sum := uint32(0)
	for i := 0; i+1 < len(p); i += 2 {
		sum += uint32(binary.LittleEndian.Uint16(p[i:]))
		sum = sum&0xffff + sum>>16
	}
	return sum + uint32(len(p))
}
