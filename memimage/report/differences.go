package report

import (
	"iter"

	"memlens/memimage"
	"memlens/memimage/integrity"
	"memlens/memimage/reason"
)

// Differences are a comparison in full: its record, the pages that could not be compared, and each piece that differs.
type Differences struct {
	Comparison
	Pages   int64 // of the image
	Gaps    []Gap // pages that could not be compared, the most frequent reason first
	LeftOut int64 // pieces that are too many to be listed

	owner Owner
	runs  []integrity.Run
}

// Gap counts pages that could not be compared for one reason.
type Gap struct {
	Why   reason.Reason
	Pages int64
}

// DifferencesOf compares an executable with the file that it was mapped from. The error says why it is not compared.
func DifferencesOf(m *memimage.Module) (*Differences, error) {
	r, err := m.Changes()
	if err != nil {
		return nil, err
	}
	out := &Differences{Comparison: comparison(r), Pages: int64(r.Pages), LeftOut: int64(r.LeftOut), owner: ownerOf(m), runs: r.Runs}
	for _, n := range r.NotCompared {
		out.Gaps = append(out.Gaps, Gap{reason.Reason{Code: n.Code, Text: n.Why}, int64(n.Pages)})
	}
	return out, nil
}

// Changes are the pieces that differ, by address, also pieces from the loader's and the program's own work.
func (d *Differences) Changes() iter.Seq[*Change] {
	return func(yield func(*Change) bool) {
		for i := range d.runs {
			if !yield(ChangeOf(d.owner, &d.runs[i])) {
				return
			}
		}
	}
}
