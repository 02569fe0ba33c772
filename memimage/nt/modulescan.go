package nt

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"memlens/memimage/paging"
	"memlens/memimage/sparse"
)

// Bounds on the search for executables without a list entry or descriptor, in one process.
const (
	maxScannedPages = 1 << 15  // 128 MiB
	maxBody         = 4 << 20  // bytes of one region with an erased header
	maxExamined     = 32 << 20 // of all such regions
)

var (
	errScannedPages = errors.New("nt: more memory can be executed than is searched for injected programs")
	errExamined     = errors.New("nt: more memory can be executed than is searched for programs whose headers are erased")
)

// note adds an error once.
func (s *moduleSearch) note(err error) {
	if !slices.Contains(s.errs, err) {
		s.errs = append(s.errs, err)
	}
}

// failed notes the first error of a read that failed: its memory is not known, unlike memory that is missing.
func (s *moduleSearch) failed(err error) {
	if sparse.Failed(err) && !s.broken {
		s.broken = true
		s.errs = append(s.errs, fmt.Errorf("nt: not all memory could be searched for executables: %w", err))
	}
}

// lookInto looks for executables in a region that is no image: on each page of memory that can be executed, and at the
// start of files that are mapped as data.
func (s *moduleSearch) lookInto(i int) {
	switch r := &s.regions[i]; {
	case r.Image || r.Unknown:
	case r.Executable():
		s.scan(r, s.endOf(i))
	case !r.Private:
		s.lookAtData(r)
	}
}

// lookAtData adds a file that is an executable and mapped as data.
func (s *moduleSearch) lookAtData(r *Region) {
	page, ok := s.page(r.Start)
	if !ok || page[0] != 'M' {
		return
	}
	h, ok := findPEHeader(page)
	if !ok || h.state != HeaderIntact {
		return
	}
	m := s.add(r.Start)
	m.Header, m.Bits, m.Size = h.state, h.bits, int64(r.End-r.Start)
	m.Layout = s.layout(&h, r.Start, r.End, FileLayout)
	m.Evidence = h.says()
}

// page reads the page at va; false when it cannot be read whole.
func (s *moduleSearch) page(va paging.Virt) ([]byte, bool) {
	r, err := memory{s.p.complete, 8}.record(va, pageSize)
	s.failed(err)
	return r.b, err == nil
}

// endOf returns the end of the regions that follow one without a gap and hold no image.
func (s *moduleSearch) endOf(i int) paging.Virt {
	end := s.regions[i].End
	for _, next := range s.regions[i+1 : min(len(s.regions), i+maxRegions)] {
		if next.Start != end || next.Image {
			break
		}
		end = next.End
	}
	return end
}

// scan looks at each page of a region that is present. An executable in it may reach up to end.
func (s *moduleSearch) scan(r *Region, end paging.Virt) {
	atStart, to := false, r.Start
	for va := r.Start; va < r.End; {
		if s.scanned >= maxScannedPages {
			s.note(errScannedPages)
			break
		}
		s.scanned++
		if _, err := s.p.complete.Translate(va); err != nil {
			s.failed(err)
			va += s.gap(va, err)
			continue
		}
		if page, ok := s.page(va); ok {
			if h, ok := findPEHeader(page); ok && s.take(&h, va, end, va < to) {
				atStart = atStart || va == r.Start
				to = max(to, va+paging.Virt(s.found[va].Size))
			}
		}
		va += pageSize
	}
	if !atStart {
		s.examine(r, end)
	}
}

// gap returns the end of the addresses from va on that are missing for one reason, at least the next page.
func (s *moduleSearch) gap(va paging.Virt, err error) paging.Virt {
	next := paging.Virt(pageSize)
	var fault *paging.FaultError
	if errors.As(err, &fault) {
		next = max(next, paging.Virt(fault.Size)&^(pageSize-1))
	}
	return next
}

// take adds the executable with its header at va, if it can be one: the memory up to end has room for its first
// section. Inside another executable, its tables must also be where it says: programs carry others in them.
func (s *moduleSearch) take(h *peHeader, va, end paging.Virt, inside bool) bool {
	room := int64(end - va)
	layout := s.layout(h, va, end, MemoryLayout)
	if layout == MemoryLayout && int64(h.sections[0].rva) >= room || layout == FileLayout && int64(h.sections[0].raw) >= room {
		return false
	}
	if inside && (layout != MemoryLayout || s.tables(h, va, room, MemoryLayout) == 0) {
		return false
	}
	m := s.add(va)
	m.Header, m.Layout, m.Evidence = h.state, layout, h.says()
	m.Bits = cmp.Or(h.bits, m.Bits)
	m.Size = min(h.size, room)
	if layout == FileLayout {
		m.Size = min(max(h.rawEnd(), pageSize), room)
	}
	return true
}

// examine looks for the remains of an executable at the start of a region with an erased header.
func (s *moduleSearch) examine(r *Region, end paging.Virt) {
	n := min(int64(end-r.Start), maxBody)
	if n < 2*pageSize {
		return
	}
	if s.examined += int(n); s.examined > maxExamined {
		s.note(errExamined)
		return
	}
	body := peBody{b: s.readable(r.Start, n), base: uint64(r.Start), inDLL: s.inImage}
	traces := body.traces()
	if !traces.proof() {
		return
	}
	m := s.add(r.Start)
	m.Header, m.Size, m.Evidence = HeaderWiped, int64(end-r.Start), traces.String()
	m.Bits = cmp.Or(traces.bits, m.Bits)
	if _, ok := s.page(r.Start); !ok {
		m.Header = HeaderUnreadable
	}
}

// readable returns n bytes from va on, zeros where they cannot be read.
func (s *moduleSearch) readable(va paging.Virt, n int64) []byte {
	b := make([]byte, n)
	for done := int64(0); done < n; {
		got, err := s.p.complete.ReadVirt(b[done:], va+paging.Virt(done))
		done += int64(got)
		if err == nil {
			break
		}
		s.failed(err)
		at := va + paging.Virt(done)
		done += int64(s.gap(at, err) - at%pageSize)
	}
	return b
}

// inImage reports whether an address lies in a file that is mapped as an executable.
func (s *moduleSearch) inImage(va uint64) bool {
	r := s.region(paging.Virt(va))
	return r != nil && r.Image
}
