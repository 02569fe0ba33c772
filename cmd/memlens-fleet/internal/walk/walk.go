// Package walk reads one image: it makes the records of package report, and from them the facts that later stages
// group. It runs in a process of its own, which may be ended at any time.
package walk

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"memlens/cmd/memlens-fleet/internal/stack"
	"memlens/cmd/memlens-fleet/internal/worker"
	"memlens/memimage"
	"memlens/memimage/known"
	"memlens/memimage/reason"
	"memlens/memimage/remote"
	"memlens/memimage/report"
)

// Options say which parts of each image are read.
type Options struct {
	Modules  bool     `json:"modules"`
	Drivers  bool     `json:"drivers"`
	Regions  bool     `json:"regions"`
	Scan     bool     `json:"scan"`
	Digests  []string `json:"digests"` // further digests, beside the identifying digests
	Known    []string `json:"known"`   // files
	Symbols  []string `json:"symbols"`
	SpoolDir string   `json:"spool_dir"`
	Endpoint string   `json:"s3_endpoint"`
	Region   string   `json:"s3_region"`
	CacheDir string   `json:"cache"` // folder for blocks of remote images
	CacheMiB int64    `json:"cache_mib"`
}

// Remote returns the options for reaching remote images.
func (o *Options) Remote() remote.Options {
	return remote.Options{Endpoint: o.Endpoint, Region: o.Region, CacheDir: o.CacheDir, CacheBytes: o.CacheMiB << 20}
}

// identifying are the digests that identify files.
var identifying = []string{"sha256", "authentihash", "tlsh"}

// Request asks for the records of an image, or for the picture of a file in it.
type Request struct {
	Image   string       `json:"image"`
	Options Options      `json:"options"`
	Draw    *stack.Place `json:"draw,omitempty"`
}

// Outcome is the result of reading an image.
type Outcome struct {
	Opened bool `json:"opened"`
	// Again says that a read failed that may succeed at another time.
	Again     bool              `json:"again"`
	Records   int64             `json:"records"`
	Sightings []stack.Sighting  `json:"sightings"`
	Changes   []stack.Changed   `json:"changes"`
	Problems  []*report.Problem `json:"problems"`
	Traffic   remote.Stats      `json:"traffic"`
	Picture   *Picture          `json:"picture"`
}

// Serve answers requests until there are no more.
func Serve(in io.Reader, out io.Writer) error {
	return worker.Serve(in, out, new(Handler).Answer)
}

// Handler answers requests. The zero value is ready to use.
type Handler struct {
	lookup *report.Lookup
}

// Answer answers a request: it passes the records to line, and returns the outcome, all in JSON. It panics when
// nobody listens any more.
func (h *Handler) Answer(ctx context.Context, request []byte, line func([]byte) error) []byte {
	b, err := json.Marshal(h.answer(ctx, request, line))
	if err != nil {
		panic(err) // JSON can hold all its fields
	}
	return b
}

func (h *Handler) answer(ctx context.Context, request []byte, line func([]byte) error) *Outcome {
	var r Request
	if err := json.Unmarshal(request, &r); err != nil {
		panic(fmt.Sprintf("walk: the request is none: %v", err))
	}
	c := newCollector(line)
	im, err := memimage.Open(ctx, r.Image, r.Options.memory())
	if err != nil {
		p := report.OpenProblem(remote.Shown(r.Image), err)
		c.out.Again = mayPass(p.Code)
		c.must(p)
		return &c.out
	}
	defer im.Close()
	c.out.Opened = true
	if r.Draw != nil {
		c.out.Picture = draw(im, *r.Draw)
		return &c.out
	}
	h.walk(ctx, im, r.Options, c)
	c.finish(im)
	return &c.out
}

// mayPass reports whether opening an image may succeed at another time.
func mayPass(code reason.Code) bool {
	switch code {
	case reason.ReadFailed, reason.Deadline, reason.BadAnswer, reason.Changed:
		return true
	}
	return false
}

func (o *Options) memory() memimage.Options {
	out := memimage.Options{Symbols: o.Symbols, Remote: o.Remote()}
	out.Container.SpoolDir = o.SpoolDir
	return out
}

// walk makes the records.
func (h *Handler) walk(ctx context.Context, im *memimage.Image, o Options, c *collector) {
	lookup, err := h.sets(o.Known)
	if err != nil {
		panic(err) // they were opened when the run began
	}
	digests, err := report.ParseDigests(append(identifying[:len(identifying):len(identifying)], o.Digests...))
	if err != nil {
		panic(err) // likewise
	}
	if err := report.Walk(ctx, im, report.Options{
		Modules: o.Modules, Drivers: o.Drivers, Regions: o.Regions, Scan: o.Scan, Digests: digests, Known: lookup,
	}, c.take); err != nil {
		panic(err) // nobody listens any more
	}
}

// sets opens the sets of known files, once.
func (h *Handler) sets(paths []string) (*report.Lookup, error) {
	if h.lookup != nil || len(paths) == 0 {
		return h.lookup, nil
	}
	sets, err := OpenKnown(paths)
	if err == nil {
		h.lookup = report.NewLookup(sets)
	}
	return h.lookup, err
}

// OpenKnown opens sets of known files.
func OpenKnown(paths []string) (out []*known.Set, err error) {
	for _, path := range paths {
		set, err := known.Open(path, known.Options{CacheDir: cacheDir()})
		if err != nil {
			return nil, err
		}
		out = append(out, set)
	}
	return out, nil
}
