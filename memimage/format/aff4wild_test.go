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

// TestAFF4WildSize has a stream that promises 2^42 chunks, and the first and a later bevy of it: what is missing is
// holes that are found at once.
func TestAFF4WildSize(t *testing.T) {
	im := openTest(t, aff4Of(t, func(v *aff4Writer) {
		sayStream(v, 1<<51, 512, 2)
		for _, n := range []int{0, 5000} {
			v.add(fmt.Sprintf("s/%08d", n), bytes.Repeat([]byte{byte(1 + n%7)}, 1024))
			v.add(fmt.Sprintf("s/%08d.index", n), indexOf(2, 512))
		}
	}))
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

// TestAFF4ChunkOfAnotherSize has chunks that are stored and are not as long as a chunk: they are damaged.
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
