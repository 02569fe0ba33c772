// Package page makes the page of the rarest files: one file of HTML, with its pictures in it.
package page

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"memlens/cmd/memlens-fleet/internal/stack"
)

// Summary is the summary of a run over all images.
type Summary struct {
	Images       int   `json:"images"`
	Opened       int   `json:"opened"`
	Failed       int   `json:"failed"`
	WithProblems int   `json:"with_problems"`
	Problems     int64 `json:"problems"`
	Records      int64 `json:"records"`
}

// Card is a file with its picture.
type Card struct {
	Row stack.Row
	PNG []byte
	Why string // why there is no picture
}

// Page is the page.
type Page struct {
	Summary Summary
	Cards   []Card
}

//go:embed page.html
var text string

// Write writes the page.
func (p *Page) Write(w io.Writer) error {
	t, err := template.New("page").Funcs(template.FuncMap{"picture": picture, "day": day, "hosts": hosts, "identity": identity}).Parse(text)
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return t.Execute(w, p)
}

func picture(png []byte) template.URL {
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(png))
}

func day(t *time.Time) string {
	if t == nil {
		return "not known"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// hosts returns the text for the number of images with a file.
func hosts(n int64) string {
	if n == 1 {
		return "1 image"
	}
	return fmt.Sprintf("%d images", n)
}

// identity returns the text on how the file was identified.
func identity(r stack.Row) string {
	switch r.Kind {
	case stack.BySHA256:
		return "SHA-256 of the restored file"
	case stack.ByAuthentihash:
		return "Authentihash: the signed part of the file is the same"
	case stack.ByTLSH:
		return fmt.Sprintf("TLSH: files of this name that are alike, at most %d apart; they may be different files", r.Spread)
	}
	return "the name alone: nothing else is known"
}

// Grade is the colour of a card, as on memlens's other pages.
func (c *Card) Grade() string {
	switch {
	case c.Row.ChangedOn > 0:
		return "v4"
	case c.Row.Known == "known":
		return "v0"
	case strings.HasPrefix(c.Row.Known, "not-known"):
		return "v2"
	}
	return "v1"
}
