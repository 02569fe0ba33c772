package profile

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Offset is where a member lies, in bytes from the start of its structure. Bind sets it to Absent for an optional
// member that the kernel does not have.
type Offset int64

// Absent is the Offset of no member.
const Absent Offset = -1

// Present says whether the kernel has the member.
func (o Offset) Present() bool { return o >= 0 }

// Size is the size of a structure in bytes. Bind sets it to 0 for an optional structure that the kernel does not have.
type Size int64

// ErrLacking is wrapped by Bind's error about members that the kernel does not have.
var ErrLacking = errors.New("profile: members lacking")

// Bind fills the struct that layout points to. Each of its fields of type Offset, Field or Size has a tag with the
// name of its member. Fields that are structs without a tag are filled in the same way; other fields are left alone.
//
//	var l struct {
//		Links profile.Offset `nt:"_EPROCESS.ActiveProcessLinks"`
//		Area  profile.Offset `nt:"_MMVAD.Subsection|_MMVAD.ControlArea"`          // the first one that the kernel has
//		Exit  profile.Field  `nt:"_EPROCESS.ExitTime,optional"`
//		Size  profile.Size   `nt:"_CONTROL_AREA"`
//	}
//
// The error wraps ErrLacking and names all missing members that are not optional. Also with an error, every member
// that the kernel has is filled in. A layout of any other shape is a mistake of the program, and panics.
func (p *Profile) Bind(layout any) error {
	v := reflect.ValueOf(layout)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("profile: Bind(%T): not a pointer to a struct", layout))
	}
	if lacking := p.bind(v.Elem()); len(lacking) > 0 {
		return fmt.Errorf("%w in %s: %s", ErrLacking, p.Name(), strings.Join(lacking, ", "))
	}
	return nil
}

// bind fills the struct v and returns the paths that the kernel lacks.
func (p *Profile) bind(v reflect.Value) (lacking []string) {
	for i := range v.NumField() {
		tag, tagged := v.Type().Field(i).Tag.Lookup("nt")
		switch {
		case tagged:
			paths, option, _ := strings.Cut(tag, ",")
			if !p.bindOne(v.Field(i), paths) && option != "optional" {
				lacking = append(lacking, paths)
			}
		case v.Field(i).Kind() == reflect.Struct:
			lacking = append(lacking, p.bind(v.Field(i))...)
		}
	}
	return lacking
}

// bindOne fills v from the first path that the kernel has.
func (p *Profile) bindOne(v reflect.Value, paths string) bool {
	for path := range strings.SplitSeq(paths, "|") {
		switch target := v.Addr().Interface().(type) {
		case *Size:
			size, ok := p.SizeOf(path)
			*target = Size(size)
			if ok {
				return true
			}
		case *Field:
			f, ok := p.Field(path)
			*target = f
			if ok {
				return true
			}
		case *Offset:
			f, ok := p.Field(path)
			*target = Absent
			if ok {
				*target = Offset(f.Offset)
				return true
			}
		default:
			panic(fmt.Sprintf("profile: Bind: field for %s is a %s", path, v.Type()))
		}
	}
	return false
}
