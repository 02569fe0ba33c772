package figure

import (
	"image"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestNamesDoNotRunIntoEachOther arranges sections at random and looks for
// names, or poles of names, that cross.
func TestNamesDoNotRunIntoEachOther(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 200 {
		subject := &Subject{Size: int64(1000 + r.IntN(2_000_000))}
		for range r.IntN(14) {
			subject.Marks = append(subject.Marks, Mark{r.Int64N(subject.Size), r.Int64N(subject.Size/10 + 1), "." + strings.Repeat("m", 1+r.IntN(8))})
		}
		s, err := newSheet(subject, newLayout(subject.Size, maxMapWidth), "")
		if err != nil {
			t.Fatal(err)
		}
		checkNames(t, s)
	}
}

func checkNames(t *testing.T, s *sheet) {
	var boxes, poles []image.Rectangle
	for i, m := range s.marks {
		row := s.names.row[i]
		if row < 0 {
			continue
		}
		left, from := s.names.left[i], 0
		from, _ = s.markX(m)
		box := image.Rect(left, row, left+s.text.width(strongStyle, m.Label), row+1)
		for _, other := range boxes {
			if box.Overlaps(other) {
				t.Fatalf("%v: names at %v and %v overlap", s.marks, box, other)
			}
		}
		boxes = append(boxes, box)
		poles = append(poles, image.Rect(from, 0, from+1, row))
	}
	for i, pole := range poles {
		for j, box := range boxes {
			// At the right edge a name is moved left, over its own pole.
			if i != j && pole.Overlaps(box) && box.Max.X < s.width+s.margin()-s.px(4) {
				t.Fatalf("%v: the pole at %v crosses the name at %v", s.marks, pole, box)
			}
		}
	}
}

func TestPercentIsNeverRoundedToAllOrNothing(t *testing.T) {
	for _, c := range []struct {
		part, whole int64
		want        string
	}{
		{0, 0, "0 %"}, {0, 5, "0 %"}, {5, 5, "100 %"}, {1, 1_000_000, "< 0.1 %"},
		{999_999, 1_000_000, "> 99.9 %"}, {1, 3, "33.3 %"},
	} {
		if got := percent(c.part, c.whole); got != c.want {
			t.Errorf("%d of %d is %q, want %q", c.part, c.whole, got, c.want)
		}
	}
}
