package format

import (
	"strings"
	"testing"

	"memlens/memimage/sparse"
)

// reads counts the bytes that are read from a source without holes.
type reads struct {
	sparse.Source
	bytes int64
}

func (r *reads) ReadAt(p []byte, off int64) (int, error) {
	r.bytes += int64(len(p))
	return r.Source.ReadAt(p, off)
}

// TestDescribeJudgesByWhatIsThere has memory that is partly missing: missing bytes do not count as zeros.
func TestDescribeJudgesByWhatIsThere(t *testing.T) {
	const mib = 1 << 20
	zeros := sparse.Bytes(make([]byte, mib))
	one := make([]byte, 16*mib)
	one[9*mib+12345] = 7
	memory := func(size int64, extents ...sparse.Extent) *sparse.Reader {
		r, err := sparse.NewReader(size, extents...)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, c := range []struct {
		name      string
		src       sparse.Source
		want, not string
	}{
		{"a little, zeros", memory(64*mib, sparse.Extent{Off: 8 * mib, Len: mib, Src: zeros}), "nothing but zeros, judged by the 1048576 bytes (1 MiB) of it that are there (of 67108864 bytes (64 MiB))", "acquisition"},
		{"most of it, zeros", memory(mib+4096, sparse.Extent{Off: 4096, Len: mib, Src: zeros}), "the acquisition failed", "nothing that"},
		{"nothing", memory(64 * mib), "nothing that could be looked at: nothing of it is there", "zeros"},
		{"one byte among zeros", sparse.Bytes(one), "almost nothing but zeros (the first other byte is at 0x903039)", "acquisition"},
		{"text far away", memory(64*mib, sparse.Extent{Off: 60 * mib, Len: 4096, Src: sparse.Bytes([]byte(strings.Repeat("Linux version 6.1\n.....", 4096/23+1)))}), "the memory of a Linux system", ""},
	} {
		got := describe(c.src, true)
		if !strings.Contains(got, c.want) || c.not != "" && strings.Contains(got, c.not) {
			t.Errorf("%s: %q, want %q and not %q", c.name, got, c.want, c.not)
		}
	}
}

// TestDescribeReadsABoundedPart has a large file.
func TestDescribeReadsABoundedPart(t *testing.T) {
	src := &reads{Source: sparse.Whole(fill(0), 1<<40)}
	if got := describe(src, true); !strings.Contains(got, "nothing but zeros in 1024 samples") || src.bytes > 140<<20 {
		t.Errorf("%q after %d bytes", got, src.bytes)
	}
}
