package memimage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/nt"
	"memlens/memimage/profile"
)

// memberOf returns the place of a member in a profile.
func memberOf(t testing.TB, p *profile.Profile, path string) profile.Field {
	t.Helper()
	f, ok := p.Field(path)
	if !ok {
		t.Fatalf("%s lacks %s", p.Name(), path)
	}
	return f
}

// shaken is a profile with an _EPROCESS that no kernel has. It has gaps of random width between members, in its part
// _KPROCESS, too, and some members have changed places.
func shaken(t testing.TB, p *profile.Profile, seed uint64) *profile.Profile {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	unit := 2 * p.Arch().PointerSize()
	gap := func() int64 { return unit * rng.Int64N(4) }
	kernelPart, _ := p.SizeOf("_KPROCESS")
	lists, grown := memberOf(t, p, "_KPROCESS.ProfileListHead").Offset, gap()
	p = p.Shifted("shaken", "_KPROCESS", func(off int64) int64 {
		if off > lists {
			return off + grown
		}
		return off
	})
	cuts := map[int64]int64{}
	size, _ := p.SizeOf("_EPROCESS")
	for range 6 {
		cuts[kernelPart+rng.Int64N(size-kernelPart)] = gap()
	}
	p = p.Shifted("shaken", "_EPROCESS", func(off int64) int64 {
		if off == 0 {
			return 0
		}
		to := off + grown
		for cut, by := range cuts {
			if off >= cut {
				to += by
			}
		}
		return to
	})
	members := []string{"_EPROCESS.Peb", "_EPROCESS.SectionObject", "_EPROCESS.SectionBaseAddress", "_EPROCESS.InheritedFromUniqueProcessId"}
	moved := map[string]profile.Field{}
	for i, j := range rng.Perm(len(members)) {
		f := memberOf(t, p, members[i])
		f.Offset = memberOf(t, p, members[j]).Offset
		moved[members[i]] = f
	}
	return p.With("shaken", moved)
}

// TestInference builds systems with an _EPROCESS that no kernel has, and takes all profiles of their build away.
// Everything must be found all the same.
func TestInference(t *testing.T) {
	for _, name := range []string{"WinXPSP3x86", "Win2003SP1x86", "VistaSP2x64", "Win7SP1x86", "Win7SP1x64", "Win8SP1x64_9600.20302", "Win10x86_17134",
		"Win10x64_14393.5006", "Win10x64_17763.2928", "Win10x64_19041.2846", "Win11x64_22000.318", "Win11x64_26100"} {
		for seed := range uint64(3) {
			if raceEnabled && seed > 0 {
				continue // the race detector takes its time
			}
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				t.Parallel()
				p, err := profile.Builtin().ByName(name)
				if err != nil {
					t.Fatal(err)
				}
				others := profile.Builtin().Without(func(other *profile.Profile) bool { return other.Version().Build == p.Version().Build })
				im := checkBuilt(t, buildMemory(t, builtSystem(shaken(t, p, seed))), Options{Profiles: others})
				if im.Kernel.Exact || !slices.ContainsFunc(im.Kernel.Found, func(s string) bool { return len(s) > 30 && s[:20] == "offsets in _EPROCESS" }) {
					t.Errorf("it does not say that offsets were inferred: %q", im.Kernel.Found)
				}
			})
		}
	}
}

// TestInferenceNeedsProcesses: in a system with too few processes nothing is guessed.
func TestInferenceNeedsProcesses(t *testing.T) {
	p, err := profile.Builtin().ByName("Win10x64_19041")
	if err != nil {
		t.Fatal(err)
	}
	sys := builtSystem(shaken(t, p, 1))
	sys.Processes = sys.Processes[:1]
	_, err = OpenMemory(context.Background(), "built", buildMemory(t, sys).Reader, Options{})
	var unfit *nt.ProfileError
	if !errors.As(err, &unfit) || unfit.Version.Build != 19041 || unfit.Identity.GUID == "" {
		t.Errorf("the error is %v, want one that names build and identity", err)
	}
}

// TestNothingIsInferredOfKnownKernels: the profiles of the reference images' kernels hold without changes.
func TestNothingIsInferredOfKnownKernels(t *testing.T) {
	for _, name := range reference {
		if name == "ReactOS0413x86" {
			continue // its sections and address descriptors are its own
		}
		t.Run(name, func(t *testing.T) {
			k := openReference(t, name, Options{}).Kernel
			if said := strings.Join(k.Found, "\n"); strings.Contains(said, "inferred") || strings.Contains(said, "nothing is read of") {
				t.Errorf("%s: %s", k.Profile.Name(), said)
			}
		})
	}
}
