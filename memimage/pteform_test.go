package memimage

import (
	"fmt"
	"strings"
	"testing"

	"memlens/memimage/profile"
	"memlens/memimage/synth"
)

// entryStructures are the structures of page-table entries that are not valid.
var entryStructures = []string{"_MMPTE_SOFTWARE", "_MMPTE_PROTOTYPE", "_MMPTE_TRANSITION", "_MMPTE_SUBSECTION"}

// updated is the profile old with the forms of entries that the profile new has: a later revision of old's kernel,
// which has no profile.
func updated(t *testing.T, old, new string) *profile.Profile {
	t.Helper()
	return named(t, old).WithStructures("updated", named(t, new), entryStructures...)
}

func named(t *testing.T, name string) *profile.Profile {
	t.Helper()
	p, err := profile.Builtin().ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// formCases are kernels, and the expected form of their entries.
var formCases = []struct {
	why           string
	old, new, lab string // new: the profile with its entries; empty: the old form
	mask          uint64
	transitions   bool
	protos        bool // some pages have entries that name prototype entries
	missing       bool // the pages in page files are missing
	says          string
}{
	{why: "a later revision", old: "Win8SP0x64", new: "Win8SP1x64_9600.19913", lab: "9200.22741.amd64fre.win8_ldr.190419-0600", missing: true},
	{why: "a later revision", old: "Win8SP0x86", new: "Win10x86_17763", lab: "9200.22741.x86fre.win8_ldr.190419-0600", missing: true},
	{why: "a later revision", old: "Win10x64_10240_17770", new: "Win10x64_17763", lab: "10240.18275.amd64fre.th1.190705-1638", missing: true},
	{why: "a later revision", old: "Win10x86_10240_17770", new: "Win10x86_17763", lab: "10240.18275.x86fre.th1.190705-1638", missing: true},
	{why: "a later revision", old: "Win10x86_14393", new: "Win10x86_17763", lab: "14393.2430.x86fre.rs1_release_inmarket_aim.180806-1810", missing: true},
	{why: "between a profile with the old form and one with the new", old: "Win10x64_14393", new: "Win10x64_17763", lab: "14393.2430.amd64fre.rs1_release_inmarket_aim.180806-1810", missing: true},
	{why: "a later revision", old: "Win7SP1x86_24000", new: "Win10x86_17763", lab: "7601.24545.x86fre.win7sp1_ldr_escrow.200102-1707", missing: true},
	{why: "a later build", old: "VistaSP2x64", new: "Win7SP1x64_7601.24540", lab: "6003.20597.amd64fre.vistasp2_ldr.190807-0600", missing: true},
	{why: "a lab that updates do not change", old: "Win10x64_15063", new: "Win10x64_17763", lab: "15063.0.amd64fre.rs2_release.170317-1834", missing: true},
	{why: "a lab that updates do not change", old: "Win10x64_16299", new: "Win10x64_17763", lab: "16299.15.amd64fre.rs3_release.170928-1534", missing: true},
	{why: "a lab that updates do not change", old: "Win10x86_17134", new: "Win10x86_17763", lab: "17134.1.x86fre.rs4_release.180410-1804", missing: true},
	{why: "old, but nothing shows it", old: "Win10x64_15063", lab: "15063.0.amd64fre.rs2_release.170317-1834", missing: true},
	{why: "old, as its prototype entries show", old: "Win10x64_15063", lab: "15063.0.amd64fre.rs2_release.170317-1834", protos: true, says: "that name prototype entries"},
	{why: "new, as its prototype entries show", old: "Win10x64_15063", new: "Win10x64_17763", lab: "15063.0.amd64fre.rs2_release.170317-1834", mask: 1 << 45, transitions: true, protos: true, says: "that name prototype entries"},
	{why: "new without a mask", old: "Win8SP0x64", new: "Win8SP1x64_9600.19913", lab: "9200.22741.amd64fre.win8_ldr.190419-0600", transitions: true, protos: true, says: "that name prototype entries"},
	{why: "new, as its entries in transition show", old: "Win8SP0x64", new: "Win8SP1x64_9600.19913", lab: "9200.22741.amd64fre.win8_ldr.190419-0600", mask: 1 << 45, transitions: true, says: "hidden behind the same bits"},
	{why: "new, PAE", old: "Win10x86_14393", new: "Win10x86_17763", lab: "14393.2430.x86fre.rs1_release_inmarket_aim.180806-1810", mask: 1 << 37, transitions: true, says: "hidden behind the same bits"},
	{why: "made before the change", old: "Win8SP0x64", lab: "9200.22384.amd64fre.win8_ldr.180227-0600"},
	{why: "made before the change", old: "WinXPSP3x86", lab: "2600.xpsp_sp3_qfe.130704-0421"},
	{why: "made after the change, for embedded systems", old: "WinXPSP3x86", lab: "2600.xpsp_sp3_qfe.190104-0421", missing: true},
	{why: "a build whose support ended before", old: "Win7SP0x64"},
	{why: "a profile's own revision", old: "Win8SP1x64_18340"},
	{why: "before a profile's revision with the old form", old: "Win7SP1x64", lab: "7601.23915.amd64fre.win7sp1_ldr.180101-0600"},
	{why: "after a profile's revision with the new form", old: "Win7SP1x64", new: "Win7SP1x64_7601.24540", lab: "7601.24545.amd64fre.win7sp1_ldr_escrow.200102-1707", transitions: true},
}

// TestFormOfEntries: a form of entries is believed only when it is certain for the kernel's own revision. Otherwise
// pages in page files are missing, and never taken from a wrong place.
func TestFormOfEntries(t *testing.T) {
	for _, c := range formCases {
		t.Run(fmt.Sprintf("%s %s, %s", c.old, c.lab, c.why), func(t *testing.T) {
			t.Parallel()
			sys := pagedOut(t, c.old, c.mask, c.transitions)
			if sys.Lab = c.lab; c.new != "" {
				sys.Profile = updated(t, c.old, c.new)
			}
			sys.Identity = &synth.RSDS{PDB: "ntkrnlmp.pdb", Age: 1} // of no profile
			if c.protos {
				withPrototypes(&sys)
			}
			checkForm(t, buildMemory(t, sys), c.missing, c.says)
		})
	}
}

// withPrototypes gives every process some pages with entries that name prototype entries.
func withPrototypes(sys *synth.System) {
	for i := range sys.Processes {
		s := &sys.Processes[i]
		pages := s.Pages
		s.Section = func(int) synth.Under { return synth.UnderTransition }
		s.Pages = func(page int) synth.State {
			if page%3 == 0 && page > 0 {
				return synth.ProtoTransition
			}
			return pages(page)
		}
	}
}

func checkForm(t *testing.T, m *synth.Memory, missing bool, says string) {
	t.Helper()
	im := openPaged(t, m, Options{})
	said := strings.Join(im.Kernel.Found, "\n")
	if im.Kernel.Exact || missing != strings.Contains(said, "pages in page files are not read: ") || !strings.Contains(said, says) {
		t.Errorf("it says %q, want %q; missing: %v", said, says, missing)
	}
	all := allProcesses(t, im)
	for _, want := range m.Truth.Processes {
		if p := all[uint64(want.EPROCESSPhys)]; p != nil && (!missing || want.PID != 1212) { // the PEB of 1212 is in the page file
			checkBuiltDumps(t, p, &want, synth.PageFiles, missing)
			counts := p.PageCounts()
			if want.PID == 368 && (missing != (counts[FromPageFile] == 0) || missing != (counts[FromNowhere] > 0)) {
				t.Errorf("pages %v; missing: %v", counts, missing)
			}
		}
	}
}

// TestFormOfAForcedProfile: a profile that is chosen by hand is believed for its structures. It is not believed for
// page files when it is of another kernel.
func TestFormOfAForcedProfile(t *testing.T) {
	for _, c := range []struct {
		why, lab string
		missing  bool
	}{
		{"a later revision", "9200.22741.amd64fre.win8_ldr.190419-0600", true},
		{"its own revision", "9200.16384.amd64fre.win8_rtm.120725-1247", false},
	} {
		t.Run(c.why, func(t *testing.T) {
			sys := pagedOut(t, "Win8SP0x64", 0, false)
			sys.Lab = c.lab
			m := buildMemory(t, sys)
			im := openPaged(t, m, Options{Profile: sys.Profile.Name()})
			said := strings.Join(im.Kernel.Found, "\n")
			if !im.Kernel.Exact || c.missing != strings.Contains(said, "pages in page files are not read: ") {
				t.Errorf("it says %q (exact: %v); missing: %v", said, im.Kernel.Exact, c.missing)
			}
			for _, want := range m.Truth.Processes {
				if p := allProcesses(t, im)[uint64(want.EPROCESSPhys)]; p != nil && want.PID == 368 {
					checkBuiltDumps(t, p, &want, synth.PageFiles, c.missing)
				}
			}
		})
	}
}
