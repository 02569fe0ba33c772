package fs

import (
	"crypto/sha256"
	"html/template"
	"reflect"
	"strconv"
	"sync"
)

// shape is the part of a page's data that its length depends on: two pages of one template whose data have the same
// shape are equally long. All digits have the same length wherever they stand, and so have the digits of a number that
// begins with 0x, and the digits in texts that the page contains unchanged.
type shape struct {
	text    []byte
	unknown bool // there are data of a kind that a shape does not cover
}

// shapeOf returns the digest of a template's name and of the shape of its data; false if that is not known.
func shapeOf(name string, data any) (sum [sha256.Size]byte, ok bool) {
	s := shapes.Get().(*shape)
	defer shapes.Put(s)
	s.text, s.unknown = s.text[:0], false
	s.string(name)
	s.add(reflect.ValueOf(data))
	return sha256.Sum256(s.text), !s.unknown
}

// shapes are the shapes that are not in use: their memory is used again.
var shapes = sync.Pool{New: func() any { return new(shape) }}

// verbatim are the types of the values that a page contains unchanged.
var verbatim = map[reflect.Type]bool{
	reflect.TypeFor[template.HTML](): true, reflect.TypeFor[template.CSS](): true, reflect.TypeFor[template.JS](): true,
}

// add adds a value. Fields that a template cannot see do not count.
func (s *shape) add(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if verbatim[v.Type()] {
			s.number(int64(v.Len()))
			return
		}
		s.string(v.String())
	case reflect.Bool:
		s.text = strconv.AppendBool(s.text, v.Bool())
	case reflect.Int, reflect.Int64:
		s.digits(strconv.FormatInt(v.Int(), 10))
	case reflect.Uint64:
		s.digits(strconv.FormatUint(v.Uint(), 10))
	case reflect.Slice:
		s.number(int64(v.Len()))
		for i := range v.Len() {
			s.add(v.Index(i))
		}
	case reflect.Struct:
		for _, i := range fieldsOf(v.Type()) {
			s.add(v.Field(i))
		}
	default:
		s.unknown = true
	}
}

// number adds a number that counts.
func (s *shape) number(n int64) { s.text = append(strconv.AppendInt(s.text, n, 10), 0) }

// digits adds a number; only its length counts, and whether it is 0.
func (s *shape) digits(text string) {
	if text == "0" {
		text = "zero"
	}
	s.string(text)
}

// string adds a text.
func (s *shape) string(text string) {
	s.number(int64(len(text)))
	hex := false // in a number that begins with 0x
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= '0' && c <= '9', hex && c >= 'a' && c <= 'f':
			s.text = append(s.text, '0')
			continue
		}
		hex = c == 'x' && i > 0 && text[i-1] == '0'
		s.text = append(s.text, c)
	}
}

// knownFields are the results of fieldsOf, by type.
var knownFields sync.Map

// fieldsOf returns the numbers of the fields of a structure that a template can see.
func fieldsOf(t reflect.Type) []int {
	if known, ok := knownFields.Load(t); ok {
		return known.([]int)
	}
	var out []int
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() || f.Anonymous {
			out = append(out, i)
		}
	}
	knownFields.Store(t, out)
	return out
}
