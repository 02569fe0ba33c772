package render_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"golang.org/x/image/bmp"

	"memlens/render"
)

// TestThumbnail draws data of few and many bytes, in all layouts, and looks for each dot among the bytes that it stands for.
func TestThumbnail(t *testing.T) {
	for _, size := range []int{0, 1, 511, 513, 70_001, 1_000_003} {
		data := noise(size, uint64(size))
		gone := func(off int64) bool { return off/4096%5 == 3 }
		for _, g := range layouts {
			for _, g.Width = range []int{1, 100, 512} {
				t.Run(fmt.Sprintf("size=%d,%s", size, layoutName(g)), func(t *testing.T) {
					file, err := render.Thumbnail(bytes.NewReader(data), int64(size), g, gone)
					if err != nil || len(file) != render.ThumbnailSize {
						t.Fatalf("%d bytes, want %d; error %v", len(file), render.ThumbnailSize, err)
					}
					shownIn(t, file, data, g, gone)
				})
			}
		}
	}
}

// shownIn compares a thumbnail with its picture.
func shownIn(t *testing.T, file, data []byte, g render.Geometry, gone func(int64) bool) {
	t.Helper()
	w, h := g.Bounds(int64(len(data)))
	offset := offsetOf(g, w, h)
	const side = render.ThumbnailSide
	for y := range int64(side) {
		for x := range int64(side) {
			dot, found := file[1078+(side-1-y)*side+x], false
			for row := y * h / side; !found && (row == y*h/side || row < (y+1)*h/side); row++ {
				for column := x * w / side; !found && (column == x*w/side || column < (x+1)*w/side); column++ {
					found = dot == wantDot(data, offset(column, row), gone, x, y)
				}
			}
			if !found {
				t.Fatalf("the dot at %d, %d is %#x, which none of its bytes is", x, y, dot)
			}
		}
	}
}

func offsetOf(g render.Geometry, w, h int64) func(x, y int64) int64 {
	return func(x, y int64) int64 {
		switch {
		case g.Horizontal && !g.Reversed:
			return x*h + y
		case g.Reversed && !g.Horizontal:
			return (h-1-y)*w + x
		}
		return y*w + x
	}
}

func wantDot(data []byte, off int64, gone func(int64) bool, x, y int64) byte {
	switch {
	case off >= int64(len(data)):
		return 255
	case gone(off) && (x+y)%8 < 3:
		return 253
	case gone(off):
		return 254
	}
	if c := data[off]; c < 252 || c == 255 {
		return c
	}
	return 252
}

func TestThumbnailOfMuchReadsLittle(t *testing.T) {
	src := new(zeros)
	file, err := render.Thumbnail(src, 2<<30, render.DefaultGeometry(), func(int64) bool { return false })
	if err != nil || src.read > 1<<20 {
		t.Errorf("%d bytes were read, error %v", src.read, err)
	}
	if picture, err := bmp.Decode(bytes.NewReader(file)); err != nil || picture.Bounds().Dx() != render.ThumbnailSide {
		t.Error(err)
	}
	fails := &failing{err: errors.New("disk on fire")}
	if _, err := render.Thumbnail(fails, 1000, render.DefaultGeometry(), func(int64) bool { return false }); !errors.Is(err, fails.err) {
		t.Errorf("error %v, want %v", err, fails.err)
	}
	if _, err := render.Thumbnail(bytes.NewReader(nil), 1000, render.DefaultGeometry(), func(int64) bool { return false }); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("data that end early: error %v", err)
	}
}
