package stack

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Changed is a module of one process whose memory differs from its file.
type Changed struct {
	Image   string    `json:"image"`
	Time    time.Time `json:"time"`
	Process string    `json:"process"`
	Path    string    `json:"path"`
	File    File      `json:"file"`
	Pieces  []Piece   `json:"pieces"` // in order
}

// Piece is a piece of a module that differs from its file. None of its fields depends on the address of the module.
type Piece struct {
	RVA     uint64 `json:"rva"`
	Length  int64  `json:"length"`
	Changed int64  `json:"bytes_changed"`
	Section string `json:"section"`
	Cause   string `json:"cause"`
	Was     string `json:"was"` // its first bytes in hex; ".." for a byte that does not differ
	Is      string `json:"is"`  // likewise; empty if Target is set
	Target  string `json:"target"`
}

// NewPiece makes a piece from the first bytes before (was) and after (is) a change, in hex. target is the place that
// the changed code leads to, if that is in a module with a name: then the new bytes are left out, for they depend on
// the address of that module.
func NewPiece(p Piece, was, is, target string) Piece {
	p.Was, p.Is = differing(was, is), differing(is, was)
	if target != "" {
		p.Target, p.Is = target, ""
	}
	return p
}

// differing returns the bytes of a, in hex, that differ from the bytes of b.
func differing(a, b string) string {
	var out strings.Builder
	for i := 0; i+2 <= len(a); i += 2 {
		if i+2 <= len(b) && a[i:i+2] == b[i:i+2] {
			out.WriteString("..")
		} else {
			out.WriteString(a[i : i+2])
		}
	}
	return out.String()
}

// sameChange returns a name that equal changes have in common.
func (c *Changed) sameChange() string {
	type place struct {
		RVA            uint64
		Length         int64
		Cause          string
		Was, Is, Where string
	}
	h := sha256.New()
	e := json.NewEncoder(h)
	for _, p := range c.Pieces {
		_ = e.Encode(place{p.RVA, p.Length, p.Cause, p.Was, p.Is, p.Target}) // a digest never fails
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// Key is the same for equal changes of the same file.
func (c *Changed) Key() string { return c.File.Key() + " " + c.sameChange() }

// ChangeRow is a change of a file's code, and the places where it was seen.
type ChangeRow struct {
	Schema    int32      `json:"schema" parquet:"schema"`
	Change    string     `json:"change" parquet:"change"`
	Identity  string     `json:"identity" parquet:"identity"`
	Kind      Kind       `json:"identity_kind" parquet:"identity_kind"`
	Hosts     int64      `json:"hosts" parquet:"hosts"`
	Images    []string   `json:"images" parquet:"images,list"`
	Modules   []string   `json:"modules" parquet:"modules,list"`
	Paths     []string   `json:"paths" parquet:"paths,list"`
	Processes []string   `json:"processes" parquet:"processes,list"`
	Seen      int64      `json:"seen" parquet:"seen"`
	FirstSeen *time.Time `json:"first_seen" parquet:"first_seen,optional,timestamp(nanosecond)"`
	LastSeen  *time.Time `json:"last_seen" parquet:"last_seen,optional,timestamp(nanosecond)"`
	Pieces    int64      `json:"pieces" parquet:"pieces"`
	Bytes     int64      `json:"bytes_changed" parquet:"bytes_changed"`
	Causes    []string   `json:"causes" parquet:"causes,list"`
	Where     []string   `json:"where" parquet:"where,list"`
}

// ChangeRows makes the row of changes with the same key, which may come in any order.
func ChangeRows(changes []Changed) ChangeRow {
	first := slices.MinFunc(changes, func(a, b Changed) int {
		return cmp.Or(cmp.Compare(a.Image, b.Image), cmp.Compare(a.Process, b.Process), cmp.Compare(a.Path, b.Path))
	})
	out := ChangeRow{Schema: Schema, Change: first.sameChange(), Seen: int64(len(changes)), Pieces: int64(len(first.Pieces))}
	images, modules, paths, processes, sums, causes := set{}, set{}, set{}, set{}, set{}, set{}
	var seen span
	for _, c := range changes {
		images.add(c.Image)
		modules.add(c.File.Name)
		paths.add(c.Path)
		processes.add(c.Process)
		sums.add(c.File.SHA256)
		seen.see(c.Time)
	}
	for _, p := range first.Pieces {
		causes.add(p.Cause)
		out.Bytes += p.Changed
		if len(out.Where) < most {
			out.Where = append(out.Where, p.String())
		}
	}
	out.Identity, out.Kind = first.File.identity(sums.first())
	out.Hosts, out.FirstSeen, out.LastSeen = int64(len(images)), seen.first, seen.last
	out.Images, out.Modules, out.Paths, out.Processes, out.Causes = images.first(), modules.first(), paths.first(), processes.first(), causes.first()
	return out
}

// identity returns the identity of the file; sums are the digests of the sightings with the same key.
func (f *File) identity(sums []string) (string, Kind) {
	switch {
	case len(sums) == 1:
		return sums[0], BySHA256
	case f.Authentihash != "":
		return f.Authentihash, ByAuthentihash
	}
	return fold(f.Name), ByName
}

// String returns the place of the piece, and its bytes before and after the change.
func (p Piece) String() string {
	is := p.Is
	if p.Target != "" {
		is = "to " + p.Target
	}
	return fmt.Sprintf("%#x+%d %s: %s, was %s, is %s", p.RVA, p.Length, p.Section, p.Cause, p.Was, is)
}

// CompareChanges puts rows in order: the rarest first.
func CompareChanges(a, b ChangeRow) int {
	return cmp.Or(
		cmp.Compare(a.Hosts, b.Hosts), cmp.Compare(strings.Join(a.Modules, "/"), strings.Join(b.Modules, "/")),
		cmp.Compare(a.Identity, b.Identity), cmp.Compare(a.Change, b.Change),
	)
}
