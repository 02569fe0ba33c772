package memimage

import (
	"strings"
	"testing"

	"memlens/memimage/profile"
	"memlens/memimage/synth"
)

// TestMembersThatMovedWithinABuild opens systems of revisions between the revisions that profiles are named after. The
// chosen profile must have all members where they are, so that none must be inferred.
func TestMembersThatMovedWithinABuild(t *testing.T) {
	for lab, name := range map[string]string{
		"10240.16384.amd64fre.th1.150709-1700":                     "Win10x64_10240.16384",
		"10240.17709.amd64fre.th1.171130-1700":                     "Win10x64_10240.16384",
		"10240.16384.x86fre.th1.150709-1700":                       "Win10x86_10240.16384",
		"10240.17741.amd64fre.th1.180104-1700":                     "Win10x64_10240_17770",
		"10586.0.amd64fre.th2_release.151029-1700":                 "Win10x64_10586",
		"10586.1417.amd64fre.th2_release_sec.180203-1800":          "Win10x64_10586.1356",
		"14393.0.amd64fre.rs1_release.160715-1616":                 "Win10x64_14393",
		"14393.0.x86fre.rs1_release.160715-1616":                   "Win10x86_14393",
		"14393.2189.amd64fre.rs1_release.180329-1711":              "Win10x64_14393.2007",
		"14393.2430.amd64fre.rs1_release_inmarket_aim.180806-1810": "Win10x64_14393.2007",
		"14393.4530.amd64fre.rs1_release.210705-0736":              "Win10x64_14393.2007",
		"14393.6451.amd64fre.rs1_release.231010-1651":              "Win10x64_14393.5006",
	} {
		t.Run(lab, func(t *testing.T) {
			t.Parallel()
			p := named(t, name)
			sys := builtSystem(p)
			sys.Lab, sys.Identity = lab, &synth.RSDS{PDB: "ntkrnlmp.pdb", Age: 1} // of no profile
			k := checkBuilt(t, buildMemory(t, sys), Options{}).Kernel
			said := strings.Join(k.Found, "\n")
			if k.Exact || k.Profile.Name() != name || strings.Contains(said, "inferred") || strings.Contains(said, "nothing is read of") {
				t.Errorf("profile %s was chosen (exact: %v): %s", k.Profile.Name(), k.Exact, said)
			}
		})
	}
}

// TestRevisionsWithoutAProfile: for 32-bit kernels of 10586 and 14393 since 2018 there are no public tables. If the
// update moved members there as it did in 10240, they are found by their contents, and Found says so.
func TestRevisionsWithoutAProfile(t *testing.T) {
	for name, lab := range map[string]string{
		"Win10x86_10586": "10586.1540.x86fre.th2_release_sec.180315-1800",
		"Win10x86_14393": "14393.2214.x86fre.rs1_release_1.180402-1758",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, moved := named(t, name), map[string]profile.Field{}
			for _, member := range []string{"ExitStatus", "VadRoot", "VadHint", "VadCount"} {
				f := memberOf(t, p, "_EPROCESS."+member)
				f.Offset += 4
				moved["_EPROCESS."+member] = f
			}
			sys := builtSystem(p.With("updated", moved))
			sys.Lab, sys.Identity = lab, &synth.RSDS{PDB: "ntkrpamp.pdb", Age: 1} // of no profile
			k := checkBuilt(t, buildMemory(t, sys), Options{}).Kernel
			if said := strings.Join(k.Found, "\n"); k.Exact || !strings.Contains(said, "offsets in _EPROCESS were inferred") {
				t.Errorf("profile %s was chosen (exact: %v): %s", k.Profile.Name(), k.Exact, said)
			}
		})
	}
}
