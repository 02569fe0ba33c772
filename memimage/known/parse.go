package known

import (
	"bytes"
	"fmt"
	"io"
)

// Stats counts the lines that were read from a set.
type Stats struct {
	Lines   int64 // lines that are neither empty nor comments
	Records int64 // lines with a digest
	Skipped int64 // lines that are not understood
	First   int64 // the number of the first skipped line, from 1; 0: none
}

// parser reads a set line by line. Lines that name columns determine the form of the lines behind them; without such
// lines, each line is judged by itself.
type parser struct {
	add   func(r *record) error
	stats Stats
	line  int64 // number of the current line
	in    form
	// table has the columns of the current table.
	table   columns
	record  record
	fields  [][]byte
	scratch []byte
	pending []byte // lines of a record that has not ended, for a quoted field has a line feed in it
	joined  int64
}

// form is the form of lines.
type form int

const (
	sumLines      form = iota // a digest and perhaps a name
	hashdeepLines             // columns without quotes, the last of which is the name
	tableLines                // CSV
)

// parse reads a set and calls add for each record, which is valid until add returns.
func parse(r io.Reader, add func(r *record) error) (Stats, error) {
	p := &parser{add: add}
	err := eachLine(r, func(line []byte) error {
		p.line++
		return p.read(line)
	})
	if err == nil && len(p.pending) > 0 {
		p.skip(p.joined)
	}
	return p.stats, err
}

// skip counts lines that are not understood.
func (p *parser) skip(n int64) {
	p.stats.Skipped += n
	if p.stats.First == 0 {
		p.stats.First = p.line - n + 1
	}
	p.pending, p.joined = p.pending[:0], 0
}

const hashdeepMark = "%%%% "

// read reads a line; nil stands for a line that is too long.
func (p *parser) read(line []byte) error {
	switch {
	case len(p.pending) > 0 && line != nil:
		return p.readTable(line)
	case line != nil && (len(bytes.TrimSpace(line)) == 0 || line[0] == '#'):
		return nil
	case bytes.HasPrefix(line, []byte(hashdeepMark)):
		p.header(line[len(hashdeepMark):])
		return nil
	}
	p.stats.Lines++
	if line == nil {
		p.skip(p.joined + 1)
		return nil
	}
	switch p.in {
	case hashdeepLines:
		return p.readHashdeep(line)
	case tableLines:
		return p.readTable(line)
	}
	return p.readSum(line)
}

// header reads a line of hashdeep's that names the format or the columns.
func (p *parser) header(text []byte) {
	if bytes.HasPrefix(text, []byte("HASHDEEP-")) {
		return
	}
	if c, ok := columnsOf(bytes.Split(text, []byte(",")), ','); ok {
		p.in, p.table = hashdeepLines, c
		return
	}
	p.stats.Lines++
	p.skip(1)
}

// readHashdeep reads a line of hashdeep's. Its last column is a name, which may contain any characters.
func (p *parser) readHashdeep(line []byte) error {
	p.fields = splitN(p.fields[:0], line, p.table.count)
	return p.finish(p.table.record(&p.record, p.fields))
}

// splitN splits at commas into at most n fields.
func splitN(fields [][]byte, line []byte, n int) [][]byte {
	for len(fields) < n-1 {
		at := bytes.IndexByte(line, ',')
		if at < 0 {
			break
		}
		fields, line = append(fields, line[:at]), line[at+1:]
	}
	return append(fields, line)
}

// finish passes a record on if it has a digest.
func (p *parser) finish(r *record) error {
	if len(r.digests) == 0 {
		p.skip(1)
		return nil
	}
	p.stats.Records++
	return p.add(r)
}

// noRecord is the error for a set in which no line is understood.
func noRecord(line int64, text string) error {
	return fmt.Errorf("no hashes in a form that is known: line %d is %.60q (hashdeep's, md5sum's and sha256sum's files are, NSRL's NSRLFile.txt, CSV with columns named MD5, SHA-1, SHA-256 or authentihash, and a hash per line)", line, text)
}
