package format

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"strings"
	"testing"
)

// packLZNT1 is an LZNT1 encoder (MS-XCA 2.5.4).
func packLZNT1(data []byte) []byte {
	var out []byte
	for i := 0; i < len(data); i += lznt1Chunk {
		chunk := data[i:min(i+lznt1Chunk, len(data))]
		packed := packLZNT1Chunk(chunk)
		head := uint16(0xb000)
		if len(packed) >= len(chunk) {
			packed, head = chunk, 0x3000
		}
		out = binary.LittleEndian.AppendUint16(out, head|uint16(len(packed)-1))
		out = append(out, packed...)
	}
	return out
}

func packLZNT1Chunk(chunk []byte) []byte {
	var out []byte
	flagsAt, bit := 0, 8
	matches := lzMatcher{}
	for at := 0; at < len(chunk); bit++ {
		if bit == 8 {
			flagsAt, bit = len(out), 0
			out = append(out, 0)
		}
		shift := lznt1Shift(at)
		distance, length := matches.find(chunk, at, 1<<(16-shift), 1<<shift+2)
		if length < 3 {
			out = append(out, chunk[at])
			at++
			continue
		}
		out[flagsAt] |= 1 << bit
		out = binary.LittleEndian.AppendUint16(out, uint16((distance-1)<<shift|(length-3)))
		at += length
	}
	return out
}

func writeZdmp(data []byte) []byte {
	const block = 1 << 16
	out := make([]byte, zdmpHeader)
	copy(out, "ZDMP\x01")
	binary.LittleEndian.PutUint64(out[8:], uint64(len(data)))
	binary.LittleEndian.PutUint32(out[0x10:], block)
	out[0x14], out[0x16] = 1, 2
	for i := 0; i < len(data); i += block {
		b := data[i:min(i+block, len(data))]
		packed := packLZNT1(bytes.TrimRight(b, "\x00"))
		if len(packed) == 0 || len(packed) >= block {
			packed = append(b, make([]byte, block-len(b))...)
		}
		out = append(out, "ZBLK"...)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(packed)))
		out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(packed))
		out = append(out, packed...)
	}
	return out
}

func TestLZNT1(t *testing.T) {
	for i := range 10 {
		data := testPages(uint64(i)*pageSize, i+1)
		if got, err := lznt1(packLZNT1(data), len(data)); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d pages: %v", i+1, err)
		}
	}
}

// TestLZNT1Example is the example of MS-XCA 3.3.
func TestLZNT1Example(t *testing.T) {
	const want = "F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D E F# G F# D E F# G F# E D E A F# F# G A A G F# E D D E F# E D D\x00"
	packed, err := hex.DecodeString("38b08846232000204720410010a24701a045204400084501507900c045200524138805b4024a44ef0358028c09160148" +
		"4500be009e000401189000")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := lznt1(packed, len(want)); err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLZNT1Damage(t *testing.T) {
	whole := packLZNT1(testPages(pageSize, 2))
	with := func(at int, v byte) []byte {
		out := bytes.Clone(whole)
		out[at] = v
		return out
	}
	for name, packed := range map[string][]byte{
		"another signature":          with(1, whole[1]^0x10),
		"truncated":                  whole[:len(whole)-1],
		"a short chunk, then more":   append([]byte{2, 0x30, 1, 2, 3}, whole...),
		"a match before the chunk":   append(bytes.Clone(whole), 2, 0xb0, 1, 0, 0),
		"half a match":               {1, 0xb0, 1, 0},
		"a chunk of too much":        {5, 0xb0, 2, 'a', 0xff, 0x0f, 0, 0},
		"more than there should be":  append(bytes.Clone(whole), 0, 0x30, 1),
		"a match longer than a page": {3, 0xb0, 2, 'a', 0xfe, 0x0f},
	} {
		if out, err := lznt1(packed, 2*pageSize); !errors.Is(err, errPacked) {
			t.Errorf("%s: %d bytes, %v", name, len(out), err)
		}
	}
}

func TestZdmpOfAnotherCompressionIsNamed(t *testing.T) {
	data := writeZdmp(make([]byte, 100))
	data[0x16] = 4
	if _, err := Open(newMemSource("a.zdmp", data), Options{}); err == nil || !strings.Contains(err.Error(), "compression 4") {
		t.Errorf("%v", err)
	}
}

func FuzzZdmp(f *testing.F) {
	f.Add(writeZdmp(writeCrashFull(crashLayouts()[0], []run{{0x1000, testPages(0x1000, 5)}})))
	fuzzOpener(f, openZdmp)
}

func FuzzLZNT1(f *testing.F) {
	f.Add(packLZNT1(testPages(0, 2)))
	f.Fuzz(func(t *testing.T, packed []byte) {
		if out, err := lznt1(packed, 10000); err == nil && len(out) > 10000 {
			t.Errorf("%d bytes", len(out))
		}
	})
}
