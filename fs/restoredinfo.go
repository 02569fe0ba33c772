package fs

import "memlens/memimage/report"

// restoredInfo is the part of info.json about restored.exe.
type restoredInfo struct {
	Of        *string  `json:"of"` // the file that is mapped there, "" without a name; null when none is: then it is of memory alone
	Size      int64    `json:"size"`
	SizeIs    string   `json:"size_certainty"`
	SizeProof string   `json:"size_proof"`
	Notes     []string `json:"size_notes"`
	Complete  bool     `json:"complete"` // the size and every byte are exact
	Exact     int64    `json:"bytes_exact"`
	Assumed   int64    `json:"bytes_assumed"`
	Left      int64    `json:"bytes_left_as_found"`
	Missing   int64    `json:"bytes_missing"`
	ImageBase baseInfo `json:"image_base"`
}

// baseInfo is the original's ImageBase and how it is known.
type baseInfo struct {
	Address    report.Address `json:"address"` // "" when it is not known
	Certainty  string         `json:"certainty"`
	Evidence   string         `json:"evidence"`
	Reason     string         `json:"reason"`
	OtherBases uint64         `json:"other_bases"` // that the evidence does not rule out
}

// restoredInfo describes the restored file; nil when there is none.
func (m *module) restoredInfo() *restoredInfo {
	r, err := m.Restored()
	if err != nil {
		return nil
	}
	d := report.RestorationOf(m.Module, r)
	return &restoredInfo{
		Of: printable(d.RestoredOf), Size: *d.RestoredSize, SizeIs: d.RestoredSizeCertainty, SizeProof: d.SizeProof, Notes: d.SizeNotes,
		Complete: d.RestoredComplete, Exact: d.BytesExact, Assumed: d.BytesAssumed, Left: d.BytesLeft, Missing: d.BytesMissing,
		ImageBase: baseInfo{d.OriginalBase, d.OriginalBaseCertainty, d.BaseEvidence, d.BaseProof, d.OtherBases},
	}
}

// printable makes a text printable; nil stays nil.
func printable(text *string) *string {
	if text == nil {
		return nil
	}
	out := report.Printable(*text)
	return &out
}

// ofText says from which file a restored file is.
func ofText(r *report.Restored) string {
	switch path := r.RestoredOf; {
	case path == nil:
		return "memory alone: no file is mapped there"
	case *path == "":
		return "the file that is mapped there; its name cannot be read"
	default:
		return "the file that is mapped there: " + report.Printable(*path)
	}
}
