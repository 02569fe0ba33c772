package report

import (
	"memlens/memimage"
	"memlens/memimage/restore"
)

// Restoration is a restored file in full: its record, the evidence for it, and the sources of its bytes.
type Restoration struct {
	Restored
	SizeProof    string   // the evidence for the size
	SizeNotes    []string // other facts about the size
	AllExact     bool     // every byte is exact; the size may not be
	BaseKnown    bool     // there is evidence for the original's ImageBase
	BaseEvidence string
	BaseProof    string // the evidence for the ImageBase, or why it is not known
	OtherBases   uint64 // that the evidence does not rule out
	BytesWritten int64  // in pages that a process may have written to
	Undone, Left int64  // relocations and imports undone, and left as found
	Sources      []SourceBytes
}

// SourceBytes are bytes that come from a source, or are missing.
type SourceBytes struct {
	Source string
	Bytes  int64
}

// RestorationOf describes the restored file of an executable.
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
