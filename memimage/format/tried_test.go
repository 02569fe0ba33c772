package format

import (
	"errors"
	"strings"
	"testing"
)

// unlisted is a file in a folder that cannot be listed, with names in which the case of letters matters.
type unlisted struct {
	*memSource
	asked map[string]bool // the names
}

func (u *unlisted) Names() ([]string, error) { return nil, errors.ErrUnsupported }
func (u *unlisted) Beside(name string) (Source, error) {
	u.asked[name] = true
	if data, ok := u.siblings[name]; ok {
		return newMemSource(name, data), nil
	}
	return u.memSource.Beside("/")
}

// TestPiecesOfAFolderThatCannotBeListed finds pieces by trying their names.
func TestPiecesOfAFolderThatCannotBeListed(t *testing.T) {
	page := func(c string) []byte { return []byte(strings.Repeat(c, pageSize)) }
	for _, c := range []struct {
		name   string
		others []string
		format string
		size   int64 // in pages
		asked  int   // at most
	}{
		{"Host.raw.001", []string{"Host.raw.002", "Host.raw.003"}, "split: raw", 3, 10},
		{"Host.raw.000", []string{"Host.raw.001"}, "split: raw", 2, 12},
		{"Host.raw.001", []string{"Host.raw.000"}, "raw", 1, 10}, // a later piece
		{"Host.raw.001", []string{"Host.raw.003"}, "split: raw", 3, 10},
		{"Host.raw", []string{"Host.raw.1", "Host.raw.2"}, "split: raw", 3, 12},
		{"Host.aa", []string{"Host.ab"}, "split: raw", 2, 20},
		{"Host.raw", nil, "raw", 1, 1},
	} {
		u := &unlisted{newMemSource(c.name, page("a")), map[string]bool{}}
		u.siblings = map[string][]byte{}
		for i, name := range c.others {
			u.siblings[name] = page(string(rune('b' + i)))
		}
		im, err := Open(u, Options{})
		if err != nil {
			t.Errorf("%s with %q: %v", c.name, c.others, err)
			continue
		}
		notes := strings.Join(im.Notes, "\n")
		if im.Format != c.format || im.Memory.Size() != c.size*pageSize || len(u.asked) > c.asked {
			t.Errorf("%s with %q is %s, %d bytes, after %d names, with %s", c.name, c.others, im.Format, im.Memory.Size(), len(u.asked), notes)
		}
		if c.size > 1 && !strings.Contains(notes, "cannot be listed") {
			t.Errorf("%s with %q: what was assumed is not said: %s", c.name, c.others, notes)
		}
	}
}
