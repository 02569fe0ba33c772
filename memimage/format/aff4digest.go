package format

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"memlens/memimage/sparse"
)

// aff4Algorithms are the algorithms of digests, in the order of the standard.
var aff4Algorithms = []struct{ class, name, extension string }{
	{"MD5", "MD5", "md5"},
	{"SHA1", "SHA-1", "sha1"},
	{"SHA256", "SHA-256", "sha256"},
	{"SHA512", "SHA-512", "sha512"},
	{"Blake2b", "BLAKE2b-512", "blake2b"},
}

// algorithm returns the name of the algorithm that the type of a literal stands for; "" when it is none over a whole
// stream.
func algorithm(kind string) string {
	for _, alg := range aff4Algorithms {
		if strings.EqualFold(withoutSchema(kind), alg.class) {
			return alg.name
		}
	}
	return ""
}

// declared returns the digests that a resource has under a name, each once: several volumes may say the same.
func (a *aff4File) declared(urn, name, of string, hashed sparse.Source) []Digest {
	var out []Digest
	for _, t := range a.terms(urn, name) {
		alg := algorithm(t.kind)
		value, err := hex.DecodeString(t.text)
		same := func(d Digest) bool { return d.Algorithm == alg && bytes.Equal(d.Value, value) }
		if alg == "" || err != nil || len(value) != digestSizes()[alg] || slices.ContainsFunc(out, same) {
			continue
		}
		out = append(out, Digest{Algorithm: alg, Value: value, Of: of, Bytes: hashed})
	}
	slices.SortStableFunc(out, func(x, y Digest) int { return len(x.Value) - len(y.Value) })
	return out
}

// digests returns the digests of a stream: of the images over it, of the stream itself, and of its blocks.
func (a *aff4File) digests(urn string, hashed sparse.Source) ([]Digest, []BlockDigests) {
	of := "the AFF4 stream " + a.label(urn)
	var out []Digest
	for _, image := range a.images(urn) {
		out = append(out, a.declared(image, "hash", of, hashed)...)
	}
	var blocks []BlockDigests
	for _, alg := range aff4Algorithms {
		values := a.blockValues(urn, alg.extension, digestSizes()[alg.name])
		if values == nil {
			continue
		}
		blocks = append(blocks, BlockDigests{alg.name, of, hashed, a.chunkSize(urn), values})
		what := fmt.Sprintf("the %s digests of the blocks of %s", alg.name, of)
		out = append(out, a.declared(urn+"/blockhash."+alg.extension, "hash", what, values)...)
		out = append(out, slices.DeleteFunc(a.declared(urn, "blockHashesHash", what, values), func(d Digest) bool { return d.Algorithm != alg.name })...)
	}
	return out, blocks
}

// blockValues returns the digests of the chunks of a stream one behind the other, or nil. They lie beside the bevies.
func (a *aff4File) blockValues(urn, extension string, size int) sparse.Source {
	bevy := a.number(urn, "chunksInSegment", "chunks_per_segment", "chunks_in_segment")
	chunk := a.chunkSize(urn)
	if bevy <= 0 || bevy > maxAFF4Bevy || chunk <= 0 {
		return nil
	}
	chunks := (a.number(urn, "size") + chunk - 1) / chunk
	var extents []sparse.Extent
	for _, n := range a.bevies((chunks + bevy - 1) / bevy) {
		src := a.blockSegment(fmt.Sprintf("%s/%08d", urn, n), extension)
		if src == nil {
			continue
		}
		want := min(bevy, chunks-n*bevy) * int64(size)
		extents = append(extents, sparse.Extent{Off: n * bevy * int64(size), Len: min(src.Size(), want), Src: src})
	}
	if len(extents) == 0 {
		return nil
	}
	r, err := sparse.NewReader(chunks*int64(size), extents...)
	if err != nil {
		return nil
	}
	return r
}

// blockSegment returns the digests of the chunks of a bevy, or nil. The standard, Evimetry, and Evimetry before the
// standard each give the file another name.
func (a *aff4File) blockSegment(bevy, extension string) sparse.Source {
	for _, name := range []string{".blockHash.", "/blockHash.", "."} {
		if s, ok := a.entry(bevy + name + extension); ok {
			if src, err := s.plain(); err == nil {
				return src
			}
		}
	}
	return nil
}

// maxDigested bounds the streams of a map whose digests are looked for.
const maxDigested = 16

// digests returns the digests of a map and of the streams that it names.
func (m *aff4Map) digests() ([]Digest, []BlockDigests) {
	var out []Digest
	var blocks []BlockDigests
	for _, urn := range m.images(m.urn) {
		if found := m.declared(urn, "hash", "the AFF4 map "+m.label(m.urn), nil); len(found) > 0 {
			hashed := m.bytes()
			for _, d := range found {
				d.Bytes = hashed
				out = append(out, d)
			}
		}
	}
	for _, t := range m.targets[:min(len(m.targets), maxDigested)] {
		if t == nil || t.src == nil || !m.isStream(t.urn) {
			continue
		}
		d, b := m.aff4File.digests(t.urn, t.src)
		out, blocks = append(out, d...), append(blocks, b...)
	}
	return out, blocks
}

// bytes returns the map as the stream that was digested: gaps between entries are zeros, unless the map says
// otherwise, and bytes that were not read are a text.
func (m *aff4Map) bytes() sparse.Source {
	gap := m.gap
	if gap == nil || gap.hashed == nil {
		gap = &aff4Target{hashed: fill(0), size: maxMissing}
	}
	size := int64(min(m.length(), maxMissing))
	var extents []sparse.Extent
	for _, e := range slices.Backward(slices.Concat(m.entries, m.gaps(gap))) { // where entries overlap, the first one counts
		if have := uint64(e.target.size); e.target.hashed != nil && e.addr < uint64(size) && e.off < have {
			n := min(e.n, uint64(size)-e.addr, have-e.off)
			extents = append(extents, sparse.Extent{Off: int64(e.addr), Len: int64(n), Src: e.target.hashed, SrcOff: int64(e.off)})
		}
	}
	r, err := sparse.NewReader(size, sparse.Overlay(extents...)...)
	if err != nil {
		return sparse.Bytes(nil)
	}
	return r
}
