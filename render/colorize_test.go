package render_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"memlens/render"
)

// noise returns n bytes, the same every time, with runs of zeros as
// executables have them.
func noise(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	for range n / 2000 {
		at := r.IntN(n)
		clear(p[at:min(n, at+r.IntN(600))])
	}
	return p
}

var layouts = []render.Geometry{
	{},
	{Reversed: true},
	{Horizontal: true},
	{Horizontal: true, Reversed: true},
}

func layoutName(g render.Geometry) string {
	return fmt.Sprintf("w=%d,o=%t,d=%t", g.Width, g.Horizontal, g.Reversed)
}

func colorizeArgs(g render.Geometry) []string {
	args := []string{"-w", strconv.Itoa(g.Width)}
	if g.Horizontal {
		args = append(args, "-o")
	}
	if g.Reversed {
		args = append(args, "-d")
	}
	return args
}

// realColorize returns the picture that the real tool draws.
func realColorize(t *testing.T, data []byte, g render.Geometry) pixels {
	path := writeFile(t, "data", data)
	cmd := exec.Command(needTool(t, "colorize"), append(colorizeArgs(g), path)...)
	cmd.Dir = filepath.Dir(path) // where it leaves its picture
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("colorize: %v\n%s", err, out)
	}
	bmp, err := os.ReadFile(path + ".bmp")
	if err != nil {
		t.Fatal(err)
	}
	return decodeBMP(t, bmp)
}

func readPicture(t testing.TB, p render.Picture) []byte {
	t.Helper()
	file, err := io.ReadAll(io.NewSectionReader(p, 0, math.MaxInt64))
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(file)) != p.Size() {
		t.Fatalf("read %d bytes of a picture of size %d", len(file), p.Size())
	}
	return file
}

func colorized(t testing.TB, data []byte, g render.Geometry) *render.BMP {
	t.Helper()
	bmp, err := render.Colorize(bytes.NewReader(data), int64(len(data)), g)
	if err != nil {
		t.Fatal(err)
	}
	return bmp
}

func TestColorizeEqualsTheRealTool(t *testing.T) {
	needTool(t, "colorize")
	widths := []int{1, 2, 3, 4, 7, 100, 511, 512, 513, 1000}
	for _, size := range []int{1, 2, 13, 511, 512, 513, 4096, 100_003, 1_300_001} {
		data := noise(size, uint64(size))
		if size > 1<<20 {
			widths = []int{512}
		}
		for _, width := range widths {
			for _, g := range layouts {
				g.Width = width
				t.Run(fmt.Sprintf("size=%d,%s", size, layoutName(g)), func(t *testing.T) {
					t.Parallel()
					got := decodeBMP(t, readPicture(t, colorized(t, data, g)))
					if diff := got.firstDifference(realColorize(t, data, g)); diff != "" {
						t.Error(diff)
					}
				})
			}
		}
	}
}

func TestColorizeOfNothingIsOneWhiteLine(t *testing.T) {
	for _, g := range layouts {
		g.Width = 7
		got := decodeBMP(t, readPicture(t, colorized(t, nil, g)))
		if got.w*got.h != 7 || len(bytes.Trim(got.bgr, "\xff")) != 0 {
			t.Errorf("%s: %d × %d, %x, want 7 white pixels", layoutName(g), got.w, got.h, got.bgr)
		}
	}
}

func TestPaletteColoursDiffer(t *testing.T) {
	seen := make(map[any]int)
	for c, rgb := range render.Palette() {
		if other, ok := seen[rgb]; ok {
			t.Errorf("bytes %d and %d are both %v", other, c, rgb)
		}
		seen[rgb] = c
	}
}

// TestReadAtAgreesWithItself reads pieces in any order, of caches too small to
// hold the picture, many at once.
func TestReadAtAgreesWithItself(t *testing.T) {
	data := noise(300_017, 5)
	for _, g := range layouts {
		for _, width := range []int{1, 3, 512, 70_001, 400_000} {
			g.Width = width
			t.Run(layoutName(g), func(t *testing.T) {
				t.Parallel()
				want := readPicture(t, colorized(t, data, g))
				small, err := render.NewCache(0).Colorize(bytes.NewReader(data), int64(len(data)), g)
				if err != nil {
					t.Fatal(err)
				}
				var wg sync.WaitGroup
				for seed := range uint64(4) {
					wg.Go(func() { readPieces(t, small, want, seed) })
				}
				wg.Wait()
			})
		}
	}
}

func readPieces(t *testing.T, p render.Picture, want []byte, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 2))
	buf := make([]byte, 100_000)
	for range 20 {
		off := r.IntN(len(want) + 10)
		n, err := p.ReadAt(buf[:r.IntN(len(buf))], int64(off))
		if err != nil && (err != io.EOF || off+n < len(want)) {
			t.Errorf("read of %d bytes at %d: %v", n, off, err)
		}
		if n > 0 && !bytes.Equal(buf[:n], want[off:off+n]) {
			t.Errorf("%d bytes at %d differ from a read from start to end", n, off)
		}
	}
}

func TestColorizeRefusesWhatABMPCannotHold(t *testing.T) {
	for name, c := range map[string]struct {
		size int64
		g    render.Geometry
	}{
		"width 0":               {1, render.Geometry{}},
		"negative width":        {1, render.Geometry{Width: -5}},
		"negative size":         {-1, render.Geometry{Width: 512}},
		"wider than int32":      {1 << 31, render.Geometry{Width: 1, Horizontal: true}},
		"higher than int32":     {1 << 31, render.Geometry{Width: 1}},
		"width over int32":      {1, render.Geometry{Width: 1 << 31}},
		"file of 4 GiB":         {1 << 32, render.Geometry{Width: 512}},
		"the largest size":      {math.MaxInt64, render.Geometry{Width: 512, Horizontal: true}},
		"the largest of all":    {math.MaxInt64, render.Geometry{Width: math.MaxInt}},
		"padding exceeds 4 GiB": {1<<30 + 1, render.Geometry{Width: 1}},
	} {
		if bmp, err := render.Colorize(bytes.NewReader(nil), c.size, c.g); err == nil {
			t.Errorf("%s: a picture of %d bytes", name, bmp.Size())
		}
	}
}

// TestErrorsOfTheSourcePassThrough and leave nothing wrong behind: once the
// source reads again, so does the picture.
func TestErrorsOfTheSourcePassThrough(t *testing.T) {
	data := noise(50_000, 1)
	for _, g := range layouts {
		g.Width = 100
		src := &failing{data: bytes.NewReader(data), err: errors.New("disk on fire")}
		bmp, err := render.Colorize(src, int64(len(data)), g)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bmp.ReadAt(make([]byte, 5000), 0); !errors.Is(err, src.err) {
			t.Errorf("%s: error %v, want %v", layoutName(g), err, src.err)
		}
		src.err = nil
		if !bytes.Equal(readPicture(t, bmp), readPicture(t, colorized(t, data, g))) {
			t.Errorf("%s: an error left wrong pixels behind", layoutName(g))
		}
	}
}

type failing struct {
	data io.ReaderAt
	err  error
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.data.ReadAt(p, off)
}

func TestDataThatEndEarlyAreAnError(t *testing.T) {
	for _, g := range layouts {
		g.Width = 100
		bmp, err := render.Colorize(bytes.NewReader(make([]byte, 999)), 1000, g)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, io.NewSectionReader(bmp, 0, bmp.Size())); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: error %v, want %v", layoutName(g), err, io.ErrUnexpectedEOF)
		}
	}
}

// zeros is a source of any size that counts the bytes that are read from it.
type zeros struct {
	read int64
	mu   sync.Mutex
	hole int64 // Zeros says: zeros up to here
}

func (z *zeros) ReadAt(p []byte, off int64) (int, error) {
	z.mu.Lock()
	z.read += int64(len(p))
	z.mu.Unlock()
	clear(p)
	return len(p), nil
}

func (z *zeros) Zeros(off int64) int64 { return z.hole - off }

func TestFirstBytesAreCheap(t *testing.T) {
	for _, g := range layouts {
		g.Width = 512
		src := new(zeros)
		bmp, err := render.Colorize(src, 2<<30, g)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bmp.ReadAt(make([]byte, 1078), 0); err != nil || src.read != 0 {
			t.Errorf("%s: reading the header read %d bytes of data, error %v", layoutName(g), src.read, err)
		}
		if _, err := bmp.ReadAt(make([]byte, 4096), 0); err != nil || src.read > 4<<20 {
			t.Errorf("%s: reading 4 KiB read %d bytes of data, error %v", layoutName(g), src.read, err)
		}
	}
}

func TestHolesAreNotRead(t *testing.T) {
	src := &zeros{hole: 500 << 20}
	bmp, err := render.Colorize(src, 500<<20, render.DefaultGeometry())
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<20)
	if _, err := bmp.ReadAt(buf, 100<<20); err != nil || len(bytes.Trim(buf, "\x00")) != 0 || src.read != 0 {
		t.Errorf("error %v, %d bytes of data read", err, src.read)
	}
}

// TestZerosAreReadOnce reads a picture in many bands.
func TestZerosAreReadOnce(t *testing.T) {
	src, cache := new(zeros), render.NewCache(1<<20)
	bmp, err := cache.Colorize(src, 64<<20, render.DefaultGeometry())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, io.NewSectionReader(bmp, 0, bmp.Size())); err != nil {
		t.Fatal(err)
	}
	if src.read > 65<<20 {
		t.Errorf("%d bytes of 64 MiB of zeros were read", src.read)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	cache := render.NewCache(4 << 20)
	g := render.DefaultGeometry()
	var bmps []*render.BMP
	for range 20 {
		bmp, err := cache.Colorize(new(zeros), 8<<20, g)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, io.NewSectionReader(bmp, 0, bmp.Size())); err != nil {
			t.Fatal(err)
		}
		bmps = append(bmps, bmp)
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 64<<20 {
		t.Errorf("%d bytes in use after reading %d pictures of 8 MiB through a cache of 4 MiB", m.HeapAlloc, len(bmps))
	}
	runtime.KeepAlive(bmps)
}

func TestImageMagickReadsTheFile(t *testing.T) {
	identify := "/usr/bin/identify"
	path := writeFile(t, "x.bmp", readPicture(t, colorized(t, noise(10_000, 3), render.Geometry{Width: 77, Horizontal: true})))
	if out := string(run(t, identify, "-format", "%m %w %h", path)); out != "BMP 130 77" && out != "BMP3 130 77" {
		t.Errorf("identify says %q", out)
	}
}

func FuzzReadAt(f *testing.F) {
	f.Add(uint(1000), uint(7), uint8(2), uint(0), uint(5000))
	f.Add(uint(100_000), uint(512), uint8(3), uint(1000), uint(100))
	f.Add(uint(0), uint(1), uint8(0), uint(1077), uint(9))
	f.Fuzz(func(t *testing.T, size, width uint, layout uint8, off, n uint) {
		g := layouts[layout%4]
		g.Width = int(width%5000) + 1
		data := noise(int(size%200_000), 9)
		bmp := colorized(t, data, g)
		p := make([]byte, n%300_000)
		got, err := bmp.ReadAt(p, int64(off%1_000_000))
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		for i, c := range p[:got] {
			if want := wantByte(data, g, bmp.Size(), int64(off%1_000_000)+int64(i)); want >= 0 && int(c) != want {
				t.Fatalf("%s: byte %d is %d, want %d", layoutName(g), i, c, want)
			}
		}
	})
}

// wantByte works out one byte of the pixels the plain way; −1 before them.
func wantByte(data []byte, g render.Geometry, fileSize, off int64) int {
	if off -= 1078; off < 0 {
		return -1
	}
	w, h := g.Bounds(int64(len(data)))
	stride := (w + 3) &^ 3
	x, y := off%stride, h-1-off/stride
	cell := y*w + x
	switch {
	case x >= w:
		return 0
	case g.Horizontal && !g.Reversed:
		cell = x*h + y
	case g.Reversed && !g.Horizontal:
		cell = (h-1-y)*w + x
	}
	if cell >= int64(len(data)) {
		return 255
	}
	return int(data[cell])
}

func BenchmarkColorize(b *testing.B) {
	for _, mib := range []int{1, 4, 16, 100} {
		data := noise(mib<<20, 1)
		for _, g := range layouts {
			g.Width = 512
			b.Run(fmt.Sprintf("%dMiB,%s", mib, layoutName(g)), func(b *testing.B) {
				cache := render.NewCache(render.DefaultCacheSize)
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				for b.Loop() {
					bmp, err := cache.Colorize(bytes.NewReader(data), int64(len(data)), g)
					readSequentially(b, bmp, err)
				}
			})
		}
	}
}

// readSequentially reads a picture as a kernel does: 128 KiB at a time.
func readSequentially(b *testing.B, bmp *render.BMP, err error) {
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 128<<10)
	for off := int64(0); off < bmp.Size(); off += int64(len(buf)) {
		if _, err := bmp.ReadAt(buf, off); err != nil && err != io.EOF {
			b.Fatal(err)
		}
	}
}
