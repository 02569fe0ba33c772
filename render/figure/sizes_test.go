package figure

import (
	"fmt"
	"testing"
)

// TestDigitsAreOfOneWidth measures the digits at the scales that figures have.
func TestDigitsAreOfOneWidth(t *testing.T) {
	for scale := 1.0; scale <= 1.6; scale += 1.0 / 32 {
		text, err := newTypesetter(scale)
		if err != nil {
			t.Fatal(err)
		}
		for s := range styles {
			for r := '1'; r <= '9'; r++ {
				if a, b := text.advance(s, r), text.advance(s, '0'); a != b {
					t.Fatalf("scale %v, style %d: %c is %d wide, 0 %d", scale, s, r, a, b)
				}
			}
		}
	}
}

// TestSizesAreThoseOfFigures asks for the sizes of figures that are alike, and of others, and measures them one by one.
func TestSizesAreThoseOfFigures(t *testing.T) {
	z := NewSizes(100)
	for i, s := range []Subject{
		{Title: "cmd.exe, process 1234: dlldump.dll", Size: 40 << 10, Digest: "a\nb"},
		{Title: "cmd.exe, process 9871: dlldump.dll", Size: 40 << 10, Digest: "c\nd"},
		{Title: "cmd.exe, process 11: dlldump.dll", Size: 40 << 10, Digest: "a\nb"},
		{Title: "cmd.exe, process 1234: dlldump.dll", Subtitle: "W", Size: 40 << 10, Digest: "a\nb"},
		{Title: "cmd.exe, process 1234: dlldump.dll", Size: 40 << 10, Digest: "a"},
		{Title: "cmd.exe, process 1234: dlldump.dll", Size: 40 << 10},
		{Title: "cmd.exe, process 1234: dlldump.dll", Size: 2 << 20, Digest: "a\nb"},
		{Title: "iii.exe, process 1234: dlldump.dll", Size: 40 << 10, Digest: "a\nb"},
		{Size: 40 << 10, Marks: []Mark{{0, 4096, ".text"}, {4096, 9000, ".data1"}}},
		{Size: 40 << 10, Marks: []Mark{{0, 4096, ".text"}, {4096, 9000, ".data2"}}},
		{Size: 40 << 10, Marks: []Mark{{0, 4096, ".text"}, {8192, 9000, ".data2"}}},
	} {
		other := s
		other.Size /= 2
		for name, c := range map[string]struct {
			size    func() (int64, error)
			measure func() (*Figure, error)
		}{
			"map":        {func() (int64, error) { return z.Map(s) }, func() (*Figure, error) { return NewMap(s) }},
			"blink":      {func() (int64, error) { return z.Blink(s, other) }, func() (*Figure, error) { return NewBlink(s, other) }},
			"blink back": {func() (int64, error) { return z.Blink(other, s) }, func() (*Figure, error) { return NewBlink(other, s) }},
			"changes":    {func() (int64, error) { return z.Changes(s) }, func() (*Figure, error) { return NewChanges(s, Changes{}) }},
		} {
			f, err := c.measure()
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if n, err := c.size(); n != f.Size() || err != nil {
					t.Errorf("%s of subject %d: %d bytes, want %d: %v", name, i, n, f.Size(), err)
				}
			}
		}
	}
	if n := z.known.Len(); n != 9*4 { // the second and the tenth are like the ones before them
		t.Errorf("%d likenesses", n)
	}
	if _, err := z.Map(Subject{Size: MaxSize + 1}); err == nil {
		t.Error("a file that cannot be drawn has a size")
	}
}

// BenchmarkSizes asks for the sizes of maps that are alike.
func BenchmarkSizes(b *testing.B) {
	z := NewSizes(100)
	s := Subject{Size: 40 << 10, Marks: []Mark{{0, 4096, ".text"}, {4096, 9000, ".data"}}, Digest: "a\nb"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Title = fmt.Sprintf("cmd.exe, process %d: dlldump.dll", 1000+i%9000)
		if _, err := z.Map(s); err != nil {
			b.Fatal(err)
		}
	}
}
