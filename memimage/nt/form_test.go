package nt

import (
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
)

// TestFormByHistory checks the form of kernels by build, lab string and profiles. Dates and revisions are of real
// kernels: 7601.24214, 14393.2430 and 16299.637 came with the updates of August 2018.
func TestFormByHistory(t *testing.T) {
	for _, c := range []struct {
		why   string
		mode  *paging.Mode
		build uint32
		lab   string
		want  form
	}{
		{"XP, by its date", paging.X86, 2600, "2600.xpsp_sp3_gdr.100427-1636", formOld},
		{"XP, PAE, by its date", paging.PAE, 2600, "2600.xpsp_sp2_rtm.040803-2158", formOld},
		{"XP for embedded systems, which had updates until 2019", paging.PAE, 2600, "2600.xpsp_sp3_qfe.190104-0421", formUnknown},
		{"XP without a lab", paging.X86, 2600, "", formUnknown},
		{"Server 2003 had none since 2015", paging.PAE, 3790, "", formOld},
		{"Vista SP1", paging.X64, 6001, "", formOld},
		{"Vista SP2, by its date", paging.X64, 6002, "6002.19636.amd64fre.vistasp2_gdr.160407-0600", formOld},
		{"Server 2008 SP2 without a date", paging.X64, 6002, "6002.24400.amd64fre", formUnknown},
		{"Server 2008 SP2 after 2019", paging.X86, 6003, "6003.20597.x86fre.vistasp2_ldr.190807-0600", formUnknown},
		{"7 SP1 as released, lab cut short", paging.X64, 7601, "7601.17514.amd64fre.win7sp1_rtm", formOld},
		{"7 SP1, PAE, up to the newest old profile", paging.PAE, 7601, "7601.24000.x86fre", formOld},
		{"7 SP1, PAE, after it", paging.PAE, 7601, "7601.24001.x86fre", formUnknown},
		{"7 SP1 without PAE: that profile is of PAE", paging.X86, 7601, "7601.24000.x86fre", formUnknown},
		{"7 SP1, August 2018", paging.X64, 7601, "7601.24214.amd64fre.win7sp1_ldr_escrow.180801-1700", formUnknown},
		{"7 SP1 after the oldest new profile", paging.X64, 7601, "7601.24545.amd64fre.win7sp1_ldr_escrow.200102-1707", formNew},
		{"8", paging.X64, 9200, "9200.16384.amd64fre.win8_rtm.120725-1247", formOld},
		{"8.1 between", paging.X64, 9600, "9600.19129.amd64fre", formUnknown},
		{"8.1 after the oldest new profile", paging.X64, 9600, "9600.19913.amd64fre", formNew},
		{"8.1, of 32 bits there is none", paging.PAE, 9600, "9600.19913.x86fre", formUnknown},
		{"10586, whose last kernel is of April 2018", paging.X64, 10586, "10586.1540.amd64fre", formOld},
		{"14393 as released: the revision 0 is its own", paging.X64, 14393, "14393.0.amd64fre.rs1_release.160715-1616", formOld},
		{"14393 without a lab", paging.X64, 14393, "", formUnknown},
		{"14393 of March 2018", paging.X64, 14393, "14393.2189.amd64fre.rs1_release.180329-1711", formOld},
		{"14393 of August 2018", paging.X64, 14393, "14393.2430.amd64fre.rs1_release_inmarket_aim.180806-1810", formUnknown},
		{"14393 of 2021", paging.X64, 14393, "14393.4583.amd64fre.rs1_release.210730-1850", formNew},
		{"15063, whose lab tells neither revision nor date", paging.X64, 15063, "15063.0.amd64fre.rs2_release.170317-1834", formUnknown},
		{"16299", paging.X64, 16299, "16299.15.amd64fre.rs3_release.170928-1534", formUnknown},
		{"17134", paging.X64, 17134, "17134.1.amd64fre.rs4_release.180410-1804", formUnknown},
		{"17763", paging.X64, 17763, "17763.1.amd64fre.rs5_release.180914-1434", formNew},
		{"18363, of which there is no profile", paging.X64, 18363, "18362.1.amd64fre.19h1_release.190318-1202", formNew},
		{"22631", paging.X64, 22631, "22621.1.amd64fre.ni_release.220506-1250", formNew},
		{"26200, the kernel of 26100", paging.X64, 26200, "", formNew},
		{"a build after all that are known", paging.X64, 27842, "", formUnknown},
		{"a lab of another build", paging.X64, 7601, "7600.16385.amd64fre.win7_rtm.090713-1255", formUnknown},
	} {
		t.Run(c.why, func(t *testing.T) {
			mem, err := sparse.NewReader(1 << 30)
			if err != nil {
				t.Fatal(err)
			}
			k := &Kernel{Mode: c.mode, mem: mem, Lab: c.lab, Version: profile.Version{Build: c.build}}
			if got := k.formByHistory(profile.Builtin().Candidates(profileArch(c.mode.Arch), k.Version)); got != c.want {
				t.Errorf("form %d, want %d", got, c.want)
			}
		})
	}
}

// TestMadeAt reads lab strings of real kernels.
func TestMadeAt(t *testing.T) {
	for lab, want := range map[string]string{
		"2600.xpsp_sp2_rtm.040803-2158":                            "2004-08-03 21:58",
		"14393.2430.amd64fre.rs1_release_inmarket_aim.180806-1810": "2018-08-06 18:10",
		"17134.1.amd64fre.rs4_release.180410-1804":                 "", // its updates keep it
		"7601.17514.amd64fre.win7sp1_rtm":                          "",
		"2600.180806-1810x":                                        "",
		"180806-1810":                                              "",
		"":                                                         "",
	} {
		build, _, _ := labNumbers(lab)
		k := &Kernel{Lab: lab, Version: profile.Version{Build: build}}
		made, ok := k.madeAt()
		if got := made.Format("2006-01-02 15:04"); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %s (%v), want %q", lab, got, ok, want)
		}
	}
}

// FuzzLab reads anything as a lab string: a revision or a time counts only behind the kernel's own build, and only up to
// trustedLab.
func FuzzLab(f *testing.F) {
	for _, lab := range []string{"", "2600.xpsp_sp2_rtm.040803-2158", "7601.24214.amd64fre.win7sp1_ldr_escrow.180801-1700", "7601.-1.x.180801-1700", "99999999999.1", "."} {
		f.Add(lab, uint32(7601))
	}
	f.Fuzz(func(t *testing.T, lab string, build uint32) {
		k := &Kernel{Lab: lab, Version: profile.Version{Build: build}}
		_, own := k.labRevision()
		_, dated := k.madeAt()
		named, _, _ := labVersion(lab)
		if (own || dated) && (named != build || build > trustedLab) {
			t.Errorf("%q of build %d: own %v, dated %v", lab, build, own, dated)
		}
	})
}
