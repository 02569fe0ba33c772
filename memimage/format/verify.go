package format

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math"

	"golang.org/x/crypto/blake2b"

	"memlens/memimage/sparse"
)

// Verification is the result of checking a digest that a container carries, or its digests of blocks.
type Verification struct {
	Algorithm string
	Of        string // the name of the bytes that were hashed
	// Recorded is the digest in the container, Computed is the digest of the content; both are nil for digests of
	// blocks.
	Recorded, Computed []byte
	// Blocks is how many blocks have a digest that was checked. Wrong is how many of these blocks differ from their
	// digests, and FirstWrong is the offset in bytes of the first such block. Without is how many blocks have no
	// digest. All are 0 for a digest over the whole content.
	Blocks, Wrong, FirstWrong, Without int64
	// Err says why the digest could not be checked, or not completely: a *[sparse.HoleError] if content is missing, a
	// *[sparse.ReadError] if reading failed.
	Err error
}

// Good reports whether the digest was checked and agrees with the content.
func (v Verification) Good() bool {
	return v.Err == nil && v.Wrong == 0 && (v.Blocks > 0 || v.Computed != nil && bytes.Equal(v.Recorded, v.Computed))
}

// Differs reports whether the content differs from the digests in the container.
func (v Verification) Differs() bool {
	return v.Wrong > 0 || v.Computed != nil && !bytes.Equal(v.Recorded, v.Computed)
}

// String returns a clause: the algorithm, the name of the hashed bytes, and the result.
func (v Verification) String() string {
	return fmt.Sprintf("the %s of %s is %s", v.Algorithm, v.Of, v.Result())
}

// Result returns the result as a clause.
func (v Verification) Result() string {
	switch {
	case v.Wrong > 0:
		return fmt.Sprintf("different: %d of %d blocks, the first at offset %#x, are not as they were when it was written", v.Wrong, v.Blocks, v.FirstWrong)
	case v.Differs():
		return fmt.Sprintf("different: that of the content is %x", v.Computed)
	case v.Err != nil && v.Blocks > 0:
		return fmt.Sprintf("right for %d blocks; others could not be checked: %s", v.Blocks, sentence(v.Err))
	case v.Err != nil:
		return "could not be checked: " + sentence(v.Err)
	case v.Without > 0:
		return fmt.Sprintf("right for %s; %s no digest", count(int(v.Blocks), "block", "blocks"), count(int(v.Without), "other has", "others have"))
	case v.Blocks > 0:
		return fmt.Sprintf("right for all %d blocks", v.Blocks)
	}
	return "right"
}

// Verify checks all digests that the containers of im carry. It reads each content once for all digests over it.
// progress, when not nil, is called with the bytes that were hashed so far, and their total. The error is the error
// of ctx; all other errors are in the results, which are in the order of im.Digests and im.BlockDigests.
func (im *Image) Verify(ctx context.Context, progress func(done, total int64)) ([]Verification, error) {
	v := verifier{ctx: ctx, progress: progress}
	groups := digestGroups(im.Digests)
	for _, g := range groups {
		v.total += im.Digests[g[0]].Bytes.Size()
	}
	for _, b := range im.BlockDigests {
		v.total += b.Bytes.Size()
	}
	out := make([]Verification, len(im.Digests))
	for _, g := range groups {
		v.whole(im.Digests, g, out)
	}
	for _, b := range im.BlockDigests {
		out = append(out, v.blocks(b))
	}
	return out, ctx.Err()
}

// digestGroups puts the numbers of digests of the same content together.
func digestGroups(digests []Digest) [][]int {
	var out [][]int
	type content struct { // containers inside each other may give their contents the same name
		of    string
		bytes sparse.Source
	}
	at := map[content]int{}
	for i, d := range digests {
		c := content{d.Of, d.Bytes}
		g, ok := at[c]
		if !ok {
			g, at[c] = len(out), len(out)
			out = append(out, nil)
		}
		out[g] = append(out[g], i)
	}
	return out
}

// newHash returns the hash of an algorithm, or nil.
func newHash(algorithm string) hash.Hash {
	switch algorithm {
	case "MD5":
		return md5.New()
	case "SHA-1":
		return sha1.New()
	case "SHA-256":
		return sha256.New()
	case "SHA-512":
		return sha512.New()
	case "CRC-32":
		return crc32.NewIEEE()
	case "BLAKE2b-512":
		h, _ := blake2b.New512(nil) // fails only for keys that are too long
		return h
	}
	return nil
}

// verifyStep is how many bytes are hashed at a time.
const verifyStep = 1 << 20

// verifier checks digests.
type verifier struct {
	ctx         context.Context
	progress    func(done, total int64)
	done, total int64
}

// hashed reports that n more bytes were hashed.
func (v *verifier) hashed(n int64) {
	v.done += n
	if v.progress != nil {
		v.progress(v.done, v.total)
	}
}

// whole checks the digests of a group, which are of the same content, in one pass over it.
func (v *verifier) whole(digests []Digest, group []int, out []Verification) {
	hashes := map[int]hash.Hash{}
	var all []io.Writer
	for _, i := range group {
		if h := newHash(digests[i].Algorithm); h != nil {
			hashes[i] = h
			all = append(all, h)
		}
	}
	err := v.copy(io.MultiWriter(all...), digests[group[0]].Bytes)
	for _, i := range group {
		d := digests[i]
		out[i] = Verification{Algorithm: d.Algorithm, Of: d.Of, Recorded: d.Value, Err: err}
		switch h := hashes[i]; {
		case h == nil:
			out[i].Err = errors.New("the algorithm is not known")
		case err == nil:
			out[i].Computed = h.Sum(nil)
		}
	}
}

// copy writes all of a source, or returns the error of the first byte that it lacks.
func (v *verifier) copy(w io.Writer, src sparse.Source) error {
	buf := make([]byte, verifyStep)
	for off := int64(0); off < src.Size(); {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		n := int(min(int64(len(buf)), src.Size()-off))
		if err := readFully(src, buf[:n], off); err != nil {
			return err
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		off += int64(n)
		v.hashed(int64(n))
	}
	return nil
}

// readFully fills p with the bytes at off, or fails.
func readFully(src sparse.Source, p []byte, off int64) error {
	n, err := src.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// blocks checks digests block by block. A block that is missing, or has no digest, is skipped and counted.
func (v *verifier) blocks(d BlockDigests) Verification {
	r := Verification{Algorithm: d.Algorithm, Of: d.Of}
	h, n := newHash(d.Algorithm), int64(digestSizes()[d.Algorithm])
	if h == nil || d.BlockSize <= 0 || d.BlockSize > maxAFF4Chunk {
		r.Err = errors.New("the algorithm, or the size of the blocks, is not known")
		return r
	}
	buf, want := make([]byte, d.BlockSize), make([]byte, n)
	count := (d.Bytes.Size() + d.BlockSize - 1) / d.BlockSize
	for i := int64(0); i < count; i++ {
		if err := v.ctx.Err(); err != nil {
			r.Err = err
			return r
		}
		off := i * d.BlockSize
		if more := min(withoutDigest(d.Values, i*n)/n, count-i); more > 0 { // all at once: a damaged size promises very many
			r.Without += more
			v.hashed(min(more*d.BlockSize, d.Bytes.Size()-off))
			i += more - 1
			continue
		}
		block := buf[:min(d.BlockSize, d.Bytes.Size()-off)]
		v.block(&r, h, d, block, want, i)
		v.hashed(int64(len(block)))
	}
	if r.Blocks == 0 && r.Err == nil {
		r.Err = errors.New("no digest of any block is there")
	}
	return r
}

// withoutDigest returns how many bytes of digests are missing from an offset on.
func withoutDigest(values sparse.Source, off int64) int64 {
	n, err := values.Probe(off)
	switch {
	case err == io.EOF:
		return math.MaxInt64
	case sparse.IsHole(err):
		return n
	}
	return 0
}

// block checks the digest of one block.
func (v *verifier) block(r *Verification, h hash.Hash, d BlockDigests, block, want []byte, i int64) {
	off := i * d.BlockSize
	err := readFully(d.Values, want, i*int64(len(want)))
	if sparse.IsHole(err) || errors.Is(err, io.ErrUnexpectedEOF) {
		r.Without++
		return
	}
	if err == nil {
		err = readFully(d.Bytes, block, off)
	}
	if err != nil {
		if r.Err == nil {
			r.Err = err
		}
		return
	}
	h.Reset()
	h.Write(block)
	if r.Blocks++; !bytes.Equal(h.Sum(nil), want) {
		if r.Wrong++; r.Wrong == 1 {
			r.FirstWrong = off
		}
	}
}
