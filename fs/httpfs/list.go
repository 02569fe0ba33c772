package httpfs

import (
	"html/template"
	"net/http"
	"net/url"
	"path"
)

// listing is the page of a directory that has no index.html.
var listing = template.Must(template.New("list").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{{.Name}}</title>
<style>:root { color-scheme: light dark } body { font: 15px/1.6 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1.5em } li { overflow-wrap: anywhere }</style></head>
<body><main><h1><bdi>{{.Name}}</bdi></h1><ul><li><a href="../">one up</a></li>
{{range .Entries}}<li><a href="{{.Link}}"><bdi>{{.Name}}</bdi></a></li>
{{end}}</ul></main></body></html>
`))

type entry struct{ Name, Link string }

// list serves the names in a directory.
func (h *handler) list(w http.ResponseWriter, r *http.Request, name string) {
	entries, err := readDir(r.Context(), h.tree, name)
	if err != nil {
		h.fail(w, name, err)
		return
	}
	page := struct {
		Name    string
		Entries []entry
	}{Name: path.Base(name)}
	for _, e := range entries {
		link := "./" + url.PathEscape(e.Name())
		if e.IsDir() {
			link += "/"
		}
		page.Entries = append(page.Entries, entry{e.Name(), link})
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if r.Method == http.MethodGet {
		listing.Execute(w, page)
	}
}
