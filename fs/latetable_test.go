package fs

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestLateTable makes tables whose late cells are short, as long as they may be, longer, and such as CSV has to quote. The
// size that is told before they are made is that of the file, and the cells can be read back.
func TestLateTable(t *testing.T) {
	f, _ := demo(t)
	for name, c := range map[string]struct{ cell, want string }{
		"short": {"a", "a"}, "as long": {"abcdefgh", "abcdefgh"}, "longer": {"abcdefghi", "abcdefgh"}, "a comma": {"a,b", "a,b"},
		"quotation marks": {`a"b"c`, "a'b'c"}, "steering": {"a\x1b", `a\x1b`}, "characters of two bytes, cut": {"aäöüäöü", "aäöü"},
	} {
		t.Run(name, func(t *testing.T) {
			table := &lateTable[string]{
				early: []string{"thing"}, late: []string{"number", "text"},
				row:     func(of string) []string { return []string{of} },
				longest: func(string) []string { return []string{number(1000), strings.Repeat("x", 8)} },
				cells:   func(context.Context, string) ([]string, error) { return []string{"7", c.cell}, nil },
			}
			b, err := table.file(t.Context(), f, "table "+name, []string{"one", "two, three"}, []error{errors.New("broken, here")})
			if err != nil {
				t.Fatal(err)
			}
			raw, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()+1))
			if err != nil || int64(len(raw)) != b.Size() {
				t.Fatalf("%d bytes were told of, %d read: %v", b.Size(), len(raw), err)
			}
			rows, err := csv.NewReader(strings.NewReader(string(raw))).ReadAll()
			if err != nil || len(rows) != 4 {
				t.Fatalf("%q: %v", rows, err)
			}
			for i, first := range []string{"one", "two, three"} {
				if got := rows[i+1]; got[0] != first || got[1] != "7" || strings.TrimRight(got[2], " ") != c.want {
					t.Errorf("row %q, want %q and %q", got, first, c.want)
				}
			}
			if got := rows[3][2]; got != "list damaged: broken, here" {
				t.Errorf("damage is told as %q", got)
			}
		})
	}
}
