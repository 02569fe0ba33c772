package pe

import (
	"fmt"
	"hash"
	"io"
)

// Range is a piece of a file: Len bytes from Off on.
type Range struct{ Off, Len int64 }

// End returns the offset of the first byte behind the range.
func (r Range) End() int64 { return r.Off + r.Len }

// Certificates returns where the file has its certificate table; an empty range when it has none, or when its entry in
// the data directory is impossible.
func (f *File) Certificates() Range {
	dir := f.Directory(dirCert)
	r := Range{int64(dir.Address), int64(dir.Size)}
	if r.Len == 0 || r.End() > f.Size || r.Off < f.optional+f.directoriesAt()+8*int64(len(f.Directories)) {
		return Range{}
	}
	return r
}

// Unsigned returns the ranges of the file that Authenticode's digest leaves out, in order: the CheckSum, the data
// directory's entry of the certificate table, and the table (Windows Authenticode Portable Executable Signature Format).
func (f *File) Unsigned() []Range {
	out := []Range{{f.optional + 64, 4}}
	if len(f.Directories) > dirCert {
		out = append(out, Range{f.optional + f.directoriesAt() + 8*dirCert, 8})
	}
	if c := f.Certificates(); c.Len > 0 {
		out = append(out, c)
	}
	return out
}

// Signed returns the other ranges: the digest is computed over them.
func (f *File) Signed() []Range {
	var out []Range
	at := int64(0)
	for _, r := range append(f.Unsigned(), Range{f.Size, 0}) {
		if r.Off > at {
			out = append(out, Range{at, r.Off - at})
		}
		at = r.End()
	}
	return out
}

// Authentihash writes the bytes under Authenticode's digest to hashes. The error is the source's: where bytes are
// missing, there is no digest.
func (f *File) Authentihash(hashes ...hash.Hash) error {
	all := make([]io.Writer, len(hashes))
	for i, h := range hashes {
		all[i] = h
	}
	w := io.MultiWriter(all...)
	for _, r := range f.Signed() {
		n, err := io.Copy(w, io.NewSectionReader(f.r, r.Off, r.Len))
		if err == nil && n < r.Len {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("pe: the file cannot be read at %#x: %w", r.Off+n, err)
		}
	}
	return nil
}
