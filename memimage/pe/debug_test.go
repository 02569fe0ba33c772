package pe

import (
	"bytes"
	"encoding/binary"
	"testing"

	saferwall "github.com/saferwall/pe"
	"github.com/saferwall/pe/log"

	"memlens/memimage/sparse"
)

// TestCodeView compares the debug record of programs with another parser's result.
func TestCodeView(t *testing.T) {
	with := 0
	for name, b := range samples(t) {
		other, err := saferwall.NewBytes(b, &saferwall.Options{Logger: log.NewStdLogger(new(bytes.Buffer))})
		if err != nil || other.Parse() != nil {
			t.Fatal(name, err)
		}
		var want []byte
		for _, d := range other.Debugs {
			if d.Struct.Type == saferwall.ImageDebugTypeCodeView {
				want = b[d.Struct.PointerToRawData:][:d.Struct.SizeOfData]
				with++
			}
		}
		if got, err := open(t, b).CodeView(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
		if got := open(t, b).CheckSum; got != binary.LittleEndian.Uint32(b[open(t, b).optional+64:]) {
			t.Errorf("%s: checksum %#x", name, got)
		}
	}
	if with == 0 {
		t.Log("no sample has a record: TestMinidumpModules has some")
	}
}

// withVersion is a program with a version as its resources, at RVA 0x1000 of the image.
func withVersion(t testing.TB, version []byte) *File {
	t.Helper()
	image := make([]byte, 0x2000)
	copy(image, samples(t)["reloc64"][:0x400])
	f, err := OpenImage(sparse.Bytes(image))
	if err != nil {
		t.Fatal(err)
	}
	f.Directories[dirRes] = Directory{0x1000, 0x200}
	put := func(at int, values ...uint32) {
		for i, v := range values {
			binary.LittleEndian.PutUint32(image[0x1000+at+4*i:], v)
		}
	}
	const two, one, sub = 2 << 16, 1 << 16, 1 << 31
	put(0, 0, 0, 0, two, 3, sub|0x80, 16, sub|0x20) // icons and a version
	put(0x20, 0, 0, 0, one, 1, sub|0x40)            // its name
	put(0x40, 0, 0, 0, one, 1033, 0x60)             // its language
	put(0x60, 0x1100, uint32(len(version)), 0, 0)   // the resource
	copy(image[0x1100:], version)
	return f
}

// versionInfo is a VS_VERSIONINFO as resource compilers write it.
func versionInfo() []byte {
	b := []byte{0x5c, 0, 52, 0, 0, 0}
	for _, c := range "VS_VERSION_INFO\x00" {
		b = append(b, byte(c), 0)
	}
	b = append(b, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, 0xfeef04bd)
	return append(b, bytes.Repeat([]byte{1, 2, 3, 4}, 12)...)
}

func TestFixedVersion(t *testing.T) {
	got, err := withVersion(t, versionInfo()).FixedVersion()
	if err != nil || !bytes.Equal(got, versionInfo()[40:]) {
		t.Errorf("%x, %v", got, err)
	}
	other := versionInfo()
	other[40]++
	if got, err := withVersion(t, other).FixedVersion(); got != nil || err != nil {
		t.Errorf("%x, %v", got, err)
	}
	for name, b := range samples(t) {
		if got, err := open(t, b).FixedVersion(); err != nil || got != nil {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
}

// FuzzRecords reads the records of damaged programs: nothing may hang or panic, and each record has the right size.
func FuzzRecords(f *testing.F) {
	for _, b := range samples(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := OpenImage(sparse.Bytes(b))
		if err != nil {
			return
		}
		if v, err := file.FixedVersion(); err == nil && v != nil && len(v) != 52 {
			t.Errorf("a version of %d bytes", len(v))
		}
		if r, err := file.CodeView(); err == nil && r != nil && (len(r) < 16 || len(r) > maxCodeView) {
			t.Errorf("a record of %d bytes", len(r))
		}
	})
}
