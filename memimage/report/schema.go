package report

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"memlens/memimage/reason"
)

// Kinds are the kinds of records, in the order in which tables have their columns.
var Kinds = []Kind{KindImage, KindProcess, KindModule, KindRegion, KindChange, KindProblem}

// types are the structs of the kinds.
var types = map[Kind]reflect.Type{
	KindImage: reflect.TypeFor[Image](), KindProcess: reflect.TypeFor[Process](), KindModule: reflect.TypeFor[Module](),
	KindRegion: reflect.TypeFor[Region](), KindChange: reflect.TypeFor[Change](), KindProblem: reflect.TypeFor[Problem](),
}

// ParseKinds reads the names of kinds of records; no names stand for all kinds.
func ParseKinds(names []string) ([]Kind, error) {
	if len(names) == 0 {
		return slices.Clone(Kinds), nil
	}
	for _, name := range names {
		if !slices.Contains(Kinds, Kind(name)) {
			return nil, fmt.Errorf("there is no record %q, but %s", name, words(Kinds))
		}
	}
	var out []Kind
	for _, k := range Kinds {
		if slices.Contains(names, string(k)) {
			out = append(out, k)
		}
	}
	return out, nil
}

// words writes names with commas between them.
func words[T ~string](names []T) string {
	out := ""
	for i, n := range names {
		if i > 0 {
			out += ", "
		}
		out += string(n)
	}
	return out
}

// Column is a field of records in a table.
type Column struct {
	Name string // in JSON, CSV and Parquet
	Type string // in words
	Null bool   // it may be null
	Doc  string // its meaning
	// Kinds are the kinds that have it.
	Kinds []Kind

	goType reflect.Type
	index  map[Kind][]int // of the field in the structs
}

// Columns returns the columns of a table of records of some kinds: the columns of the first kind, then the additional
// columns of the others. A column of records of several kinds means the same in each.
func Columns(kinds ...Kind) []Column {
	var out []Column
	at := map[string]int{}
	for _, k := range kinds {
		for _, f := range reflect.VisibleFields(types[k]) {
			name := f.Tag.Get("json")
			if f.Anonymous || name == "" {
				continue
			}
			i, known := at[name]
			if !known {
				i = len(out)
				at[name] = i
				out = append(out, Column{Name: name, Type: typeName(f.Type), Doc: f.Tag.Get("doc"), goType: f.Type, index: map[Kind][]int{}})
			}
			c := &out[i]
			c.Kinds = append(c.Kinds, k)
			c.index[k] = f.Index
			c.Null = c.Null || f.Type.Kind() == reflect.Pointer
		}
	}
	for i := range out {
		out[i].Null = out[i].Null || len(out[i].Kinds) < len(kinds)
	}
	return out
}

// typeName is the type of a field in words.
func typeName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Address](), reflect.TypeFor[Offset](), reflect.TypeFor[*Offset]():
		return "address"
	case reflect.TypeFor[*time.Time]():
		return "time"
	case reflect.TypeFor[reason.Code]():
		return "code"
	case reflect.TypeFor[[]reason.Code]():
		return "codes"
	case reflect.TypeFor[[]string]():
		return "texts"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Bool:
		return "yes or no"
	case reflect.String:
		return "text"
	}
	return "number"
}

// value returns a record's value in a column; false where its kind does not have it.
func (c *Column) value(r Record) (reflect.Value, bool) {
	index, ok := c.index[KindOf(r)]
	if !ok {
		return reflect.Value{}, false
	}
	return reflect.ValueOf(r).Elem().FieldByIndex(index), true
}
