package fs

import (
	"fmt"
	"strings"

	"memlens/memimage"
	"memlens/memimage/integrity"
	"memlens/memimage/reason"
	"memlens/memimage/report"
	"memlens/memimage/sparse"
)

// maxVerdict is how many bytes of a verdict tables show: a whole verdict, but only the beginning of a reason why there
// is none.
const maxVerdict = 168

// verdictCells are the cells of a verdict: how an image's memory differs from its file, as a code and as a sentence.
func verdictCells(c *report.Comparison) []string {
	text := c.VerdictText
	if !c.Compared {
		text = "not compared: " + text
	}
	return []string{string(c.Verdict), text}
}

// longestVerdict returns cells as long as the cells of a verdict can be.
func longestVerdict() []string { return []string{longestCode(), strings.Repeat("x", maxVerdict)} }

// lacksChanges says why an image is not compared with its file.
func (m *module) lacksChanges() error { return m.CheckChanges() }

// modifiedCSV is the table of the differences between an image's memory and its file.
func (m *module) modifiedCSV() (*body, error) {
	return m.text("modified.csv", func() ([]byte, error) {
		d, err := report.DifferencesOf(m.Module)
		if err != nil {
			return nil, absent(err)
		}
		return table(modifiedColumns, func(add func(...string)) {
			for c := range d.Changes() {
				add(changeRow(c)...)
			}
			note := func(format string, args ...any) {
				add("", "", "", "", "", "", "", "", "", "", "", fmt.Sprintf(format, args...))
			}
			for _, g := range d.Gaps {
				note("not compared, %s: %d pages", g.Why, g.Pages)
			}
			if d.LeftOut > 0 {
				note("%d more differences are not listed", d.LeftOut)
			}
			note("verdict: %s", d.VerdictText)
		})
	})
}

func changeRow(c *report.Change) []string {
	return []string{c.RVA.String(), fmt.Sprint(c.Length), fmt.Sprint(c.Changed), c.Section, c.Cause, c.Certainty,
		c.Was, c.Is, c.Target.String(), c.TargetModule, knownNumber(c.TargetRVA), c.Note}
}

// changesInfo is the part of info.json about the comparison with the file.
type changesInfo struct {
	Verdict     string           `json:"verdict"`
	Code        reason.Code      `json:"verdict_code"`
	Pages       int64            `json:"pages"`
	Comparable  int64            `json:"pages_comparable"`
	NotCompared map[string]int64 `json:"pages_not_compared"`
	Bytes       map[string]int64 `json:"bytes_changed"` // by cause
}

// changesOf describes the comparison; nil where there is none. The error is from a source that fails.
func changesOf(m *memimage.Module) (*changesInfo, error) {
	d, err := report.DifferencesOf(m)
	if err != nil {
		return nil, sparse.OnlyFailed(err)
	}
	out := &changesInfo{d.VerdictText, d.Verdict, d.Pages, d.PagesCompared, map[string]int64{}, map[string]int64{}}
	for _, g := range d.Gaps {
		out.NotCompared[g.Why.Text] += g.Pages
	}
	for _, c := range integrity.Causes() {
		if n := d.Bytes(c); n > 0 {
			out.Bytes[token(c.String())] = n
		}
	}
	return out, nil
}
