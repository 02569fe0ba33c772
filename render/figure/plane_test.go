package figure

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"memlens/memimage/synth/corpus"
	"memlens/render"
)

// plainBins are the bins of the mean colours of dots in which some bytes are missing, and all bins that are used.
func plainBins(data []byte, gone []bool, dotBytes int) (out []uint16, used []bin) {
	out = make([]uint16, (len(data)+dotBytes-1)/dotBytes)
	all := map[uint16]bin{}
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
		r, g, b := sum[0]/max(n, 1), sum[1]/max(n, 1), sum[2]/max(n, 1)
		key := uint16(r/8*32*32 + g/8*32 + b/8)
		have := all[key]
		all[key] = bin{key, have.n + 1, have.r + int64(r), have.g + int64(g), have.b + int64(b)}
		out[dot] = key
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		used = append(used, all[key])
	}
	return out, used
}

// TestAverager gives data in pieces of many sizes, some as zeros and some not at all.
func TestAverager(t *testing.T) {
	corpus.Long(t)
	r := rand.New(rand.NewPCG(11, 11))
	for _, dotBytes := range []int{2, 3, 4, 8, 64, 2048, 4096, 8192} {
		for range 20 {
			data := make([]byte, 1+r.IntN(20*dotBytes))
			gone := make([]bool, len(data))
			dots := new(histogram)
			a := newAverager(&layout{dotBytes: int64(dotBytes)}, (len(data)+dotBytes-1)/dotBytes, dots)
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
			want, used := plainBins(data, gone, dotBytes)
			if got := a.finish(); !slices.Equal(got, want) || !slices.Equal(dots.used(), used) {
				t.Fatalf("dots of %d bytes: other colours than the plain ones", dotBytes)
			}
		}
	}
}
