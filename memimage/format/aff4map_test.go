package format

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"strings"
	"testing"

	"memlens/memimage/sparse"
)

// TestAFF4Gaps opens maps with holes of all kinds: each is served, and named, as the map says.
func TestAFF4Gaps(t *testing.T) {
	data := testPages(0x1000, 2)
	for _, c := range []struct {
		name, facts string
		present     int64
		size        int64
		note        string
	}{
		{"nothing is said", `aff4:size "65536"^^xsd:long`, 0x2000, 0x10000, "4096 bytes (4 KiB) of the memory could not be read by the acquisition tool"},
		{"zeros", `aff4:size "65536"^^xsd:long ; aff4:mapGapDefaultStream aff4:Zero`, 0xf000, 0x10000, "53248 bytes (52 KiB) of the memory have no entry in the AFF4 map"},
		{"unknown", `aff4:size "65536"^^xsd:long ; aff4:mapGapDefaultStream aff4:UnknownData`, 0x2000, 0x10000, "could not be read"},
		{"a size that is too small", `aff4:size "4096"^^xsd:long`, 0x2000, 0x6000, "all of its entries are used"},
		{"no size", `aff4:mapGapDefaultStream aff4:SymbolicStreamAA`, 0x5000, 0x6000, "12288 bytes (12 KiB) of the memory have no entry"},
		{"a wild size", `aff4:size "4503599627370496"^^xsd:long`, 0x2000, 0x6000, ""},
	} {
		im := openTest(t, aff4Of(t, func(v *aff4Writer) {
			v.stream(aff4URN+"/m/data", data)
			v.add("m/map", append(mapEntry(0x1000, 0x2000, 0, 0), mapEntry(0x5000, 0x1000, 0, 1)...))
			v.add("m/idx", []byte(aff4URN+"/m/data\r\n"+aff4Schema+"UnreadableData\r\n"))
			v.say(aff4URN+"/m", "a aff4:Map ; "+strings.ReplaceAll(c.facts, "%", "%%"))
		}))
		present, err := sparse.Present(im.Memory)
		if err != nil || present != c.present || im.Memory.Size() != c.size || !noteWith(im, c.note) {
			t.Errorf("%s: %#x of %#x bytes are there, want %#x of %#x; %q (%v)", c.name, present, im.Memory.Size(), c.present, c.size, im.Notes, err)
		}
	}
}

// TestAFF4Digests opens a volume that carries digests of a map, of a stream and of its chunks.
func TestAFF4Digests(t *testing.T) {
	data := testPages(0x1000, 4)
	stream := []byte(bytes.Repeat([]byte("UNREADABLEDATA"), 300))[:4096]
	whole := append(append(make([]byte, 4096), data...), stream...)
	im := openTest(t, aff4Of(t, func(v *aff4Writer) {
		v.stream(aff4URN+"/m/data", data)
		v.add("m/map", append(mapEntry(0x1000, 0x4000, 0, 0), mapEntry(0x5000, 0x1000, 0, 1)...))
		v.add("m/idx", []byte(aff4URN+"/m/data\n"+aff4Schema+"UnreadableData\n"))
		v.say(aff4URN+"/m", `a aff4:Map ; aff4:hash "%x"^^aff4:SHA1 , "%x"^^aff4:MD5 , "zz"^^aff4:MD5 , "00"^^aff4:blockMapHashSHA512`, sha1.Sum(whole), md5.Sum(whole))
		v.say(aff4URN+"/m/data", `aff4:hash "%x"^^aff4:SHA1`, sha1.Sum(data))
		var blocks []byte
		for at := 0; at < len(data); at += 8192 {
			sum := md5.Sum(data[at:min(at+8192, len(data))])
			blocks = append(blocks, sum[:]...)
		}
		v.add("m/data/00000000.blockHash.md5", blocks)
		v.say(aff4URN+"/m/data/blockhash.md5", `aff4:hash "%x"^^aff4:MD5`, md5.Sum(blocks))
	}))
	if len(im.Digests) != 4 || len(im.BlockDigests) != 1 {
		t.Fatalf("%d digests and %d of blocks, want 4 and 1", len(im.Digests), len(im.BlockDigests))
	}
	checkVerified(t, im)
}
