package paging

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"testing"
	"testing/iotest"

	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
)

func TestWindowIsAReaderAt(t *testing.T) {
	m := newMachine(t, X86)
	var want []byte
	for i := range 5 {
		m.set(0x400000+Virt(i)*pageSize, uint64(m.page(byte(i)))|entryValid)
		want = append(want, bytes.Repeat([]byte{byte(i)}, pageSize)...)
	}
	w := m.space(nil).Window(0x400123, 0x3456)
	if w.Base() != 0x400123 || w.Size() != 0x3456 {
		t.Errorf("window of %#x bytes at %#x", w.Size(), w.Base())
	}
	if err := iotest.TestReader(io.NewSectionReader(w, 0, w.Size()), want[0x123:0x123+0x3456]); err != nil {
		t.Error(err)
	}
	if _, err := w.ReadAt(make([]byte, 1), -1); err == nil || err == io.EOF {
		t.Errorf("negative offset: %v", err)
	}
}

func TestWindowEndsWithTheAddressSpace(t *testing.T) {
	for _, c := range []struct {
		mode *Mode
		base Virt
		size int64
		want int64
	}{
		{X86, 0xffffe000, 0x1000, 0x1000},
		{X86, 0xffffe000, 0x2000, 0x2000},
		{X86, 0xffffe000, 1 << 40, 0x2000},
		{X86, 0, 1 << 40, 1 << 32},
		{PAE, 0xffffffff, math.MaxInt64, 1},
		{X64, 0xffffffffffffe000, 0x1fff, 0x1fff},
		{X64, 0xffffffffffffe000, 1 << 47, 0x2000},
		{X64, 0xffff800000000000, math.MaxInt64, 1 << 47},
		{X64, 0, math.MaxInt64, math.MaxInt64},
		{X64, 1, math.MaxInt64, math.MaxInt64},
		{X64, 0x400000, -5, 0},
	} {
		t.Run(fmt.Sprintf("%s/%#x/%#x", c.mode.Name, uint64(c.base), c.size), func(t *testing.T) {
			m := newMachine(t, c.mode)
			for _, va := range edges(c.mode) {
				m.set(va, uint64(m.page(0x10))|entryValid)
				m.set(va&^0xfff-pageSize&(edges(c.mode)[3]), uint64(m.page(0x11))|entryValid)
			}
			w := m.space(nil).Window(c.base, c.size)
			if w.Size() != c.want {
				t.Fatalf("%#x bytes, want %#x", w.Size(), c.want)
			}
			for _, off := range []int64{c.want, math.MaxInt64} {
				if n, err := w.ReadAt(make([]byte, 16), off); n != 0 || err != io.EOF {
					t.Errorf("behind the end: %d, %v", n, err)
				}
				if n, err := w.Probe(off); n != 0 || err != io.EOF {
					t.Errorf("probing behind the end: %d, %v", n, err)
				}
			}
			if c.want > 0 && c.want < 1<<20 {
				if n, err := w.ReadAt(make([]byte, c.want+5), 0); int64(n) != c.want || err != io.EOF {
					t.Errorf("read %d, %v", n, err)
				}
			}
		})
	}
}

// TestReadAroundTheTop reads on at the top of the address space: no byte of its start may be returned.
func TestReadAroundTheTop(t *testing.T) {
	for _, mode := range Modes() {
		m := newMachine(t, mode)
		top := edges(mode)[3]
		m.set(top, uint64(m.page(0x10))|entryValid)
		m.set(0, uint64(m.page(0x11))|entryValid)
		n, err := m.space(nil).ReadVirt(make([]byte, 16), top-7)
		var fault *FaultError
		if n != 8 || !errors.As(err, &fault) || fault.State != NotCanonical || fault.Size < 8 {
			t.Errorf("%s: %d bytes, %v", mode.Name, n, err)
		}
	}
}

// TestHoleOfTheAddressSpace reads a window that reaches beyond the lower half of the space: the rest is one gap.
func TestHoleOfTheAddressSpace(t *testing.T) {
	m := newMachine(t, X64)
	m.set(0x7ffffffff000, uint64(m.page(0x12))|entryValid)
	w := m.space(nil).Window(0x7ffffffff000, 1<<40)
	steps := 0
	for run := range sparse.Runs(w) {
		if steps++; steps > 2 || (run.Err == nil) != (run.Off == 0) {
			t.Fatalf("run %+v", run)
		}
	}
}

// partial is a machine with memory that has holes inside a page, and ends inside another.
func partial(t *testing.T) (*Space, []sparse.Extent) {
	m := newMachine(t, X64)
	first := m.page(1)
	m.set(0x400000, uint64(first)|entryValid)
	m.set(0x401000, machineSize-pageSize|entryValid)
	holes := []sparse.Extent{{Off: int64(first) + 0x100, Len: 0x200}, {Off: int64(first) + 0xf00, Len: 0x80}, {Off: machineSize - 0x800, Len: 0x800}}
	return NewSpace(X64, sparse.NewCache(m.reader(holes...), 16), m.root, softX64), holes
}

func TestPartlyReadablePages(t *testing.T) {
	s, _ := partial(t)
	w := s.Window(0x400000, 0x2000)
	var got []string
	for run := range sparse.Runs(w) {
		got = append(got, fmt.Sprintf("%#x+%#x %v", run.Off, run.Len, run.Err == nil))
	}
	want := []string{"0x0+0x100 true", "0x100+0x200 false", "0x300+0xc00 true", "0xf00+0x80 false", "0xf80+0x880 true", "0x1800+0x800 false"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("runs %q\nwant %q", got, want)
	}
	checkReadsAgree(t, w)
	var b [0x1000]byte
	if _, err := sparse.ZeroFill(w, nil).ReadAt(b[:], 0); err != nil || b[0xff] != 1 || b[0x100] != 0 || b[0x300] != 1 || b[0xfff] != 1 {
		t.Errorf("zero-filled: %v, % x", err, b[0xf8:0x108])
	}
}

// checkReadsAgree compares a window's reads with its probes.
func checkReadsAgree(t testing.TB, w *Window) {
	t.Helper()
	if err := sparsetest.Check(w); err != nil {
		t.Fatal(err)
	}
}

func TestPageReadAt(t *testing.T) {
	zero := Page{Size: 16, State: DemandZero}
	full := Page{Size: 4, Src: source("abcdefgh"), Off: 2}
	for name, c := range map[string]struct {
		page Page
		n    int
		off  int64
		want string
		err  error
	}{
		"inside":           {full, 2, 1, "de", nil},
		"to the end":       {full, 2, 2, "ef", nil},
		"over the end":     {full, 9, 2, "ef", io.EOF},
		"at the end":       {full, 1, 4, "", io.EOF},
		"zeros":            {zero, 3, 0, "\x00\x00\x00", nil},
		"zeros, over end":  {zero, 3, 15, "\x00", io.EOF},
		"negative":         {zero, 3, -1, "", errAny},
		"behind the end":   {zero, 3, 17, "", errAny},
		"source too short": {Page{Size: 16, Src: source("abc")}, 5, 1, "bc", io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			b := bytes.Repeat([]byte{0xff}, c.n)
			n, err := c.page.ReadAt(b, c.off)
			if string(b[:n]) != c.want || err != c.err && !(c.err == errAny && err != nil && err != io.EOF) {
				t.Errorf("%q, %v, want %q, %v", b[:n], err, c.want, c.err)
			}
		})
	}
}

var errAny = errors.New("any error but EOF")

// TestDamageIsNoGap has a source that fails: bytes that could not be read for that are not missing from memory.
func TestDamageIsNoGap(t *testing.T) {
	broken := errors.New("input/output error")
	m := newMachine(t, X64)
	m.set(leafVA, uint64(m.page(1))|entryValid)
	table := m.mode.frame(m.entry(m.slot(leafVA, 2)), 12)
	for name, bad := range map[string]Phys{"page": m.next - pageSize, "table": table, "root": m.root} {
		t.Run(name, func(t *testing.T) {
			s := NewSpace(X64, failing{sourceOf(m.mem), int64(bad), broken}, m.root, softX64)
			_, err := s.ReadVirt(make([]byte, 4), leafVA)
			if !errors.Is(err, broken) || isMissing(err) {
				t.Errorf("error %v", err)
			}
			if _, err := s.Follow(Sources{Kernel: s, Backing: backingFunc(func(Virt) (Virt, bool) { return leafVA, true })}).Translate(0x400000); !errors.Is(err, broken) || isMissing(err) {
				t.Errorf("reading a prototype entry: %v", err)
			}
		})
	}
}

// failing is a source with one page that cannot be read.
type failing struct {
	sparse.Source
	page int64
	err  error
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off < f.page+pageSize && off+int64(len(p)) > f.page {
		return 0, f.err
	}
	return f.Source.ReadAt(p, off)
}

func TestPages(t *testing.T) {
	m := newMachine(t, X86)
	m.set(0x400000, uint64(m.page(1))|entryValid)
	m.set(0x402000, softProtection)
	m.put(m.slot(0x800000, 0), entryValid|entryLarge)
	s := m.space(softX86)
	var got []string
	for page, err := range s.Pages(0x3ff800, 0xc00001) {
		var fault *FaultError
		switch {
		case err == nil:
			got = append(got, fmt.Sprintf("%#x %s", page.VA, page.State))
		case errors.As(err, &fault) && (fault.VA < 0x405000 || fault.VA >= 0x7fe000):
			got = append(got, fmt.Sprintf("%#x -", fault.VA))
		}
	}
	want := "[0x3ff000 - 0x400000 valid 0x401000 - 0x402000 demand zero 0x403000 - 0x404000 - 0x7fe000 - 0x7ff000 - 0x800000 valid 0xc00000 -]"
	if fmt.Sprint(got) != want {
		t.Errorf("pages %v\nwant  %s", got, want)
	}
	for range s.Pages(0, math.MaxUint64) {
		break // must not go on
	}
}

func TestPagesPassOverTheHole(t *testing.T) {
	for _, mode := range []*Mode{X64, X64LA57} {
		s := newMachine(t, mode).space(nil)
		e := edges(mode)
		n, last := 0, Virt(0)
		for _, err := range s.Pages(e[1]-0x1fff, e[2]+0x2000) {
			if n++; n > 10 {
				t.Fatal("the hole is walked")
			}
			last = err.(*FaultError).VA
		}
		if last != e[2]+0x1000 {
			t.Errorf("%s: the last page is %#x", mode.Name, last)
		}
		n = 0
		for range s.Pages(math.MaxUint64-0x2fff, math.MaxUint64) {
			n++
		}
		if n != 3 {
			t.Errorf("%s: %d pages at the top, want 3", mode.Name, n)
		}
	}
}
