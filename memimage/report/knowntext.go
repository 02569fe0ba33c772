package report

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of the parts of the text about a known file, in bytes.
const (
	maxSetName     = 48
	maxKnownName   = 120
	maxNotLookedUp = 160
)

// more bounds the note on the sets that are left out.
const more = len("; and in 1000000 more")

// inAll lists the texts of sets as far as MaxKnownText has room, and counts the rest.
func inAll(all []string) string {
	out := within(all[0], MaxKnownText)
	for i, text := range all[1:] {
		rest := len(all) - 2 - i
		room := MaxKnownText
		if rest > 0 {
			room -= more
		}
		if len(out)+len("; ")+len(text) > room {
			return within(out, MaxKnownText-more) + fmt.Sprintf("; and in %d more", rest+1)
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

// tail is the end of a text in at most n bytes: the end of a path is the name.
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
func plainQuotes(s string) string { return strings.ReplaceAll(Printable(s), `"`, "'") }
