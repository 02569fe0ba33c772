package format

import (
	"errors"
	"strings"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// unlisted is a file in a folder that cannot be listed; upper and lower case differ in its names.
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

// WillNeed implements [sparse.Late]: such files lie behind a network.
func (u *unlisted) WillNeed(off, n int64) bool { return true }

// TestSameMemoryOverTheNetwork opens every format in a folder that cannot be listed, with bytes that come late.
func TestSameMemoryOverTheNetwork(t *testing.T) {
	corpus.Long(t)
	runs := testMemory()
	for _, w := range wrappings() {
		t.Run(w.name, func(t *testing.T) {
			src := w.write(t, runs)
			named := map[string][]byte{}
			for key, data := range src.siblings {
				if strings.HasPrefix(key, ".e0") {
					key = strings.ToUpper(key)
				}
				named[siblingName(src.name, key)] = data
			}
			src.siblings = named
			im, err := Open(&unlisted{src, map[string]bool{}}, Options{SpoolDir: t.TempDir()})
			if w.name == "AFF4, in parts" { // the names of its volumes cannot be guessed
				if err == nil || !strings.Contains(err.Error(), "could not be searched for further AFF4 volumes") {
					t.Error(err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer im.Close()
			if w.name == "AFF4, striped" {
				if notes := strings.Join(im.Notes, "\n"); !strings.Contains(notes, "could not be searched for further AFF4 volumes") || !strings.Contains(notes, "are holes") {
					t.Error(notes)
				}
				return
			}
			if !strings.Contains(im.Format, w.format) {
				t.Errorf("format %q, want %q", im.Format, w.format)
			}
			sparse.WillNeed(im.Memory, 0, im.Memory.Size())
			checkMemory(t, im, runs)
		})
	}
}
