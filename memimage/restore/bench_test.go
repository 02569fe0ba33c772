package restore

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// bigProgram is a PE32 file of a mebibyte: code with a relocation every 64 bytes, as compilers
// make it, and their table.
func bigProgram() []byte {
	const code, text = 1 << 20, 0x1000
	file := make([]byte, 0x400+code)
	put16, put32 := binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32
	var table []byte
	for page := 0; page < code; page += pageSize {
		table = binary.LittleEndian.AppendUint32(table, uint32(text+page))
		table = binary.LittleEndian.AppendUint32(table, 8+2*pageSize/64)
		for at := 0; at < pageSize; at += 64 {
			table = binary.LittleEndian.AppendUint16(table, uint16(3<<12|at))
			put32(file[0x400+page+at:], 0x400000+text+uint32(page*7%code))
		}
	}
	relocs := uint32(len(table))
	table = append(table, make([]byte, -len(table)&0x1ff)...)
	put16(file, 0x5a4d)
	put32(file[60:], 0x80)
	h := file[0x80:]
	put32(h, 0x4550)
	put16(h[4:], 0x14c)
	put16(h[6:], 2)
	put16(h[20:], 224)
	o := h[24:]
	put16(o, magicPE32)
	put32(o[28:], 0x400000)
	put32(o[32:], pageSize)
	put32(o[36:], 0x200)
	put32(o[56:], uint32(text+code+(len(table)+pageSize-1)&^(pageSize-1)))
	put32(o[60:], 0x400)
	put32(o[92:], 16)
	put32(o[96+8*dirReloc:], text+code)
	put32(o[96+8*dirReloc+4:], relocs)
	for i, s := range [][5]uint32{{code, text, code, 0x400, 0x60000020}, {relocs, text + code, uint32(len(table)), 0x400 + code, 0x42000040}} {
		row := o[224+40*i:]
		copy(row, []string{".text", ".reloc"}[i])
		put32(row[8:], s[0])
		put32(row[12:], s[1])
		put32(row[16:], s[2])
		put32(row[20:], s[3])
		put32(row[36:], s[4])
	}
	return append(file, table...)
}

// BenchmarkRestore restores a moved program of 1 MB, and reads all of it.
func BenchmarkRestore(b *testing.B) {
	file := bigProgram()
	p := loadProgram(b, file, false, 0x5550000)
	in := p.input(sources{mapped: func(rva int64) bool { return p.Own[rva] == nil }, own: all})
	out := make([]byte, len(file))
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := Restore(in)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := r.Reader.ReadAt(out, 0); n != len(out) {
			b.Fatal(err)
		}
	}
	if !bytes.Equal(out, file) {
		b.Fatal("not the file")
	}
}

// BenchmarkSize asks for the size only, as listing a directory does.
func BenchmarkSize(b *testing.B) {
	in := loadProgram(b, bigProgram(), false, 0x5550000).input(sources{mapped: all})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Size(in); err != nil {
			b.Fatal(err)
		}
	}
}
