package report

import (
	"memlens/memimage"
	"memlens/memimage/integrity"
	"memlens/memimage/reason"
	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

// RecoveryOf says why there is no dump of an executable in the disk layout.
func RecoveryOf(m *memimage.Module) Recovery {
	_, err := m.FileSize()
	why := reason.Of(err)
	if why.Code != "" && m.Owner != nil && m.Owner.IsTrustlet() {
		why.Text += " (the secure kernel runs the process: its own pages are kept from an acquisition)"
	}
	return Recovery{why.Code, why.Text}
}

// RestoredOf describes the restored file of an executable. The error is of a source that fails; then the record says
// so.
func RestoredOf(m *memimage.Module) (Restored, error) {
	r, err := m.Restored()
	if err != nil {
		why := reason.Of(err)
		return Restored{NotRestored: why.Code, NotRestoredText: why.Text}, sparse.OnlyFailed(err)
	}
	return restored(m, r), nil
}

func restored(m *memimage.Module, r *restore.Result) Restored {
	s, size := r.Summary(), r.Reader.Size()
	out := Restored{
		RestoredSize: &size, RestoredSizeCertainty: r.SizeCertainty.String(), RestoredComplete: r.Complete(),
		BytesExact: s.Exact, BytesAssumed: s.Assumed, BytesLeft: s.Changed, BytesMissing: s.Bytes[restore.Missing],
		OriginalBase: Address(r.ImageBase), OriginalBaseCertainty: r.BaseCertainty.String(),
	}
	if path, ok := m.RestoredOf(); ok {
		out.RestoredOf = &path
	}
	return out
}

// ComparisonOf compares an executable with the file that it was mapped from. The error is of a source that fails; then the
// record says so.
func ComparisonOf(m *memimage.Module) (Comparison, error) {
	r, err := m.Changes()
	if err != nil {
		why := reason.Of(err)
		return Comparison{Verdict: why.Code, VerdictText: why.Text, NotCompared: []reason.Code{}}, sparse.OnlyFailed(err)
	}
	return comparison(r), nil
}

func comparison(r *integrity.Result) Comparison {
	verdict := r.Verdict.Reason()
	out := Comparison{Verdict: verdict.Code, VerdictText: verdict.Text, Compared: true, PagesCompared: int64(r.Comparable()), NotCompared: []reason.Code{}}
	seen := map[reason.Code]bool{}
	for _, n := range r.NotCompared {
		if !seen[n.Code] {
			seen[n.Code] = true
			out.NotCompared = append(out.NotCompared, n.Code)
		}
	}
	for cause, to := range out.byCause() {
		*to = r.Bytes[cause]
	}
	return out
}

// IsForeign reports whether memory does not belong to the file that it claims to be of.
func (c *Comparison) IsForeign() bool {
	return c.Compared && (c.Verdict == reason.NotItsFile || c.Verdict == reason.NoFile)
}

// Bytes are how many bytes differ for a cause.
func (c *Comparison) Bytes(cause integrity.Cause) int64 { return *c.byCause()[cause] }

// byCause are the counts of bytes by cause.
func (c *Comparison) byCause() [integrity.HeaderErased + 1]*int64 {
	return [...]*int64{
		integrity.Relocation: &c.BytesRelocation, integrity.ImportBinding: &c.BytesImportBinding, integrity.DelayImport: &c.BytesDelayImport,
		integrity.GuardPointer: &c.BytesGuardPointer, integrity.LoaderSlot: &c.BytesLoaderSlot, integrity.DataSection: &c.BytesDataSection,
		integrity.HotPatch: &c.BytesHotPatch, integrity.ImportChanged: &c.BytesImportChanged, integrity.ExportChanged: &c.BytesExportChanged,
		integrity.GuardChanged: &c.BytesGuardPointerChanged, integrity.CodeChanged: &c.BytesCodeChanged,
		integrity.ConstantChanged: &c.BytesReadOnlyDataChanged, integrity.HeaderChanged: &c.BytesHeaderChanged, integrity.HeaderErased: &c.BytesHeaderErased,
	}
}
