package memimage

import (
	"context"
	"errors"
	"fmt"

	"memlens/memimage/mdmp"
	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/sparse"
)

// userMemory is the memory at a process's own addresses, from all sources. It is found without reading a page of it.
type userMemory struct {
	ranges  []mdmp.Range
	regions []mdmp.Region
	present int64 // pages
	outside int64 // pages among them without a descriptor
	unknown int64 // pages that may have held something, or nothing
	missing [maxState]int64
	gaps    []memoryGap // the first missing stretches
	stopped error       // why addresses from stoppedAt on were not looked at; nil: all were
	from    paging.Virt
}

// memoryGap is a stretch of addresses that is missing.
type memoryGap struct {
	start, end paging.Virt
	reason     string
}

const (
	maxState  = 16 // there are fewer
	namedGaps = 64 // gaps that are named; all are counted

	// leastSteps is how many stretches are looked at whatever the size of memory, and stepsPerPage how many more for
	// each page of memory: tables and descriptors that lead in circles seem to map more pages than memory has.
	leastSteps   = 1 << 20
	stepsPerPage = 8
	checkedEvery = 1 << 10 // steps
)

// memoryWalk finds the memory of a process.
type memoryWalk struct {
	userMemory
	ctx     context.Context
	process *Process
	mode    *paging.Mode
	space   *paging.Cursor // with all sources
	bare    *paging.Cursor // without descriptors
	steps   int64
	most    int64
}

// userMemory walks all mapped addresses. The error is from a read that failed, or from the context.
func (p *Process) userMemory(ctx context.Context, descriptors []nt.VAD) (*userMemory, error) {
	mode, space := p.Process.Space().Mode(), p.Process.Space().Cursor()
	w := &memoryWalk{ctx: ctx, process: p, mode: mode, space: space, bare: space.Undescribed(), most: leastSteps + stepsPerPage*(p.image.Container.Memory.Size()/pageSize)}
	at := paging.Virt(0)
	top := paging.Virt(w.mode.UserSpace())
	for i := range descriptors {
		v := &descriptors[i]
		start, end := max(v.Start, at), min(v.End, top) // two hostile descriptors may be of the same addresses
		if start >= end {
			continue
		}
		if err := w.between(at, start); err != nil {
			return w.end(err)
		}
		if err := w.described(v, start, end); err != nil {
			return w.end(err)
		}
		at = end
	}
	return w.end(w.between(at, top))
}

// errTooMuch says why a walk stops before its end.
var errTooMuch = errors.New("the page tables lead to more than the image can hold")

// errScattered is another reason.
var errScattered = fmt.Errorf("it lies in more than %d pieces", mdmp.MaxRanges)

// end ends the walk.
func (w *memoryWalk) end(err error) (*userMemory, error) {
	if errors.Is(err, errTooMuch) || errors.Is(err, errScattered) {
		w.stopped, err = err, nil
	}
	return &w.userMemory, err
}

// between walks addresses without a descriptor: page tables may map them all the same. On x86 the addresses behind the
// system's lowest address are the kernel's.
func (w *memoryWalk) between(from, to paging.Virt) error {
	to = min(to, w.mode.System)
	return w.walk(w.bare, from, to, func(start, end paging.Virt, fault *paging.FaultError) {
		if fault == nil {
			w.outside += int64(end-start) / pageSize
			w.addUndescribed(start, end)
		}
	})
}

// described walks addresses of a descriptor.
func (w *memoryWalk) described(v *nt.VAD, start, end paging.Virt) error {
	tell := func(start, end paging.Virt, fault *paging.FaultError) {
		if fault != nil && fault.State != paging.NotPresent {
			w.miss(start, end, fault)
		}
		w.addRegion(v, start, end, fault)
	}
	if v.Private {
		return w.walk(w.space, start, end, tell)
	}
	for at := start; at < end; {
		next := w.empty(v, at, end)
		if next > at {
			if err := w.step(at); err != nil {
				return err
			}
			tell(at, next, &paging.FaultError{State: paging.NotFollowed})
			at = next
			continue
		}
		next = min(end, (at+prototypeSpan)&^(prototypeSpan-1))
		if err := w.walk(w.space, at, next, tell); err != nil {
			return err
		}
		at = next
	}
	return nil
}

// prototypeSpan is how many addresses have their prototype entries in at most two pages.
const prototypeSpan = 1 << 20

// empty returns the end of a stretch of a descriptor's addresses that have nothing in page tables or in prototype
// entries in memory. It returns at itself where they have something.
func (w *memoryWalk) empty(v *nt.VAD, at, end paging.Virt) paging.Virt {
	_, err := w.bare.Translate(at)
	fault, ok := errors.AsType[*paging.FaultError](err)
	if !ok || fault.Size <= pageSize || fault.State != paging.NotFollowed {
		return at
	}
	return min(end, at+paging.Virt(fault.Size), w.process.WithoutPrototypes(*v, at))
}

// walk calls tell for each stretch of addresses of one state, in steps as a probe of each page takes them. fault is nil
// where the stretch can be read.
func (w *memoryWalk) walk(cursor *paging.Cursor, from, to paging.Virt, tell func(start, end paging.Virt, fault *paging.FaultError)) error {
	for run, err := range cursor.Runs(from, to) {
		var fault *paging.FaultError
		if run.Err != nil && err == nil {
			fault = faultOf(run.Err)
		}
		end := run.VA + paging.Virt(run.Len)
		for at := run.VA; at < end; {
			if err := w.step(at); err != nil {
				return err
			}
			if err != nil {
				return err
			}
			next := min(at+paging.Virt(run.Step), end)
			if fault == nil {
				w.addRange(at, int64(next-at))
			}
			tell(at, next, fault)
			at = next
		}
	}
	return nil
}

// faultOf returns the fault in an error, or a fault that stands for a hole within a page.
func faultOf(err error) *paging.FaultError {
	if fault, ok := errors.AsType[*paging.FaultError](err); ok {
		return fault
	}
	return &paging.FaultError{State: paging.Unreadable, Err: sparse.Cause(err)}
}

// step counts a step of the walk. The error says why the walk ends with it.
func (w *memoryWalk) step(at paging.Virt) error {
	w.from = at
	if w.steps++; w.steps > w.most {
		return errTooMuch
	}
	if len(w.ranges) >= mdmp.MaxRanges || len(w.regions) >= mdmp.MaxRanges {
		return errScattered
	}
	if w.steps%checkedEvery == 0 {
		return w.ctx.Err()
	}
	return nil
}

// addRange adds n bytes that can be read.
func (w *memoryWalk) addRange(start paging.Virt, n int64) {
	w.present += (n + pageSize - 1) / pageSize
	if last := len(w.ranges) - 1; last >= 0 && w.ranges[last].Start+w.ranges[last].Len == uint64(start) {
		w.ranges[last].Len += uint64(n)
		return
	}
	w.ranges = append(w.ranges, mdmp.Range{Start: uint64(start), Len: uint64(n)})
}

// miss counts pages that are missing, or may be.
func (w *memoryWalk) miss(start, end paging.Virt, fault *paging.FaultError) {
	n := (int64(end-start) + pageSize - 1) / pageSize
	if fault.State == paging.NotFollowed {
		w.unknown += n
	} else {
		w.missing[fault.State] += n
	}
	reason := lostText(fault.State)
	if last := len(w.gaps) - 1; last >= 0 && w.gaps[last].end == start && w.gaps[last].reason == reason {
		w.gaps[last].end = end
		return
	}
	if len(w.gaps) <= namedGaps { // one more, to know that there are more
		w.gaps = append(w.gaps, memoryGap{start, end, reason})
	}
}

// isLost reports whether a page in that state held something that is missing here.
func isLost(s paging.State) bool { return s != paging.NotPresent && s != paging.NotFollowed }

// lostText says in words why pages in a state are missing.
func lostText(s paging.State) string {
	switch s {
	case paging.PageFile:
		return "in a page file"
	case paging.FileOnly:
		return "only in the mapped file"
	case paging.Compressed:
		return "in the compressed store"
	case paging.Unreadable:
		return "where the image holds nothing"
	case paging.NotFollowed:
		return "not known, for the kernel's entries of them are not in memory"
	}
	return s.String()
}
