package walk

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"time"

	"memlens/cmd/memlens-fleet/internal/stack"
	"memlens/memimage"
	"memlens/memimage/report"
)

// collector passes records on, and collects the facts in them for the next stages.
type collector struct {
	lines report.Writer
	out   Outcome
	image string
	time  time.Time

	files   map[place]stack.File // of the records so far
	seen    map[seen]*stack.Sighting
	changed map[place]*stack.Changed
}

// place is the place of an executable. A pid of -1 stands for the kernel.
type place struct {
	pid  int64
	base report.Address
}

// seen is equal for executables of one image that become one sighting.
type seen struct {
	stack.File
	known string
}

func newCollector(line func([]byte) error) *collector {
	lines, err := report.NewWriter("jsonl", lineWriter(line), report.Kinds)
	if err != nil {
		panic(err) // this format exists
	}
	return &collector{lines: lines, files: map[place]stack.File{}, seen: map[seen]*stack.Sighting{}, changed: map[place]*stack.Changed{}}
}

// must takes a record. If it cannot be passed on, nobody listens any more.
func (c *collector) must(r report.Record) {
	if err := c.take(r); err != nil {
		panic(err)
	}
}

func (c *collector) take(r report.Record) error {
	switch r := r.(type) {
	case *report.Image:
		c.image = r.Image
		if r.SystemTime != nil {
			c.time = *r.SystemTime
		}
	case *report.Process:
		c.see(place{int64(r.PID), r.ImageBase}, cmp.Or(r.LongName, r.Name), r.Path, &r.Executable)
	case *report.Module:
		if !r.Main { // the record of the process has these facts
			c.see(place{pidOf(r.PID), r.Base}, r.Name, cmp.Or(r.Path, r.LoaderPath), &r.Executable)
		}
	case *report.Change:
		c.change(r)
	case *report.Problem:
		c.out.Problems = append(c.out.Problems, r)
	}
	c.out.Records++
	return c.lines.Write(r)
}

// lineWriter takes lines with their ends, one at a time.
type lineWriter func([]byte) error

// Write implements [io.Writer].
func (w lineWriter) Write(p []byte) (int, error) { return len(p), w(bytes.TrimSuffix(p, []byte("\n"))) }

func pidOf(pid *uint64) int64 {
	if pid == nil {
		return -1
	}
	return int64(*pid)
}

// see takes an executable that has a restored file.
func (c *collector) see(at place, name, path string, e *report.Executable) {
	f := fileOf(name, e)
	c.files[at] = f
	if e.RestoredSize == nil {
		return
	}
	key := seen{f, string(e.Known)}
	s := c.seen[key]
	if s == nil {
		s = &stack.Sighting{Image: c.image, Time: c.time, File: f, Known: string(e.Known), Missing: -1}
		c.seen[key] = s
	}
	s.Processes++
	if e.BytesCodeChanged > 0 {
		s.Changed++
	}
	if path != "" && !slices.Contains(s.Paths, path) {
		s.Paths = append(s.Paths, path)
	}
	if s.Missing < 0 || e.BytesMissing < s.Missing {
		s.Size, s.Missing, s.PID, s.Base = *e.RestoredSize, e.BytesMissing, at.pid, uint64(at.base)
	}
}

// exact is the certainty of a fact that bytes prove.
const exact = "exact"

// fileOf returns the facts that identify the file of an executable.
func fileOf(name string, e *report.Executable) stack.File {
	f := stack.File{Name: name, Authentihash: e.Authentihash}
	if e.RestoredComplete {
		f.SHA256 = e.SHA256
	}
	if f.SHA256 == "" && f.Authentihash == "" {
		f.TLSH = e.TLSH
		if e.RestoredSize != nil && e.RestoredSizeCertainty == exact {
			f.Size = *e.RestoredSize
		}
	}
	return f
}

// change takes a piece of an executable that differs from its file. The record of the executable came before.
func (c *collector) change(r *report.Change) {
	at := place{pidOf(r.PID), r.Base}
	m := c.changed[at]
	if m == nil {
		f, ok := c.files[at]
		if !ok {
			f.Name = r.Module
		}
		m = &stack.Changed{Image: c.image, Time: c.time, Process: r.Process, Path: r.Path, File: f}
		c.changed[at] = m
	}
	target := ""
	if r.TargetRVA != nil {
		target = r.TargetModule + "+" + r.TargetRVA.String()
	}
	m.Pieces = append(m.Pieces, stack.NewPiece(stack.Piece{
		RVA: uint64(r.RVA), Length: r.Length, Changed: r.Changed, Section: r.Section, Cause: r.Cause,
	}, r.Was, r.Is, target))
}

// finish adds the facts that are known only after the last record.
func (c *collector) finish(im *memimage.Image) {
	for _, s := range c.seen {
		slices.Sort(s.Paths)
		c.out.Sightings = append(c.out.Sightings, *s)
	}
	slices.SortFunc(c.out.Sightings, func(a, b stack.Sighting) int {
		return cmp.Or(cmp.Compare(a.File.Key(), b.File.Key()), cmp.Compare(a.File.Name, b.File.Name), cmp.Compare(a.File.TLSH, b.File.TLSH), cmp.Compare(a.PID, b.PID), cmp.Compare(a.Base, b.Base))
	})
	for _, m := range c.changed {
		slices.SortFunc(m.Pieces, func(a, b stack.Piece) int { return cmp.Compare(a.RVA, b.RVA) })
		c.out.Changes = append(c.out.Changes, *m)
	}
	slices.SortFunc(c.out.Changes, func(a, b stack.Changed) int {
		return cmp.Or(cmp.Compare(a.Key(), b.Key()), cmp.Compare(a.Process, b.Process), cmp.Compare(a.Path, b.Path))
	})
	c.out.Traffic = im.Traffic()
	c.out.Again = im.Faults().Count() > 0
}

// cacheDir is the folder in which indexes of known files are kept, the same as in memlens; empty if the user has no
// cache folder.
func cacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "memlens", "digests")
}
