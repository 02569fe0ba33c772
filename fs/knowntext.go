package fs

import (
	"context"
	"fmt"
	"html/template"
	"strings"
	"unicode/utf8"

	"memlens/memimage"
)

// Bounds of the pieces of what is said of a known file, in bytes.
const (
	maxSetName     = 48
	maxKnownName   = 120
	maxNotLookedUp = 160
)

// more is how long a note on what is left out can be.
const more = len("; and in 1000000 more")

// inAll lists what is said of sets as far as maxKnown has room, and counts the rest.
func inAll(all []string) string {
	out := within(all[0], maxKnown)
	for i, text := range all[1:] {
		rest := len(all) - 2 - i
		room := maxKnown
		if rest > 0 {
			room -= more
		}
		if len(out)+len("; ")+len(text) > room {
			return within(out, maxKnown-more) + fmt.Sprintf("; and in %d more", rest+1)
		}
		out += "; " + text
	}
	return out
}

// within writes a text in at most n bytes, so that it can be shown.
func within(s string, n int) string {
	s = plainQuotes(s)
	if len(s) <= n {
		return s
	}
	const dots = "…"
	return strings.ToValidUTF8(s[:n-len(dots)], "") + dots
}

// tail is the end of a text in at most n bytes: of a path that is the name.
func tail(s string, n int) string {
	s = plainQuotes(s)
	if len(s) <= n {
		return s
	}
	const dots = "…"
	s = s[len(s)-n+len(dots):]
	for len(s) > 0 && !utf8.RuneStart(s[0]) {
		s = s[1:]
	}
	return dots + s
}

// plainQuotes makes a text printable. Tables and JSON would double a quotation mark.
func plainQuotes(s string) string { return strings.ReplaceAll(printable(s), `"`, "'") }

// maxKnownOnPage is how many bytes a page has of it.
const maxKnownOnPage = maxKnown + 60 // for characters that are escaped

// knownOnPage is what a page says; without whole, which takes long, it is as long as it could be.
func (f *FS) knownOnPage(ctx context.Context, m *memimage.Module, whole bool) (template.HTML, error) {
	if len(f.knownFiles.sets) == 0 {
		return "", nil
	}
	if !whole {
		return longest(maxKnownOnPage), nil
	}
	text, err := f.known(ctx, m)
	return bounded(text, maxKnownOnPage), err
}
