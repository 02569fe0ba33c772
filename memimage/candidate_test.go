package memimage

import (
	"strings"
	"testing"

	"memlens/memimage/synth"
)

// TestMembersThatMovedWithinABuild opens systems of revisions between those that profiles are named after: the profile
// that is chosen has all members where they are, so that none must be inferred.
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
