package nt

import (
	"fmt"
	"strings"
)

// classify says of which kind a module is, and why.
func (s *moduleSearch) classify(m *FoundModule) {
	why := ""
	kind, inDump, decided := s.ofDumped(m)
	switch {
	case m.Listed() != nil:
		m.Kind, why = s.ofListed(m)
	case decided:
		m.Kind, why = kind, inDump
	case m.VAD.Image:
		m.Kind, why = s.ofMapped(m)
	case m.Main:
		m.Kind, why = KindHollowed, "the program of the process lies in "+describe(&m.VAD)+", and no list has it"
	case !m.VAD.Protection.Executable() && !m.VAD.Private && !s.executed(m):
		m.Kind, why = KindData, "nothing in the mapping can be executed"
	case m.Header == HeaderIntact:
		m.Kind, why = KindInjected, "it lies in "+describe(&m.VAD)+" and no list has it"
	default:
		m.Kind, why = KindHeaderErased, "it lies in "+describe(&m.VAD)+" and no list has it; of its header is left: "+m.Header.left()
	}
	if m.Evidence != "" {
		why += "; " + m.Evidence
	}
	m.Evidence = why
}

// executed reports whether page tables let the program execute pages of the region of a module.
func (s *moduleSearch) executed(m *FoundModule) bool {
	r := s.region(m.Base)
	return r != nil && r.Executed > 0
}

// describe names the kind of memory of a descriptor.
func describe(v *VAD) string {
	switch {
	case v.Private:
		return fmt.Sprintf("private memory (%s)", v.Protection)
	case v.Image:
		return "a mapped image"
	}
	return fmt.Sprintf("memory mapped as data (%s)", v.Protection)
}

// ofListed is the kind of a module that the loader's lists have.
func (s *moduleSearch) ofListed(m *FoundModule) (ModuleKind, string) {
	if why := s.hollow(m); why != "" {
		return KindHollowed, why
	}
	var lacks []string
	for _, half := range []struct {
		lists *LoaderLists
		entry *LoaderEntry
	}{{s.native, m.Entry}, {s.wow64, m.Entry32}} {
		if half.entry == nil {
			continue
		}
		for _, o := range m.lacks(half.entry, half.lists.Complete) {
			lacks = append(lacks, o.String())
		}
	}
	if len(lacks) > 0 {
		return KindUnlinked, "the loader's lists lack it in part: " + strings.Join(lacks, ", ")
	}
	if other := s.otherName(m); other != "" {
		return KindLoaded, other
	}
	return KindLoaded, "the loader's lists have it"
}

// hollow names the memory at an address instead of the module that the lists have there; empty where it may be the
// module.
func (s *moduleSearch) hollow(m *FoundModule) string {
	switch {
	case !s.hasImage: // these descriptors do not mark images
		return ""
	case !m.HasVAD && s.treeWhole:
		return "the lists have it, and nothing is mapped there"
	case !m.HasVAD:
		return ""
	case !m.VAD.Image:
		return "the lists have it, and " + describe(&m.VAD) + " lies there"
	case m.VAD.Start != m.Base:
		return fmt.Sprintf("the lists have it inside another image, which begins at %#x", uint64(m.VAD.Start))
	}
	if other := s.otherName(m); other != "" && roundUp(int64(m.Listed().Size), pageSize) != m.Size {
		return fmt.Sprintf("%s, whose image has another size, %#x against %#x", other, m.Size, m.Listed().Size)
	}
	return ""
}

// otherName says that the mapped file has another name than in the lists; empty when the names agree, or one is not
// known.
func (s *moduleSearch) otherName(m *FoundModule) string {
	e := m.Listed()
	listed, mapped := lastName(e.Path), lastName(m.Path)
	if listed == "" || mapped == "" || strings.EqualFold(listed, mapped) {
		return ""
	}
	return fmt.Sprintf("the lists call it %q, and the file that is mapped is %q", e.Path, m.Path)
}

// lastName is the part of a path behind the last separator.
func lastName(path string) string { return path[strings.LastIndexAny(path, `\/`)+1:] }

// ofMapped is the kind of a mapped image that no list has.
func (s *moduleSearch) ofMapped(m *FoundModule) (ModuleKind, string) {
	switch {
	case s.native == nil && s.wow64 == nil:
		return KindMapped, "it is mapped as an image; there are no lists of modules"
	case !s.provesAbsence(m.Bits):
		return KindMapped, "it is mapped as an image; the lists of modules could not be read whole"
	}
	return KindUnlinked, "it is mapped as an image, and no list of modules has it"
}

// provesAbsence reports whether lists that would have a module of a width were read whole. For 32-bit processes on
// 64-bit Windows, each of the two loaders lists its own modules.
func (s *moduleSearch) provesAbsence(bits int) bool {
	whole := func(l *LoaderLists) bool { return l != nil && (l.Complete[LoadOrder] || l.Complete[MemoryOrder]) }
	switch {
	case !s.is32:
		return whole(s.native)
	case bits == 32:
		return whole(s.wow64)
	case bits == 64:
		return whole(s.native)
	}
	return whole(s.native) && whole(s.wow64)
}
