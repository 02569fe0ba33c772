package mdmp

import (
	"bytes"
	"encoding/binary"
	"testing"

	"memlens/memimage/sparse"
)

// TestMemoryIsWhatIsListed reads the table of ranges as the format's description says: each range holds the bytes of
// its addresses, the ranges follow each other, and the last one ends the file.
func TestMemoryIsWhatIsListed(t *testing.T) {
	d, memory := sample(t, X64)
	file := whole(t, d, memory)
	list := streamOf(t, file, 9)
	at := binary.LittleEndian.Uint64(list[8:])
	if n := binary.LittleEndian.Uint64(list); n != uint64(len(d.Memory)) {
		t.Fatalf("%d ranges", n)
	}
	for rows := list[16:]; len(rows) > 0; rows = rows[16:] {
		start, n := binary.LittleEndian.Uint64(rows), binary.LittleEndian.Uint64(rows[8:])
		want := make([]byte, n)
		if _, err := memory.ReadAt(want, int64(start)); err != nil || !bytes.Equal(file[at:at+n], want) {
			t.Errorf("%#x: other bytes, or %v", start, err)
		}
		at += n
	}
	if at != uint64(len(file)) {
		t.Errorf("the memory ends at %#x, the file at %#x", at, len(file))
	}
}

// streamOf finds a stream in the directory.
func streamOf(t *testing.T, file []byte, kind uint32) []byte {
	t.Helper()
	u32 := func(at uint32) uint32 { return binary.LittleEndian.Uint32(file[at:]) }
	for i := range u32(8) {
		if at := u32(12) + 12*i; u32(at) == kind {
			return file[u32(at+8):][:u32(at+4)]
		}
	}
	t.Fatalf("no stream of type %d", kind)
	return nil
}

// TestMissingMemoryIsAnError checks that bytes that are listed but missing are never zeros.
func TestMissingMemoryIsAnError(t *testing.T) {
	d, memory := sample(t, X86)
	d.Memory = append(d.Memory, Range{0x700000, 0x1000})
	f, _, err := d.Open(memory)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := f.ReadAt(make([]byte, 0x1000), f.Size()-0x1000); n != 0 || !sparse.IsHole(err) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestEmpty checks that a dump without content is still a dump, with all streams.
func TestEmpty(t *testing.T) {
	file := whole(t, new(Dump), sparse.Bytes(nil))
	for _, s := range streams {
		streamOf(t, file, s.kind)
	}
	if head := streamOf(t, file, threadList); !bytes.Equal(head, make([]byte, 4)) {
		t.Errorf("threads: %x", head)
	}
}

func TestTooManyRanges(t *testing.T) {
	if _, _, err := (&Dump{Memory: make([]Range, MaxRanges+1)}).Open(sparse.Bytes(nil)); err == nil {
		t.Error("no error")
	}
}
