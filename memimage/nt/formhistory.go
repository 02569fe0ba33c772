package nt

import (
	"strings"
	"time"

	"memlens/memimage/profile"
)

// form is how an entry that is not valid says where in a page file its page is (_MMPTE_SOFTWARE). It changed once, with
// the updates against L1TF of August 2018: the number of the page file moved from bit 1 to bit 12, for a swizzle bit, and
// the high bits are hidden behind a mask. Kernels of older builds got the new form with one of their later revisions.
type form int

const (
	formUnknown form = iota
	formOld
	formNew
)

// Facts about the change of form beside the profiles. The structures of profiles are from Microsoft's symbols.
const (
	// bornNew is the oldest build that never had the old form: symbols of 10.0.17763.107 (x86 and x64, October 2018).
	bornNew = 17763
	// heldUntil is the newest build that has the new form by its symbols (26100), or is the same kernel (26200).
	heldUntil = 26200
	// trustedLab is the newest build with an NtBuildLab that has a kernel's own revision and time of making. Updates of
	// later builds keep the string of the build's first kernels: "17134.1.amd64fre.rs4_release.180410-1804" in
	// 17134.228.
	trustedLab = 14393
	// firstLab is the oldest build with a revision in its NtBuildLab: Windows Vista.
	firstLab = 6000
)

// newestOld is when the newest kernel with the old form in its symbols was made: 10.0.17134.1, of x86 and x64. Earlier
// kernels have the old form, too: a security fix is made for the newest kernel first.
var newestOld = time.Date(2018, 4, 10, 18, 4, 0, 0, time.UTC)

// endedBuild reports whether the last kernel of a build was made before the form changed (ends of support as Microsoft
// gives them; custom support fixed other parts than the kernel).
func endedBuild(build uint32) bool {
	switch build {
	case 3790, // Windows Server 2003 and XP x64: July 2015
		6000,  // Windows Vista: April 2010
		6001,  // Windows Vista SP1 and Server 2008: July 2011
		7600,  // Windows 7 and Server 2008 R2: April 2013
		9841,  // Windows 10 Technical Preview: April 2015
		10586: // Windows 10 1511: April 2018
		return true
	}
	return false
}

// madeAt reads when the kernel was made at the end of its NtBuildLab, such as
// "7601.24214.amd64fre.win7sp1_ldr_escrow.180801-1700".
func (k *Kernel) madeAt() (t time.Time, ok bool) {
	build, _, has := labNumbers(k.Lab)
	if has == 0 || build != k.Version.Build || build > trustedLab {
		return t, false
	}
	t, err := time.Parse("060102-1504", k.Lab[strings.LastIndexByte(k.Lab, '.')+1:])
	return t, err == nil
}

// labRevision returns the revision in NtBuildLab, which may be 0, and whether it is the kernel's own. Otherwise the
// kernel's own revision may be later.
func (k *Kernel) labRevision() (revision uint32, own bool) {
	build, revision, has := labNumbers(k.Lab)
	if has < 2 || build != k.Version.Build {
		return k.Version.Revision, false
	}
	return revision, build >= firstLab && build <= trustedLab
}

// formByHistory is the form that all kernels of this build, revision and time of making have. The form of revisions
// between the newest profile of the build with the old form and the oldest one with the new form is not known.
func (k *Kernel) formByHistory(all []*profile.Profile) form {
	build := k.Version.Build
	made, dated := k.madeAt()
	newest := uint32(heldUntil)
	revision, own := k.labRevision()
	is := formUnknown
	for _, p := range all {
		v := p.Version()
		newest = max(newest, v.Build)
		if v.Build != build || !k.ownEntries(p) {
			continue
		}
		switch k.formOf(p) {
		case formOld:
			if own && revision <= v.Revision {
				is = formOld
			}
		case formNew:
			if revision >= v.Revision {
				is = formNew
			}
		}
	}
	switch {
	case build >= bornNew && build <= newest:
		return formNew
	case build > newest:
		return formUnknown
	case endedBuild(build), dated && !made.After(newestOld):
		return formOld
	}
	return is
}

// ownEntries reports whether a profile has the entries of its own symbols: 32-bit kernels with and without PAE have
// different ones.
func (k *Kernel) ownEntries(p *profile.Profile) bool {
	size, ok := p.SizeOf("_MMPTE")
	return ok && int(size) == k.Mode.EntrySize
}

// formOf is the form of a profile's entries.
func (k *Kernel) formOf(p *profile.Profile) form {
	s, ok := softFormat(p, k.Mode, k.mem.Size(), nil)
	switch {
	case !ok:
		return formUnknown
	case s.Swizzle.Width > 0:
		return formNew
	}
	return formOld
}
