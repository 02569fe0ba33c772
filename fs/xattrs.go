package fs

import (
	"fmt"

	"memlens/memimage"
	"memlens/memimage/report"
	"memlens/memimage/restore"
)

// xattrPrefix begins the names of all extended attributes of the tree.
const xattrPrefix = "user.memlens."

const pageSize = 4096

// executableXattrs says how much of a recovered executable is there and where it came from.
func (m *module) executableXattrs(e *memimage.Executable) []xattr {
	bytes, err := e.Present()
	if err != nil { // how many bytes are missing cannot be said now
		return nil
	}
	present, total := pagesOf(bytes), pagesOf(e.Reader.Size())
	out := []xattr{
		{"layout", e.Layout},
		{"pages_present", fmt.Sprint(present)},
		{"pages_missing", fmt.Sprint(max(total-present, 0))},
		{"bytes_missing", fmt.Sprint(e.Reader.Size() - bytes)},
	}
	if p := m.Owner; p != nil {
		out = append(out, xattr{"eprocess", fmt.Sprintf("%#x", uint64(p.VA))}, xattr{"dtb", fmt.Sprintf("%#x", uint64(p.DTB))})
	}
	out = append(out, xattr{"image_base", fmt.Sprintf("%#x", uint64(e.Base))})
	counts := report.CountsOf(m.Module)
	for _, source := range m.Sources() {
		out = append(out, xattr{"image_pages." + token(source.String()), fmt.Sprint(counts.From(source))})
	}
	return prefixed(out)
}

// restoredXattrs says how much of a restored executable came from where.
func (m *module) restoredXattrs(r *restore.Result) []xattr {
	d := report.RestorationOf(m.Module, r)
	out := []xattr{
		{"layout", "restored"},
		{"of", ofText(&d.Restored)},
		{"complete", fmt.Sprint(d.RestoredComplete)},
		{"size_certainty", d.RestoredSizeCertainty},
		{"bytes_exact", fmt.Sprint(d.BytesExact)},
		{"bytes_assumed", fmt.Sprint(d.BytesAssumed)},
		{"bytes_left", fmt.Sprint(d.BytesLeft)},
		{"bytes_written", fmt.Sprint(d.BytesWritten)},
		{"image_base", d.OriginalBase.String()},
		{"image_base.certainty", d.OriginalBaseCertainty},
		{"image_base.evidence", d.BaseEvidence},
		{"image_base.other_bases", fmt.Sprint(d.OtherBases)},
		{"undone", fmt.Sprint(d.Undone)},
		{"left", fmt.Sprint(d.Left)},
	}
	for _, s := range d.Sources {
		out = append(out, xattr{"bytes." + token(s.Source), fmt.Sprint(s.Bytes)})
	}
	return prefixed(out)
}

func prefixed(list []xattr) []xattr {
	for i := range list {
		list[i].name = xattrPrefix + list[i].name
	}
	return list
}

// token writes a phrase as one word.
func token(s string) string {
	out := []byte(s)
	for i, c := range out {
		if c == ' ' {
			out[i] = '_'
		}
	}
	return string(out)
}
