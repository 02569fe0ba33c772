package figure_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/png"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"memlens/render"
	"memlens/render/figure"
)

var update = flag.Bool("update", false, "write the figures of this version to testdata; look at them before they are committed")

// encode draws a figure and checks that it has the announced length.
func encode(t testing.TB, f *figure.Figure, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	file, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if f.Size() != int64(len(file)) {
		t.Errorf("%d bytes, %d were announced", len(file), f.Size())
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(file))
	if w, h := f.Bounds(); err != nil || c.Width != w || c.Height != h {
		t.Errorf("%d × %d, %d × %d were announced; %v", c.Width, c.Height, w, h, err)
	}
	return file
}

// figures returns every kind of figure of the data.
func figures(t testing.TB, s figure.Subject, c figure.Comparison) map[string][]byte {
	t.Helper()
	second := s
	second.Title, second.Data, second.Size = "the other", c.Recovered, c.RecoveredSize
	out := make(map[string][]byte)
	for name, draw := range map[string]func() (*figure.Figure, error){
		"map.png":        func() (*figure.Figure, error) { return figure.NewMap(s) },
		"difference.png": func() (*figure.Figure, error) { return figure.NewDifference(s, c) },
		"blink.gif":      func() (*figure.Figure, error) { return figure.NewBlink(s, second) },
	} {
		f, err := draw()
		out[name] = encode(t, f, err)
	}
	return out
}

// decode returns the picture in a file, or the first of several pictures.
func decode(t testing.TB, file []byte) *image.RGBA {
	t.Helper()
	p, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	out := image.NewRGBA(p.Bounds())
	draw.Draw(out, out.Rect, p, image.Point{}, draw.Src)
	return out
}

func TestFiguresAreAsTheyWere(t *testing.T) {
	data := program(3000)
	s := subject(data)
	first := program(2900)
	clear(first[900:1400])
	c := comparison(data)
	c.ReferenceSize, c.Reference = int64(len(first)), bytes.NewReader(first)
	c.Bound, c.Slots = []figure.Span{{Off: 800, Len: 200}}, []figure.Span{{Off: 1080, Len: 60}}
	again := figures(t, s, c)
	for name, got := range figures(t, s, c) {
		golden := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(golden, compress(t, got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		p, q := frames(t, got), frames(t, want)
		if !slices.EqualFunc(p, q, func(a, b *image.RGBA) bool { return a.Rect == b.Rect && bytes.Equal(a.Pix, b.Pix) }) {
			t.Errorf("%s differs from %s; to accept it run with -update", name, golden)
		}
		if !bytes.Equal(again[name], got) {
			t.Errorf("%s is another file when drawn again", name)
		}
	}
}

// frames returns all pictures of a file.
func frames(t testing.TB, file []byte) []*image.RGBA {
	g, err := gif.DecodeAll(bytes.NewReader(file))
	if err != nil {
		return []*image.RGBA{decode(t, file)}
	}
	var out []*image.RGBA
	for _, frame := range g.Image {
		p := image.NewRGBA(frame.Rect)
		draw.Draw(p, p.Rect, frame, image.Point{}, draw.Src)
		out = append(out, p)
	}
	return out
}

// compress returns the same pictures in a smaller file.
func compress(t testing.TB, file []byte) []byte {
	var out bytes.Buffer
	g, err := gif.DecodeAll(bytes.NewReader(file))
	if err == nil {
		err = gif.EncodeAll(&out, g)
	} else {
		small := png.Encoder{CompressionLevel: png.BestCompression}
		err = small.Encode(&out, decode(t, file))
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// sameColor tolerates a difference in each primary.
func sameColor(p, q color.RGBA, tolerance int) bool {
	near := func(a, b uint8) bool { return max(int(a)-int(b), int(b)-int(a)) <= tolerance }
	return near(p.R, q.R) && near(p.G, q.G) && near(p.B, q.B)
}

// TestMapShowsEveryByteWhereItBelongs finds the plot by its first byte and
// checks the colour of each.
func TestMapShowsEveryByteWhereItBelongs(t *testing.T) {
	for _, c := range []struct{ size, rows, zoomX, zoomY int }{
		{1 << 10, 32, 32, 16},
		{20 << 10, 128, 4, 4},
		{200_000, 512, 2, 1},
		{1 << 20, 512, 1, 1},
	} {
		data, palette := program(c.size), render.Palette()
		f, err := figure.NewMap(figure.Subject{Size: int64(c.size), Data: bytes.NewReader(data)})
		p := decode(t, encode(t, f, err))
		at := findPlot(t, p, c.size/c.rows*c.zoomX)
		exact := 0
		for i, b := range data {
			x, y := at.X+i/c.rows*c.zoomX+c.zoomX/2, at.Y+i%c.rows*c.zoomY+c.zoomY/2
			want := palette[b].(color.RGBA)
			if !sameColor(p.RGBAAt(x, y), want, 4) {
				t.Fatalf("%d bytes: byte %d (%#x) at %d, %d is %v, want %v", c.size, i, b, x, y, p.RGBAAt(x, y), want)
			}
			if sameColor(p.RGBAAt(x, y), want, 0) {
				exact++
			}
		}
		if exact < len(data)*98/100 {
			t.Errorf("%d bytes: only %d have exactly their colour", c.size, exact)
		}
	}
}

// findPlot returns the top left pixel of the plot, which is 512 pixels high
// and framed by a line of one grey.
func findPlot(t *testing.T, p *image.RGBA, width int) image.Point {
	b, white := p.Bounds(), color.RGBA{255, 255, 255, 255}
	for y := range b.Dy() - 514 {
		for x := range b.Dx() - 514 {
			line := p.RGBAAt(x, y)
			if line == white || p.RGBAAt(x, y+1) != line || p.RGBAAt(x+1, y) != line {
				continue
			}
			framed := true
			for i := 0; i < 514 && framed; i++ {
				framed = p.RGBAAt(x, y+i) == line && p.RGBAAt(x+min(i, width), y) == line &&
					p.RGBAAt(x+min(i, width), y+513) == line
			}
			if framed {
				return image.Pt(x+1, y+1)
			}
		}
	}
	t.Fatal("no plot found")
	return image.Point{}
}

// TestWhatIsMissingHasNoColourOfAByte compares a map in which all bytes are missing with a map in which none is.
func TestWhatIsMissingHasNoColourOfAByte(t *testing.T) {
	for _, size := range []int64{1 << 10, 100 << 10, 3 << 20} {
		s := figure.Subject{Size: size, Data: failing{errors.New("read of missing data")}, Missing: []figure.Span{{Off: 0, Len: size}}}
		f, err := figure.NewMap(s)
		p := decode(t, encode(t, f, err))
		grey := 0
		for y := 150; y < 400; y++ {
			r, g, b, _ := p.RGBAAt(200, y).RGBA()
			if r != g || g != b || r == 0 || r == 0xffff {
				t.Fatalf("%d bytes: pixel 200, %d is %v", size, y, p.RGBAAt(200, y))
			}
			if p.RGBAAt(200, y) != p.RGBAAt(200, 150) {
				grey++
			}
		}
		if grey == 0 {
			t.Errorf("%d bytes: not hatched", size)
		}
	}
	for c, rgb := range render.Palette() {
		r, g, b, _ := rgb.RGBA()
		if r == g && g == b && c != 0 && c != 255 {
			t.Errorf("byte %#x is grey too", c)
		}
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

func TestErrorsOfTheDataPassThrough(t *testing.T) {
	want := errors.New("disk on fire")
	s := figure.Subject{Size: 10, Data: failing{want}}
	c := figure.Comparison{Reference: failing{want}, Recovered: failing{want}, ReferenceSize: 5, RecoveredSize: 6}
	m, _ := figure.NewMap(s)
	d, _ := figure.NewDifference(s, c)
	b, _ := figure.NewBlink(s, s)
	_, e1 := m.Encode()
	_, e2 := d.Encode()
	_, e3 := b.Encode()
	_, e4 := c.Count()
	for i, err := range []error{e1, e2, e3, e4} {
		if !errors.Is(err, want) {
			t.Errorf("%d: %v, want %v", i, err, want)
		}
	}
	s.Data = bytes.NewReader([]byte{1})
	m, _ = figure.NewMap(s)
	if _, err := m.Encode(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("data that end early: %v", err)
	}
}

func TestSizesThatCannotBeDrawnAreErrors(t *testing.T) {
	for _, size := range []int64{-1, math.MinInt64, figure.MaxSize + 1, math.MaxInt64} {
		s := figure.Subject{Size: size, Data: bytes.NewReader(nil)}
		c := figure.Comparison{Reference: s.Data, Recovered: s.Data, RecoveredSize: size}
		_, e1 := figure.NewMap(s)
		_, e2 := figure.NewDifference(s, c)
		_, e3 := figure.NewBlink(figure.Subject{}, s)
		if e1 == nil || e2 == nil || e3 == nil {
			t.Errorf("size %d: errors %v, %v, %v", size, e1, e2, e3)
		}
	}
}

// TestHostileTextsAndSections draws texts and sections that a hostile image of memory may have.
func TestHostileTextsAndSections(t *testing.T) {
	data := program(5000)
	many := make([]figure.Mark, 70_000)
	for i := range many {
		many[i] = figure.Mark{Off: int64(i) * 3, Len: math.MaxInt64, Label: "\x1b[31m\u202e" + strings.Repeat("x", i%300)}
	}
	for name, s := range map[string]figure.Subject{
		"long texts":      {Title: strings.Repeat("W", 1<<20), Subtitle: strings.Repeat("é", 1<<20), Digest: strings.Repeat("0\n", 1<<20)},
		"no texts":        {},
		"not UTF-8":       {Title: "\xff\xfe\x00a\x07", Digest: "\xff"},
		"no glyphs":       {Title: "漢字 \U0001f600 مرحبا"},
		"many sections":   {Marks: many},
		"odd sections":    {Marks: []figure.Mark{{Off: -5, Len: 3}, {Off: math.MinInt64, Len: math.MaxInt64, Label: "a"}, {Off: 10, Len: -1}, {Off: 4999, Len: 1, Label: strings.Repeat("end", 50)}}},
		"spans elsewhere": {Missing: []figure.Span{{Off: -10, Len: 5}, {Off: 6000, Len: math.MaxInt64}}},
	} {
		for _, s.Size = range []int64{0, 5000} {
			s.Data = bytes.NewReader(data)
			for kind, file := range figures(t, s, figure.Comparison{Reference: s.Data, Recovered: s.Data, ReferenceSize: s.Size, RecoveredSize: s.Size / 2}) {
				if c, _, err := image.DecodeConfig(bytes.NewReader(file)); err != nil || c.Width > 2600 || c.Height > 1400 {
					t.Errorf("%s of %s, %d bytes: %d × %d, %v", kind, name, s.Size, c.Width, c.Height, err)
				}
			}
		}
	}
}

// TestSizeNeedsNoReading leaves out the data that must be read, and learns the same size.
func TestSizeNeedsNoReading(t *testing.T) {
	data := program(50_000)
	s, c := subject(data), comparison(data)
	s.Digest = "MD5 1\nSHA-256 2"
	blank := s
	blank.Digest, blank.Missing, blank.Data = "\n", nil, nil
	unread := figure.Comparison{ReferenceSize: c.ReferenceSize, RecoveredSize: c.RecoveredSize}
	m, e1 := figure.NewMap(blank)
	d, e2 := figure.NewDifference(blank, unread)
	b, e3 := figure.NewBlink(blank, blank)
	if err := errors.Join(e1, e2, e3); err != nil {
		t.Fatal(err)
	}
	file1, e1 := figure.Map(s)
	file2, e2 := figure.Difference(s, c)
	file3, e3 := figure.Blink(s, s)
	if err := errors.Join(e1, e2, e3); err != nil {
		t.Fatal(err)
	}
	for i, sizes := range [][2]int64{{m.Size(), int64(len(file1))}, {d.Size(), int64(len(file2))}, {b.Size(), int64(len(file3))}} {
		if sizes[0] != sizes[1] {
			t.Errorf("%d: %d bytes announced, %d drawn", i, sizes[0], sizes[1])
		}
	}
}

func TestFiguresAreDrawnByManyAtOnce(t *testing.T) {
	f, err := figure.NewMap(subject(program(9000)))
	want := encode(t, f, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if got, err := f.Encode(); err != nil || !bytes.Equal(got, want) {
				t.Errorf("another file: %v", err)
			}
		})
	}
	wg.Wait()
}

func TestBlinkIsALoopOfASecond(t *testing.T) {
	a, b := program(1000), program(900)
	f, err := figure.NewBlink(subject(a), subject(b))
	g, err := gif.DecodeAll(bytes.NewReader(encode(t, f, err)))
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Image) != 2 || g.LoopCount != 0 || g.Delay[0]+g.Delay[1] != 100 {
		t.Errorf("%d frames, loop %d, delays %d", len(g.Image), g.LoopCount, g.Delay)
	}
	if g.Image[0].Rect != g.Image[1].Rect {
		t.Errorf("frames are %v and %v", g.Image[0].Rect, g.Image[1].Rect)
	}
}

// imageMagick runs one of its programs. They are named in full: other programs
// are called convert, too.
func imageMagick(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	path := filepath.Join("/usr/bin", name)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip("ImageMagick is not installed: ", err)
	}
	out, err := exec.Command(path, args...).Output()
	if err != nil {
		t.Fatalf("%s %q: %v", name, args, err)
	}
	return out
}

func TestImageMagickReadsTheFigures(t *testing.T) {
	data := program(600_000)
	for name, file := range figures(t, subject(data), comparison(data)) {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		out := string(imageMagick(t, "identify", "-format", "%m %w %h %T;", path))
		b := decode(t, file).Bounds()
		want := fmt.Sprintf("PNG %d %d 0;", b.Dx(), b.Dy())
		if strings.HasSuffix(name, ".gif") {
			want = strings.Repeat(fmt.Sprintf("GIF %d %d 50;", b.Dx(), b.Dy()), 2)
		}
		if out != want {
			t.Errorf("identify says %q of %s, want %q", out, name, want)
		}
		for i, frame := range frames(t, file) {
			pixels := imageMagick(t, "convert", fmt.Sprintf("%s[%d]", path, i), "-depth", "8", "rgba:-")
			if !bytes.Equal(pixels, frame.Pix) {
				t.Errorf("%s: frame %d is decoded otherwise by ImageMagick", name, i)
			}
		}
	}
}

func FuzzFigures(f *testing.F) {
	f.Add(uint(100), uint(90), int64(5), int64(1000), int64(-3), int64(7), "a\x00b", "x\ny")
	f.Add(uint(40_000), uint(50_000), int64(-1), int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), strings.Repeat(".text", 9), "")
	f.Fuzz(func(t *testing.T, size, other uint, off, length, off2, length2 int64, label, text string) {
		size, other = size%70_000, other%70_000
		data := make([]byte, max(size, other))
		s := figure.Subject{
			Title: text, Subtitle: label, Digest: text, Size: int64(size), Data: bytes.NewReader(data),
			Marks:   []figure.Mark{{Off: off, Len: length, Label: label}, {Off: off2, Len: length2, Label: text}},
			Missing: []figure.Span{{Off: off, Len: length2}, {Off: off2, Len: length}},
		}
		m, e1 := figure.NewMap(s)
		d, e2 := figure.NewDifference(s, figure.Comparison{
			Reference: s.Data, ReferenceSize: int64(size), Recovered: s.Data, RecoveredSize: int64(other),
			Relocated: s.Missing, Bound: []figure.Span{{Off: off2, Len: length2}}, Missing: s.Missing[:1],
		})
		if err := errors.Join(e1, e2); err != nil {
			t.Fatal(err)
		}
		for _, f := range []*figure.Figure{m, d} {
			if file, err := f.Encode(); err != nil || int64(len(file)) != f.Size() {
				t.Errorf("%d bytes, %d were announced; %v", len(file), f.Size(), err)
			}
		}
	})
}
