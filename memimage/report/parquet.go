package report

import (
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// rowsPerGroup bounds how many records are held before they are written.
const rowsPerGroup = 1 << 13

// parquetWriter writes a row per record.
type parquetWriter struct {
	parquet *parquet.GenericWriter[any]
	columns []Column
	row     reflect.Type
	rows    int
}

func newParquetWriter(out io.Writer, columns []Column) *parquetWriter {
	row := rowType(columns)
	schema := parquet.SchemaOf(reflect.New(row).Interface())
	w := parquet.NewGenericWriter[any](out, schema, parquet.Compression(&zstd.Codec{}), parquet.CreatedBy("memlens", "", ""))
	return &parquetWriter{parquet: w, columns: columns, row: row}
}

// rowType is a struct of the columns in their order, the one by which a row is made.
func rowType(columns []Column) reflect.Type {
	fields := make([]reflect.StructField, len(columns))
	for i := range columns {
		c := &columns[i]
		tag, t := c.Name, c.goType
		switch {
		case t.Kind() == reflect.Slice:
			tag += ",list"
		case c.Null:
			tag += ",optional"
			if t.Kind() != reflect.Pointer {
				t = reflect.PointerTo(t)
			}
		}
		if t == reflect.TypeFor[*time.Time]() {
			tag += ",timestamp(nanosecond)"
		}
		fields[i] = reflect.StructField{Name: "F_" + c.Name, Type: t, Tag: reflect.StructTag(`parquet:"` + tag + `"`)}
	}
	return reflect.StructOf(fields)
}

// Write implements [Writer].
func (w *parquetWriter) Write(r Record) error {
	row := reflect.New(w.row).Elem()
	for i := range w.columns {
		if v, ok := w.columns[i].value(r); ok {
			setField(row.Field(i), v)
		}
	}
	if _, err := w.parquet.Write([]any{row.Addr().Interface()}); err != nil {
		return err
	}
	if w.rows++; w.rows%rowsPerGroup == 0 {
		return w.parquet.Flush()
	}
	return nil
}

// setField sets a field of a row to the value of a record, which may have no pointer where the row has one.
func setField(field, v reflect.Value) {
	if v.Kind() == reflect.String {
		valid := reflect.New(v.Type()).Elem()
		valid.SetString(strings.ToValidUTF8(v.String(), "\ufffd"))
		v = valid
	}
	if field.Kind() == reflect.Pointer && v.Kind() != reflect.Pointer {
		to := reflect.New(v.Type())
		to.Elem().Set(v)
		v = to
	}
	field.Set(v)
}

// Close implements [Writer].
func (w *parquetWriter) Close() error { return w.parquet.Close() }
