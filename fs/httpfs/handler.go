// Package httpfs serves a tree of files over HTTP: read-only, with ranges, for users who have no FUSE.
//
// It knows an [io/fs.FS] and nothing about its contents. A file is served with the type that its name says. A file that
// a browser might run is sent as a download, except for the pages called index.html.
package httpfs

import (
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"mime"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

const indexName = "index.html"

// Options say how to serve.
type Options struct {
	// Local restricts service to requests that name the server as localhost, by a loopback address or by one of Names.
	// Otherwise any address is allowed, but names are still refused in general. So a page of another site, whose name
	// was made to lead here, cannot read the tree (DNS rebinding).
	Local bool
	// Names are the names of the server's machine that requests may use, beside localhost.
	Names []string
	// WriteTimeout is how long a client may take for a piece of a file, of some 32 KiB; 0: as long as it likes. One that
	// takes longer is cut off.
	WriteTimeout time.Duration
	// Failed is called for each file that could not be read. May be nil.
	Failed func(name string, err error)
}

// Handler returns a handler that serves the tree: a file by its path, a directory by its index.html or else a list.
func Handler(tree iofs.FS, o Options) http.Handler {
	if o.Failed == nil {
		o.Failed = func(string, error) {}
	}
	return &handler{tree, o}
}

type handler struct {
	tree iofs.FS
	Options
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	if h.WriteTimeout > 0 {
		hurry := &hurried{w, http.NewResponseController(w), h.WriteTimeout}
		hurry.extend() // the connection may have one from the request before
		w = hurry
	}
	switch {
	case !h.answersTo(r.Host):
		http.Error(w, "this server does not answer to that name: call it by "+h.ownNames(), http.StatusMisdirectedRequest)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "this tree cannot be changed", http.StatusMethodNotAllowed)
	default:
		h.serve(w, r)
	}
}

// secure sets headers so that a browser can only show a file, and other sites cannot read it.
func secure(header http.Header) {
	for name, value := range map[string]string{
		"Content-Security-Policy":      "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cache-Control":                "no-cache",
	} {
		header.Set(name, value)
	}
}

// answersTo reports whether a Host header names this machine, and no other that leads here.
func (h *handler) answersTo(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if ip := net.ParseIP(name); ip != nil {
		return !h.Local || ip.IsLoopback()
	}
	return slices.ContainsFunc(slices.Concat(h.Names, []string{"localhost"}), func(own string) bool { return strings.EqualFold(name, own) })
}

// ownNames are the names that the server answers to, for a message.
func (h *handler) ownNames() string {
	names := append([]string{"localhost"}, h.Names...)
	if !h.Local {
		names = append(names, "its address")
	}
	return strings.Join(names, " or ")
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	name := strings.Trim(r.URL.Path, "/")
	if name == "" {
		name = "."
	}
	f, info, err := open(r.Context(), h.tree, name)
	if err != nil {
		h.fail(w, name, err)
		return
	}
	defer func() { f.Close() }()
	if info.IsDir() {
		if !strings.HasSuffix(r.URL.Path, "/") {
			http.Redirect(w, r, (&url.URL{Path: "/" + name + "/"}).String(), http.StatusMovedPermanently)
			return
		}
		index, indexInfo, err := open(r.Context(), h.tree, path.Join(name, indexName))
		if err != nil {
			h.list(w, r, name)
			return
		}
		f.Close()
		f, info, name = index, indexInfo, path.Join(name, indexName)
	}
	h.file(w, r, name, f, info)
}

func open(ctx context.Context, tree iofs.FS, name string) (iofs.File, iofs.FileInfo, error) {
	if !iofs.ValidPath(name) {
		return nil, nil, iofs.ErrNotExist
	}
	f, err := openFile(ctx, tree, name)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

func (h *handler) fail(w http.ResponseWriter, name string, err error) {
	if errors.Is(err, iofs.ErrNotExist) {
		http.Error(w, "there is no such file", http.StatusNotFound)
		return
	}
	if !errors.Is(err, context.Canceled) { // else the client has gone
		h.Failed(name, err)
	}
	http.Error(w, "the file cannot be read", http.StatusInternalServerError)
}

// file serves a regular file. Ranges are taken; times are not, for another image may have the same names and times.
func (h *handler) file(w http.ResponseWriter, r *http.Request, name string, f iofs.File, info iofs.FileInfo) {
	at, ok := readerAt(r.Context(), f)
	if !ok {
		h.fail(w, name, errors.New("httpfs: the file has no random access"))
		return
	}
	kind, shown := contentType(name)
	w.Header().Set("Content-Type", kind)
	if !shown {
		w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(name)}))
	}
	section := &watched{io.NewSectionReader(at, 0, info.Size()), nil}
	http.ServeContent(w, r, "", time.Time{}, section)
	if section.err != nil {
		if r.Context().Err() == nil { // else the client has gone
			h.Failed(name, section.err)
		}
		panic(http.ErrAbortHandler) // the client must not take the bytes that it has for the whole
	}
}

// watched remembers that a read failed.
type watched struct {
	*io.SectionReader
	err error
}

func (f *watched) Read(p []byte) (int, error) {
	n, err := f.SectionReader.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// contentType returns the type of a file, by its name, and whether a browser may show it.
func contentType(name string) (kind string, shown bool) {
	switch path.Ext(name) {
	case ".bmp":
		return "image/bmp", true
	case ".png":
		return "image/png", true
	case ".gif":
		return "image/gif", true
	case ".json":
		return "application/json", true
	case ".txt", ".csv":
		return "text/plain; charset=utf-8", true
	}
	if path.Base(name) == indexName {
		return "text/html; charset=utf-8", true
	}
	return "application/octet-stream", false
}

// hurried is a response whose client must take each piece within some time: a client that takes nothing would hold the
// file, and the data made for it, for ever.
type hurried struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
}

// Write implements [http.ResponseWriter].
func (w *hurried) Write(p []byte) (int, error) {
	w.extend()
	return w.ResponseWriter.Write(p)
}

// extend gives the client its time from now on. Where that cannot be set, as in tests, it has as long as it likes.
func (w *hurried) extend() { _ = w.control.SetWriteDeadline(time.Now().Add(w.timeout)) }

// Unwrap is for [http.ResponseController].
func (w *hurried) Unwrap() http.ResponseWriter { return w.ResponseWriter }
