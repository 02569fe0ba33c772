package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Writer writes records in some format. Nothing may be written after Close, which ends the output and does not close it.
type Writer interface {
	Write(Record) error
	Close() error
}

// Formats are the names of the formats.
var Formats = []string{"jsonl", "csv", "parquet"}

// NewWriter returns a writer of records of some kinds; others are left out. In JSON lines each record is an object of
// its own fields. In CSV and Parquet all records are rows of one table with the columns of all these kinds; columns
// that a record does not have are empty or null.
func NewWriter(format string, out io.Writer, kinds []Kind) (Writer, error) {
	var w Writer
	switch format {
	case "jsonl":
		w = newJSONWriter(out)
	case "csv":
		w = newCSVWriter(out, Columns(kinds...))
	case "parquet":
		w = newParquetWriter(out, Columns(kinds...))
	default:
		return nil, fmt.Errorf("there is no format %q, but %s", format, words(Formats))
	}
	return &filter{w, kinds}, nil
}

// filter leaves out records of other kinds.
type filter struct {
	Writer
	kinds []Kind
}

// Write implements [Writer].
func (f *filter) Write(r Record) error {
	if !slices.Contains(f.kinds, KindOf(r)) {
		return nil
	}
	return f.Writer.Write(r)
}

// jsonWriter writes a record a line.
type jsonWriter struct {
	out  io.Writer
	line bytes.Buffer
	json *json.Encoder
}

func newJSONWriter(out io.Writer) *jsonWriter {
	w := &jsonWriter{out: out}
	w.json = json.NewEncoder(&w.line)
	w.json.SetEscapeHTML(false)
	return w
}

// Write implements [Writer].
func (w *jsonWriter) Write(r Record) error {
	w.line.Reset()
	if err := w.json.Encode(r); err != nil {
		return err
	}
	_, err := w.out.Write(EscapeJSON(w.line.Bytes()))
	return err
}

// Close implements [Writer].
func (w *jsonWriter) Close() error { return nil }

// csvWriter writes a row per record under a header.
type csvWriter struct {
	csv     *csv.Writer
	columns []Column
	begun   bool
}

func newCSVWriter(out io.Writer, columns []Column) *csvWriter {
	return &csvWriter{csv: csv.NewWriter(out), columns: columns}
}

func (w *csvWriter) begin() {
	if w.begun {
		return
	}
	w.begun = true
	row := make([]string, len(w.columns))
	for i := range w.columns {
		row[i] = w.columns[i].Name
	}
	w.csv.Write(row) // the error is kept, and is returned by Error
}

// Write implements [Writer].
func (w *csvWriter) Write(r Record) error {
	w.begin()
	row := make([]string, len(w.columns))
	for i := range w.columns {
		if v, ok := w.columns[i].value(r); ok {
			row[i] = Cell(text(v))
		}
	}
	w.csv.Write(row)
	w.csv.Flush()
	return w.csv.Error()
}

// Close implements [Writer].
func (w *csvWriter) Close() error {
	w.begin()
	w.csv.Flush()
	return w.csv.Error()
}

// text writes a value of a record for a table.
func text(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case *time.Time:
		return TimeText(x)
	case fmt.Stringer:
		if v.Kind() == reflect.Pointer && v.IsNil() {
			return ""
		}
		return x.String()
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return ""
		}
		return text(v.Elem())
	case reflect.Slice:
		var out []string
		for i := range v.Len() {
			out = append(out, text(v.Index(i)))
		}
		return strings.Join(out, "; ")
	}
	return fmt.Sprint(v.Interface())
}

// Decode reads a record from a line of JSON.
func Decode(line []byte) (Record, error) {
	var head Header
	if err := json.Unmarshal(line, &head); err != nil {
		return nil, err
	}
	t, ok := types[head.Record]
	if !ok || head.Schema != Schema {
		return nil, fmt.Errorf("no record of schema %d: %q of schema %d", Schema, head.Record, head.Schema)
	}
	r := reflect.New(t).Interface().(Record)
	return r, json.Unmarshal(line, r)
}
