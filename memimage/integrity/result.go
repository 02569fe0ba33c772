package integrity

import (
	"cmp"
	"slices"

	"memlens/memimage/reason"
	"memlens/memimage/restore"
)

const (
	maxRuns  = 1 << 12 // runs that are kept
	maxShown = 32      // bytes that a run shows
)

// Run is a piece of an image that differs from its file, for one cause.
type Run struct {
	RVA     uint32
	Len     int64
	Changed int64  // bytes in it that differ
	Section string // "" for the header
	// Was and Is are its first bytes, 32 at most: in the file after the loader's work, and in memory.
	Was, Is   []byte
	Cause     Cause
	Certainty restore.Certainty // Exact or Assumed
	// Target is where a jump, an import or an export leads; 0 where there is none, or it is not known.
	Target       uint64
	TargetModule string // the image that Target lies in; "" for none
	TargetRVA    uint64 // Target in that image
	Note         string
}

// End returns the RVA behind the run.
func (r *Run) End() int64 { return int64(r.RVA) + r.Len }

// Missing counts pages that could not be compared for one reason.
type Missing struct {
	Why   string
	Code  reason.Code
	Pages int
}

// Result is the outcome of a comparison.
type Result struct {
	Runs    []Run // by RVA
	LeftOut int   // runs beyond the number that is kept
	// Bytes are the bytes that differ, by cause, including runs that were left out.
	Bytes [causeCount]int64

	Pages       int       // of the image
	Shared      int       // pages without a copy of the process's own
	Compared    int       // copies that were compared with the file
	NotCompared []Missing // the most frequent first
	Verdict     Verdict
}

// Comparable returns how many pages are known to be equal to the file or different from it.
func (r *Result) Comparable() int { return r.Shared + r.Compared }

// ChangedCode returns the bytes of code that are changed.
func (r *Result) ChangedCode() int64 { return r.Bytes[CodeChanged] }

// miss counts a page that could not be compared.
func (r *Result) miss(code reason.Code, why string) {
	for i := range r.NotCompared {
		if r.NotCompared[i].Why == why {
			r.NotCompared[i].Pages++
			return
		}
	}
	const maxReasons = 64
	if len(r.NotCompared) == maxReasons {
		r.NotCompared[maxReasons-1].Pages++
		return
	}
	if len(r.NotCompared) == maxReasons-1 {
		code, why = reason.Other, "other reasons"
	}
	r.NotCompared = append(r.NotCompared, Missing{why, code, 1})
}

func (r *Result) sortMissing() {
	slices.SortStableFunc(r.NotCompared, func(a, b Missing) int { return cmp.Or(b.Pages-a.Pages, cmp.Compare(a.Why, b.Why)) })
}
