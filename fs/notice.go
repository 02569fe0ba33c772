package fs

import (
	"fmt"

	"memlens/memimage/report"
	"memlens/render/figure"
)

// Below a picture stands a sentence that says what to notice in it. The sentence is made from the picture's numbers
// alone. The functions here make all these sentences.

// gapNumbers are the numbers of the missing bytes of a file.
type gapNumbers struct {
	file          string
	size, missing int64
	where         string // in which sections; empty: the file has none that are known
}

// gapSentence says which bytes are missing from a file of so many bytes, which has these pieces.
func gapSentence(file string, size int64, missing []figure.Span, pieces []figure.Mark) string {
	return gapNumbers{file, size, total(missing), where(missing, pieces, 1)}.sentence()
}

// sentence says which bytes are missing.
func (n gapNumbers) sentence() string {
	switch {
	case n.size == 0:
		return fmt.Sprintf("%s is empty.", n.file)
	case n.missing == 0:
		return fmt.Sprintf("Nothing is missing: all of %s is there (%s).", n.file, bytesText(n.size))
	case n.missing >= n.size:
		return fmt.Sprintf("Nothing of %s is there: %s missing.", n.file, countAre(n.size))
	}
	return fmt.Sprintf("%s of %s %s missing%s.", shareText(n.missing, n.size), bytesText(n.size), are(n.missing), n.where)
}

// where says which pieces of a file have most of the missing bytes, counted in units of so many bytes.
func where(missing []figure.Span, pieces []figure.Mark, unit int64) string {
	of := map[string]int64{}
	var names []string
	var all, best int64
	for _, m := range missing {
		all += m.Len
		for _, p := range pieces {
			n := min(m.Off+m.Len, p.Off+p.Len) - max(m.Off, p.Off)
			if n <= 0 {
				continue
			}
			if of[p.Label] == 0 {
				names = append(names, p.Label)
			}
			of[p.Label] += n
		}
	}
	name := ""
	for _, label := range names {
		if of[label] > best {
			name, best = label, of[label]
		}
	}
	shown := report.Printable(name)
	switch {
	case name == "" || best > all: // pieces lie over each other
		return ""
	case best == all && all <= unit:
		return ", in " + shown
	case best == all:
		return ", all in " + shown
	case 2*best > all:
		return fmt.Sprintf(", most of them in %s (%s)", shown, grouped((best+unit-1)/unit))
	}
	return fmt.Sprintf(", in %d sections, the most in %s (%s)", len(names), shown, grouped((best+unit-1)/unit))
}

// restoredSentence says how sure the bytes of a restored file are.
func restoredSentence(d *report.Restoration) string {
	size := *d.RestoredSize
	switch {
	case d.RestoredComplete:
		return fmt.Sprintf("Every one of the %s is exact, and so is the size.", bytesText(size))
	case d.AllExact:
		return fmt.Sprintf("Every one of the %s is exact; that the file ends there is %s.", bytesText(size), d.RestoredSizeCertainty)
	}
	var parts []string
	for _, p := range []struct {
		n    int64
		what string
	}{{d.BytesExact, "exact"}, {d.BytesAssumed, "assumed"}, {d.BytesLeft, "left as found"}, {d.BytesMissing, "missing"}} {
		if p.n > 0 {
			parts = append(parts, shareText(p.n, size)+" "+p.what)
		}
	}
	return fmt.Sprintf("Of %s: %s.", bytesText(size), report.List(parts))
}

// differenceSentence says how a recovered file and its reference differ.
func differenceSentence(n figure.Counts) string {
	loader := n[figure.Relocated] + n[figure.Bound] + n[figure.Slot]
	differ := loader + n[figure.Changed]
	compared := differ + n[figure.Equal]
	gone := n[figure.NotRecovered] + n[figure.NotInReference]
	var text string
	switch {
	case n.Total() == 0:
		return "Both files are empty."
	case compared == 0:
		text = "Nothing can be compared"
	case differ == 0:
		text = fmt.Sprintf("Nothing differs in the %s that both files have", bytesText(compared))
	case n[figure.Changed] == 0:
		text = fmt.Sprintf("%s where the loader writes: %s", allDiffer(differ), loaderText(n))
	case loader == 0:
		text = fmt.Sprintf("%s %s where the loader does not write", bytesText(differ), verb(differ, "differs", "differ"))
	default:
		text = fmt.Sprintf("Of %s that differ %s %s where the loader writes, and %s %s not", bytesText(differ), grouped(loader), are(loader), grouped(n[figure.Changed]), are(n[figure.Changed]))
	}
	if gone > 0 {
		text += fmt.Sprintf("; %s cannot be compared, for %s missing", bytesText(gone), verb(gone, "it is", "they are"))
	}
	if beyond := n[figure.Beyond]; beyond > 0 {
		text += fmt.Sprintf("; %s only in the longer file", countAre(beyond))
	}
	return text + "."
}

// allDiffer begins a sentence about all bytes that differ.
func allDiffer(n int64) string {
	if n == 1 {
		return "The only byte that differs is"
	}
	return fmt.Sprintf("All %s that differ are", bytesText(n))
}

// loaderText counts the loader's changes, by kind.
func loaderText(n figure.Counts) string {
	var parts []string
	for _, p := range []struct {
		class figure.Class
		what  string
	}{{figure.Relocated, "by relocation"}, {figure.Bound, "by import binding"}, {figure.Slot, "in slots of its own"}} {
		if n[p.class] > 0 {
			parts = append(parts, grouped(n[p.class])+" "+p.what)
		}
	}
	return report.List(parts)
}

// bytesText writes a number of bytes.
func bytesText(n int64) string { return countText(n, "byte") }

// countText writes a number of things.
func countText(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return grouped(n) + " " + thing
}

// verb is the form of a verb for a number.
func verb(n int64, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

func are(n int64) string { return verb(n, "is", "are") }

// countAre is a number of bytes as a subject.
func countAre(n int64) string { return bytesText(n) + " " + are(n) }
