package fs

import (
	"os"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

// TestCodeOfHybridImages checks the kinds of code that the headers of images report and that their machine type does
// not show.
func TestCodeOfHybridImages(t *testing.T) {
	for name, c := range map[string]struct {
		kinds []string
		note  string // of all behind the headers
		is    string
	}{
		"arm64ec.dll": {kinds: []string{"ARM64EC"}, note: "for a reason", is: "assumed"},
		"arm64x.dll":  {kinds: []string{"ARM64EC", "ARM64X"}, is: "exact"},
	} {
		b, err := os.ReadFile("../memimage/pe/testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := sparse.NewReader(int64(len(b)), sparse.Extent{Len: int64(len(b)), Src: sparse.Bytes(b)})
		if err != nil {
			t.Fatal(err)
		}
		rows := []restore.Row{{Length: 0x400}, {FileOffset: 0x400, Length: r.Size() - 0x400, Note: c.note}}
		info := new(peInfo)
		if err := info.addImports(&restore.Result{Reader: r, Rows: rows}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(info.Code, c.kinds) || info.CodeIs != c.is || info.CodeProblem != "" {
			t.Errorf("%s: %v, %s, %q", name, info.Code, info.CodeIs, info.CodeProblem)
		}
		text, err := encode(info)
		if err != nil || !strings.Contains(string(text), `"code": [`) {
			t.Errorf("%s: %v in\n%s", name, err, text)
		}
		hole, err := sparse.NewReader(int64(len(b)), sparse.Extent{Len: 0x800, Src: sparse.Bytes(b)})
		if err != nil {
			t.Fatal(err)
		}
		info = new(peInfo)
		if err := info.addImports(&restore.Result{Reader: hole, Rows: rows}); err != nil || len(info.Code) > 0 || !strings.Contains(info.CodeProblem, "cannot be read") {
			t.Errorf("%s, without what lies behind its start: %v, %v, %q", name, err, info.Code, info.CodeProblem)
		}
	}
}
