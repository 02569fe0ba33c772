package fs

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"

	"memlens/memimage/integrity"
)

// TestLateTable makes tables whose late cells are short, as long as they may be, longer, and cells that CSV has to
// quote. The size before they are made is the size of the file, and the cells can be read back.
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
				longest: func(string) ([]string, error) { return []string{number(1000), strings.Repeat("x", 8)}, nil },
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

// TestNumbersAreNotCutOff makes a table of a number that is longer than it could be: a part of it would be another number.
func TestNumbersAreNotCutOff(t *testing.T) {
	f, _ := demo(t)
	table := &lateTable[string]{
		early: []string{"thing"}, late: []string{"number", "text"},
		row:     func(of string) []string { return []string{of} },
		longest: func(string) ([]string, error) { return []string{number(9), "x"}, nil },
		cells:   func(context.Context, string) ([]string, error) { return []string{"19", "a"}, nil },
	}
	b, err := table.file(t.Context(), f, "table of long numbers", []string{"one"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size())); err == nil {
		t.Errorf("read: %q", raw)
	}
}

// TestVerdictsFit has the longest verdict in a table: a verdict with all causes.
func TestVerdictsFit(t *testing.T) {
	var reasons []string
	for _, c := range integrity.Causes() {
		if !c.Innocent() && c != integrity.CodeChanged {
			reasons = append(reasons, c.String())
		}
	}
	v := integrity.Verdict{Code: integrity.OtherDiffers, Bytes: 1 << 32, Why: strings.Join(reasons, ", ")}
	if n := len(v.String()); n > maxVerdict {
		t.Errorf("%q has %d bytes of %d", v, n, maxVerdict)
	}
}
