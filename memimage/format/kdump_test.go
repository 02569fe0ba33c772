package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

func pack(kind uint32, page []byte) []byte {
	switch kind {
	case kdumpZlib:
		var b bytes.Buffer
		w := zlib.NewWriter(&b)
		_, _ = w.Write(page)
		_ = w.Close()
		return b.Bytes()
	case kdumpSnappy:
		return snappy.Encode(nil, page)
	case kdumpZstd:
		w, _ := zstd.NewWriter(nil)
		return w.EncodeAll(page, nil)
	}
	return page
}

// writeKdump writes a version 6 file of a 64-bit system; the compression changes from page to page.
func writeKdump(runs []run) []byte {
	bitmap, pages := crashBitmapOf(runs)
	blocks := (len(bitmap) + pageSize - 1) / pageSize
	out := make([]byte, (2+2*blocks)*pageSize)
	copy(out, "KDUMP   ")
	le := binary.LittleEndian
	le.PutUint32(out[8:], 6)
	for i, v := range []uint32{pageSize, 1, uint32(2 * blocks), 0} {
		le.PutUint32(out[428+4*i:], v)
	}
	le.PutUint64(out[pageSize+0x60:], uint64(len(bitmap)*8))
	copy(out[2*pageSize:], bitmap)
	copy(out[(2+blocks)*pageSize:], bitmap)
	descs, data := []byte{}, []byte{}
	kinds := []uint32{0, kdumpZlib, kdumpSnappy, kdumpZstd}
	base := len(out) + int(pages)*24
	for _, r := range runs {
		for i := 0; i < len(r.data); i += pageSize {
			kind := kinds[i/pageSize%len(kinds)]
			packed := pack(kind, r.data[i:i+pageSize])
			descs = le.AppendUint64(descs, uint64(base+len(data)))
			descs = le.AppendUint32(descs, uint32(len(packed)))
			descs = le.AppendUint32(descs, kind)
			descs = le.AppendUint64(descs, 0)
			data = append(data, packed...)
		}
	}
	return append(append(out, descs...), data...)
}

// writeFlattened cuts a file into blocks as makedumpfile -F does, and writes one block twice.
func writeFlattened(data []byte) []byte {
	out := make([]byte, pageSize)
	copy(out, "makedumpfile")
	out[23], out[31] = 1, 1
	block := func(off int, b []byte) {
		out = binary.BigEndian.AppendUint64(out, uint64(off))
		out = binary.BigEndian.AppendUint64(out, uint64(len(b)))
		out = append(out, b...)
	}
	block(100, []byte("overwritten later"))
	for i := 0; i < len(data); i += 10000 {
		block(i, data[i:min(i+10000, len(data))])
	}
	return append(out, bytes.Repeat([]byte{0xff}, 16)...)
}

func TestKdumpWithLZOSaysSo(t *testing.T) {
	runs := []run{{0x1000, testPages(0x1000, 4)}}
	data := writeKdump(runs)
	descs := (2 + 2) * pageSize
	binary.LittleEndian.PutUint32(data[descs+12:], kdumpLZO)
	im, err := Open(newMemSource("a.kdump", data), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := checkSubset(t, im, flat(runs)); got != 3*pageSize {
		t.Errorf("%#x bytes are readable", got)
	}
}

// TestKdumpOfLargePagesIsNamed has the header that QEMU writes for an ARM64 machine.
func TestKdumpOfLargePagesIsNamed(t *testing.T) {
	data := writeKdump([]run{{0x1000, testPages(0x1000, 4)}})
	for size, want := range map[uint32]bool{0x10000: true, 0x4000: true, 0: false, 0x10001: false, 1 << 30: false} {
		binary.LittleEndian.PutUint32(data[428:], size)
		_, err := Open(newMemSource("a.kdump", data), Options{})
		var not *NotMemoryError
		if named := errors.As(err, &not) && strings.Contains(not.What, sizeText(uint64(size))); named != want || err == nil {
			t.Errorf("pages of %#x: %v", size, err)
		}
	}
}

func FuzzKdump(f *testing.F) {
	f.Add(writeKdump([]run{{0x1000, testPages(0x1000, 4)}}))
	fuzzOpener(f, openKdump)
}

func FuzzFlattened(f *testing.F) {
	f.Add(writeFlattened(writeLiME([]run{{0x1000, testPages(0x1000, 4)}})))
	fuzzOpener(f, openFlattened)
}

// TestKdumpNamesTheProcessor has the name of the processor in the header (utsname.machine).
func TestKdumpNamesTheProcessor(t *testing.T) {
	for name, want := range map[string]uint16{"": 0, "x86_64": 0x8664, "i686": 0x14c, "aarch64": 0xaa64, "s390x": 0} {
		file := writeKdump([]run{{0x1000, testPages(0x1000, 2)}})
		copy(file[272:], name)
		im, err := Open(newMemSource("a.kdump", file), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if im.Hints.Machine != want {
			t.Errorf("%q: machine %#x, want %#x", name, im.Hints.Machine, want)
		}
	}
}
