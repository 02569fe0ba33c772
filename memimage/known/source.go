package known

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// packings are the ways in which a set may be compressed as a whole.
var packings = []struct {
	magic string
	open  func(io.Reader) (io.Reader, error)
}{
	{"\x1f\x8b\x08", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"\xfd7zXZ\x00", func(r io.Reader) (io.Reader, error) { return xz.NewReader(r) }},
	{"\x28\xb5\x2f\xfd", func(r io.Reader) (io.Reader, error) {
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	}},
}

// maxWindow bounds the memory of a decoder.
const maxWindow = 128 << 20

// refused are kinds of files that people take for sets, with advice.
var refused = []struct{ magic, why string }{
	{"SQLite format 3\x00", `it is an SQLite database, as NSRL's RDS is since version 3: export it by sqlite3 -csv -header FILE.db "SELECT sha256, min(file_name) AS file_name FROM FILE GROUP BY sha256" > nsrl.csv`},
	{"PK\x03\x04", "it is a zip archive: unpack it"},
	{"7z\xbc\xaf\x27\x1c", "it is a 7z archive: unpack it"},
	{"<?xml", "it is XML, such as hashdeep and md5deep write with -d: write it without"},
}

// textOf returns the text of a set in UTF-8, unpacked.
func textOf(r io.Reader) (io.Reader, error) {
	in := bufio.NewReaderSize(r, 256<<10)
	head, err := in.Peek(16)
	if err != nil && err != io.EOF {
		return nil, err
	}
	for _, no := range refused {
		if bytes.HasPrefix(head, []byte(no.magic)) {
			return nil, errors.New(no.why)
		}
	}
	for _, p := range packings {
		if bytes.HasPrefix(head, []byte(p.magic)) {
			unpacked, err := p.open(in)
			if err != nil {
				return nil, fmt.Errorf("unpacking: %w", err)
			}
			return decoded(unpacked), nil
		}
	}
	return decoded(in), nil
}

// decoded removes a byte order mark. Text with a mark of UTF-16 becomes UTF-8; other text stays as it is.
func decoded(r io.Reader) io.Reader {
	return transform.NewReader(r, unicode.BOMOverride(transform.Nop))
}

// counted counts how much of a file has been read, and ends with a context.
type counted struct {
	ctx  context.Context
	r    io.Reader
	n    int64
	tell func(n int64)
}

// Read implements [io.Reader].
func (c *counted) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.tell(c.n)
	return n, err
}
