package format

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"hash/adler32"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// writeEWF writes an image in segments of so many chunks of 64 sectors, every third one not compressed.
func writeEWF(data []byte, perSegment int) *memSource {
	const chunk = 64 * 512
	le := binary.LittleEndian
	chunks := (len(data) + chunk - 1) / chunk
	src := newMemSource("a.E01", nil)
	src.siblings = map[string][]byte{}
	for segment := 0; segment*perSegment < chunks; segment++ {
		out := append([]byte(ewfMagic), 1)
		out = append(le.AppendUint16(out, uint16(segment+1)), 0, 0)
		section := func(kind string, body []byte) {
			h := make([]byte, ewfSection)
			copy(h, kind)
			le.PutUint64(h[16:], uint64(len(out)+ewfSection+len(body)))
			le.PutUint64(h[24:], uint64(ewfSection+len(body)))
			le.PutUint32(h[72:], adler32.Checksum(h[:72]))
			out = append(append(out, h...), body...)
		}
		if segment == 0 {
			volume := make([]byte, 1052)
			volume[0] = 0x10
			le.PutUint32(volume[4:], uint32(chunks))
			le.PutUint32(volume[8:], 64)
			le.PutUint32(volume[12:], 512)
			le.PutUint64(volume[16:], uint64(len(data)/512))
			section("volume", volume)
		}
		base := len(out)
		var sectors, table []byte
		n := min(perSegment, chunks-segment*perSegment)
		for i := segment * perSegment; i < segment*perSegment+n; i++ {
			b := data[i*chunk : min((i+1)*chunk, len(data))]
			offset := uint32(ewfSection + len(sectors))
			if i%3 == 0 {
				sectors = le.AppendUint32(append(sectors, b...), adler32.Checksum(b))
			} else {
				sectors = append(sectors, pack(kdumpZlib, b)...)
				offset |= 1 << 31
			}
			table = le.AppendUint32(table, offset)
		}
		section("sectors", sectors)
		h := make([]byte, ewfTable)
		le.PutUint32(h, uint32(n))
		le.PutUint64(h[8:], uint64(base))
		le.PutUint32(h[20:], adler32.Checksum(h[:20]))
		section("table", append(h, le.AppendUint32(table, adler32.Checksum(table))...))
		section("table2", append(h, le.AppendUint32(table, adler32.Checksum(table))...))
		if (segment+1)*perSegment >= chunks {
			padded := append(data[:len(data):len(data)], make([]byte, -len(data)&511)...)
			md5, sha1 := md5.Sum(padded), sha1.Sum(padded)
			digest := make([]byte, 76)
			copy(digest[copy(digest, md5[:]):], sha1[:])
			section("digest", le.AppendUint32(digest, adler32.Checksum(digest)))
			section("hash", le.AppendUint32(append(md5[:], make([]byte, 16)...), adler32.Checksum(append(md5[:], make([]byte, 16)...))))
		}
		section(map[bool]string{true: "done", false: "next"}[(segment+1)*perSegment >= chunks], nil)
		src.siblings[strings.ToLower(ewfExtension(".E01", segment+1))] = out
	}
	src.Source = sparse.Bytes(src.siblings[".e01"])
	return src
}

func TestEWFExtensions(t *testing.T) {
	for n, want := range map[int]string{1: ".E01", 99: ".E99", 100: ".EAA", 101: ".EAB", 126: ".EBA", 775: ".EZZ", 776: ".FAA"} {
		if got := ewfExtension(".E01", n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestEWFMissingSegmentIsNoted(t *testing.T) {
	raw := flat(testMemory()[:2])
	src := writeEWF(raw, 10)
	delete(src.siblings, ".e03")
	im, err := Open(src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !noteWith(im, "segments are missing") || !noteWith(im, ".E03 is missing while") {
		t.Errorf("notes %q", im.Notes)
	}
	if got := checkSubset(t, im, raw); got != 20*64*512 {
		t.Errorf("%#x bytes", got)
	}
}

func TestEWFDamagedChunkIsAGap(t *testing.T) {
	raw := flat(testMemory()[:2])
	src := writeEWF(raw, 1000)
	data := src.siblings[".e01"]
	at := bytes.Index(data, []byte("The quick brown fox"))
	data[at] ^= 1 // chunk 0 is not compressed
	im, err := Open(src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := checkSubset(t, im, raw); got != int64(len(raw))-64*512 {
		t.Errorf("%#x of %#x bytes", got, len(raw))
	}
}

func TestEWFLaterSegmentIsNamed(t *testing.T) {
	src := writeEWF(flat(testMemory()[:2]), 10)
	_, err := Open(newMemSource("a.E02", src.siblings[".e02"]), Options{})
	if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "segment 2") {
		t.Errorf("%v", err)
	}
}

// TestEwfacquire opens an image that ewfacquire makes, in several segments, and checks the digests in it.
func TestEwfacquire(t *testing.T) {
	corpus.Long(t)
	acquire := tool(t, "ewfacquire")
	var data []byte
	for i := range uint64(6) {
		data = append(data, testPages(i<<20, 256)...)
	}
	for _, format := range []string{"encase1", "encase2", "encase3", "encase4", "encase5", "encase6", "encase7", "linen5", "linen6", "linen7", "smart", "ftk", "ewfx"} {
		t.Run(format, func(t *testing.T) {
			raw := writeFile(t, "memory.raw", data)
			target := filepath.Join(filepath.Dir(raw), "image")
			cmd := exec.Command(acquire, "-u", "-q", "-t", target, "-f", format, "-d", "sha1,sha256", "-c", "fast", "-S", "1048576", "-m", "memory", raw)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			first := target + ".E01"
			switch format {
			case "smart":
				first = target + ".s01"
			case "ewfx":
				first = target + ".e01"
			}
			im, err := OpenFile(first, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer im.Close()
			if im.Format != "EWF (E01): raw" || digest(t, im.Memory, im.Memory.Size()) != digest(t, sparse.Bytes(data), int64(len(data))) {
				t.Errorf("%s of %d bytes, want %d: %q", im.Format, im.Memory.Size(), len(data), im.Notes)
			}
			recorded := []string{"MD5"}
			switch format {
			case "encase6", "encase7", "linen6", "linen7":
				recorded = []string{"MD5", "SHA-1"}
			case "ewfx":
				recorded = []string{"MD5", "SHA-1", "SHA-256"}
			}
			checkDigests(t, im, recorded...)
		})
	}
}

func FuzzEWF(f *testing.F) {
	f.Add(writeEWF(testPages(0, 20), 100).siblings[".e01"])
	fuzzOpener(f, openEWF)
}

// adler is the checksum of b as EWF writes it.
func adler(b []byte) []byte { return binary.LittleEndian.AppendUint32(nil, adler32.Checksum(b)) }
