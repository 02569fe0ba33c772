package nt

import (
	"fmt"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// withForm returns the kernel with entries of the form that its revision is known to have, or that the image shows.
// Where neither is known, entries are not used for page files: a profile of another revision may have another form.
func (k *Kernel) withForm(all []*profile.Profile) *Kernel {
	is, how := k.formByHistory(all), ""
	if is == formUnknown {
		is, how = k.formByEntries()
	}
	if is == formUnknown {
		return k.doubtOffsets(how)
	}
	soft, from := k.softOf(is, all)
	if soft == nil {
		return k.doubtOffsets("no profile of a kernel like it has the form that its entries have")
	}
	if sameForm(soft, k.soft) && how == "" {
		return k
	}
	c := k.withSoft(soft)
	if how == "" {
		how = "as all kernels of its revision have it"
	}
	c.found("where pages are in page files, entries say in the form of profile %s, %s", from.Name(), how)
	return c
}

// doubtOffsets returns the kernel that does not use entries for page files.
func (k *Kernel) doubtOffsets(why string) *Kernel {
	soft := *k.soft
	soft.OffsetsUnknown = true
	c := k.withSoft(&soft)
	c.found("pages in page files are not read: the form of entries for them changed with the updates of August 2018, and which one this kernel has is not known: %s", why)
	return c
}

// softOf returns the format of the kernel's entries, with the fields for page files from the nearest profile of a form,
// and that profile. Where no profile is of the kernel's build, the next older and the next newer must agree.
func (k *Kernel) softOf(is form, all []*profile.Profile) (*paging.Soft, *profile.Profile) {
	store, known := k.hasStore(all)
	var of, older, newer *profile.Profile
	for _, p := range all { // the nearest first
		if of != nil {
			break // no other matters
		}
		s, ok := softFormat(p, k.Mode, k.mem.Size(), nil)
		if !ok || k.formOf(p) != is || known && (s.InStore.Width > 0) != store {
			continue
		}
		switch build := p.Version().Build; {
		case build == k.Version.Build && of == nil:
			of = p
		case build < k.Version.Build && older == nil:
			older = p
		case build > k.Version.Build && newer == nil:
			newer = p
		}
	}
	if of == nil {
		of = nearer(older, newer)
	}
	if of == nil {
		return nil, nil
	}
	if of.Version().Build != k.Version.Build && older != nil && newer != nil && !sameForm(k.softFrom(older), k.softFrom(newer)) {
		return nil, nil
	}
	return k.softFrom(of), of
}

// nearer prefers the older of two profiles, either of which may be nil.
func nearer(older, newer *profile.Profile) *profile.Profile {
	if older != nil {
		return older
	}
	return newer
}

// hasStore reports whether the entries of the kernel's build have a bit for pages in the compressed store, by a profile
// of that build.
func (k *Kernel) hasStore(all []*profile.Profile) (has, known bool) {
	for _, p := range all {
		if p.Version().Build != k.Version.Build {
			continue // to ask its structures takes time
		}
		if s, ok := softFormat(p, k.Mode, k.mem.Size(), nil); ok {
			return s.InStore.Width > 0, true
		}
	}
	return false, false
}

// softFrom returns the format of the kernel's entries, with the fields for page files from a profile.
func (k *Kernel) softFrom(p *profile.Profile) *paging.Soft {
	theirs, _ := softFormat(p, k.Mode, k.mem.Size(), nil)
	s := *k.soft
	s.FileNumber, s.FileOffset, s.InStore, s.Swizzle = theirs.FileNumber, theirs.FileOffset, theirs.InStore, theirs.Swizzle
	return &s
}

func sameForm(a, b *paging.Soft) bool {
	return a.FileNumber == b.FileNumber && a.FileOffset == b.FileOffset && a.InStore == b.InStore && a.Swizzle == b.Swizzle
}

// Limits on the entries that are counted for the form.
const (
	formLeast = 4  // entries that name prototype entries, with fewer of which nothing is concluded
	formMask  = 16 // entries in transition, with fewer of which nothing is concluded
)

// formByEntries is the form that entries of page tables show; the forms differ in other entries, too. In entries that
// name a prototype entry the new form has the protection in bits 5 to 9 and the old one in bits 11 to 15, and either
// leaves the other's bits unused. In entries in transition only the new form hides the frame behind high bits that no
// physical address uses.
func (k *Kernel) formByEntries() (is form, how string) {
	if k.Mode.EntrySize != 8 {
		return formUnknown, "entries of 4 bytes do not show it"
	}
	s := k.search()
	switch {
	case s.protoOld >= formLeast && s.protoNew == 0 && !s.hidden():
		return formOld, fmt.Sprintf("as %d entries show that name prototype entries", s.protoOld)
	case s.protoNew >= formLeast && s.protoOld == 0:
		return formNew, fmt.Sprintf("as %d entries show that name prototype entries", s.protoNew)
	case s.protoOld == 0 && s.hidden() && s.seen >= formMask:
		return formNew, fmt.Sprintf("as %d entries in transition show, all hidden behind the same bits", s.seen)
	}
	return formUnknown, "its entries do not show it"
}
