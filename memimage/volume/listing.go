package volume

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode"
)

// maxNames is how many names of a folder are read. WinSxS has some 30,000.
const maxNames = 1 << 20

// listing is the names in a folder.
type listing struct {
	folded map[string][]string // all names, by their upper case form
	names  []string            // in order
	types  map[string]fs.FileMode
}

// listing returns the names in a folder. They are kept, for most modules are in the same few folders.
func (t *folderTree) listing(path string) (*listing, error) {
	if l, ok := t.listings.Get(path); ok {
		return l, nil
	}
	f, err := t.fs.Open(path)
	if err != nil {
		return nil, readingFailed(err)
	}
	defer f.Close()
	l := &listing{folded: map[string][]string{}, types: map[string]fs.FileMode{}}
	for {
		entries, err := f.ReadDir(4096)
		l.add(entries)
		switch {
		case errors.Is(err, io.EOF):
			slices.Sort(l.names)
			t.listings.Add(path, l)
			return l, nil
		case err != nil:
			return nil, readingFailed(err)
		case len(l.names) > maxNames:
			return nil, fmt.Errorf("volume: %s has more than %d names", path, maxNames)
		}
	}
}

func (l *listing) add(entries []fs.DirEntry) {
	for _, e := range entries {
		name := e.Name()
		folded := upper(name)
		l.folded[folded] = append(l.folded[folded], name)
		l.names = append(l.names, name)
		l.types[name] = e.Type()
	}
}

// find returns the name in the folder that fits. shortOf returns the short name of a file, if it is known.
func (l *listing) find(name string, shortOf func(string) string) (own, note string, err error) {
	switch all := l.folded[upper(name)]; {
	case slices.Contains(all, name):
		return name, "", nil
	case len(all) == 1:
		return all[0], "", nil
	case len(all) > 1:
		return "", "", fmt.Errorf("volume: %s is ambiguous: the folder has %s", name, strings.Join(slices.Sorted(slices.Values(all)), ", "))
	case !strings.Contains(name, "~"):
		return "", "", fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	return l.long(name, shortOf)
}

// long returns the name whose short form a name is.
func (l *listing) long(short string, shortOf func(string) string) (own, note string, err error) {
	var fit []string
	for _, name := range l.names {
		if !isShortOf(short, name) {
			continue
		}
		switch known := shortOf(name); {
		case known == "":
			fit = append(fit, name)
		case upper(known) == upper(short):
			return name, "", nil
		}
	}
	switch len(fit) {
	case 0:
		return "", "", fmt.Errorf("%w: %s", ErrNotFound, short)
	case 1:
		return fit[0], fmt.Sprintf("assumed: the short name %s is that of %s, the only name that fits", short, fit[0]), nil
	}
	more := ""
	if len(fit) > 5 {
		fit, more = fit[:5], " and more"
	}
	return "", "", fmt.Errorf("volume: the short name %s is ambiguous: it fits %s%s", short, strings.Join(fit, ", "), more)
}

// upper returns the upper case form by which NTFS compares names: one character for one, and never an ASCII character
// for another character.
func upper(s string) string {
	return strings.Map(func(r rune) rune {
		if u := unicode.ToUpper(r); r < 0x80 || u >= 0x80 {
			return u
		}
		return r
	}, s)
}

// isShortOf reports whether short may be the 8.3 name of long: up to six of its characters, "~", a number, and the
// first three characters of its extension. From the fifth name with the same beginning in a folder on, two characters
// are kept and four hexadecimal digits follow.
func isShortOf(short, long string) bool {
	short, long = upper(short), upper(long)
	base, ext, _ := strings.Cut(short, ".")
	head, number, ok := strings.Cut(base, "~")
	if !ok || len(base) > 8 || len(ext) > 3 || head == "" || number == "" || strings.Trim(number, "0123456789") != "" {
		return false
	}
	if isPlain(long) {
		return false // it is a valid short name itself
	}
	longBase, longExt := long, ""
	if i := strings.LastIndexByte(long, '.'); i > 0 {
		longBase, longExt = long[:i], shortened(long[i+1:])
	}
	kept := shortened(longBase)
	if ext != longExt[:min(3, len(longExt))] {
		return false
	}
	if n := min(len(kept), 8-1-len(number), 6); n > 0 && head == kept[:n] {
		return true
	}
	n := min(len(kept), 2)
	return n > 0 && len(head) == n+4 && head[:n] == kept[:n] && strings.Trim(head[n:], "0123456789ABCDEF") == ""
}

// isPlain reports whether a name is a short name itself.
func isPlain(name string) bool {
	base, ext, _ := strings.Cut(name, ".")
	return len(base) <= 8 && len(ext) <= 3 && shortened(base+ext) == base+ext && strings.IndexFunc(name, func(r rune) bool { return r >= 0x80 }) < 0
}

// shortened returns a name without the characters that short names do not have.
func shortened(s string) string {
	return strings.NewReplacer(" ", "", ".", "", "+", "_", ",", "_", ";", "_", "=", "_", "[", "_", "]", "_").Replace(s)
}
