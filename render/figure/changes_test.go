package figure

import (
	"bytes"
	"errors"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// noisy makes changes of a subject: its bytes are of all classes in turn, in pieces as its data have them.
func noisy(s Subject) Changes {
	return Changes{Verdict: s.Title, Gravest: CodeDiffers, Plain: AsFile, Each: func(tell func(Class, int64, int64)) error {
		b := make([]byte, s.Size)
		if err := readFull(s.Data, b, 0); err != nil {
			return err
		}
		for off := int64(0); off < s.Size; {
			n := min(1+int64(b[off]%5), s.Size-off)
			if class := Class(b[off]) % Class(len(changes.looks)); class != Absent {
				tell(class, off, n)
			}
			off += n
		}
		return nil
	}}
}

// told is a piece of an image, and the class that is reported for it.
type told struct {
	class  Class
	off, n int64
}

func changesOf(plain Class, all ...told) Changes {
	return Changes{Verdict: "3 bytes of code changed", Gravest: CodeDiffers, Plain: plain, Each: func(tell func(Class, int64, int64)) error {
		for _, a := range all {
			tell(a.class, a.off, a.n)
		}
		return nil
	}}
}

// imageOfTests is the subject of the figures of changes in tests.
var imageOfTests = Subject{Title: "ntdll.dll, process 1912", Subtitle: "an image of a test", Size: 0x6000,
	Marks: []Mark{{0, 0x400, "headers"}, {0x1000, 0x2000, ".text"}, {0x3000, 0x2000, ".data"}}}

var changesOfTests = changesOf(AsFile, told{AsFile, 0, 0x4000}, told{NotCompared, 0x4000, 0x1000}, told{HeaderDiffers, 0, 0x40}, told{CodeDiffers, 0x1010, 3},
	told{BoundBytes, 0x2000, 0x100}, told{MovedBytes, 0x2200, 0x10}, told{DataWritten, 0x3000, 0x123}, told{CodeDiffers, 0x7fffffff, 5}, told{TableDiffers, 0x2100, 4})

// TestChangesAreCountedOnce counts the bytes that differ, which are reported twice, and the bytes that are not
// reported.
func TestChangesAreCountedOnce(t *testing.T) {
	for _, size := range []int64{0x6000, 8 << 20} {
		m := newMixer(newLayout(size, maxMapWidth), changes)
		c := changesOfTests
		if err := m.takeChanges(&c); err != nil {
			t.Fatal(err)
		}
		want := Counts{Absent: size - 0x5000, NotCompared: 0x1000, HeaderDiffers: 0x40, CodeDiffers: 3, BoundBytes: 0x100, MovedBytes: 0x10, DataWritten: 0x123, TableDiffers: 4}
		want[AsFile] = size - want.Total()
		if m.counts != want {
			t.Errorf("%d bytes: %v, want %v", size, m.counts, want)
		}
		dots := m.dots()
		for off, class := range map[int64]Class{0x1010: CodeDiffers, 0x3000: DataWritten, 0x5000: Absent, 0x4fff: NotCompared, 0x3fff: AsFile} {
			if got := dots[off/m.dotBytes]; got != changes.index(class, 0) && (m.dotBytes == 1 || got != changes.index(class, 1) && got != changes.index(class, 2)) {
				t.Errorf("%d bytes: the dot at %#x is %d", size, off, got)
			}
		}
	}
}

// TestGraveBytesAreSeen changes a byte of a large image: it is drawn as some pixels, over the changes of Windows beside
// it, and counted as one byte.
func TestGraveBytesAreSeen(t *testing.T) {
	for _, size := range []int64{0x30000, 2 << 20, 64 << 20} {
		m := newMixer(newLayout(size, maxMapWidth), changes)
		at := 0x123457 % size
		c := changesOf(AsFile, told{AsFile, 0, size}, told{CodeDiffers, at, 1}, told{MovedBytes, at + 1, 8}, told{MovedBytes, size - 1, 1})
		if err := m.takeChanges(&c); err != nil {
			t.Fatal(err)
		}
		m.enlarge(HotPatched)
		red, moved := 0, 0
		for _, dot := range m.dots() {
			switch dot {
			case changes.index(CodeDiffers, 0):
				red++
			case changes.index(MovedBytes, 0), changes.index(MovedBytes, 1), changes.index(MovedBytes, 2):
				moved++
			}
		}
		if pixels := red * m.zoomX * m.zoomY; pixels < 25 || pixels > 200 || moved == 0 || m.counts[CodeDiffers] != 1 {
			t.Errorf("%d bytes: %d pixels are red, %d dots moved, %d bytes of code", size, pixels, moved, m.counts[CodeDiffers])
		}
	}
}

// TestHollowedImageIsRed draws an image that belongs to no file.
func TestHollowedImageIsRed(t *testing.T) {
	m := newMixer(newLayout(0x3000, maxMapWidth), changes)
	c := changesOf(NoFile, told{NoFile, 0, 0x2000})
	if err := m.takeChanges(&c); err != nil || m.counts != (Counts{NoFile: 0x2000, Absent: 0x1000}) {
		t.Errorf("%v, %v", m.counts, err)
	}
}

func TestChangesAreAsTheyWere(t *testing.T) {
	f, err := NewChanges(imageOfTests, changesOfTests)
	if err != nil {
		t.Fatal(err)
	}
	file, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	blank, err := NewChanges(imageOfTests, Changes{})
	if err != nil || blank.Size() != int64(len(file)) {
		t.Errorf("%d bytes, %d were announced without the changes; %v", len(file), blank.Size(), err)
	}
	got, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "changes.png")
	if slices.Contains(os.Args, "-update") {
		var small bytes.Buffer
		if err := errors.Join((&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, got), os.WriteFile(golden, small.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	want, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	for y := range got.Bounds().Dy() {
		for x := range got.Bounds().Dx() {
			if got.Bounds() != want.Bounds() || got.At(x, y) != want.At(x, y) {
				t.Fatalf("the figure differs at %d, %d; to accept it run with -update", x, y)
			}
		}
	}
}

func TestErrorsOfChangesPassThrough(t *testing.T) {
	want := errors.New("disk on fire")
	f, err := NewChanges(imageOfTests, Changes{Each: func(func(Class, int64, int64)) error { return want }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Encode(); !errors.Is(err, want) {
		t.Errorf("%v", err)
	}
	if _, err := NewChanges(Subject{Size: MaxSize + 1}, Changes{}); err == nil {
		t.Error("an image that is too large is drawn")
	}
}

// TestColoursAreToldApart looks at the colours of classes as people see them who lack one kind of cones (Viénot,
// Brettel and Mollon 1999; the third is after Brettel, Viénot and Mollon 1997, simplified). Changes that Windows does
// not make must not look like the changes that it makes.
func TestColoursAreToldApart(t *testing.T) {
	const least = 15 // of CIE 1976 ΔE: people can distinguish colours beside each other from about 3 on
	for sight, m := range sights {
		for a := range changes.looks {
			for b := range a {
				if slices.Contains(changes.hatched, Class(a)) || slices.Contains(changes.hatched, Class(b)) {
					continue
				}
				p, q := lab(m, changes.looks[a].color), lab(m, changes.looks[b].color)
				if d := math.Hypot(math.Hypot(p[0]-q[0], p[1]-q[1]), p[2]-q[2]); d < least {
					t.Errorf("%s: %s and %s are %.1f apart", sight, changes.looks[a].name, changes.looks[b].name, d)
				}
			}
		}
	}
}

// sights turn linear light into the light that somebody with these cones sees.
var sights = map[string][3][3]float64{
	"all cones": {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	"no red":    {{0.11238, 0.88762, 0}, {0.11238, 0.88762, 0}, {0.00401, -0.00401, 1}},
	"no green":  {{0.29275, 0.70725, 0}, {0.29275, 0.70725, 0}, {-0.02234, 0.02234, 1}},
	"no blue":   {{1, 0.14461, -0.14461}, {0, 0.85924, 0.14076}, {0, 0.85924, 0.14076}},
}

// lab returns a colour in CIE 1976 L*a*b* (D65).
func lab(sight [3][3]float64, c color.RGBA) (out [3]float64) {
	var light, seen [3]float64
	for i, v := range []uint8{c.R, c.G, c.B} {
		if x := float64(v) / 255; x <= 0.04045 {
			light[i] = x / 12.92
		} else {
			light[i] = math.Pow((x+0.055)/1.055, 2.4)
		}
	}
	for i := range seen {
		for k := range light {
			seen[i] += sight[i][k] * light[k]
		}
		seen[i] = min(max(seen[i], 0), 1)
	}
	var f [3]float64
	for i, row := range [3][3]float64{{0.4124, 0.3576, 0.1805}, {0.2126, 0.7152, 0.0722}, {0.0193, 0.1192, 0.9505}} {
		v := (row[0]*seen[0] + row[1]*seen[1] + row[2]*seen[2]) / [3]float64{0.95047, 1, 1.08883}[i]
		if f[i] = math.Cbrt(v); v <= 216.0/24389 {
			f[i] = (24389.0/27*v + 16) / 116
		}
	}
	return [3]float64{116*f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])}
}
