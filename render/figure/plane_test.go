package figure

import (
	"math/rand/v2"
	"slices"
	"testing"

	"memlens/render"
)

// plainColors are the mean colours of dots in which some bytes are missing.
func plainColors(data []byte, gone []bool, dotBytes int) []uint32 {
	out := make([]uint32, (len(data)+dotBytes-1)/dotBytes)
	step := max(dotBytes/maxSummed, 1)
	for dot := range out {
		var sum [3]uint32
		n := uint32(0)
		for i := dot * dotBytes; i < min((dot+1)*dotBytes, len(data)); i++ {
			if !gone[i] && i%step == 0 {
				r, g, b, _ := render.Palette()[data[i]].RGBA()
				sum, n = [3]uint32{sum[0] + r>>8, sum[1] + g>>8, sum[2] + b>>8}, n+1
			}
		}
		if n > 0 {
			out[dot] = sum[0]/n<<16 | sum[1]/n<<8 | sum[2]/n
		}
	}
	return out
}

// TestAverager gives data in pieces of many sizes, some as zeros and some not at all.
func TestAverager(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 11))
	for _, dotBytes := range []int{2, 3, 4, 8, 64, 2048, 4096, 8192} {
		for range 20 {
			data := make([]byte, 1+r.IntN(20*dotBytes))
			gone := make([]bool, len(data))
			a := newAverager(&layout{dotBytes: int64(dotBytes)}, (len(data)+dotBytes-1)/dotBytes)
			for off := 0; off < len(data); {
				n := min(1+r.IntN(5*dotBytes), len(data)-off)
				switch p := data[off : off+n]; r.IntN(4) {
				case 0:
					a.addZeros(int64(off), int64(n))
				case 1:
					for i := range p {
						gone[off+i] = true
					}
				default:
					for i := range p {
						p[i] = byte(r.Uint32())
					}
					a.add(p, int64(off))
				}
				off += n
			}
			if got, want := a.colors(), plainColors(data, gone, dotBytes); !slices.Equal(got, want) {
				t.Fatalf("dots of %d bytes: other colours than the plain ones", dotBytes)
			}
		}
	}
}
