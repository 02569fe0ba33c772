package known

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// sizes are the sizes of the supported digests in bytes, the strongest last. The size identifies the algorithm.
var sizes = [...]int{md5.Size, sha1.Size, sha256.Size}

// Algorithm names the digests of that size in bytes: "MD5", "SHA-1", "SHA-256", or "" for other sizes.
func Algorithm(size int) string {
	switch size {
	case md5.Size:
		return "MD5"
	case sha1.Size:
		return "SHA-1"
	case sha256.Size:
		return "SHA-256"
	}
	return ""
}

// digest is a complete digest of one of the sizes.
type digest struct {
	bytes  [sha256.Size]byte
	size   int
	signed bool // an authentihash, which is of the signed part of a file
}

// parseDigest reads a digest in hexadecimal digits, which may be quoted.
func parseDigest(text []byte) (d digest, ok bool) {
	text = bytes.Trim(text, "\" \t")
	d.size = len(text) / 2
	if len(text)%2 != 0 || !slices.Contains(sizes[:], d.size) {
		return digest{}, false
	}
	_, err := hex.Decode(d.bytes[:], text)
	return d, err == nil
}

// hexDigits returns how many hexadecimal digits a text begins with.
func hexDigits(text []byte) int {
	for i, c := range text {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return i
		}
	}
	return len(text)
}

// record is the content of one line of a set: facts about a file.
type record struct {
	digests []digest
	name    []byte
}

// reset makes room for another record.
func (r *record) reset() { r.digests, r.name = r.digests[:0], nil }

// add adds a digest if the text is one.
func (r *record) add(text []byte, signed bool) {
	if d, ok := parseDigest(text); ok {
		d.signed = signed
		r.digests = append(r.digests, d)
	}
}

// strongest returns the digests by which the record is found: the strongest digest of the whole file, and the
// authentihashes.
func (r *record) strongest() []digest {
	most := 0
	for _, d := range r.digests {
		if !d.signed {
			most = max(most, d.size)
		}
	}
	r.digests = slices.DeleteFunc(r.digests, func(d digest) bool { return !d.signed && d.size < most })
	return r.digests
}
