package fs

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"memlens/memimage/report"
)

// A file of known size whose content takes long to make is as long as its longest content could be. Blanks make up for the rest:
// in JSON beside the values, and in a table in a column of their own, so that every other cell is what it says.

// letters is a text of n bytes, which stands for any text of that length.
func letters(n int) string { return strings.Repeat("x", n) }

// paddingColumn is the name of that column, the last one.
const paddingColumn = "padding"

// withPadding are the columns of a table with that column.
func withPadding(columns []string) []string { return append(slices.Clip(columns), paddingColumn) }

// addPadded adds a row, with n blanks in the last column.
func (c *csvWriter) addPadded(n int, cells ...string) {
	c.add(report.Cell, append(slices.Clip(cells), "")...)
	c.out.Truncate(c.out.Len() - len("\n"))
	c.out.WriteString(strings.Repeat(" ", n) + "\n")
}

// lengthPadded returns how long a row would be without blanks in the last column.
func (c *csvWriter) lengthPadded(cells ...string) int {
	return c.length(report.Cell, append(slices.Clip(cells), "")...)
}

// encodeIn writes a value as [encode] does. Each line is as long as the same line of room, which encode made of a value of
// the same structure with the longest contents. A number stands at the right of its room, and any other value at the
// left.
func encodeIn(room []byte, v any) ([]byte, error) {
	raw, err := encode(v)
	if err != nil {
		return nil, err
	}
	lines, longestLines := bytes.Split(raw, []byte("\n")), bytes.Split(room, []byte("\n"))
	if len(lines) != len(longestLines) {
		return nil, fmt.Errorf("fs: JSON of %d lines, %d could be there", len(lines), len(longestLines))
	}
	out := make([]byte, 0, len(room))
	for i, line := range lines {
		n := len(longestLines[i]) - len(line)
		if n < 0 {
			return nil, fmt.Errorf("fs: a line of JSON, %q, is %d bytes longer than it could be", line, -n)
		}
		out = append(appendFitted(out, line, n), '\n')
	}
	return out[:len(out)-1], nil
}

// appendFitted appends a line of indented JSON, longer by n blanks.
func appendFitted(out, line []byte, n int) []byte {
	at := len(line)
	if value := valueIn(line); value < len(line) && (line[value] == '-' || line[value] >= '0' && line[value] <= '9') {
		at = value
	}
	out = append(out, line[:at]...)
	out = append(out, bytes.Repeat([]byte(" "), n)...)
	return append(out, line[at:]...)
}

// valueIn returns where the value begins in a line of indented JSON, behind its key if it has one.
func valueIn(line []byte) int {
	start := len(line) - len(bytes.TrimLeft(line, " "))
	key, value, _ := bytes.Cut(line[start:], []byte(": "))
	if len(key) < 2 || key[0] != '"' || key[len(key)-1] != '"' || bytes.ContainsAny(key[1:len(key)-1], `\"`) {
		return start
	}
	return len(line) - len(value)
}

// fittedTable writes rows under a header as a table of that size.
func fittedTable(size int64, header []string, rows [][]string) ([]byte, error) {
	out := newCSV()
	n := int(size) - out.add(report.Cell, withPadding(header)...)
	for _, row := range rows {
		n -= out.lengthPadded(row...)
	}
	if n < 0 || n > 0 && len(rows) == 0 {
		return nil, fmt.Errorf("fs: %d bytes are to be made up for by %d rows", n, len(rows))
	}
	for i, row := range rows {
		out.addPadded(share(n, len(rows), i), row...)
	}
	return out.file(), nil
}

// share is part i of n in equal parts, or in parts that differ by one.
func share(n, parts, i int) int { return (n + i) / parts }
