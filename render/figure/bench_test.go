package figure_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"memlens/render/figure"
)

// program returns n bytes that look like an executable: code, text, tables,
// zeros.
func program(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, n)
	code := []byte{0x8b, 0x45, 0x55, 0xe8, 0x00, 0x00, 0xff, 0x83, 0xc4, 0x89, 0x50, 0x0f, 0x74, 0x24, 0x10, 0xc3}
	for i := range p {
		switch kind := i * 8 / n; {
		case kind < 4 && r.IntN(3) > 0:
			p[i] = code[r.IntN(len(code))]
		case kind < 4:
			p[i] = byte(r.Uint32())
		case kind == 5:
			p[i] = byte('a' + i%23)
		case kind == 6 && i%4 < 2:
			p[i] = byte(i >> 8)
		}
	}
	return p
}

func subject(data []byte) figure.Subject {
	n := int64(len(data))
	return figure.Subject{
		Title:    "3256-cmd.exe / procexedump.exe",
		Subtitle: "the executable realigned to its layout on disk",
		Digest:   "MD5      900150983cd24fb0d6963f7d28e17f72",
		Size:     n,
		Data:     bytes.NewReader(data),
		Marks:    []figure.Mark{{Off: 0, Len: n / 64, Label: "headers"}, {Off: n / 64, Len: n / 2, Label: ".text"}, {Off: n/64 + n/2, Len: n, Label: ".data"}},
		Missing:  []figure.Span{{Off: n / 4, Len: n / 50}},
	}
}

func comparison(data []byte) figure.Comparison {
	other := bytes.Clone(data)
	var relocated []figure.Span
	for i := 0; i < len(other)-4; i += 61 {
		other[i]++
		relocated = append(relocated, figure.Span{Off: int64(i), Len: 4})
	}
	return figure.Comparison{
		Reference: bytes.NewReader(data), ReferenceSize: int64(len(data)),
		Recovered: bytes.NewReader(other), RecoveredSize: int64(len(other)),
		Relocated: relocated,
		Missing:   []figure.Span{{Off: int64(len(data)) / 4, Len: int64(len(data)) / 50}},
	}
}

func Benchmark(b *testing.B) {
	for _, size := range []int{1 << 10, 1 << 20, 100 << 20} {
		data := program(size)
		other := comparison(data)
		for name, draw := range map[string]func() (*figure.Figure, error){
			"map":        func() (*figure.Figure, error) { return figure.NewMap(subject(data)) },
			"difference": func() (*figure.Figure, error) { return figure.NewDifference(subject(data), other) },
			"blink":      func() (*figure.Figure, error) { return figure.NewBlink(subject(data), subject(data)) },
		} {
			b.Run(fmt.Sprintf("%s/%dKiB", name, size>>10), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					f, err := draw()
					if err != nil {
						b.Fatal(err)
					}
					if _, err := f.Encode(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkSize measures the cost of a figure in a listing.
func BenchmarkSize(b *testing.B) {
	for _, size := range []int{40 << 10, 1 << 20} {
		s := subject(program(size))
		for _, c := range []struct {
			name    string
			measure func() (*figure.Figure, error)
		}{
			{"map", func() (*figure.Figure, error) { return figure.NewMap(s) }},
			{"blink", func() (*figure.Figure, error) { return figure.NewBlink(s, s) }},
			{"changes", func() (*figure.Figure, error) { return figure.NewChanges(s, figure.Changes{}) }},
		} {
			b.Run(fmt.Sprintf("%s/%dKiB", c.name, size>>10), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					f, err := c.measure()
					if err != nil || f.Size() == 0 {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
