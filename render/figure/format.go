package figure

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// group writes a number with a comma between thousands.
func group(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// mostPercent is the longest text of a percentage.
const mostPercent = "> 99.9 %"

// percent writes part of whole with one decimal. Some is never rounded to
// nothing, nor nearly all to all.
func percent(part, whole int64) string {
	switch {
	case whole == 0 || part == 0:
		return "0 %"
	case part == whole:
		return "100 %"
	}
	p := 100 * float64(part) / float64(whole)
	switch {
	case p < 0.1:
		return "< 0.1 %"
	case p > 99.9:
		return mostPercent
	}
	return fmt.Sprintf("%.1f %%", p)
}

// byteSize writes a size in the unit that suits it.
func byteSize(n int64) string {
	exact := plural(n, "byte")
	for i, unit := range []string{"GiB", "MiB", "KiB"} {
		if one := int64(1) << (30 - 10*i); n >= one {
			return fmt.Sprintf("%.1f %s (%s)", float64(n)/float64(one), unit, exact)
		}
	}
	return exact
}

// plural writes a count of things.
func plural(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return group(n) + " " + thing
}

// printable replaces characters that a figure cannot show or that would change its text, such as marks that turn the
// direction of writing, and cuts to max characters.
func printable(s string, max int) string {
	var out strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > max {
			return out.String() + "…"
		}
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			r = '·'
		}
		out.WriteRune(r)
	}
	return out.String()
}
