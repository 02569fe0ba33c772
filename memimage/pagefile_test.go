package memimage

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/profile"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// pagedOut is a system with processes that have pages in all states, most in page file 1.
func pagedOut(t *testing.T, name string, mask uint64, transitions bool) synth.System {
	t.Helper()
	p, err := profile.Builtin().ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	sys := builtSystem(p)
	sys.PageFile, sys.SwizzleMask = 1, mask
	for i := range sys.Processes {
		s := &sys.Processes[i]
		s.Section = func(int) synth.Under { return synth.UnderPageFile }
		s.Pages = func(page int) synth.State {
			switch {
			case page == 0 || !transitions && page%3 == 1:
				return synth.Valid
			case page%3 == 1:
				return synth.Transition
			}
			return synth.PageFile
		}
	}
	return sys
}

// openPaged opens a memory with its page file.
func openPaged(t *testing.T, m *synth.Memory, o Options) *Image {
	t.Helper()
	name := filepath.Join(t.TempDir(), "pagefile.sys")
	if err := os.WriteFile(name, m.PageFile, 0o600); err != nil {
		t.Fatal(err)
	}
	o.PageFiles, o.AllPages = []GivenPageFile{{name, 1}}, true
	return openMemory(t, m, o)
}

// TestPageFileOffsets: kernels since 2018 hide the offsets in their entries behind bits that depend on the processor.
func TestPageFileOffsets(t *testing.T) {
	corpus.Long(t)
	const mask = 1 << 45
	for name, c := range map[string]struct {
		profile     string
		mask        uint64
		transitions bool
		without     string // profile that is taken away
		says        string // how the kernel was found
		missing     bool
	}{
		"old entries":                   {profile: "Win7SP1x86"},
		"no mask":                       {profile: "Win10x64_19041.2846", transitions: true},
		"mask in entries":               {profile: "Win10x64_19041.2846", mask: mask, transitions: true, says: "behind the bits 0x200000000000"},
		"mask in entries, PAE":          {profile: "Win10x86_19041", mask: mask >> 8, transitions: true, says: "behind the bits 0x2000000000"},
		"mask not known":                {profile: "Win10x64_19041.2846", mask: mask, says: "is not known", missing: true},
		"neighbours with other entries": {profile: "Win7SP1x64_24000", without: "Win7SP1x64_24000", says: "pages in page files are not read", missing: true},
		"neighbours with the same":      {profile: "Win7SP1x64_23418", without: "Win7SP1x64_23418"},
	} {
		t.Run(name, func(t *testing.T) {
			m := buildMemory(t, pagedOut(t, c.profile, c.mask, c.transitions))
			im := openPaged(t, m, Options{Profiles: profile.Builtin().Without(func(p *profile.Profile) bool { return p.Name() == c.without })})
			if said := strings.Join(im.Kernel.Found, "\n"); !strings.Contains(said, c.says) {
				t.Errorf("it says %q, want %q", said, c.says)
			}
			all := allProcesses(t, im)
			for _, want := range m.Truth.Processes {
				if c.missing && want.PID == 1212 {
					continue // its PEB is in the page file
				}
				checkBuiltDumps(t, all[uint64(want.EPROCESSPhys)], &want, synth.PageFiles, c.missing)
				if want.PID == 368 {
					counts := all[uint64(want.EPROCESSPhys)].PageCounts()
					if c.missing != (counts[FromPageFile] == 0) || c.missing != (counts[FromNowhere] > 0) {
						t.Errorf("pages %v; missing: %v", counts, c.missing)
					}
				}
			}
		})
	}
}
