package fs

import (
	"memlens/memimage/digest"
	"memlens/memimage/pe"
	"memlens/render/figure"
)

// claimed says why a file with so many missing bytes has no digest of the whole.
func claimed(missing []figure.Span) error { return digest.Claimed(ranges(missing)) }

// ranges are pieces of a file as packages about executables have them.
func ranges(pieces []figure.Span) []pe.Range {
	out := make([]pe.Range, len(pieces))
	for i, p := range pieces {
		out[i] = pe.Range(p)
	}
	return out
}

// total returns how many bytes are in pieces that do not overlap.
func total(pieces []figure.Span) (n int64) {
	for _, p := range pieces {
		n += p.Len
	}
	return n
}
