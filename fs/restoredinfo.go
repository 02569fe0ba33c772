package fs

import (
	"memlens/memimage/report"
	"memlens/memimage/restore"
)

// restoredInfo is what info.json says of restored.exe.
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

// baseInfo is the original's ImageBase and what it is known by.
type baseInfo struct {
	Address    string `json:"address"` // "" when it is not known
	Certainty  string `json:"certainty"`
	Evidence   string `json:"evidence"`
	Reason     string `json:"reason"`
	OtherBases uint64 `json:"other_bases"` // that the evidence does not rule out
}

// restoredInfo describes the restored file; nil when there is none.
func (m *module) restoredInfo() *restoredInfo {
	r, err := m.Restored()
	if err != nil {
		return nil
	}
	s := r.Summary()
	return &restoredInfo{
		Of: m.restoredOf(), Size: r.Reader.Size(), SizeIs: r.SizeCertainty.String(), SizeProof: r.SizeProof, Notes: append([]string{}, r.Notes...),
		Complete: r.Complete(), Exact: s.Exact, Assumed: s.Assumed, Left: s.Changed, Missing: s.Bytes[restore.Missing],
		ImageBase: baseInfo{hex(r.ImageBase), r.BaseCertainty.String(), r.BaseEvidence.String(), r.Proof, r.OtherBases},
	}
}

// restoredOf is the path of the file that is restored, nil where there is none.
func (m *module) restoredOf() *string {
	path, ok := m.RestoredOf()
	if !ok {
		return nil
	}
	path = report.Printable(path)
	return &path
}

// restoredOfText says whose file restored.exe is.
func (m *module) restoredOfText() string {
	switch path, ok := m.RestoredOf(); {
	case !ok:
		return "memory alone: no file is mapped there"
	case path == "":
		return "the file that is mapped there; its name cannot be read"
	default:
		return "the file that is mapped there: " + report.Printable(path)
	}
}
