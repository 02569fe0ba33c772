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
