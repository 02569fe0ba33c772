package fs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"memlens/memimage/report"
)

// lateTable is a table in CSV whose last columns take long to make. They are made when the file is first read. Its size
// is the size of the longest rows that are possible, and a cell of blanks at the end of each row makes up for the rest. Of
// the other cells, only the last may be cut off.
type lateTable[T any] struct {
	early, late []string // names of the columns
	row         func(of T) []string
	// longest returns cells that are as long as the late cells can be, and cells makes the late cells.
	longest func(of T) ([]string, error)
	cells   func(ctx context.Context, of T) ([]string, error)
}

// file returns the table of some things as a file that is kept under key. Rows that report damage come last. If the damage is
// that a read failed, the table is not kept.
func (t *lateTable[T]) file(ctx context.Context, f *FS, key string, things []T, damage []error) (*body, error) {
	failed := failedOf(damage)
	if failed != nil {
		key = fmt.Sprintf("%s\x00%d things, %v", key, len(things), damage)
	}
	size, err := f.measured(ctx, key, func() (int64, error) {
		rows := newCSV()
		defer rows.drop()
		n := rows.length(report.Cell, withPadding(t.columns())...)
		for _, of := range things {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			longest, err := t.longest(of)
			if err != nil {
				return 0, err
			}
			n += t.most(rows, t.row(of), longest)
		}
		for _, err := range damage {
			n += rows.lengthPadded(t.damaged(err)...)
		}
		return int64(n), nil
	})
	if err != nil {
		return nil, err
	}
	return &body{Content: f.later(key, size, func(ctx context.Context) ([]byte, error) {
		rows := newCSV()
		rows.add(report.Cell, withPadding(t.columns())...)
		for _, of := range things {
			if err := t.add(ctx, rows, of); err != nil {
				return nil, err
			}
		}
		for _, err := range damage {
			rows.addPadded(0, t.damaged(err)...)
		}
		if failed != nil {
			return rows.file(), &passingError{failed}
		}
		return rows.file(), nil
	})}, nil
}

// columns are the names of the columns.
func (t *lateTable[T]) columns() []string { return slices.Concat(t.early, t.late) }

// damaged is a row that reports damage.
func (t *lateTable[T]) damaged(err error) []string {
	row := make([]string, len(t.early)+len(t.late))
	row[len(row)-1] = "list damaged: " + err.Error()
	return row
}

// most returns how long a row could be. A quotation mark is reserved for either end of each late cell that is no number.
func (t *lateTable[T]) most(rows *csvWriter, early, longest []string) int {
	row := slices.Clone(early)
	for _, most := range longest {
		if !isNumber(most) {
			most += `""`
		}
		row = append(row, letters(len(most)))
	}
	return rows.lengthPadded(row...)
}

// add adds a row, with blanks at its end up to its length.
func (t *lateTable[T]) add(ctx context.Context, rows *csvWriter, of T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	cells, err := t.cells(ctx, of)
	if err != nil {
		return err
	}
	early := t.row(of)
	longest, err := t.longest(of)
	if err != nil {
		return err
	}
	for i, most := range longest {
		if i < len(longest)-1 && len(cells[i]) > len(most) { // a number that is cut off is another number
			return fmt.Errorf("fs: %s, %q, is longer than it could be", t.late[i], cells[i])
		}
		text := strings.ReplaceAll(report.Printable(cells[i]), `"`, "'") // a quotation mark would be doubled
		cells[i] = strings.ToValidUTF8(text[:min(len(text), len(most))], "")
	}
	row := slices.Concat(early, cells)
	n := t.most(rows, early, longest) - rows.lengthPadded(row...)
	if n < 0 {
		return fmt.Errorf("fs: a row is %d bytes longer than it could be", -n)
	}
	rows.addPadded(n, row...)
	return nil
}

// number is as long as any count up to n.
func number(n int64) string { return fmt.Sprint(max(n, 0)) }

// isNumber reports whether a cell has digits only.
func isNumber(cell string) bool { return strings.Trim(cell, "0123456789") == "" }
