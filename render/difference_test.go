package render_test

import (
	"bytes"
	"fmt"
	"testing"

	"memlens/memimage/synth/corpus"
	"memlens/render"
)

func differenceOf(t testing.TB, a, b []byte, g render.Geometry) *render.BMP {
	t.Helper()
	bmp, err := render.Difference(bytes.NewReader(a), bytes.NewReader(b), int64(len(a)), int64(len(b)), g)
	if err != nil {
		t.Fatal(err)
	}
	return bmp
}

func TestDifferenceEqualsTheRealTools(t *testing.T) {
	corpus.Long(t)
	needTool(t, "colorize")
	base := noise(100_003, 1)
	changed := bytes.Clone(base)
	for i := 0; i < len(changed); i += 97 {
		changed[i]++
	}
	for name, c := range map[string]struct{ a, b []byte }{
		"both empty":         {nil, nil},
		"reference empty":    {nil, base[:1000]},
		"recovered empty":    {base[:1000], nil},
		"one byte":           {[]byte{1}, []byte{2}},
		"zero against end":   {make([]byte, 5), make([]byte, 3)},
		"end against zero":   {make([]byte, 3), make([]byte, 5)},
		"equal":              {base, base},
		"changed":            {base, changed},
		"reference longer":   {base, changed[:60_000]},
		"recovered longer":   {base[:511], changed},
		"full rows, no more": {base[:1024], changed[:1024]},
		"one cell short":     {base[:1023], changed[:1023]},
	} {
		for _, g := range layouts {
			for _, g.Width = range []int{1, 3, 100, 512} {
				t.Run(fmt.Sprintf("%s,%s", name, layoutName(g)), func(t *testing.T) {
					cells := run(t, "filecompare", "-b", "1", writeFile(t, "a", c.a), writeFile(t, "b", c.b))
					got := decodeBMP(t, readPicture(t, differenceOf(t, c.a, c.b, g)))
					if diff := got.firstDifference(realColorize(t, cells, g)); diff != "" {
						t.Error(diff)
					}
				})
			}
		}
	}
}

func TestDifferenceOfHugeSizesIsRefused(t *testing.T) {
	for _, size := range []int64{-1, 1 << 32, 1<<63 - 1} {
		for _, sizes := range [][2]int64{{size, 0}, {0, size}} {
			if _, err := render.Difference(bytes.NewReader(nil), bytes.NewReader(nil), sizes[0], sizes[1], render.DefaultGeometry()); err == nil {
				t.Errorf("sizes %d: no error", sizes)
			}
		}
	}
}

func BenchmarkDifference(b *testing.B) {
	x, y := noise(4<<20, 1), noise(4<<20, 1)
	cache := render.NewCache(render.DefaultCacheSize)
	b.SetBytes(int64(len(x)))
	for b.Loop() {
		bmp, err := cache.Difference(bytes.NewReader(x), bytes.NewReader(y), int64(len(x)), int64(len(y)), render.DefaultGeometry())
		readSequentially(b, bmp, err)
	}
}
