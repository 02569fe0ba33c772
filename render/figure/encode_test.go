package figure

import (
	"bytes"
	"compress/lzw"
	"fmt"
	"image"
	"image/draw"
	"image/gif"
	"image/png"
	"io"
	"math/rand/v2"
	"testing"

	"memlens/memimage/synth/corpus"
)

// pictures decodes all pictures of a file.
func pictures(t testing.TB, file []byte) []*image.RGBA {
	t.Helper()
	var all []image.Image
	if bytes.HasPrefix(file, []byte("GIF")) {
		g, err := gif.DecodeAll(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range g.Image {
			all = append(all, p)
		}
	} else {
		p, err := png.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	out := make([]*image.RGBA, len(all))
	for i, p := range all {
		out[i] = image.NewRGBA(p.Bounds())
		draw.Draw(out[i], out[i].Rect, p, image.Point{}, draw.Src)
	}
	return out
}

// checkFile encodes a figure, and compares its size with the announced size, and the picture that the standard library
// reads with the drawing. It reports whether that is the plain drawing.
func checkFile(t testing.TB, name string, f *Figure, err error) (plain bool) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	file, err := f.Encode()
	if err != nil || int64(len(file)) != f.Size() {
		t.Fatalf("%s: %d bytes, %d were announced, error %v", name, len(file), f.Size(), err)
	}
	got := pictures(t, file)
	for _, plain := range []bool{false, true} {
		if samePictures(t, got, f, plain) {
			return plain
		}
	}
	t.Errorf("%s: other pixels than were drawn", name)
	return false
}

func samePictures(t testing.TB, got []*image.RGBA, f *Figure, plain bool) bool {
	d, err := f.draw(plain)
	if err != nil || d.frames != len(got) {
		t.Fatalf("%d frames of %d, %v", len(got), d.frames, err)
	}
	for i := range d.frames {
		frame := d.frame(i)
		want := image.NewRGBA(frame.Rect)
		draw.Draw(want, want.Rect, frame.Paletted, image.Point{}, draw.Src)
		if !bytes.Equal(got[i].Pix, want.Pix) {
			return false
		}
	}
	return true
}

// hard is data that leave nothing to compress.
func hard(r *rand.Rand, size int64) []byte {
	out := make([]byte, size)
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	return out
}

// scattered returns spans of length n, each after a gap as long.
func scattered(size, n int64) (spans []Span) {
	for off := int64(0); off < size; off += 2 * n {
		spans = append(spans, Span{off, n})
	}
	return spans
}

// checkAll checks every kind of figure.
func checkAll(t testing.TB, name string, s Subject, c Comparison) (plain bool) {
	t.Helper()
	f, err := NewMap(s)
	plain = checkFile(t, name+", map", f, err)
	f, err = NewDifference(s, c)
	plain = checkFile(t, name+", difference", f, err) || plain
	f, err = NewChanges(s, noisy(s))
	plain = checkFile(t, name+", changes", f, err) || plain
	other := s
	other.Data, other.Size = c.Reference, c.ReferenceSize
	f, err = NewBlink(s, other)
	return checkFile(t, name+", blink", f, err) || plain
}

// TestSizesHoldWhateverIsDrawn draws noise, at all scales, with missing and changed bytes in pieces of all sizes, and
// with sections anywhere.
func TestSizesHoldWhateverIsDrawn(t *testing.T) {
	corpus.Long(t)
	r := rand.New(rand.NewPCG(7, 7))
	plain := 0
	for size := int64(0); size < 3<<20; size = size*4 + 700 {
		data, other := hard(r, size), hard(r, size+size/9)
		for _, piece := range []int64{1, 64, 4096, 1 << 30} {
			s := Subject{Title: "a.exe", Subtitle: "Ünïcode", Digest: "MD5\nSHA", Size: size, Data: bytes.NewReader(data)}
			for range r.IntN(12) {
				s.Marks = append(s.Marks, Mark{r.Int64N(size + 1), r.Int64N(size + 1), fmt.Sprintf(".s%d", r.Uint32())})
			}
			s.Missing = scattered(size, piece)
			c := Comparison{Reference: bytes.NewReader(other), ReferenceSize: size + size/9, Recovered: s.Data, RecoveredSize: size,
				Relocated: scattered(size, 5), Bound: scattered(size, 3), Slots: scattered(size, 7)}
			if piece&1 == 1 {
				c.Missing = s.Missing
			}
			if checkAll(t, fmt.Sprintf("%d bytes, pieces of %d", size, piece), s, c) {
				plain++
				if piece >= 4096 {
					t.Errorf("%d bytes: missing pieces of %d are not hatched", size, piece)
				}
			}
		}
	}
	if plain == 0 {
		t.Error("no figure was drawn plain")
	}
}

// TestFilesAreSmall compares sizes with a byte a pixel.
func TestFilesAreSmall(t *testing.T) {
	for _, c := range []struct{ size, mapped, differing, blinking int64 }{
		{8 << 10, 10, 9, 3}, {32 << 10, 7, 7, 3}, {128 << 10, 4, 5, 2}, {256 << 10, 2, 3, 2}, {1 << 20, 1, 3, 1},
	} {
		s := Subject{Title: "a.exe", Digest: "MD5\nSHA", Size: c.size, Marks: []Mark{{0, 1024, "headers"}, {1024, c.size, ".text"}}}
		m, e1 := NewMap(s)
		d, e2 := NewDifference(s, Comparison{ReferenceSize: c.size, RecoveredSize: c.size})
		b, e3 := NewBlink(s, s)
		for _, err := range []error{e1, e2, e3} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for f, factor := range map[*Figure]int64{m: c.mapped, d: c.differing, b: c.blinking} {
			pixels := int64(len(f.outlines) * f.bounds.X * f.bounds.Y)
			if f.Size()*factor > pixels {
				t.Errorf("%T of %d bytes: %d of %d pixels", f.format, c.size, f.Size(), pixels)
			}
		}
	}
}

// TestCodesAreComplete checks that the codes of all blocks are complete, as decoders want.
func TestCodesAreComplete(t *testing.T) {
	for _, v := range []values{byteValues, classValues, tintValues, changeValues, changeTintValues} {
		for zoom := 1; zoom <= maxZoom; zoom *= 2 {
			o := &outline{bounds: image.Pt(1100, 900), plot: &layout{zoomX: zoom}, values: v}
			for i, c := range o.blockCodes() {
				for _, code := range []*prefixCode{c.prefixCode, c.distance} {
					sum := 0
					for _, l := range code.length {
						if l > 0 {
							sum += 1 << (maxCode - l)
						}
					}
					if sum != 1<<maxCode {
						t.Errorf("values %d, zoom %d, block %d: codes fill %d of %d", v, zoom, i, sum, 1<<maxCode)
					}
				}
				for s := range endOfBlock {
					if c.length[s] == 0 {
						t.Errorf("values %d, zoom %d, block %d: no code of %d", v, zoom, i, s)
					}
				}
			}
		}
	}
}

func TestMatchSymbols(t *testing.T) {
	for _, c := range []struct{ n, symbol, more, extra int }{
		{3, 257, 0, 0}, {10, 264, 0, 0}, {11, 265, 0, 1}, {12, 265, 1, 1}, {34, 272, 3, 2}, {35, 273, 0, 3}, {257, 284, 30, 5}, {258, 285, 0, 0},
	} {
		if s, more, extra := lengthSymbol(c.n); s != c.symbol || more != c.more || extra != uint(c.extra) {
			t.Errorf("length %d: %d, %d, %d", c.n, s, more, extra)
		}
	}
	for _, c := range []struct{ n, symbol, more, extra int }{
		{1, 0, 0, 0}, {4, 3, 0, 0}, {5, 4, 0, 1}, {8, 5, 1, 1}, {1135, 20, 110, 9}, {32768, 29, 8191, 13},
	} {
		if s, more, extra := distanceSymbol(c.n); s != c.symbol || more != c.more || extra != uint(c.extra) {
			t.Errorf("distance %d: %d, %d, %d", c.n, s, more, extra)
		}
	}
}

// TestLZWIsReadBack reads codes of eras of both lengths with the standard library.
func TestLZWIsReadBack(t *testing.T) {
	r, w := rand.New(rand.NewPCG(3, 3)), new(lzwWriter)
	for _, era := range []int{shortEra, longEra} {
		for _, colors := range []int{1, 2, 256} {
			for _, size := range []int{0, 1, 2, 300, 5000, 200_000} {
				pixels := hard(r, int64(size))
				for i := range pixels {
					pixels[i] %= uint8(min(colors, 255))
				}
				w.start(nil)
				w.begin(era)
				w.write(pixels[:size/2])
				w.begin(era)
				w.write(pixels[size/2:])
				got, err := io.ReadAll(lzw.NewReader(bytes.NewReader(w.close()), lzw.LSB, lzwBits))
				if err != nil || !bytes.Equal(got, pixels) {
					t.Errorf("%d pixels of %d colours, eras of %d: %d read back, %v", size, colors, era, len(got), err)
				}
			}
		}
	}
}

// FuzzSizesHold draws data of a few bytes over and over, and likewise the missing bytes.
func FuzzSizesHold(f *testing.F) {
	f.Add(uint32(40_000), []byte{1, 2, 3}, []byte{3, 200, 1}, int64(100), int64(5000), "x")
	f.Add(uint32(9_000), []byte{1}, []byte{1, 1, 0, 9}, int64(1), int64(1), "Ä")
	f.Add(uint32(130_000), []byte("program"), []byte{255}, int64(4096), int64(8192), ".text")
	f.Fuzz(func(t *testing.T, size uint32, pattern, gaps []byte, off, length int64, text string) {
		n := int64(size % 140_000)
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(i/7) + byte(i>>9)
			if len(pattern) > 0 {
				data[i] = pattern[i%len(pattern)] + byte(i>>10)
			}
		}
		s := Subject{Title: text, Digest: text, Size: n, Data: bytes.NewReader(data),
			Marks: []Mark{{off, length, text}, {off + length, n, "b"}, {length, off, text}}}
		for at, i := int64(0), 0; at < n && len(gaps) > 0; i++ {
			gap := 1 + int64(gaps[i%len(gaps)])
			s.Missing = append(s.Missing, Span{at, gap})
			at += gap + 1 + int64(gaps[(i+1)%len(gaps)])
		}
		other := bytes.Clone(data)
		for i := range other {
			other[i] += byte(i>>3) & 1
		}
		checkAll(t, "fuzzed", s, Comparison{Reference: bytes.NewReader(other), ReferenceSize: n, Recovered: s.Data, RecoveredSize: n,
			Relocated: s.Missing, Bound: []Span{{off, length}}})
	})
}
