package render_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"runtime"
	"testing"

	"golang.org/x/image/bmp"

	"memlens/memimage/synth/corpus"
	"memlens/render"
)

// encoded returns the file that golang.org/x/image/bmp writes of a picture whose pixels are computed in the plain way.
func encoded(t testing.TB, w, h int64, cell func(x, y int64) byte) []byte {
	t.Helper()
	picture := image.NewPaletted(image.Rect(0, 0, int(w), int(h)), render.Palette())
	for y := range h {
		for x := range w {
			picture.Pix[y*w+x] = cell(x, y)
		}
	}
	var file bytes.Buffer
	if err := bmp.Encode(&file, picture); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// cellOf returns the byte of data at a pixel, as the tables of colorize's layouts have it; 255 past the end.
func cellOf(data []byte, g render.Geometry, w, h int64) func(x, y int64) byte {
	return func(x, y int64) byte {
		at := y*w + x
		switch {
		case g.Horizontal && !g.Reversed:
			at = x*h + y
		case g.Reversed && !g.Horizontal:
			at = (h-1-y)*w + x
		}
		if at >= int64(len(data)) {
			return 255
		}
		return data[at]
	}
}

func sameFile(t *testing.T, got, want []byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d bytes, the encoder writes %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("byte %#x is %#x, the encoder writes %#x", i, got[i], want[i])
		}
	}
}

// TestFileIsThatOfTheEncoder compares whole files, read at once and in pieces that begin and end in the header.
func TestFileIsThatOfTheEncoder(t *testing.T) {
	corpus.Long(t)
	for _, size := range []int{0, 1, 2, 3, 4, 5, 13, 255, 256, 511, 512, 513, 1023, 1024, 4096, 9_999, 100_003} {
		data := noise(size, uint64(size))
		for _, width := range []int{1, 2, 3, 4, 5, 6, 7, 8, 99, 100, 101, 511, 512, 513, 1000} {
			for _, g := range layouts {
				g.Width = width
				t.Run(fmt.Sprintf("size=%d,%s", size, layoutName(g)), func(t *testing.T) {
					picture := colorized(t, data, g)
					w, h := picture.Bounds()
					want := encoded(t, w, h, cellOf(data, g, w, h))
					sameFile(t, readPicture(t, picture), want)
					sameFile(t, inPieces(t, picture, 1+size%1100), want)
				})
			}
		}
	}
}

// inPieces reads a picture n bytes at a time up to its pixels, and then the rest.
func inPieces(t *testing.T, p render.Picture, n int) []byte {
	t.Helper()
	file := make([]byte, p.Size())
	at := 0
	for at < 1100 && at < len(file) {
		m, err := p.ReadAt(file[at:min(at+n, len(file))], int64(at))
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		at += m
	}
	if _, err := p.ReadAt(file[at:], int64(at)); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return file
}

func TestFileOfADifferenceIsThatOfTheEncoder(t *testing.T) {
	a, b := noise(5000, 1), noise(4321, 1)
	for i := 0; i < len(b); i += 17 {
		b[i]++
	}
	cells := bytes.Repeat([]byte{255}, len(a)+1)
	for i, c := range append(bytes.Clone(b), 0) { // the cell after the shorter file's last compares with a zero
		if cells[i] = 128; a[i] != c {
			cells[i] = 254
		}
	}
	for _, g := range layouts {
		for _, g.Width = range []int{1, 7, 100, 512} {
			picture, err := render.Difference(bytes.NewReader(a), bytes.NewReader(b), int64(len(a)), int64(len(b)), g)
			if err != nil {
				t.Fatal(err)
			}
			w, h := picture.Bounds()
			sameFile(t, readPicture(t, picture), encoded(t, w, h, cellOf(cells, g, w, h)))
		}
	}
}

// firstBytes keeps the first bytes that are written, and then fails, which ends the writer.
type firstBytes struct {
	bytes.Buffer
	most int
}

var errEnough = errors.New("enough")

func (f *firstBytes) Write(p []byte) (int, error) {
	n, _ := f.Buffer.Write(p[:min(len(p), f.most-f.Len())])
	if f.Len() == f.most {
		return n, errEnough
	}
	return n, nil
}

// TestLargestPicturesAreThoseOfTheEncoder compares the beginnings of files of up to 4 GiB with the output of the
// encoder for a picture in which all rows are the same row. Its memory must not grow with the picture.
func TestLargestPicturesAreThoseOfTheEncoder(t *testing.T) {
	for _, c := range []struct {
		size int64
		g    render.Geometry
	}{
		{2 << 30, render.Geometry{Width: 512, Horizontal: true}},
		{2 << 30, render.Geometry{Width: 512}},
		{2 << 30, render.Geometry{Width: 1 << 21}},
		{1<<32 - 2048, render.Geometry{Width: 512, Horizontal: true, Reversed: true}},
	} {
		picture, err := render.Colorize(new(zeros), c.size, c.g)
		if err != nil {
			t.Fatal(err)
		}
		w, h := picture.Bounds()
		want := firstBytes{most: 8192}
		row := &image.Paletted{Pix: make([]byte, w), Rect: image.Rect(0, 0, int(w), int(h)), Palette: render.Palette()}
		if err := bmp.Encode(&want, row); err != errEnough {
			t.Fatal(err)
		}
		got := make([]byte, want.most)
		if _, err := picture.ReadAt(got, 0); err != nil {
			t.Fatal(err)
		}
		sameFile(t, got, want.Bytes())
		if n := allocated(func() { picture.ReadAt(got[:1078], 0) }); n > 1<<18 {
			t.Errorf("%s: the header of %d bytes of data took %d bytes of memory", layoutName(c.g), c.size, n)
		}
	}
}

// allocated returns how many bytes a function takes from the heap.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
