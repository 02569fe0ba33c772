package sparse_test

import (
	"slices"
	"testing"

	"memlens/memimage/sparse"
)

// lateSource notes which bytes are requested ahead.
type lateSource struct {
	sparse.Source
	asked [][2]int64
}

func (l *lateSource) WillNeed(off, n int64) bool {
	if n > 0 {
		l.asked = append(l.asked, [2]int64{off, n})
	}
	return true
}

// TestWillNeed requests bytes of a late source through each kind of source.
func TestWillNeed(t *testing.T) {
	var faults sparse.Faults
	reader := func(src sparse.Source) sparse.Source {
		r, err := sparse.NewReader(10000, sparse.Extent{Off: 100, Len: 1000, Src: src, SrcOff: 50}, sparse.Extent{Off: 5000, Len: 1000, Src: src, SrcOff: 4000},
			sparse.Extent{Off: 7000, Len: 1000, Src: sparse.Bytes(make([]byte, 1000))})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for name, c := range map[string]struct {
		over   func(sparse.Source) sparse.Source
		off, n int64
		want   [][2]int64
	}{
		"reader":       {reader, 0, 10000, [][2]int64{{50, 1000}, {4000, 1000}}},
		"part":         {reader, 600, 4500, [][2]int64{{550, 500}, {4000, 100}}},
		"hole":         {reader, 2000, 100, nil},
		"section":      {func(s sparse.Source) sparse.Source { return sparse.Section(s, 10, 100) }, 20, 500, [][2]int64{{30, 80}}},
		"behind it":    {func(s sparse.Source) sparse.Source { return sparse.Section(s, 10, 100) }, 200, 500, nil},
		"watched":      {faults.Watch, 7, 8, [][2]int64{{7, 8}}},
		"cache":        {func(s sparse.Source) sparse.Source { return sparse.NewCache(s, 4) }, 7, 8, [][2]int64{{7, 8}}},
		"whole":        {func(s sparse.Source) sparse.Source { return sparse.Whole(s, 100) }, 90, 20, [][2]int64{{90, 10}}},
		"no sense":     {faults.Watch, -7, 8, nil},
		"nothing":      {faults.Watch, 7, 0, nil},
		"cached parts": {func(s sparse.Source) sparse.Source { return sparse.NewCache(reader(s), 4) }, 0, 200, [][2]int64{{50, 100}}},
	} {
		late := &lateSource{Source: sparse.Bytes(make([]byte, 10000))}
		src := c.over(late)
		if sparse.WillNeed(src, c.off, c.n); !slices.Equal(late.asked, c.want) {
			t.Errorf("%s: asked for %v, want %v", name, late.asked, c.want)
		}
		if near := c.over(late.Source); !sparse.IsLate(src) || sparse.IsLate(near) || sparse.WillNeed(near, 0, 100) {
			t.Errorf("%s: is it late? %v; and what is near: %v", name, sparse.IsLate(src), sparse.IsLate(near))
		}
	}
}
