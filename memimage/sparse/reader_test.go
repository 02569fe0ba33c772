package sparse

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// letters is a source whose byte at offset i is 'a' + i%26.
func letters(n int) Source { return Bytes(wantLetters(0, n)) }

func mustReader(t testing.TB, size int64, extents ...Extent) *Reader {
	t.Helper()
	r, err := NewReader(size, extents...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNewReaderRefuses(t *testing.T) {
	src := letters(100)
	for name, c := range map[string]struct {
		size    int64
		extents []Extent
		want    string
	}{
		"negative size":       {-1, nil, "negative size"},
		"beyond the end":      {10, []Extent{{Off: 5, Len: 6, Src: src}}, "does not fit"},
		"negative offset":     {10, []Extent{{Off: -1, Len: 1, Src: src}}, "does not fit"},
		"negative length":     {10, []Extent{{Off: 1, Len: -1, Src: src}}, "does not fit"},
		"negative source":     {10, []Extent{{Off: 1, Len: 1, Src: src, SrcOff: -1}}, "does not fit"},
		"source offset wraps": {1 << 40, []Extent{{Len: 1 << 40, Src: src, SrcOff: 1<<63 - 2}}, "does not fit"},
		"no source":           {10, []Extent{{Off: 1, Len: 1}}, "no source"},
		"overlap":             {10, []Extent{{Off: 4, Len: 4, Src: src}, {Off: 0, Len: 5, Src: src}}, "overlaps"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewReader(c.size, c.extents...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestReadAt(t *testing.T) {
	src := letters(26)
	r := mustReader(t, 20,
		Extent{Off: 10, Len: 4, Src: src, SrcOff: 2}, // cdef
		Extent{Off: 2, Len: 3, Src: src},             // abc
		Extent{Off: 5, Len: 2, Src: src, SrcOff: 25}, // z, then the source ends
	)
	for name, c := range map[string]struct {
		off  int64
		n    int
		want string
		err  string
	}{
		"inside one extent":      {11, 2, "de", ""},
		"nothing asked":          {3, 0, "", ""},
		"hole at once":           {0, 4, "", "no data at 0x0 for 0x2"},
		"up to a hole":           {12, 4, "ef", "no data at 0xe for 0x6"},
		"over two extents":       {3, 3, "bcz", ""},
		"source ends":            {5, 2, "z", "unexpected EOF"},
		"at the end":             {20, 1, "", "EOF"},
		"far behind the end":     {1 << 60, 1, "", "EOF"},
		"hole up to the end":     {19, 9, "", "no data at 0x13 for 0x1"},
		"negative offset":        {-1, 1, "", "negative offset"},
		"end of hole, then data": {9, 1, "", "no data at 0x9 for 0x1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := make([]byte, c.n)
			n, err := r.ReadAt(p, c.off)
			if got := string(p[:n]); got != c.want {
				t.Errorf("read %q, want %q", got, c.want)
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

func TestReadAtIsAReaderAt(t *testing.T) {
	r := mustReader(t, 26, Extent{Len: 20, Src: letters(26)}, Extent{Off: 20, Len: 6, Src: letters(52), SrcOff: 46})
	want := wantLetters(0, 26)
	if err := iotest.TestReader(io.NewSectionReader(r, 0, r.Size()), want); err != nil {
		t.Fatal(err)
	}
}

func TestNeighboursBecomeOneExtent(t *testing.T) {
	src := letters(100)
	r := mustReader(t, 100, Extent{Off: 10, Len: 10, Src: src, SrcOff: 10}, Extent{Off: 0, Len: 10, Src: src}, Extent{Off: 20, Len: 5, Src: src, SrcOff: 50})
	if n := len(r.Extents()); n != 2 {
		t.Errorf("%d extents, want 2: %v", n, r.Extents())
	}
	if r.Covered() != 25 {
		t.Errorf("%d bytes covered, want 25", r.Covered())
	}
}

func TestHoleBelowKeepsItsReason(t *testing.T) {
	why := errors.New("page file 0 at 0x1000")
	below := faulty{why}
	middle := mustReader(t, 50, Extent{Len: 50, Src: below})
	top := mustReader(t, 30, Extent{Off: 5, Len: 10, Src: middle, SrcOff: 20})
	_, err := top.ReadAt(make([]byte, 3), 6)
	var hole *HoleError
	if !errors.As(err, &hole) || hole.Off != 6 || hole.Len != 9 || !errors.Is(err, why) {
		t.Fatalf("error %v, want a hole at 0x6 for 0x9 because of %v", err, why)
	}
	if strings.Count(err.Error(), "no data") != 1 {
		t.Errorf("error %q repeats itself", err)
	}
}

// faulty is a source without bytes; every read fails with err.
type faulty struct{ err error }

func (f faulty) Size() int64 { return 1 << 40 }

func (f faulty) ReadAt(_ []byte, off int64) (int, error) {
	_, err := f.Probe(off)
	return 0, err
}

func (f faulty) Probe(off int64) (int64, error) {
	return 1 << 40, &HoleError{Off: off, Len: 1 << 40, Err: f.err}
}

func TestOverlay(t *testing.T) {
	a, b, c := letters(100), letters(101), letters(102)
	got := Overlay(
		Extent{Off: 0, Len: 50, Src: a},
		Extent{Off: 10, Len: 10, Src: b},
		Extent{Off: 15, Len: 30, Src: c, SrcOff: 1},
		Extent{Off: 60, Len: 0, Src: c},
		Extent{Off: 70, Len: 5, Src: a},
	)
	want := []Extent{{0, 10, a, 0}, {10, 5, b, 0}, {15, 30, c, 1}, {45, 5, a, 45}, {70, 5, a, 0}}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("extent %d is %v, want %v", i, got[i], want[i])
		}
	}
}

// FuzzReader compares readers, overlays, probes and zero filling with a plain slice of bytes.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0, 10, 0, 5, 10, 30, 12, 3, 1}, uint8(3), uint8(20))
	f.Add([]byte{100, 200, 9, 90, 30, 0, 95, 10, 4}, uint8(0), uint8(255))
	f.Fuzz(func(t *testing.T, spec []byte, off, n uint8) {
		const size = 256
		src := letters(600)
		var extents []Extent
		var plain [size]byte
		var have [size]bool
		for ; len(spec) >= 3 && len(extents) < 32; spec = spec[3:] {
			e := Extent{Off: int64(spec[0]), Len: min(int64(spec[1]), size-int64(spec[0])), Src: src, SrcOff: int64(spec[2])}
			extents = append(extents, e)
			for i := range e.Len {
				plain[e.Off+i], have[e.Off+i] = 'a'+byte((e.SrcOff+i)%26), true
			}
		}
		r, err := NewReader(size, Overlay(extents...)...)
		if err != nil {
			t.Fatal(err)
		}
		want := plain[off:min(size, int(off)+int(n))]
		got := make([]byte, len(want))
		if k, err := ZeroFill(r, nil).ReadAt(got, int64(off)); k != len(want) || err != nil || !bytes.Equal(got, want) {
			t.Fatalf("zero-filled read of %d at %d: %d bytes, %v\n got %q\nwant %q", len(want), off, k, err, got, want)
		}
		k, err := r.ReadAt(got, int64(off))
		for i := range k {
			if !have[int(off)+i] {
				t.Fatalf("byte %d was read over a hole", int(off)+i)
			}
		}
		if k < len(want) && (have[int(off)+k] || gapLen(err) == 0) {
			t.Fatalf("read stopped at %d with %v though the byte is there: %v", int(off)+k, err, have[int(off)+k])
		}
		var pos int64
		for run, err := range Runs(r) {
			if err != nil {
				t.Fatal(err)
			}
			if run.Off != pos || run.Len < 1 {
				t.Fatalf("run %+v does not start at %d", run, pos)
			}
			for i := run.Off; i < run.End(); i++ {
				if have[i] != (run.Err == nil) {
					t.Fatalf("run %+v is wrong about byte %d", run, i)
				}
			}
			pos = run.End()
		}
		if pos != size {
			t.Fatalf("runs end at %d", pos)
		}
	})
}
