package sparse

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

func TestZeroFillNotes(t *testing.T) {
	r := mustReader(t, 12, Extent{Off: 2, Len: 3, Src: letters(26)}, Extent{Off: 8, Len: 2, Src: letters(26), SrcOff: 4})
	type gap struct{ off, n int64 }
	var notes []gap
	z := ZeroFill(r, func(off, n int64) { notes = append(notes, gap{off, n}) })
	p := bytes.Repeat([]byte{0xff}, 12)
	if n, err := z.ReadAt(p, 0); n != 12 || err != nil {
		t.Fatal(n, err)
	}
	if want := "\x00\x00abc\x00\x00\x00ef\x00\x00"; string(p) != want {
		t.Errorf("got %q, want %q", p, want)
	}
	if want := []gap{{0, 2}, {5, 3}, {10, 2}}; len(notes) != 3 || notes[0] != want[0] || notes[1] != want[1] || notes[2] != want[2] {
		t.Errorf("notes %v, want %v", notes, want)
	}
	if n, err := z.ReadAt(p, 10); n != 2 || err != io.EOF {
		t.Errorf("read over the end: %d, %v", n, err)
	}
}

func TestZeroFillKeepsDamage(t *testing.T) {
	short := mustReader(t, 100, Extent{Len: 100, Src: letters(50)})
	n, err := ZeroFill(short, nil).ReadAt(make([]byte, 60), 0)
	if n != 50 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a source that ended was read as %d bytes, %v", n, err)
	}
}

func TestSeekDataAndHole(t *testing.T) {
	src := letters(100)
	r := mustReader(t, 50, Extent{Off: 10, Len: 10, Src: src}, Extent{Off: 20, Len: 5, Src: src}, Extent{Off: 40, Len: 10, Src: src})
	for _, c := range []struct{ off, data, hole int64 }{{0, 10, 0}, {10, 10, 25}, {22, 22, 25}, {25, 40, 25}, {49, 49, 50}, {50, -1, -1}} {
		if got, err := NextData(r, c.off); got != c.data && !(c.data < 0 && err == io.EOF) {
			t.Errorf("data from %d at %d, %v; want %d", c.off, got, err, c.data)
		}
		if got, err := NextHole(r, c.off); got != c.hole && !(c.hole < 0 && err == io.EOF) {
			t.Errorf("hole from %d at %d, %v; want %d", c.off, got, err, c.hole)
		}
	}
	if _, err := NextData(Section(r, 0, 30), 25); err != io.EOF {
		t.Errorf("data in a hole at the end: %v", err)
	}
	if got, err := Present(Section(r, 0, 45)); got != 20 || err != nil {
		t.Errorf("%d bytes present (%v), want 20", got, err)
	}
}

func TestCache(t *testing.T) {
	src := &counting{Source: letters(3*PageSize + 100)}
	c := NewCache(src, 2)
	p := make([]byte, 8)
	for range 5 {
		if n, err := c.ReadAt(p, PageSize-4); n != 8 || err != nil || !bytes.Equal(p, wantLetters(PageSize-4, 8)) {
			t.Fatalf("%d, %v, %q", n, err, p)
		}
	}
	if src.reads != 2 {
		t.Errorf("%d reads of the source, want one per page", src.reads)
	}
	if n, err := c.ReadAt(p, 3*PageSize+96); n != 4 || err != io.EOF {
		t.Errorf("over the end: %d, %v", n, err)
	}
	if _, err := c.ReadAt(p, -1); err == nil {
		t.Error("a negative offset was read")
	}
}

func wantLetters(off, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = 'a' + byte((off+i)%26)
	}
	return p
}

type counting struct {
	Source
	reads int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	return c.Source.ReadAt(p, off)
}

func BenchmarkReaderSmallReads(b *testing.B) {
	r := mustReader(b, 1<<20, Extent{Len: 1 << 19, Src: letters(1 << 20)}, Extent{Off: 1 << 19, Len: 1 << 19, Src: letters(1 << 19)})
	c := NewCache(r, 512)
	p := make([]byte, 8)
	for i := 0; b.Loop(); i++ {
		if _, err := c.ReadAt(p, int64(i*4096)%(1<<20)); err != nil {
			b.Fatal(err)
		}
	}
}
