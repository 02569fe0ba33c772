package fs

import (
	"fmt"

	"memlens/memimage"
	"memlens/memimage/integrity"
	"memlens/memimage/sparse"
)

// maxVerdict is how many bytes of a verdict tables show: all of it, and of a reason why there is none its beginning.
const maxVerdict = 168

// verdict says how an image's memory differs from its file. The error is of a source that fails.
func verdict(m *memimage.Module) (string, error) {
	r, err := m.Changes()
	if err != nil {
		return "not compared: " + err.Error(), sparse.OnlyFailed(err)
	}
	return r.Verdict.String(), nil
}

// lacksChanges says why an image is not compared with its file.
func (m *module) lacksChanges() error { return m.CheckChanges() }

// modifiedCSV is the table of what differs between an image's memory and its file.
func (m *module) modifiedCSV() (*body, error) {
	return m.text("modified.csv", func() ([]byte, error) {
		r, err := m.Changes()
		if err != nil {
			return nil, absent(err)
		}
		header := []string{"rva", "length", "bytes_changed", "section", "cause", "certainty", "was", "is", "target", "target_module", "target_rva", "note"}
		return table(header, func(add func(...string)) {
			for i := range r.Runs {
				add(changeRow(&r.Runs[i])...)
			}
			note := func(text string, pages int) {
				add("", "", "", "", "", "", "", "", "", "", "", fmt.Sprintf("%s: %d pages", text, pages))
			}
			for _, n := range r.NotCompared {
				note("not compared, "+n.Why, n.Pages)
			}
			if r.LeftOut > 0 {
				add("", "", "", "", "", "", "", "", "", "", "", fmt.Sprintf("%d more differences are not listed", r.LeftOut))
			}
			add("", "", "", "", "", "", "", "", "", "", "", "verdict: "+r.Verdict.String())
		})
	})
}

func changeRow(r *integrity.Run) []string {
	rva := ""
	if r.TargetModule != "" {
		rva = fmt.Sprintf("%#x", r.TargetRVA)
	}
	return []string{fmt.Sprintf("%#x", r.RVA), fmt.Sprint(r.Len), fmt.Sprint(r.Changed), r.Section, r.Cause.String(), r.Certainty.String(),
		fmt.Sprintf("%x", r.Was), fmt.Sprintf("%x", r.Is), hex(r.Target), r.TargetModule, rva, r.Note}
}

// changesInfo is what info.json says of the comparison with the file.
type changesInfo struct {
	Verdict     string           `json:"verdict"`
	Pages       int              `json:"pages"`
	Comparable  int              `json:"pages_comparable"`
	NotCompared map[string]int   `json:"pages_not_compared"`
	Bytes       map[string]int64 `json:"bytes_changed"` // by cause
}

// changes describes the comparison; nil where there is none. The error is of a source that fails.
func (m *module) changes() (*changesInfo, error) {
	r, err := m.Changes()
	if err != nil {
		return nil, sparse.OnlyFailed(err)
	}
	out := &changesInfo{r.Verdict.String(), r.Pages, r.Comparable(), map[string]int{}, map[string]int64{}}
	for _, n := range r.NotCompared {
		out.NotCompared[n.Why] += n.Pages
	}
	for _, c := range integrity.Causes() {
		if n := r.Bytes[c]; n > 0 {
			out.Bytes[token(c.String())] = n
		}
	}
	return out, nil
}
