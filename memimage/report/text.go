package report

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Cell writes the text of a cell: printable, and no formula to a spreadsheet. A spreadsheet takes a text that begins
// with one of =+-@ for a formula: then that character is written as \xXX, too.
func Cell(s string) string {
	if s == "" || !strings.ContainsRune("=+-@", rune(s[0])) {
		return Printable(s)
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return Printable(s)
	}
	return fmt.Sprintf(`\x%02x`, s[0]) + Printable(s[1:])
}

// Printable writes characters for which Steers is true, and bytes that are not UTF-8, as \xXX or \u{X}. So a row stays
// a line, and a terminal keeps its state.
func Printable(s string) string {
	if IsPlainASCII(s) || utf8.ValidString(s) && !strings.ContainsFunc(s, Steers) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&out, `\x%02x`, s[i])
		case Steers(r) && r < 0x100:
			fmt.Fprintf(&out, `\x%02x`, r)
		case Steers(r):
			fmt.Fprintf(&out, `\u{%x}`, r)
		default:
			out.WriteString(s[i : i+n])
		}
		i += n
	}
	return out.String()
}

// validText writes bytes that are not UTF-8 as \xXX, because JSON and Parquet have only UTF-8. Two names that differ
// only in such bytes stay two names.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&out, `\x%02x`, s[i])
		} else {
			out.WriteString(s[i : i+n])
		}
		i += n
	}
	return out.String()
}

// IsPlainASCII reports whether a text has only visible ASCII characters.
func IsPlainASCII[T string | []byte](text T) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// Steers reports whether a character acts instead of being shown: control characters, marks that turn the direction of
// text, other characters without a width, and line separators.
func Steers(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// EscapeJSON escapes the characters in JSON for which Steers is true, except line feeds. Most JSON is plain ASCII and
// has none.
func EscapeJSON(raw []byte) []byte {
	plain := func(r rune) bool { return r == '\n' || !Steers(r) }
	if !slices.ContainsFunc(raw, func(c byte) bool { return c < ' ' && c != '\n' || c > '~' }) {
		return raw
	}
	var out bytes.Buffer
	for _, r := range string(raw) {
		if plain(r) {
			out.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&out, `\u%04x`, unit)
		}
	}
	return out.Bytes()
}

// List joins things as in a sentence.
func List(things []string) string {
	if n := len(things); n > 1 {
		return strings.Join(things[:n-1], ", ") + " and " + things[n-1]
	}
	return strings.Join(things, "")
}
