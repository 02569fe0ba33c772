package fs

import (
	"encoding/binary"
	"hash/fnv"
	"io"
	"slices"

	"memlens/memimage/sparse"
	"memlens/render/figure"
)

// blockSize is the unit in which files are laid out, on disk and in memory: that of the least file alignment.
const blockSize = 512

// blocks are the hashes of a file's whole, aligned blocks, sorted, each once; blocks of one repeated byte, which every
// file has, do not count. They tell of a file in pieces whose it is, where digests of the whole tell little.
type blocks []uint64

// hashBlocks reads a file's blocks, apart from those that something of is missing.
func hashBlocks(data io.ReaderAt, size int64, missing []figure.Span) (blocks, error) {
	var out blocks
	buf := make([]byte, 128*blockSize)
	for off := int64(0); off < size; off += int64(len(buf)) {
		if n := sparse.ZeroRun(data, off, size-off) &^ (blockSize - 1); n >= int64(len(buf)) {
			off += n - int64(len(buf))
			continue
		}
		p := buf[:min(int64(len(buf)), size-off)]
		if n, err := data.ReadAt(p, off); n < len(p) {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		for at := int64(0); at+blockSize <= int64(len(p)); at += blockSize {
			for len(missing) > 0 && missing[0].Off+missing[0].Len <= off+at {
				missing = missing[1:]
			}
			b := p[at : at+blockSize]
			if len(missing) > 0 && missing[0].Off < off+at+blockSize || uniform(b) {
				continue
			}
			h := fnv.New64a()
			h.Write(b)
			out = append(out, h.Sum64())
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func uniform(b []byte) bool {
	for _, c := range b {
		if c != b[0] {
			return false
		}
	}
	return true
}

// shared returns how many blocks of b are also in o.
func (b blocks) shared(o blocks) (n int) {
	for len(b) > 0 && len(o) > 0 {
		switch {
		case b[0] < o[0]:
			b = b[1:]
		case b[0] > o[0]:
			o = o[1:]
		default:
			n, b, o = n+1, b[1:], o[1:]
		}
	}
	return n
}

// bytes writes the hashes one after the other, the least byte first.
func (b blocks) bytes() []byte {
	out := make([]byte, 0, 8*len(b))
	for _, h := range b {
		out = binary.LittleEndian.AppendUint64(out, h)
	}
	return out
}

func parseBlocks(raw []byte) blocks {
	out := make(blocks, len(raw)/8)
	for i := range out {
		out[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	return out
}
