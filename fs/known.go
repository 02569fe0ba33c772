package fs

import (
	"context"
	"html/template"
	"strings"

	"memlens/memimage"
	"memlens/memimage/report"
)

// knownCells are the cells about a known file: a sentence and its code.
func knownCells(k report.Knowledge) []string { return []string{k.KnownText, string(k.Known)} }

// longestKnown returns cells as long as any cells about a known file; none where no set is given.
func (f *FS) longestKnown() []string {
	if f.known == nil {
		return []string{"", ""}
	}
	return []string{strings.Repeat("x", report.MaxKnownText), longestCode()}
}

// maxKnownOnPage is how many bytes a page has of it.
const maxKnownOnPage = report.MaxKnownText + 60 // for characters that are escaped

// knownOnPage is the text on a page; without whole, it is as long as the text can be, because finding the text takes
// long.
func (f *FS) knownOnPage(ctx context.Context, m *memimage.Module, whole bool) (template.HTML, error) {
	if f.known == nil {
		return "", nil
	}
	if !whole {
		return longest(maxKnownOnPage), nil
	}
	k, err := f.known.Of(ctx, m)
	return bounded(k.KnownText, maxKnownOnPage), err
}
