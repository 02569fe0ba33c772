package output

import (
	"bufio"
	"context"
	"encoding/json"
	"io"

	"github.com/parquet-go/parquet-go"
)

// rowGroup is how many rows are compressed together, and so how many are kept in memory.
const rowGroup = 20_000

// WriteRows writes rows as NAME.parquet and NAME.jsonl.
func WriteRows[T any](ctx context.Context, f *Folder, name string, rows []T) error {
	if err := f.Write(ctx, name+".parquet", func(w io.Writer) error { return writeParquet(w, rows) }); err != nil {
		return err
	}
	return f.Write(ctx, name+".jsonl", func(w io.Writer) error { return writeLines(w, rows) })
}

func writeParquet[T any](w io.Writer, rows []T) error {
	t := NewTable[T](w)
	for i := range rows {
		if err := t.Add(&rows[i]); err != nil {
			return err
		}
	}
	return t.Close()
}

func writeLines[T any](w io.Writer, rows []T) error {
	buf := bufio.NewWriter(w)
	e := json.NewEncoder(buf)
	e.SetEscapeHTML(false)
	for i := range rows {
		if err := e.Encode(&rows[i]); err != nil {
			return err
		}
	}
	return buf.Flush()
}

// Table writes rows of one kind to a Parquet file.
type Table[T any] struct {
	w    *parquet.GenericWriter[T]
	rows int
}

// NewTable begins a file. Equal rows give equal files.
func NewTable[T any](w io.Writer) *Table[T] {
	return &Table[T]{w: parquet.NewGenericWriter[T](w, parquet.Compression(&parquet.Zstd), parquet.CreatedBy("memlens-fleet", "1", ""))}
}

// Add adds a row.
func (t *Table[T]) Add(row *T) error {
	if _, err := t.w.Write([]T{*row}); err != nil {
		return err
	}
	if t.rows++; t.rows%rowGroup == 0 {
		return t.w.Flush()
	}
	return nil
}

// Close ends the file.
func (t *Table[T]) Close() error { return t.w.Close() }
