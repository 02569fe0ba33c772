package fs

import (
	"context"
	"strings"
)

// lateTable is a table in CSV of which some columns take long to make. They are made when the file is first read; its size
// is that of the longest that they could be, and empty lines at its end make up for the rest.
type lateTable[T any] struct {
	columns []string
	row     func(of T, name string) []string // without the late columns
	late    []lateColumn
	cells   func(ctx context.Context, of T) ([]string, error) // the late columns
}

// lateColumn is a column whose cells have at most so many bytes.
type lateColumn struct {
	name  string
	width int
}

// file returns the table of some things as a file that is kept under key. Rows that tell of damage come last.
func (t *lateTable[T]) file(f *FS, key string, names []string, things []T, damage []error) (*body, error) {
	longest, err := t.write(names, things, damage, func(T) ([]string, error) { return t.longestCells(), nil })
	if err != nil {
		return nil, err
	}
	size := int64(len(longest))
	return &body{Content: f.later(key, size, func(ctx context.Context) ([]byte, error) {
		out, err := t.write(names, things, damage, func(of T) ([]string, error) { return t.lateCells(ctx, of) })
		return padded(out, size, '\n'), err
	})}, nil
}

// longestCells are as long as late columns can be, with the quotation marks that a cell may need.
func (t *lateTable[T]) longestCells() []string {
	out := make([]string, len(t.late))
	for i, c := range t.late {
		out[i] = strings.Repeat("x", c.width+len(`""`))
	}
	return out
}

// lateCells makes the late columns, and cuts what is too long.
func (t *lateTable[T]) lateCells(ctx context.Context, of T) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cells, err := t.cells(ctx, of)
	for i := range cells {
		text := strings.ReplaceAll(printable(cells[i]), `"`, "'") // a quotation mark would be doubled
		cells[i] = strings.ToValidUTF8(text[:min(len(text), t.late[i].width)], "")
	}
	return cells, err
}

func (t *lateTable[T]) write(names []string, things []T, damage []error, late func(T) ([]string, error)) ([]byte, error) {
	header := append([]string{"directory"}, t.columns...)
	for _, c := range t.late {
		header = append(header, c.name)
	}
	var failed error
	out, err := table(header, func(add func(...string)) {
		for i, of := range things {
			cells, err := late(of)
			if err != nil {
				failed = err
				return
			}
			add(append(append([]string{names[i]}, t.row(of, names[i])...), cells...)...)
		}
		for _, err := range damage {
			row := make([]string, len(header))
			row[0], row[1] = "", "list damaged: "+err.Error()
			add(row...)
		}
	})
	if failed != nil {
		return nil, failed
	}
	return out, err
}
