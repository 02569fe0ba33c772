package known

import (
	"bytes"
	"crypto/sha1"
	"slices"
)

// columns say which columns of a table are digests and which column is the name.
type columns struct {
	separator byte
	count     int
	digests   []int
	signed    []int // of authentihashes
	name      int   // -1: none
}

// columnsOf reads the names of columns; false if no name is a name of digests, or if one is a digest itself: then the
// line is a row.
func columnsOf(names [][]byte, separator byte) (columns, bool) {
	c := columns{separator: separator, count: len(names), name: -1}
	for i, n := range names {
		if _, row := parseDigest(n); row {
			return c, false
		}
		switch key := columnKey(n); {
		case slices.Contains([]string{"md5", "sha1", "sha256", "hash"}, key):
			c.digests = append(c.digests, i)
		case slices.Contains([]string{"authentihash", "authentihashsha1", "authentihashsha256", "authenticodehash"}, key):
			c.signed = append(c.signed, i)
		case c.name < 0 && slices.Contains([]string{"filename", "name", "path", "filepath", "file"}, key):
			c.name = i
		}
	}
	return c, len(c.digests)+len(c.signed) > 0
}

// columnKey is the name of a column without the differences between writers: "SHA-1" becomes "sha1".
func columnKey(name []byte) string {
	return string(bytes.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return -1
	}, name))
}

// record reads a row.
func (c *columns) record(out *record, fields [][]byte) *record {
	out.reset()
	for _, i := range c.digests {
		if i < len(fields) {
			out.add(fields[i], false)
		}
	}
	for _, i := range c.signed {
		if i < len(fields) {
			out.add(fields[i], true)
		}
	}
	// No authentihash is an MD5.
	out.digests = slices.DeleteFunc(out.digests, func(d digest) bool { return d.signed && d.size < sha1.Size })
	if c.name >= 0 && c.name < len(fields) {
		out.name = fields[c.name]
	}
	return out
}

// unnamed reads a row of a table without names of columns: a field with the form of a digest is a digest, and the
// first text that is no number is the name.
func unnamed(out *record, fields [][]byte) *record {
	out.reset()
	for _, f := range fields {
		before := len(out.digests)
		out.add(f, false)
		if len(out.digests) == before && out.name == nil && len(f) > 0 && hexDigits(f) < len(f) {
			out.name = f
		}
	}
	return out
}
