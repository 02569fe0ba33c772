package digest

import (
	"bytes"
	"encoding/binary"
	"slices"

	"memlens/memimage/pe"
)

// blockSize is the unit in which files are laid out, on disk and in memory: the least file alignment.
const blockSize = 512

// blocks are the hashes of a file's whole, aligned blocks, sorted, each once; blocks of one repeated byte, which
// every file has, do not count. They show which file a file in pieces comes from, when digests of the whole say
// little.
type blocks []uint64

// blockHasher takes a file and hashes its blocks, except blocks with missing bytes.
type blockHasher struct {
	missing []pe.Range // missing ranges that end behind at
	at      int64      // beginning of the current block
	block   [blockSize]byte
	n       int // bytes in the current block
	hashes  blocks
}

// Take implements [similarity.Taker].
func (b *blockHasher) Take(p []byte) {
	if b.n > 0 {
		n := copy(b.block[b.n:], p)
		if b.n, p = b.n+n, p[n:]; b.n < blockSize {
			return
		}
		b.add(b.block[:], hashOf(b.block[:]))
		b.n = 0
	}
	whole := len(p) &^ (blockSize - 1)
	at := 0
	for ; at+4*blockSize <= whole; at += 4 * blockSize {
		for i, hash := range hashFour((*[4 * blockSize]byte)(p[at:])) {
			b.add(p[at+i*blockSize:][:blockSize], hash)
		}
	}
	for ; at < whole; at += blockSize {
		b.add(p[at:][:blockSize], hashOf(p[at:][:blockSize]))
	}
	b.n = copy(b.block[:], p[whole:])
}

// TakeZeros implements [similarity.Taker]. Blocks of zeros do not count.
func (b *blockHasher) TakeZeros(n int64) {
	if b.n > 0 {
		part := min(n, int64(blockSize-b.n))
		takeZeros(b, part)
		n -= part
	}
	b.at += n &^ (blockSize - 1)
	takeZeros(b, n&(blockSize-1))
}

// add adds the hash of the current block.
func (b *blockHasher) add(p []byte, hash uint64) {
	end := b.at + blockSize
	for len(b.missing) > 0 && b.missing[0].Off+b.missing[0].Len <= b.at {
		b.missing = b.missing[1:]
	}
	if missing := len(b.missing) > 0 && b.missing[0].Off < end; !missing && !uniform(p) {
		b.hashes = append(b.hashes, hash)
	}
	b.at = end
}

// blocks returns the hashes.
func (b *blockHasher) blocks() blocks {
	slices.Sort(b.hashes)
	return slices.Compact(b.hashes)
}

// Constants of the hash of Fowler, Noll and Vo, FNV-1a, of 64 bits.
const fnvStart, fnvPrime = 0xcbf29ce484222325, 0x100000001b3

// hashOf returns the hash of a block.
func hashOf(p []byte) uint64 {
	h := uint64(fnvStart)
	for _, c := range p {
		h = (h ^ uint64(c)) * fnvPrime
	}
	return h
}

// hashFour hashes four blocks at the same time, for within a block each step waits for the last one.
func hashFour(p *[4 * blockSize]byte) [4]uint64 {
	var a, b, c, d uint64 = fnvStart, fnvStart, fnvStart, fnvStart
	for i := range blockSize {
		a = (a ^ uint64(p[i])) * fnvPrime
		b = (b ^ uint64(p[blockSize+i])) * fnvPrime
		c = (c ^ uint64(p[2*blockSize+i])) * fnvPrime
		d = (d ^ uint64(p[3*blockSize+i])) * fnvPrime
	}
	return [4]uint64{a, b, c, d}
}

func uniform(p []byte) bool { return bytes.Equal(p[1:], p[:len(p)-1]) }

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
