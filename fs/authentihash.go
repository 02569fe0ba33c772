package fs

import (
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"sort"
	"strings"

	"memlens/memimage/pe"
	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

// authentihash is the digest of a file that Authenticode signs. It leaves out the CheckSum and the certificates, and so is
// the original's whenever all pages are there.
type authentihash struct {
	SHA256    string `json:"sha256"`
	SHA1      string `json:"sha1"`
	Certainty string `json:"certainty"` // empty when there is none
	Note      string `json:"note"`      // what it was assumed on, or why there is none
}

// noAuthentihash says why there is none.
func noAuthentihash(format string, args ...any) *authentihash {
	return &authentihash{Note: cut(fmt.Sprintf(format, args...))}
}

// maxReason is how long a note may be, so that the size of the file that has it is known before.
const maxReason = 200

// cut shortens a note, and takes what JSON would write longer out of it.
func cut(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\\<>&`, r) {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), maxReason)]
}

// longestAuthentihash is as long as any.
func longestAuthentihash() (*authentihash, error) {
	x := func(n int) string { return strings.Repeat("x", n) }
	return &authentihash{x(2 * sha256.Size), x(2 * sha1.Size), restore.Assumed.String(), x(maxReason)}, nil
}

// authentihash returns that of the restored file.
func (m *module) authentihash() (*authentihash, error) {
	r, err := m.Restored()
	if err != nil {
		return noAuthentihash("there is no restored file: %v", err), sparse.OnlyFailed(err)
	}
	return authentihashOf(r)
}

// authentihashXattr is the SHA-256 digest as an extended attribute of the restored file, or why there is none.
func (m *module) authentihashXattr() (string, bool) {
	raw, err := m.fs.texts.get(m.at.name+"\x00authentihash", func() ([]byte, error) {
		hash, err := m.authentihash()
		if err != nil {
			return nil, err
		}
		if hash.SHA256 == "" {
			return []byte(hash.Note), nil
		}
		return []byte(hash.SHA256), nil
	})
	return string(raw), err == nil
}

// authentihashOf makes the digest of a restored file, if every byte that it is of is there and none was left as it was
// found. The error is of a source that fails.
func authentihashOf(r *restore.Result) (*authentihash, error) {
	size := r.Reader.Size()
	if size > maxParsed {
		return noAuthentihash("not made: the file has %d bytes", size), nil
	}
	f, err := pe.Open(r.Reader)
	if unreadable(err) {
		return noAuthentihash("not made: %v", err), nil
	}
	if err != nil {
		return nil, err
	}
	out := &authentihash{Certainty: restore.Exact.String()}
	if r.SizeCertainty != restore.Exact {
		out.Certainty, out.Note = restore.Assumed.String(), cut("the size of the file is "+r.SizeProof)
	}
	for _, signed := range f.Signed() {
		for _, row := range rowsIn(r.Rows, signed.Off, signed.End()) {
			switch {
			case row.Kind == restore.Missing:
				return noAuthentihash("not made: bytes from %#x on are missing: %s", max(row.FileOffset, signed.Off), row.Note), nil
			case row.Certainty() == restore.Left:
				return noAuthentihash("not made: bytes from %#x on are left as they were found", row.FileOffset), nil
			case row.Certainty() == restore.Assumed && out.Note == "":
				out.Certainty, out.Note = restore.Assumed.String(), cut(fmt.Sprintf("bytes from %#x on: %s", row.FileOffset, row.Note))
			}
		}
	}
	if r.BaseCertainty == restore.Left {
		return noAuthentihash("not made: the original image base is not known"), nil
	}
	out.SHA256, out.SHA1, err = sumSigned(f)
	return out, err
}

// sumSigned makes the digests.
func sumSigned(f *pe.File) (long, short string, err error) {
	a, b := sha256.New(), sha1.New()
	if err := f.Authentihash(a, b); err != nil {
		return "", "", err
	}
	return fmt.Sprintf("%x", a.Sum(nil)), fmt.Sprintf("%x", b.Sum(nil)), nil
}

// unreadable reports whether an error says that bytes of an executable are missing, or that it is none: a fact, where
// any other error is of a source that fails.
func unreadable(err error) bool {
	return errors.Is(err, pe.ErrFormat) || sparse.IsHole(err)
}

// rowsIn returns the rows that have bytes from off to end.
func rowsIn(rows []restore.Row, off, end int64) []restore.Row {
	from := sort.Search(len(rows), func(i int) bool { return rows[i].FileOffset+rows[i].Length > off })
	to := from + sort.Search(len(rows)-from, func(i int) bool { return rows[from+i].FileOffset >= end })
	return rows[from:to]
}

// judge reads a restored file, and notes how sure it is of the bytes that were read.
type judge struct {
	result *restore.Result
	worst  restore.Certainty
}

// Size implements [sparse.Source].
func (j *judge) Size() int64 { return j.result.Reader.Size() }

// Probe implements [sparse.Source].
func (j *judge) Probe(off int64) (int64, error) { return j.result.Reader.Probe(off) }

// ReadAt implements [sparse.Source].
func (j *judge) ReadAt(p []byte, off int64) (int, error) {
	n, err := j.result.Reader.ReadAt(p, off)
	for _, row := range rowsIn(j.result.Rows, off, off+int64(n)) {
		if row.Kind != restore.Missing {
			j.worst = max(j.worst, row.Certainty())
		}
	}
	return n, err
}

// forgetBase forgets that the headers are assumed where only their ImageBase is: no import is found by that.
func (j *judge) forgetBase() {
	if j.worst == restore.Assumed && !j.result.HeadersAssumed {
		j.worst = restore.Exact
	}
}
