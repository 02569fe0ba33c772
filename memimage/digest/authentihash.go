package digest

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

// Authentihash is the digest of a file that Authenticode signs. It leaves out the CheckSum and the certificates, and
// so equals the original's digest whenever all pages are present.
type Authentihash struct {
	SHA256    string `json:"sha256"`
	SHA1      string `json:"sha1"`
	Certainty string `json:"certainty"` // empty when there is none
	Note      string `json:"note"`      // the basis of an assumed digest, or why there is none
}

// NoAuthentihash says why there is none.
func NoAuthentihash(format string, args ...any) *Authentihash {
	return &Authentihash{Note: cut(fmt.Sprintf(format, args...))}
}

// maxReason is how long a note may be: the origin of a restored file can be a long text.
const maxReason = 200

// cut shortens a note, and replaces the characters that JSON would escape.
func cut(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\\<>&`, r) {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), maxReason)]
}

// AuthentihashOf makes the digest of a restored file, if every digested byte is present and none was left as it was
// found. The error is about a failed read.
func AuthentihashOf(r *restore.Result) (*Authentihash, error) {
	out, f, err := planAuthentihash(r)
	if err != nil || f == nil {
		return out, err
	}
	out.SHA256, out.SHA1, err = sumSigned(f)
	return out, err
}

// PlannedAuthentihash is the result of AuthentihashOf with placeholder digits for the digests: no byte of the file is
// digested.
func PlannedAuthentihash(r *restore.Result) (*Authentihash, error) {
	out, f, err := planAuthentihash(r)
	if err != nil || f == nil {
		return out, err
	}
	out.SHA256, out.SHA1 = strings.Repeat("0", 2*sha256.Size), strings.Repeat("0", 2*sha1.Size)
	return out, nil
}

// planAuthentihash returns the facts about the digest that are known before it is made, and the file to digest; nil:
// there will be no digest.
func planAuthentihash(r *restore.Result) (*Authentihash, *pe.File, error) {
	size := r.Reader.Size()
	if size > MaxParsed {
		return NoAuthentihash("not made: the file has %d bytes", size), nil, nil
	}
	f, err := pe.Open(r.Reader)
	if Unreadable(err) {
		return NoAuthentihash("not made: %v", err), nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	out := &Authentihash{Certainty: restore.Exact.String()}
	if r.SizeCertainty != restore.Exact {
		out.Certainty, out.Note = restore.Assumed.String(), cut("the size of the file is "+r.SizeProof)
	}
	for _, signed := range f.Signed() {
		for _, row := range rowsIn(r.Rows, signed.Off, signed.End()) {
			switch {
			case row.Kind == restore.Missing:
				return NoAuthentihash("not made: bytes from %#x on are missing: %s", max(row.FileOffset, signed.Off), row.Note), nil, nil
			case row.Certainty() == restore.Left:
				return NoAuthentihash("not made: bytes from %#x on are left as they were found", row.FileOffset), nil, nil
			case row.Certainty() == restore.Assumed && out.Note == "":
				out.Certainty, out.Note = restore.Assumed.String(), cut(fmt.Sprintf("bytes from %#x on: %s", row.FileOffset, row.Note))
			}
		}
	}
	if r.BaseCertainty == restore.Left {
		return NoAuthentihash("not made: the original image base is not known"), nil, nil
	}
	return out, f, nil
}

// sumSigned makes the digests.
func sumSigned(f *pe.File) (long, short string, err error) {
	a, b := sha256.New(), sha1.New()
	if err := f.Authentihash(a, b); err != nil {
		return "", "", err
	}
	return fmt.Sprintf("%x", a.Sum(nil)), fmt.Sprintf("%x", b.Sum(nil)), nil
}

// Unreadable reports whether an error says that bytes of an executable are missing, or that the file is no
// executable. This is a fact about the file; any other error is a failed read.
func Unreadable(err error) bool {
	return errors.Is(err, pe.ErrFormat) || sparse.IsHole(err)
}

// rowsIn returns the rows with bytes from off to end.
func rowsIn(rows []restore.Row, off, end int64) []restore.Row {
	from := sort.Search(len(rows), func(i int) bool { return rows[i].FileOffset+rows[i].Length > off })
	to := from + sort.Search(len(rows)-from, func(i int) bool { return rows[from+i].FileOffset >= end })
	return rows[from:to]
}

// Judge reads a restored file, and notes how sure it is of the bytes that were read.
type Judge struct {
	Result *restore.Result
	Worst  restore.Certainty
}

// Size implements [sparse.Source].
func (j *Judge) Size() int64 { return j.Result.Reader.Size() }

// Probe implements [sparse.Source].
func (j *Judge) Probe(off int64) (int64, error) { return j.Result.Reader.Probe(off) }

// ReadAt implements [sparse.Source].
func (j *Judge) ReadAt(p []byte, off int64) (int, error) {
	n, err := j.Result.Reader.ReadAt(p, off)
	for _, row := range rowsIn(j.Result.Rows, off, off+int64(n)) {
		if row.Kind != restore.Missing {
			j.Worst = max(j.Worst, row.Certainty())
		}
	}
	return n, err
}

// ForgetBase forgets an assumption about the headers if only their ImageBase is assumed, for no import depends on it.
func (j *Judge) ForgetBase() {
	if j.Worst == restore.Assumed && !j.Result.HeadersAssumed {
		j.Worst = restore.Exact
	}
}
