package figure

import (
	"math"
	"slices"
	"testing"
)

func FuzzNormalize(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4}, uint8(10))
	f.Add([]byte{0, 255, 100, 100, 50, 0, 200, 9}, uint8(200))
	f.Fuzz(func(t *testing.T, raw []byte, size uint8) {
		var spans []Span
		want := make([]bool, size)
		for i := 0; i+1 < len(raw); i += 2 {
			s := Span{int64(raw[i]) - 30, int64(raw[i+1]) - 20}
			spans = append(spans, s)
			for j := max(s.Off, 0); j < s.Off+s.Len && j < int64(size); j++ {
				want[j] = true
			}
		}
		got := make([]bool, size)
		end := int64(-1)
		out := normalize(spans, int64(size))
		for _, s := range out {
			if s.Off <= end || s.Len <= 0 {
				t.Fatalf("%v is not sorted, apart and without empty spans", out)
			}
			end = s.end()
		}
		for off := int64(0); off < int64(size); off += 7 {
			within(out, off, min(7, int64(size)-off), func(s Span) {
				for i := s.Off; i < s.end(); i++ {
					got[i] = true
				}
			})
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%v within %d: %v", spans, size, out)
		}
	})
}

func TestSpansAtTheEdgesOfNumbers(t *testing.T) {
	for name, s := range map[string]Span{
		"end overflows": {5, math.MaxInt64},
		"begins before": {math.MinInt64 + 1, math.MaxInt64},
		"beyond":        {math.MaxInt64, math.MaxInt64},
		"negative":      {5, math.MinInt64},
		"all negative":  {math.MinInt64, math.MinInt64},
	} {
		got := s.clip(10)
		if got.Off < 0 || got.Len < 0 || got.end() > 10 {
			t.Errorf("%s: %v within 10 bytes is %v", name, s, got)
		}
	}
}
