package restore

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// TestCheckSumWithoutCertificate has a file with a certificate table, which memory never has. The CheckSum covers the
// whole file, so it says nothing here.
func TestCheckSumWithoutCertificate(t *testing.T) {
	for stale := range uint32(20) {
		file := programFile(t, "reloc32")
		setCertificate(file)
		fixCheckSum(file)
		setCheckSum(file, binary.LittleEndian.Uint32(file[binary.LittleEndian.Uint32(file[60:])+24+64:])+stale*977)
		r := restored(t, loadProgram(t, file, true, movedBase("reloc32")).input(sources{mapped: all}))
		got := make([]byte, len(file))
		r.Reader.ReadAt(got, 0)
		if !bytes.Equal(got, file) || r.BaseEvidence != LinkerDefault || r.BaseCertainty != Assumed || r.AllExact() {
			t.Errorf("base %#x, %s, %s: %s", r.ImageBase, r.BaseEvidence, r.BaseCertainty, r.Proof)
		}
	}
}

// setCertificate gives a program a certificate table behind its end.
func setCertificate(file []byte) {
	dir := binary.LittleEndian.Uint32(file[60:]) + 24 + 96 + 8*dirCert
	binary.LittleEndian.PutUint32(file[dir:], uint32(len(file)))
	binary.LittleEndian.PutUint32(file[dir+4:], 0x1600)
}

// TestStaleCheckSum has a checksum of the right size that is wrong. It never proves a base, and where one is assumed,
// all rows that depend on it say so.
func TestStaleCheckSum(t *testing.T) {
	for stale := range uint32(50) {
		for _, name := range []string{"data32", "data64", "reloc32"} {
			file := programFile(t, name)
			setCheckSum(file, uint32(len(file))+stale*1311)
			r := restored(t, loadProgram(t, file, true, movedBase(name)).input(sources{mapped: all}))
			if check(t, file, r); r.BaseCertainty == Exact || r.AllExact() {
				t.Errorf("%s: base %#x is proved: %q", name, r.ImageBase, r.Proof)
			}
		}
	}
}

// TestCheckSumBehindTheEnd puts the end of the file before the CheckSum's field.
func TestCheckSumBehindTheEnd(t *testing.T) {
	file := programFile(t, "reloc32")
	setCheckSum(file, 0x1000)
	in := loadProgram(t, file, true, movedBase("reloc32")).input(sources{mapped: all})
	in.FileSize = int64(binary.LittleEndian.Uint32(file[60:]) + 24 + 60)
	r := restored(t, in)
	if n, err := r.Reader.ReadAt(make([]byte, in.FileSize), 0); n != int(in.FileSize) {
		t.Error(err)
	}
}

// fixCheckSum sets a file's CheckSum, computed in the plainest way.
func fixCheckSum(file []byte) {
	setCheckSum(file, 0)
	sum := uint32(0)
	for i := 0; i < len(file); i += 2 {
		sum += uint32(binary.LittleEndian.Uint16(file[i:]))
		sum = sum&0xffff + sum>>16
	}
	setCheckSum(file, sum+uint32(len(file)))
}

func setCheckSum(file []byte, sum uint32) {
	binary.LittleEndian.PutUint32(file[binary.LittleEndian.Uint32(file[60:])+24+64:], sum)
}
