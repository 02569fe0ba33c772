package fs

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"strings"
)

// lateTable is a table in CSV of which the last columns take long to make. They are made when the file is first read; its
// size is that of the longest that they could be, and each row has spaces at its end that make up for the rest. Its last
// cell is never empty, and the only one that may be cut off.
type lateTable[T any] struct {
	early, late []string // names of the columns
	row         func(of T) []string
	// longest returns cells that are as long as the late ones can be, and cells makes those.
	longest func(of T) []string
	cells   func(ctx context.Context, of T) ([]string, error)
}

// file returns the table of some things as a file that is kept under key. Rows that tell of damage come last.
func (t *lateTable[T]) file(ctx context.Context, f *FS, key string, things []T, damage []error) (*body, error) {
	size, err := f.measured(key, func() (int64, error) {
		n := int64(len(t.head()) + len(t.tail(damage)))
		for _, of := range things {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			n += int64(len(t.long(of)))
		}
		return n, nil
	})
	if err != nil {
		return nil, err
	}
	return &body{Content: f.later(key, size, func(ctx context.Context) ([]byte, error) {
		out := t.head()
		for _, of := range things {
			line, err := t.line(ctx, of)
			if err != nil {
				return nil, err
			}
			out = append(out, line...)
		}
		return append(out, t.tail(damage)...), nil
	})}, nil
}

// head is the line of the names of the columns.
func (t *lateTable[T]) head() []byte {
	return csvLine(append(append([]string{}, t.early...), t.late...))
}

// tail are the rows that tell of damage.
func (t *lateTable[T]) tail(damage []error) (out []byte) {
	for _, err := range damage {
		row := make([]string, len(t.early)+len(t.late))
		row[len(row)-1] = "list damaged: " + err.Error()
		out = append(out, csvLine(row)...)
	}
	return out
}

// long is a row as long as it could be. A quotation mark is reserved for either end of each late cell.
func (t *lateTable[T]) long(of T) []byte {
	cells := t.longest(of)
	for i := range cells {
		cells[i] = strings.Repeat("x", len(cells[i])+len(`""`))
	}
	return csvLine(append(t.row(of), cells...))
}

// line makes a row, with spaces at its end up to its length.
func (t *lateTable[T]) line(ctx context.Context, of T) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cells, err := t.cells(ctx, of)
	if err != nil {
		return nil, err
	}
	longest := t.longest(of)
	for i, most := range longest {
		if i < len(longest)-1 && most != "" && len(cells[i]) > len(most) { // a number that is cut off is another number
			return nil, fmt.Errorf("fs: %s, %q, is longer than it could be", t.late[i], cells[i])
		}
		text := strings.ReplaceAll(printable(cells[i]), `"`, "'") // a quotation mark would be doubled
		cells[i] = strings.ToValidUTF8(text[:min(len(text), len(most))], "")
	}
	row := append(t.row(of), cells...)
	n := len(t.long(of)) - len(csvLine(row))
	if n < 0 {
		return nil, fmt.Errorf("fs: a row is %d bytes longer than it could be", -n)
	}
	row[len(row)-1] += strings.Repeat(" ", n)
	return csvLine(row), nil
}

// csvLine writes a row of a table.
func csvLine(cells []string) []byte {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	for i := range cells {
		cells[i] = cell(cells[i])
	}
	w.Write(cells)
	w.Flush()
	return out.Bytes()
}

// number is as long as any count up to n.
func number[N int | int64](n N) string { return fmt.Sprint(max(n, 0)) }
