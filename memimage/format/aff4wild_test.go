package format

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"memlens/memimage/sparse"
)

// sayStream writes the description of a stream.
func sayStream(v *aff4Writer, size uint64, chunk, bevy int) {
	v.say(v.urn+"/s", `a aff4:ImageStream, aff4:PhysicalMemoryImage ; aff4:chunkSize %d ; aff4:chunksInSegment %d ; aff4:compressionMethod <%s> ; aff4:size %d`,
		chunk, bevy, v.form.method, size)
}

// indexOf writes the index of a bevy of chunks of one size.
func indexOf(chunks, size int) []byte {
	var b []byte
	for i := range chunks {
		b = binary.LittleEndian.AppendUint64(b, uint64(i*size))
		b = binary.LittleEndian.AppendUint32(b, uint32(size))
	}
	return b
}

// TestAFF4WildSize has a stream that promises 2^42 chunks, and the first and a later bevy of it: the missing bevies
// are holes, and these are found at once.
func TestAFF4WildSize(t *testing.T) {
	im := openTest(t, aff4Of(t, func(v *aff4Writer) {
		sayStream(v, 1<<51, 512, 2)
		for _, n := range []int{0, 5000} {
			v.add(fmt.Sprintf("s/%08d", n), bytes.Repeat([]byte{byte(1 + n%7)}, 1024))
			v.add(fmt.Sprintf("s/%08d.index", n), indexOf(2, 512))
		}
	}))
	if size := im.Memory.Size(); size > maxMissing {
		t.Errorf("memory of %#x bytes", size)
	}
	runs := 0
	for range sparse.Runs(im.Memory) {
		runs++
	}
	if n, err := sparse.Present(im.Memory); runs != 4 || n != 2048 || err != nil {
		t.Errorf("%d runs, %d bytes, %v", runs, n, err)
	}
	var b [1024]byte
	if _, err := im.Memory.ReadAt(b[:], 5000*1024); err != nil || b[1023] != 1+5000%7 {
		t.Errorf("the later bevy: %v, %v", b[:4], err)
	}
	if !noteWith(im, "from number 1 on") {
		t.Errorf("notes %q", im.Notes)
	}
}

// TestAFF4ChunkOfAnotherSize has chunks that are not packed and not as long as a chunk: they are damaged.
func TestAFF4ChunkOfAnotherSize(t *testing.T) {
	for _, size := range []int{4095, 4097} {
		im := openTest(t, aff4Of(t, func(v *aff4Writer) {
			sayStream(v, 8192, 4096, 2)
			v.add("s/00000000", bytes.Repeat([]byte{1}, 2*size))
			v.add("s/00000000.index", indexOf(2, size))
		}))
		_, err := im.Memory.ReadAt(make([]byte, 8192), 0)
		said := strings.Join(im.Damage(), " ")
		if !sparse.IsHole(err) || !strings.Contains(said, "should have 4096") || strings.Contains(said, "%!") {
			t.Errorf("chunks of %d bytes: %v, said %q", size, err, said)
		}
	}
}

// TestAFF4Twice has a file twice in an archive, and a further volume twice in the folder: either is said.
func TestAFF4Twice(t *testing.T) {
	im := openTest(t, aff4Of(t, func(v *aff4Writer) {
		sayStream(v, 4096, 4096, 1)
		v.add("s/00000000", bytes.Repeat([]byte{1}, 4096))
		v.add("s/00000000", bytes.Repeat([]byte{2}, 4096))
		v.add("s/00000000.index", indexOf(1, 4096))
	}))
	if !noteWith(im, "1 name is in the archive of the AFF4 volume a.aff4 more than once") {
		t.Errorf("notes %q", im.Notes)
	}
	v := &aff4Writer{form: aff4Form{method: aff4Schema + "NullCompressor"}, t: t, urn: aff4URN}
	v.add("container.description", []byte(aff4URN))
	src := v.parts(aff4URN+"/m", []string{aff4URN + "/m/data"}, testPages(0, 64), mapEntry(0, 64*pageSize, 0, 0))
	src.siblings["a.aff4.A02"] = src.siblings["a.aff4.A01"]
	im = openTest(t, src)
	if !strings.Contains(strings.Join(im.Doubts, " "), "a.aff4.A02 says that it is the same volume as a.aff4.A01") {
		t.Errorf("doubts %q, notes %q", im.Doubts, im.Notes)
	}
}

// TestAFF4DescriptionOfAnotherChecksum has a description that is damaged so that it can still be read.
func TestAFF4DescriptionOfAnotherChecksum(t *testing.T) {
	src := aff4Of(t, func(v *aff4Writer) {
		v.form.libaff4 = true // its archives have the checksum in front
		v.stream(v.urn+"/s", testPages(0, 4))
		v.say(v.urn+"/s", "a aff4:PhysicalMemoryImage")
	})
	data := content(t, src)
	for at := range data[:len(data)-4] { // the checksum in the directory counts
		if at+46 < len(data) && string(data[at:at+4]) == "PK\x01\x02" && bytes.HasPrefix(data[at+46:], []byte("information.turtle")) {
			data[at+16] ^= 1
		}
	}
	im := openTest(t, newMemSource("a.aff4", data))
	if len(im.Doubts) != 1 || !strings.Contains(im.Doubts[0], "is not as it was written") {
		t.Errorf("doubts %q, notes %q", im.Doubts, im.Notes)
	}
}

func TestReasonHasNoPackages(t *testing.T) {
	err := fmt.Errorf("format: chunk 3: %w", fmt.Errorf("format: zlib: zlib: invalid checksum"))
	if got := sentence(err); got != "chunk 3: zlib: invalid checksum" {
		t.Errorf("%q", got)
	}
}
