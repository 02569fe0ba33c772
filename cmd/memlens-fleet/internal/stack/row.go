package stack

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// most bounds the names, the paths and the images in a row. Their counts are exact.
const most = 100

// Row is a file, and the places where it was seen.
type Row struct {
	Schema       int32      `json:"schema" parquet:"schema"`
	Identity     string     `json:"identity" parquet:"identity"`
	Kind         Kind       `json:"identity_kind" parquet:"identity_kind"`
	Hosts        int64      `json:"hosts" parquet:"hosts"`
	Images       []string   `json:"images" parquet:"images,list"`
	Names        []string   `json:"names" parquet:"names,list"`
	Paths        []string   `json:"paths" parquet:"paths,list"`
	PathCount    int64      `json:"path_count" parquet:"path_count"`
	Processes    int64      `json:"processes" parquet:"processes"`
	FirstSeen    *time.Time `json:"first_seen" parquet:"first_seen,optional,timestamp(nanosecond)"`
	LastSeen     *time.Time `json:"last_seen" parquet:"last_seen,optional,timestamp(nanosecond)"`
	Size         int64      `json:"size" parquet:"size"`
	CompleteOn   int64      `json:"complete_on" parquet:"complete_on"`
	LeastMissing int64      `json:"bytes_missing_least" parquet:"bytes_missing_least"`
	ChangedOn    int64      `json:"code_changed_on" parquet:"code_changed_on"`
	Known        string     `json:"known" parquet:"known"`
	SHA256       string     `json:"sha256" parquet:"sha256"`
	Authentihash string     `json:"authentihash" parquet:"authentihash"`
	TLSH         []string   `json:"tlsh" parquet:"tlsh,list"`
	Spread       int64      `json:"tlsh_spread" parquet:"tlsh_spread"`

	// Best is the place of a sighting with the fewest missing bytes: the best place to look at the file.
	Best Place `json:"-" parquet:"-"`
}

// Schema is the version of the schema of rows.
const Schema = 1

// Place is the place of a file in an image.
type Place struct {
	Image string
	PID   int64 // -1: the kernel
	Base  uint64
}

// Rows makes the rows of the sightings with the same key, which may come in any order.
func Rows(sightings []Sighting) (out []Row) {
	sightings = slices.Clone(sightings)
	slices.SortFunc(sightings, compareSightings)
	for _, g := range identify(sightings) {
		out = append(out, g.row())
	}
	slices.SortFunc(out, Compare)
	return out
}

// Compare puts rows in order: the rarest first; among equally rare files, changed code comes first, and known files
// come last.
func Compare(a, b Row) int {
	return cmp.Or(
		cmp.Compare(a.Hosts, b.Hosts), cmp.Compare(a.rank(), b.rank()), cmp.Compare(strings.Join(a.Names, "/"), strings.Join(b.Names, "/")),
		cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Identity, b.Identity),
	)
}

// known is the value for a file that a set of known files has.
const known = "known"

// rank is lower for files that deserve a look first.
func (r *Row) rank() int {
	switch {
	case r.Known == known:
		return 2
	case r.ChangedOn > 0:
		return 0
	}
	return 1
}

func compareSightings(a, b Sighting) int {
	return cmp.Or(
		cmp.Compare(a.Image, b.Image), cmp.Compare(a.Missing, b.Missing), cmp.Compare(a.File.SHA256, b.File.SHA256), cmp.Compare(a.File.TLSH, b.File.TLSH),
		cmp.Compare(a.PID, b.PID), cmp.Compare(a.Base, b.Base),
	)
}

// group is the sightings of one file, in order.
type group struct {
	kind     Kind
	identity string
	spread   int
	of       []Sighting
}

func (g *group) row() Row {
	out := Row{Schema: Schema, Identity: g.identity, Kind: g.kind, Spread: int64(g.spread)}
	images, names, paths, tlsh := set{}, set{}, set{}, set{}
	complete, changed := set{}, set{}
	var seen span
	for i, s := range g.of {
		images.add(s.Image)
		names.add(s.File.Name)
		for _, path := range s.Paths {
			paths.add(path)
		}
		tlsh.add(s.File.TLSH)
		if s.File.SHA256 != "" {
			complete.add(s.Image)
		}
		if s.Changed > 0 {
			changed.add(s.Image)
		}
		out.Processes += s.Processes
		seen.see(s.Time)
		out.know(s)
		if i == 0 || s.Missing < out.LeastMissing {
			out.LeastMissing, out.Size, out.Best = s.Missing, s.Size, Place{s.Image, s.PID, s.Base}
		}
	}
	out.Hosts, out.CompleteOn, out.ChangedOn, out.PathCount = int64(len(images)), int64(len(complete)), int64(len(changed)), int64(len(paths))
	out.FirstSeen, out.LastSeen = seen.first, seen.last
	out.Images, out.Names, out.Paths, out.TLSH = images.first(), names.first(), paths.first(), tlsh.first()
	return out
}

// span is the first and the last of some times; nil: no time.
type span struct{ first, last *time.Time }

// see adds a time; the zero time is not known.
func (s *span) see(t time.Time) {
	if t.IsZero() {
		return
	}
	t = t.UTC()
	if s.first == nil || t.Before(*s.first) {
		s.first = &t
	}
	if s.last == nil || t.After(*s.last) {
		s.last = &t
	}
}

// know adds the identity of the file, and whether it is known, from a sighting.
func (r *Row) know(s Sighting) {
	r.SHA256, r.Authentihash = cmp.Or(r.SHA256, s.File.SHA256), cmp.Or(r.Authentihash, s.File.Authentihash)
	if s.Known == known || r.Known == "" {
		r.Known = s.Known
	}
}

// set is a set of texts that are not empty.
type set map[string]bool

func (s set) add(text string) {
	if text != "" {
		s[text] = true
	}
}

// first returns the first texts of the set in order, as many as a row has.
func (s set) first() []string {
	out := make([]string, 0, len(s))
	for text := range s {
		out = append(out, text)
	}
	slices.Sort(out)
	return out[:min(len(out), most)]
}

// fold returns a file name in the form in which Windows compares names.
func fold(name string) string { return strings.ToLower(name) }
