package format

import "memlens/memimage/sparse"

// Digest is a digest that a container carries of its whole content, or of a part of it. A digest in a container
// proves nothing by itself: hash Bytes and compare, to see whether the content is as it was when the container was
// written.
type Digest struct {
	Algorithm string // "MD5", "SHA-1", "SHA-256", "SHA-512", "BLAKE2b-512" or "CRC-32"
	Value     []byte // as long as the algorithm's digests are
	Of        string // the name of the hashed bytes, such as "the AFF4 stream aff4://…"
	// Bytes is the range of bytes that was hashed. It need not be the memory: it may be the stream that the memory
	// lies in, with the bytes that the container's format puts in the place of memory that was not acquired. A hole
	// in it means that the digest cannot be checked.
	Bytes sparse.Source
}

// BlockDigests are digests that a container carries of its content block by block: they show which block has changed.
type BlockDigests struct {
	Algorithm string // as in a [Digest]
	Of        string
	Bytes     sparse.Source // the bytes that were hashed
	BlockSize int64         // in bytes; the last block may be shorter
	// Values holds the digests of the blocks one behind the other. A hole in it means that the digest of a block is
	// missing.
	Values sparse.Source
}

// digestSizes is how many bytes the digests of an algorithm have.
func digestSizes() map[string]int {
	return map[string]int{"MD5": 16, "SHA-1": 20, "SHA-256": 32, "SHA-512": 64, "BLAKE2b-512": 64, "CRC-32": 4}
}
