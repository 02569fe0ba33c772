package known

import "bytes"

// splitCSV splits a line of CSV (RFC 4180) into fields, without their quotation marks; doubled marks become single
// ones in the line itself. A quotation mark that neither ends a field nor is doubled is part of the field: some names
// have such marks. open reports that a quoted field has not ended.
func splitCSV(fields [][]byte, line []byte, separator byte) (out [][]byte, open bool) {
	for {
		if len(line) == 0 || line[0] != '"' {
			at := bytes.IndexByte(line, separator)
			if at < 0 {
				return append(fields, line), false
			}
			fields, line = append(fields, line[:at]), line[at+1:]
			continue
		}
		field, rest, ended := quoted(line[1:], separator)
		fields = append(fields, field)
		if !ended || rest == nil {
			return fields, !ended
		}
		line = rest
	}
}

// quoted reads a field whose opening quotation mark has been read, and returns the rest behind its separator; nil:
// the line ends there.
func quoted(text []byte, separator byte) (field, rest []byte, ended bool) {
	n := 0 // length of the field, whose bytes move together at doubled marks
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] != '"':
		case i+1 == len(text):
			return text[:n], nil, true
		case text[i+1] == '"':
			i++
		case text[i+1] == separator:
			return text[:n], text[i+2:], true
		}
		text[n] = text[i]
		n++
	}
	return text[:n], nil, false
}

// Bounds of a record that has line feeds in a field.
const (
	maxJoined      = 16 // lines
	maxJoinedBytes = maxLine
)

// readTable reads a line of a table, which may continue a line before it.
func (p *parser) readTable(line []byte) error {
	text := line
	if p.joined++; p.joined > 1 {
		p.stats.Lines++
		p.pending = append(append(p.pending, '\n'), line...)
		text = p.pending
	}
	p.scratch = append(p.scratch[:0], text...) // splitting moves bytes, and the record may continue
	fields, open := splitCSV(p.fields[:0], p.scratch, p.table.separator)
	p.fields = fields
	if open && p.joined < maxJoined && len(text) < maxJoinedBytes {
		p.pending = append(p.pending[:0], text...)
		return nil
	}
	// A stray quotation mark swallows the line behind it.
	if swallowed := p.joined > 1 && len(fields) > p.table.count; open || swallowed {
		p.skip(p.joined)
		if open {
			return nil
		}
	}
	p.pending, p.joined = p.pending[:0], 0
	if c, ok := columnsOf(fields, p.table.separator); ok { // the header of another table behind the first
		p.table = c
		p.stats.Lines--
		return nil
	}
	return p.finish(p.table.record(&p.record, fields))
}
