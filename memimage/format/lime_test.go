package format

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
)

func limeRange(magic, version uint32, first, last uint64) []byte {
	h := binary.LittleEndian.AppendUint32(nil, magic)
	h = binary.LittleEndian.AppendUint32(h, version)
	h = binary.LittleEndian.AppendUint64(h, first)
	h = binary.LittleEndian.AppendUint64(h, last)
	return binary.LittleEndian.AppendUint64(h, 0)
}

func writeLiME(runs []run) []byte {
	var out []byte
	for _, r := range runs {
		out = append(out, limeRange(limeMagic, 1, r.addr, r.addr+uint64(len(r.data))-1)...)
		out = append(out, r.data...)
	}
	return out
}

// writeAVML writes the compressed form; less is 1 for the last address in the header, 0 for the end.
func writeAVML(less uint64, runs []run) []byte {
	var out []byte
	for _, r := range runs {
		out = append(out, limeRange(avmlMagic, 2, r.addr, r.addr+uint64(len(r.data))-less)...)
		var b bytes.Buffer
		w := snappy.NewBufferedWriter(&b)
		_, _ = w.Write(r.data)
		_ = w.Close()
		out = append(out, b.Bytes()...)
		out = binary.LittleEndian.AppendUint64(out, uint64(b.Len()))
	}
	return out
}

func TestAVMLWithEndsInPlaceOfLastAddresses(t *testing.T) {
	im, err := Open(newMemSource("a.lime", writeAVML(0, testMemory())), Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkMemory(t, im, testMemory())
}

func TestAVMLMixedWithLiME(t *testing.T) {
	runs := testMemory()
	im, err := Open(newMemSource("a.lime", append(writeAVML(1, runs[:1]), writeLiME(runs[1:])...)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkMemory(t, im, runs)
}

func TestAVMLDamagedBlockIsAGapAndOthersAreNot(t *testing.T) {
	runs := []run{{0x100000, testPages(0x100000, 64)}}
	data := writeAVML(1, runs)
	data[limeHeader+100] ^= 0xff
	im, err := Open(newMemSource("a.lime", data), Options{})
	if err != nil {
		t.Fatal(err)
	}
	const block = 64<<10 - 8 // as the writer cuts them
	if got := checkSubset(t, im, flat(runs)); got != 64*pageSize-block {
		t.Errorf("%#x bytes are readable, want %#x", got, 64*pageSize-block)
	}
}

func TestLiMEDamagedHeaders(t *testing.T) {
	runs := testMemory()
	second := limeHeader + len(runs[0].data)
	for _, c := range []struct {
		name, note string
		off        int
		v          uint64
		runs       int
	}{
		{"magic", "no header of a range", second, 0, 1},
		{"backwards", "no header of a range", second + 16, 0x1000, 1},
		{"far too long", "truncated", second + 16, 1<<51 - 1, 2},
		{"out of the world", "no header of a range", second + 16, 1<<64 - 1, 1},
	} {
		data := writeLiME(runs)
		binary.LittleEndian.PutUint64(data[c.off:], c.v)
		im, err := Open(newMemSource("a.lime", data), Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !noteWith(im, c.note) || len(im.Memory.Extents()) != c.runs {
			t.Errorf("%s: %d runs, notes %q", c.name, len(im.Memory.Extents()), im.Notes)
		}
	}
}

func TestLiMEOfAnotherVersionIsNamed(t *testing.T) {
	_, err := Open(newMemSource("a.lime", limeRange(limeMagic, 7, 0, 0xfff)), Options{})
	if err == nil || !strings.Contains(err.Error(), "version 7") {
		t.Errorf("%v", err)
	}
}

func FuzzLiME(f *testing.F) {
	runs := []run{{0x1000, testPages(0x1000, 1)}, {0x5000, testPages(0x5000, 20)}}
	f.Add(writeLiME(runs))
	f.Add(writeAVML(0, runs))
	f.Add(writeAVML(1, runs))
	fuzzOpener(f, openLiME)
}
