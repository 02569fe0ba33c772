package figure

import (
	"image"
	"testing"
)

func TestLayoutIsLegibleAtAnySize(t *testing.T) {
	for size := int64(0); size <= MaxSize; size = size*5/4 + 1 {
		l := newLayout(size, maxMapWidth)
		l.place(image.Point{})
		if w := l.plot.Dx(); w > maxMapWidth || (size > 512 && w < minWidth/2) {
			t.Errorf("%d bytes: a plot %d pixels wide", size, w)
		}
		if l.dotBytes > 1 && l.zoomX > 1 {
			t.Errorf("%d bytes: both reduced and magnified", size)
		}
		if size == 0 {
			continue
		}
		if last := l.at(size - 1); !last.In(l.plot) || last.X < l.plot.Max.X-l.zoomX {
			t.Errorf("%d bytes: the last is at %v of %v", size, last, l.plot)
		}
	}
}

func TestLayoutUpToOneMebibyteShowsEveryByte(t *testing.T) {
	for _, size := range []int64{1, 2, 1000, 32 << 10, 300_000, 1 << 20} {
		if l := newLayout(size, maxMapWidth); l.dotBytes != 1 {
			t.Errorf("%d bytes: %d to a dot", size, l.dotBytes)
		}
	}
}

func TestMissingDotsAreThoseHalfMissing(t *testing.T) {
	l := &layout{size: 100, dotBytes: 8}
	for name, c := range map[string]struct{ missing, want Span }{
		"one dot":          {Span{8, 8}, Span{1, 1}},
		"half a dot":       {Span{8, 4}, Span{1, 1}},
		"less than half":   {Span{8, 3}, Span{}},
		"across the edge":  {Span{7, 2}, Span{}},
		"half and half":    {Span{4, 8}, Span{0, 2}},
		"all":              {Span{0, 100}, Span{0, 13}},
		"the end, a piece": {Span{97, 3}, Span{12, 1}},
	} {
		got := missingDots([]Span{c.missing}, l)
		if len(got) == 0 {
			got = []Span{{}}
		}
		if got[0] != c.want {
			t.Errorf("%s: %v is dots %v, want %v", name, c.missing, got, c.want)
		}
	}
}

// TestEraBits adds up the widths of the codes one by one.
func TestEraBits(t *testing.T) {
	n := 0
	for codes, last, width := 0, lzwEnd, lzwBits+1; codes <= longEra; codes++ {
		if got := eraBits(codes); got != n {
			t.Fatalf("%d codes: %d bits, want %d", codes, got, n)
		}
		if last == 1<<width {
			width++
		}
		n, last = n+width, last+1
	}
}

// TestNearestBits looks at the codes of rows of all widths.
func TestNearestBits(t *testing.T) {
	for row := 2; row < 5000; row++ {
		if got := newBlockCode(textCode(), row).distance.length[0]; got != nearestBits {
			t.Fatalf("rows of %d bytes: %d bits", row, got)
		}
	}
}

// TestLettersOfScaleOne measures letters with the sizes that all figures share, and without.
func TestLettersOfScaleOne(t *testing.T) {
	common, err := newTypesetter(1)
	if err != nil {
		t.Fatal(err)
	}
	own := &typesetter{scale: 1, sizes: new(letterSizes)}
	if err := own.measure(); err != nil {
		t.Fatal(err)
	}
	for s := range styles {
		for _, text := range []string{"explorer.exe, process 1484", "a\tb\x00\x7f", "ÄÖ…\u4e2d", ""} {
			if a, b := common.width(s, text), own.width(s, text); a != b {
				t.Errorf("style %d, %q: %d and %d", s, text, a, b)
			}
		}
		if a, b := common.sizes.line[s], own.sizes.line[s]; a != b || a == 0 {
			t.Errorf("style %d: lines of %d and %d", s, a, b)
		}
	}
}
