package format

import (
	"bytes"
	"encoding/hex"
	"encoding/xml"
	"hash/adler32"
	"slices"
)

// maxXHash bounds the section "xhash" of an EWF image in bytes.
const maxXHash = 64 << 10

// digest reads a section with digests of the medium. libewf describes them in "Expert Witness Compression Format
// specification", under the names of the sections.
func (e *ewfFile) digest(src Source, kind string, at, end int64) {
	var found []Digest
	switch kind {
	case "hash": // MD5, 16 bytes that are not known, a checksum
		found = e.checked(src, kind, at, 32, Digest{Algorithm: "MD5"})
	case "digest": // MD5, SHA-1, padding, a checksum
		found = e.checked(src, kind, at, 76, Digest{Algorithm: "MD5"}, Digest{Algorithm: "SHA-1"})
	case "xhash":
		found = e.xhash(src, at, end)
	}
	for _, d := range found {
		if known := slices.ContainsFunc(e.digests, func(o Digest) bool { return o.Algorithm == d.Algorithm && bytes.Equal(o.Value, d.Value) }); !known {
			e.digests = append(e.digests, d)
		}
	}
}

// checked reads digests that lie one behind the other in a section of size bytes before its checksum. A digest of
// zeros means that there is none.
func (e *ewfFile) checked(src Source, kind string, at int64, size int, digests ...Digest) []Digest {
	f, err := readUpTo(src, at, size+4)
	if err != nil || len(f) < size+4 || f.u32(size) != adler32.Checksum(f[:size]) {
		e.note("The section %q of %s, which has digests of the EWF image, is damaged and left out.", kind, src.Name())
		return nil
	}
	pos := 0
	var out []Digest
	for _, d := range digests {
		n := digestSizes()[d.Algorithm]
		if d.Value = f.at(pos, n); bytes.Count(d.Value, []byte{0}) < n {
			out = append(out, d)
		}
		pos += n
	}
	return out
}

// xhash reads the section of libewf's extended format: XML in zlib data, with an element for each digest.
func (e *ewfFile) xhash(src Source, at, end int64) []Digest {
	var list struct {
		MD5, SHA1, SHA256 string
	}
	data, err := readUpTo(src, at, int(max(0, min(end-at, maxXHash))))
	if err == nil {
		if data, err = inflateZlib(data, maxXHash); err == nil {
			err = xml.Unmarshal(data, &list)
		}
	}
	if err != nil {
		e.note("The section \"xhash\" of %s, which has digests of the EWF image, cannot be read: %s.", src.Name(), sentence(err))
		return nil
	}
	var out []Digest
	for _, d := range []struct{ algorithm, value string }{{"MD5", list.MD5}, {"SHA-1", list.SHA1}, {"SHA-256", list.SHA256}} {
		if value, err := hex.DecodeString(d.value); err == nil && len(value) == digestSizes()[d.algorithm] {
			out = append(out, Digest{Algorithm: d.algorithm, Value: value})
		}
	}
	return out
}
