package fs

import (
	"context"
	"html/template"
	"strings"

	"memlens/memimage"
	"memlens/memimage/report"
)

// longestKnown is as long as any text that is said of a known file; empty where no set is given.
func (f *FS) longestKnown() string {
	if f.known == nil {
		return ""
	}
	return strings.Repeat("x", report.MaxKnownText)
}

// knownText says as which known file the restored file of an image is known; nothing where no set is given. The error is of a source
// that fails, or of ctx.
func (f *FS) knownText(ctx context.Context, m *memimage.Module) (string, error) {
	k, err := f.known.Of(ctx, m)
	return k.KnownText, err
}

// maxKnownOnPage is how many bytes a page has of it.
const maxKnownOnPage = report.MaxKnownText + 60 // for characters that are escaped

// knownOnPage is what a page says; without whole, which takes long, it is as long as it could be.
func (f *FS) knownOnPage(ctx context.Context, m *memimage.Module, whole bool) (template.HTML, error) {
	if f.known == nil {
		return "", nil
	}
	if !whole {
		return longest(maxKnownOnPage), nil
	}
	text, err := f.knownText(ctx, m)
	return bounded(text, maxKnownOnPage), err
}
