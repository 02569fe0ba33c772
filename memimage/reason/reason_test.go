package reason

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"testing"

	"memlens/memimage/rescue"
	"memlens/memimage/sparse"
)

func TestOf(t *testing.T) {
	hole := &sparse.HoleError{Off: 1, Len: 2}
	read := &sparse.ReadError{Off: 1, Err: errors.New("input/output error")}
	for _, c := range []struct {
		err  error
		want Code
	}{
		{errors.New("odd"), Other},
		{hole, Missing},
		{fmt.Errorf("the header: %w", Errorf(HeaderMissing, "no page: %w", hole)), HeaderMissing},
		{With(ListDamaged, Errorf(PageInPageFile, "no page")), ListDamaged},
		{With(ListDamaged, fmt.Errorf("a page: %w", read)), ReadFailed},
		{With(BadContainer, context.DeadlineExceeded), Deadline},
		{fmt.Errorf("while reading: %w", errors.Join(read, context.Canceled)), Cancelled},
		{&os.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, NoSuchFile},
		{&os.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}, NoPermission},
		{rescue.Call(func() error { panic("x") }), Crashed},
	} {
		if got := Of(c.err); got.Code != c.want || got.Text != Sentence(c.err) {
			t.Errorf("%v: %+v, want the code %s", c.err, got, c.want)
		}
	}
	if got := Of(nil); got != (Reason{}) {
		t.Errorf("no error: %+v", got)
	}
	if With(Other, nil) != nil {
		t.Error("no error got a code")
	}
	if err := With(Empty, read); err.Error() != read.Error() || !sparse.Failed(err) {
		t.Errorf("a code changed an error: %v", err)
	}
}

func TestSentence(t *testing.T) {
	for text, want := range map[string]string{
		"memimage: the list: nt: it ends":        "the list: it ends",
		"format: remote: nothing came":           "nothing came",
		"a.exe: format: x (nt: y); paging: z":    "a.exe: x (y); z",
		"the format: raw":                        "the format: raw",
		"one\nsparse: reading at offset 1 fails": "one\nreading at offset 1 fails",
	} {
		if got := Sentence(errors.New(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestMeanings compares the table of codes with the constants in the source.
func TestMeanings(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := map[Code]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, named := spec.Type.(*ast.Ident); named && typ.Name == "Code" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			if declared[Code(text)] {
				t.Errorf("the code %s is declared twice", text)
			}
			declared[Code(text)] = true
		}
		return true
	})
	form := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	for _, m := range Meanings() {
		if !declared[m.Code] {
			t.Errorf("the code %q stands in the table twice, or is no constant", m.Code)
		}
		delete(declared, m.Code)
		if !form.MatchString(string(m.Code)) || m.Means == "" || m.Of == "" {
			t.Errorf("%+v", m)
		}
	}
	for c := range declared {
		t.Errorf("the table lacks %s", c)
	}
}
