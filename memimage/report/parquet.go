package report

import (
	"io"
	"reflect"
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

// rowType is a struct of the columns in their order. Rows are made of this type.
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

// setField sets a field of a row to the value of a record, which may be no pointer where the row's field is one.
func setField(field, v reflect.Value) {
	v = validValue(v)
	if field.Kind() == reflect.Pointer && v.Kind() != reflect.Pointer {
		v = pointerTo(v)
	}
	field.Set(v)
}

// validValue is a value with all texts in UTF-8: readers of Parquet refuse others.
func validValue(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.String:
		valid := reflect.New(v.Type()).Elem()
		valid.SetString(validText(v.String()))
		return valid
	case reflect.Pointer:
		if !v.IsNil() && v.Elem().Kind() == reflect.String {
			return pointerTo(validValue(v.Elem()))
		}
	case reflect.Slice:
		valid := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			valid.Index(i).Set(validValue(v.Index(i)))
		}
		return valid
	}
	return v
}

func pointerTo(v reflect.Value) reflect.Value {
	to := reflect.New(v.Type())
	to.Elem().Set(v)
	return to
}

// Close implements [Writer].
func (w *parquetWriter) Close() error { return w.parquet.Close() }
