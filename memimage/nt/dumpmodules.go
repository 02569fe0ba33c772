package nt

import (
	"fmt"

	"memlens/memimage/paging"
)

// dumpedMapping is the mapping of an image in a dumped process: the process's own pages, as far as the dump has them. The
// section's own pages, which no process has written to, are the kernel's, and in no such dump.
func (p *Process) dumpedMapping(base paging.Virt) *Mapping {
	m := &Mapping{Owner: p, Base: base, Own: p.own, Space: p.complete, Dumped: true, kernel: p.kernel}
	listed := p.dumped.byBase[base]
	if listed != nil {
		m.Listed = listed.Path
	}
	v, ok := p.VAD(base)
	switch {
	case ok && v.Image && v.Start == base:
		m.Pages = int64((v.End - v.Start) >> 12)
	case listed != nil && (v.Unknown || !p.dumped.dump.HasInfos):
		m.Pages, m.Assumed = roundUp(int64(listed.Size), pageSize)/pageSize, assumedMapped
	case ok && !v.Unknown:
		m.Unbacked, m.Pages = true, int64(p.regionsEnd(v)-base)>>12
	default:
		m.Unbacked = true
	}
	return m
}

// assumedMapped is the assumption about an image in a dump without kinds of memory.
const assumedMapped = "assumed: that a file is mapped there, as the dump's list of modules says, because the dump does not give the kind of its memory"

// addDumped adds the modules in the dump's list, and notes their names there.
func (s *moduleSearch) addDumped() {
	if s.dumped == nil {
		return
	}
	for i := range s.dumped.dump.Modules {
		listed := &s.dumped.dump.Modules[i]
		base := paging.Virt(listed.Base)
		if base == 0 || base%pageSize != 0 {
			s.note(fmt.Errorf("nt: the dump's list of modules has the base %#x, which no module can have", listed.Base))
			continue
		}
		m := s.add(base)
		m.InDump = true
		if m.DumpPath == "" {
			m.DumpPath = listed.Path
		}
		if m.Size == 0 {
			m.Size = int64(listed.Size)
		}
		if m.Bits == 0 {
			m.Header, m.Bits = s.mappedHeader(base)
		}
	}
	s.addHeaders()
}

// addHeaders looks for executables where ranges of memory begin, in a dump without kinds of memory: writers begin a
// range where a region begins.
func (s *moduleSearch) addHeaders() {
	for _, va := range s.dumped.starting {
		if s.scanned >= maxScannedPages {
			s.note(errScannedPages)
			return
		}
		s.scanned++
		page, ok := s.page(va)
		if !ok || page[0] != 'M' {
			continue
		}
		if h, ok := findPEHeader(page); ok && h.state == HeaderIntact {
			s.takeUnknown(&h, va)
		}
	}
}

// takeUnknown adds an executable in memory of an unknown kind.
func (s *moduleSearch) takeUnknown(h *peHeader, va paging.Virt) {
	m := s.add(va)
	m.Header, m.Bits = h.state, h.bits
	if m.Listed() != nil || m.InDump {
		return
	}
	m.Size = h.size
	m.Layout = s.layout(h, va, va+paging.Virt(h.size), MemoryLayout)
	m.Evidence = h.says()
}

// ofDumped is the kind of a module that no list of the loader has, in a dump. decided is false where its region shows
// the kind.
func (s *moduleSearch) ofDumped(m *FoundModule) (kind ModuleKind, why string, decided bool) {
	switch {
	case s.dumped == nil || m.VAD.Image && !m.InDump || !m.InDump && !m.VAD.Unknown:
		return 0, "", false
	case m.InDump && s.dumped.dump.HasInfos && !m.VAD.Image && !m.VAD.Unknown:
		what := "nothing is mapped there"
		if m.HasVAD {
			what = describe(&m.VAD) + " lies there"
		}
		return KindHollowed, fmt.Sprintf("the dump's list of modules has it as %q, and %s", m.DumpPath, what), true
	case m.InDump && s.native == nil && s.wow64 == nil:
		return KindMapped, fmt.Sprintf("the dump's list of modules has it as %q; the loader's lists cannot be read", m.DumpPath), true
	case m.InDump && s.provesAbsence(m.Bits):
		return KindUnlinked, fmt.Sprintf("the dump's list of modules has it as %q, and the loader's lists lack it", m.DumpPath), true
	case m.InDump:
		return KindMapped, fmt.Sprintf("the dump's list of modules has it as %q; the loader's lists could not be read whole", m.DumpPath), true
	}
	return KindUnknown, "no list has it, and the dump does not give the kind of its memory (it has no MemoryInfoListStream, or the kind is not in it)", true
}
