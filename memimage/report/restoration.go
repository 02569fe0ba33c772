package report

import (
	"memlens/memimage"
	"memlens/memimage/restore"
)

// Restoration is a restored file in full: its record, what that is known by, and where its bytes come from.
type Restoration struct {
	Restored
	SizeProof    string   // what the size is known by
	SizeNotes    []string // what else is known of it
	AllExact     bool     // every byte is exact; the size may not be
	BaseKnown    bool     // something tells the original's ImageBase
	BaseEvidence string
	BaseProof    string // what the ImageBase is known by, or why it is not known
	OtherBases   uint64 // that the evidence does not rule out
	BytesWritten int64  // in pages that a process may have written to
	Undone, Left int64  // relocations and imports undone, and those left as found
	Sources      []SourceBytes
}

// SourceBytes are bytes that come from a source, or are missing.
type SourceBytes struct {
	Source string
	Bytes  int64
}

// RestorationOf says what is known of the restored file of an executable.
func RestorationOf(m *memimage.Module, r *restore.Result) *Restoration {
	s := r.Summary()
	out := &Restoration{
		Restored: restored(m, r), SizeProof: r.SizeProof, SizeNotes: append([]string{}, r.Notes...), AllExact: r.AllExact(),
		BaseKnown: r.BaseEvidence != restore.NoEvidence, BaseEvidence: r.BaseEvidence.String(), BaseProof: r.Proof, OtherBases: r.OtherBases,
		BytesWritten: s.Written, Undone: int64(s.Undone), Left: int64(s.Left),
	}
	for kind, n := range s.Bytes {
		out.Sources = append(out.Sources, SourceBytes{restore.Kind(kind).String(), n})
	}
	return out
}
