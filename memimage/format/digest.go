package format

import "memlens/memimage/sparse"

// Digest is a digest that a container carries of its whole content, or of a part of it. That the container has one
// says nothing yet: whoever hashes Bytes and compares learns whether they are as they were when it was written.
type Digest struct {
	Algorithm string // "MD5", "SHA-1", "SHA-256", "SHA-512", "BLAKE2b-512" or "CRC-32"
	Value     []byte // as long as the algorithm's digests are
	Of        string // what was hashed, such as "the AFF4 stream aff4://…"
	// Bytes is what was hashed, from its first byte to its last. It need not be the memory: it may be the stream that
	// the memory lies in, or what the container's format puts in the place of memory that was not acquired. A hole in
	// it means that the digest cannot be checked.
	Bytes sparse.Source
}

// BlockDigests are digests that a container carries of its content block by block: they tell which block has changed.
type BlockDigests struct {
	Algorithm string // as that of a [Digest]
	Of        string
	Bytes     sparse.Source // what was hashed
	BlockSize int64         // in bytes; the last block may be shorter
	// Values holds the digests of the blocks one behind the other. A hole in it means that there is none of a block.
	Values sparse.Source
}

// digestSizes is how many bytes the digests of an algorithm have.
func digestSizes() map[string]int {
	return map[string]int{"MD5": 16, "SHA-1": 20, "SHA-256": 32, "SHA-512": 64, "BLAKE2b-512": 64, "CRC-32": 4}
}
