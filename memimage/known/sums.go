package known

import (
	"bytes"
	"crypto/sha256"
	"regexp"
	"strings"
)

// readSum reads a line of a set without columns: of md5sum and its relatives, of md5deep, a bare hash, a line of
// BSD's form, or a line of CSV. A line that names columns begins a table.
func (p *parser) readSum(line []byte) error {
	out := &p.record
	out.reset()
	if sumLine(out, line) || tagLine(out, line) {
		return p.finish(out)
	}
	for _, separator := range []byte{',', ';', '\t'} {
		fields, open := splitCSV(p.fields[:0], bytes.Clone(line), separator)
		p.fields = fields
		if c, ok := columnsOf(fields, separator); ok && !open {
			p.in, p.table = tableLines, c
			p.stats.Lines--
			return nil
		}
		if separator == ',' && line[0] == '"' && len(fields) > 1 {
			return p.finish(unnamed(out, fields))
		}
	}
	p.skip(1)
	return nil
}

// sumLine reads "DIGEST  name" as md5sum and md5deep write it: a size may stand before the digest, a star or a second blank
// before the name, or commas between; a bare digest, too. A line that begins with a backslash has an escaped name.
func sumLine(out *record, line []byte) bool {
	escaped := line[0] == '\\'
	if escaped {
		line = line[1:]
	}
	line = bytes.TrimLeft(line, " \t")
	n := hexDigits(line)
	if rest, ok := behindSize(line); ok {
		line, n = rest, hexDigits(rest)
	}
	if n < len(line) && !bytes.ContainsRune([]byte(" \t,"), rune(line[n])) {
		return false
	}
	out.add(line[:n], false)
	if len(out.digests) == 0 {
		return false
	}
	out.name = nameBehind(line[n:])
	if escaped {
		out.name = unescape(out.name)
	}
	return true
}

// behindSize returns the rest of a line behind a size in decimal digits, which md5deep writes before the digest with
// -z.
func behindSize(line []byte) ([]byte, bool) {
	n := 0
	for n < len(line) && line[n] >= '0' && line[n] <= '9' {
		n++
	}
	if n == 0 || n > 20 || n == len(line) || !bytes.ContainsRune([]byte(" ,"), rune(line[n])) {
		return nil, false
	}
	return bytes.TrimLeft(line[n+1:], " "), true
}

// timeMark is the time that md5deep writes before the name with -t.
var timeMark = regexp.MustCompile(`^ \d{4}(:\d\d){5} `)

// nameBehind returns the name that follows a digest: behind one blank, and one mark of how the file was read.
func nameBehind(rest []byte) []byte {
	if len(rest) == 0 {
		return nil
	}
	if at := timeMark.FindIndex(rest); at != nil {
		rest = rest[at[1]-1:]
	}
	marked := rest[0] != ','
	if rest = rest[1:]; marked && len(rest) > 0 && strings.IndexByte(" *", rest[0]) >= 0 {
		rest = rest[1:]
	}
	return rest
}

// unescape undoes md5sum's escapes in names with backslashes and line ends.
func unescape(name []byte) []byte {
	out := make([]byte, 0, len(name))
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '\\' && i+1 < len(name) {
			i++
			switch c = name[i]; c {
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			}
		}
		out = append(out, c)
	}
	return out
}

// tagLine reads "SHA256 (name) = DIGEST", the form of BSD and of sha256sum --tag, and OpenSSL's "SHA2-256(name)= DIGEST".
func tagLine(out *record, line []byte) bool {
	escaped := line[0] == '\\'
	if escaped {
		line = line[1:]
	}
	open, equals := bytes.IndexByte(line, '('), bytes.LastIndex(line, []byte(")"))
	if open < 0 || equals < open {
		return false
	}
	text, ok := bytes.CutPrefix(bytes.TrimLeft(line[equals+1:], " "), []byte("= "))
	if !ok {
		return false
	}
	out.add(text, false)
	if len(out.digests) == 0 || !isTag(columnKey(line[:open]), out.digests[0].size) {
		out.reset()
		return false
	}
	if out.name = line[open+1 : equals]; escaped {
		out.name = unescape(out.name)
	}
	return true
}

// isTag reports whether a tag names the digests of a size. Other digests have the same length: SHA-512/256 is as long
// as SHA-256.
func isTag(tag string, size int) bool {
	name := columnKey([]byte(Algorithm(size)))
	return tag == name || size == sha256.Size && tag == "sha2256"
}
