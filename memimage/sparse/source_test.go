package sparse_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
)

func counted(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// stitched is a reader with holes of several kinds over the source.
func stitched(t *testing.T, src sparse.Source) *sparse.Reader {
	t.Helper()
	inner, err := sparse.NewReader(20000, sparse.Extent{Off: 100, Len: 9000, Src: src, SrcOff: 5000}, sparse.Extent{Off: 12000, Len: 4096, Src: src})
	if err != nil {
		t.Fatal(err)
	}
	r, err := sparse.NewReader(70000, sparse.Extent{Off: 0, Len: 20000, Src: inner}, sparse.Extent{Off: 20000, Len: 20000, Src: src, SrcOff: 1},
		sparse.Extent{Off: 50000, Len: 3000, Src: inner, SrcOff: 8000})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSources checks that every source of this package keeps the contract, on a sound disk and on a broken one.
func TestSources(t *testing.T) {
	data := counted(40000)
	for name, over := range map[string]func(sparse.Source) sparse.Source{
		"whole":             func(s sparse.Source) sparse.Source { return s },
		"section":           func(s sparse.Source) sparse.Source { return sparse.Section(s, 777, 30000) },
		"section over ends": func(s sparse.Source) sparse.Source { return sparse.Section(s, 39000, 30000) },
		"reader":            func(s sparse.Source) sparse.Source { return stitched(t, s) },
		"section of holes":  func(s sparse.Source) sparse.Source { return sparse.Section(stitched(t, s), 50, 60000) },
		"cache":             func(s sparse.Source) sparse.Source { return sparse.NewCache(stitched(t, s), 3) },
		"watched":           func(s sparse.Source) sparse.Source { return new(sparse.Faults).Watch(stitched(t, s)) },
	} {
		t.Run(name, func(t *testing.T) {
			disk := &sparsetest.Disk{ReaderAt: bytes.NewReader(data), Bad: []sparse.Run{{Off: 9000, Len: 512}, {Off: 39990, Len: 10}}}
			if err := sparsetest.Check(over(sparse.Whole(disk, int64(len(data))))); err != nil {
				t.Error(err)
			}
			failed, err := sparsetest.CheckFaults(over(sparse.Whole(disk, int64(len(data)))), disk, nil)
			if err != nil || failed == 0 {
				t.Errorf("%d pieces failed: %v", failed, err)
			}
		})
	}
}

// TestCheckFindsFaults gives the check sources that break the contract, each in one way.
func TestCheckFindsFaults(t *testing.T) {
	sound := sparse.Bytes(counted(20000))
	for name, s := range map[string]sparse.Source{
		"a hole that Probe hides":          hidden{stitched(t, sound)},
		"a hole that ReadAt fills":         filled{stitched(t, sound)},
		"a failed read that Probe hides":   hidden{failing{sound}},
		"an end that comes too early":      short{sound},
		"bytes that change":                new(changing),
		"a Probe that says nothing of any": silent{sound},
	} {
		if err := sparsetest.Check(s); err == nil {
			t.Errorf("%s: nothing is found to be wrong", name)
		}
	}
}

type hidden struct{ sparse.Source }

func (h hidden) Probe(off int64) (int64, error) {
	if off >= h.Size() {
		return 0, io.EOF
	}
	return h.Size() - off, nil
}

type filled struct{ sparse.Source }

func (f filled) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= f.Size() {
		return f.Source.ReadAt(p, off)
	}
	return sparse.ZeroFill(f.Source, nil).ReadAt(p, off)
}

type failing struct{ sparse.Source }

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off >= 8192 && off < f.Size() {
		return 0, &sparse.ReadError{Off: off, Err: syscall.EIO}
	}
	return f.Source.ReadAt(p, off)
}

type short struct{ sparse.Source }

func (s short) Size() int64 { return s.Source.Size() + 100 }

type changing struct{ n byte }

func (*changing) Size() int64 { return 100 }
func (c *changing) ReadAt(p []byte, off int64) (int, error) {
	c.n++
	return sparse.Bytes(bytes.Repeat([]byte{c.n}, 100)).ReadAt(p, off)
}
func (*changing) Probe(off int64) (int64, error) { return sparse.Bytes(make([]byte, 100)).Probe(off) }

type silent struct{ sparse.Source }

func (silent) Probe(int64) (int64, error) { return 0, nil }

func TestFailedReadsAreCounted(t *testing.T) {
	disk := &sparsetest.Disk{ReaderAt: bytes.NewReader(counted(9000)), Bad: []sparse.Run{{Off: 5000, Len: 1}}}
	var faults sparse.Faults
	s := faults.Watch(stitchedOver(t, sparse.Whole(disk, 9000)))
	b := make([]byte, 6000)
	for _, c := range []struct {
		broken bool
		off    int64
		count  int64
	}{{false, 0, 0}, {true, 0, 1}, {true, 10000, 1}, {true, 1 << 40, 1}, {true, 0, 2}, {false, 0, 2}} {
		disk.Break(c.broken)
		faults.Forget()
		if _, err := s.ReadAt(b, c.off); faults.Count() != c.count {
			t.Errorf("broken %v, at %#x: %d failed reads, want %d (%v)", c.broken, c.off, faults.Count(), c.count, err)
		}
	}
	if err := faults.Since(0); !errors.Is(err, syscall.EIO) || faults.Since(2) != nil {
		t.Errorf("since the first: %v; since the last: %v", err, faults.Since(2))
	}
}

func stitchedOver(t *testing.T, s sparse.Source) sparse.Source {
	r, err := sparse.NewReader(20000, sparse.Extent{Len: s.Size(), Src: s})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestErrorsOfWhole(t *testing.T) {
	disk := &sparsetest.Disk{ReaderAt: bytes.NewReader(counted(100)), Bad: []sparse.Run{{Off: 50, Len: 1}}}
	disk.Break(true)
	for _, c := range []struct {
		name   string
		s      sparse.Source
		off    int64
		want   error
		offset string
	}{
		{name: "a fault of the disk", s: sparse.Whole(disk, 100), off: 40, want: syscall.EIO, offset: "0x32"},
		{name: "a file that is shorter", s: sparse.Whole(bytes.NewReader(counted(30)), 100), off: 20, want: io.ErrUnexpectedEOF, offset: "0x1e"},
		{name: "an extent over the end", s: stitchedOver(t, sparse.Whole(bytes.NewReader(counted(30)), 100)), off: 20, want: io.ErrUnexpectedEOF, offset: "0x1e"},
	} {
		n, err := c.s.ReadAt(make([]byte, 20), c.off)
		if n != 10 || !sparse.Failed(err) || sparse.IsHole(err) || !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.offset) {
			t.Errorf("%s: %d bytes, %v; want 10 and a failed read at %s: %v", c.name, n, err, c.offset, c.want)
		}
	}
}
