package fs

import (
	"bytes"
	"fmt"
	"strings"

	"memlens/memimage/report"
)

// A file of known size whose content takes long to make is as long as its longest content could be. Blanks at the ends of its
// lines make up for the rest: a person does not see them, a table has no row more, and JSON does not mind.

// encodeAs writes a value as [encode] does. Each line is as long as the same line of longest, a value of the same
// structure with the longest contents. A number stands at the right of its room, and any other value at the left.
func encodeAs(longest, v any) ([]byte, error) {
	room, err := encode(longest)
	if err != nil {
		return nil, err
	}
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
	measured := newCSV()
	defer measured.drop()
	n := measured.length(report.Cell, header...)
	for _, row := range rows {
		n += measured.length(report.Cell, row...)
	}
	if err := lengthened(rows, int(size)-n); err != nil {
		return nil, err
	}
	return table(header, func(add func(...string)) {
		for _, row := range rows {
			add(row...)
		}
	})
}

// lengthened adds n blanks in all to the last cells of rows. The rows get equal shares, or shares that differ by one.
func lengthened(rows [][]string, n int) error {
	if n < 0 || n > 0 && len(rows) == 0 {
		return fmt.Errorf("fs: %d bytes are to be made up for by %d rows", n, len(rows))
	}
	for i, row := range rows {
		share := (n + i) / len(rows) // the sum of all shares is n
		row[len(row)-1] += strings.Repeat(" ", share)
	}
	return nil
}
