package fs

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"memlens/memimage/report"
)

//go:embed web
var web embed.FS

// pages returns the templates of the pages; they escape each value for the place where it stands. They are parsed when
// the first page is asked for.
var pages = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("pages").Funcs(template.FuncMap{"breakable": breakable}).ParseFS(web, "web/*.html"))
})

// page has the parts that every page has.
type page struct {
	Title, Heading, Image string
	Policy                string
	Style                 template.CSS
	Script                template.JS
}

// newPage returns a page with a script of package web. Its policy allows only that script and that style, even if the
// page has other scripts in it, and no address except its own.
func newPage(title, heading, image string, script func() page) page {
	out := script()
	out.Title, out.Heading, out.Image = title, heading, image
	return out
}

// The pages' scripts, each with the other parts that are the same in all pages with it: made once, because a digest
// takes time.
var (
	galleryScript = sync.OnceValue(func() page { return scripted("gallery.js") })
	processScript = sync.OnceValue(func() page { return scripted("process.js") })
)

// scripted returns the parts that are the same in all pages with a script.
func scripted(script string) page {
	style, code := asset("style.css"), asset(script)
	return page{
		Style: template.CSS(style), Script: template.JS(code),
		Policy: fmt.Sprintf("default-src 'none'; img-src 'self' file: data:; connect-src 'self'; style-src %s; script-src %s; base-uri 'none'; form-action 'none'",
			fingerprint(style), fingerprint(code)),
	}
}

func asset(name string) string {
	b, err := web.ReadFile("web/" + name)
	if err != nil {
		panic(err) // built in
	}
	return string(b)
}

// fingerprint names a script or style as a Content-Security-Policy does.
func fingerprint(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// breakable returns a name in which a line may end before an extension and after a folder; a piece that is longer than a
// line ends anywhere.
func breakable(name string) template.HTML {
	return template.HTML(lineEnds.Replace(template.HTMLEscapeString(name)))
}

var lineEnds = strings.NewReplacer(".", "<wbr>.", "/", "/<wbr>", `\`, `\<wbr>`)

func execute(name string, data any) ([]byte, error) {
	var out bytes.Buffer
	err := pages().ExecuteTemplate(&out, name, data)
	return out.Bytes(), err
}

// measure returns how many bytes execute would make.
func measure(name string, data any) (int64, error) {
	var n counter
	err := pages().ExecuteTemplate(&n, name, data)
	return int64(n), err
}

// counter counts the bytes that are written to it.
type counter int64

func (n *counter) Write(p []byte) (int, error) {
	*n += counter(len(p))
	return len(p), nil
}

// relative returns the address of a file from a page in a directory above it.
func relative(path ...string) string {
	escaped := make([]string, len(path))
	for i, p := range path {
		escaped[i] = url.PathEscape(p)
	}
	return "./" + strings.Join(escaped, "/")
}

// fact is a line of a page's head.
type fact struct {
	Name, Value string
	Mono, Wide  bool
}

// facts returns the facts that are known.
func facts(all ...fact) []fact {
	var out []fact
	for _, f := range all {
		if f.Value != "" {
			f.Value = report.Printable(f.Value)
			out = append(out, f)
		}
	}
	return out
}

// link is a file that a page leads to.
type link struct{ Name, Link, Doc string }

func (l link) cells() []string { return []string{l.Name, l.Link, l.Doc} }

// fragments are pieces of pages that are the same for many processes: they are made once.
type fragments struct {
	byKey *lru.Cache[string, template.HTML]
}

// Bounds of the kept fragments: how many, and how long one fragment and its key may be together, in bytes.
const (
	keptFragments = 64
	maxFragment   = 64 << 10
)

func newFragments() fragments {
	byKey, _ := lru.New[string, template.HTML](keptFragments) // fails for a negative size only
	return fragments{byKey}
}

// fragment returns the output of the template of that name for rows, which must depend on their cells alone.
func fragment[T interface{ cells() []string }](f fragments, name string, rows []T) (template.HTML, error) {
	key := make([]byte, 0, 4<<10)
	key = append(key, name...)
	for _, row := range rows {
		for _, cell := range row.cells() {
			key = append(strconv.AppendInt(append(key, 0), int64(len(cell)), 10), 0)
			key = append(key, cell...)
		}
	}
	if made, ok := f.byKey.Get(string(key)); ok {
		return made, nil
	}
	raw, err := execute(name, rows)
	if err == nil && len(raw)+len(key) <= maxFragment {
		f.byKey.Add(string(key), template.HTML(raw))
	}
	return template.HTML(raw), err // the template has escaped it
}

// bar is a bar of shares.
type bar struct {
	Label string
	Parts []part
}

// part is a piece of a bar; From and Share are in percent of its width.
type part struct {
	Name, Text  string
	Class       int // of its colour; hatched means missing
	Count       int64
	From, Share string
}

const hatchedClass = 6

// sourceClasses are the classes of the sources of pages, and likewise of the kinds of pages of a restored file: both
// lists go from the best source to missing pages. Behind that is the class of pages from the dump of a process.
var sourceClasses = [...]int{0, 1, 2, 3, 5, 4, hatchedClass, 0}

// newBar makes a bar of counts; the last class is for missing pages.
func newBar(label string, names []string, counts []int64, classes []int) bar {
	out := bar{Label: label}
	var total, sum int64
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		return out
	}
	percent := func(n int64) string { return fmt.Sprintf("%.3f", 100*float64(n)/float64(total)) }
	for i, n := range counts {
		out.Parts = append(out.Parts, part{names[i], shareText(n, total), classes[i], n, percent(sum), percent(n)})
		sum += n
	}
	return out
}

// shareText writes a count and its share of the whole; a small count is never written as nothing, nor a nearly full one
// as everything.
func shareText(n, total int64) string {
	p := 100 * float64(n) / float64(total)
	switch {
	case n == 0:
		return "0"
	case n == total:
		return fmt.Sprintf("%s (100 %%)", grouped(n))
	case p < 0.1:
		return fmt.Sprintf("%s (< 0.1 %%)", grouped(n))
	case p > 99.9:
		return fmt.Sprintf("%s (> 99.9 %%)", grouped(n))
	}
	return fmt.Sprintf("%s (%.1f %%)", grouped(n), p)
}

// grouped writes a number with a comma between thousands.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
