package nt

import (
	"slices"
	"testing"

	"memlens/memimage/profile"
	"memlens/memimage/synth/corpus"
)

// loseIdentity spoils the kernel's debug record.
func (l *lab) loseIdentity() {
	l.t.Helper()
	image, ok := openKernelImage(l.whole.kernel, l.whole.Base)
	if !ok {
		l.t.Fatal("no kernel")
	}
	for _, va := range image.Find([]byte("RSDS"), 4, 8) {
		l.write(uint64(va), []byte("NONE"))
	}
}

// TestQuickChoice: a kernel without an identity gets the same profile, in the same form, whether only the profiles of
// its build are tried, where they are proved, or all profiles. It is tested for each built-in profile, and for each
// such kernel with its own profile taken out of the set.
func TestQuickChoice(t *testing.T) {
	corpus.Long(t)
	quick := 0
	n := 0
	for p := range profile.Builtin().All() {
		n++
		l := newLab(t, system(t, p.Name()))
		l.loseIdentity()
		for what, set := range map[string]*profile.Set{
			"all profiles":   profile.Builtin(),
			"without itself": profile.Builtin().Without(func(o *profile.Profile) bool { return o.Name() == p.Name() }),
		} {
			search := newFinder(l.memory(), Options{Profiles: set})
			fast, err1 := search.find(t.Context())
			whole := newFinder(l.memory(), Options{Profiles: set})
			whole.thorough = true
			slow, err2 := whole.find(t.Context())
			if err1 != nil || err2 != nil {
				if err1 == nil || err2 == nil || err1.Error() != err2.Error() {
					t.Errorf("%s, %s: %v; thorough: %v", p.Name(), what, err1, err2)
				}
				continue
			}
			if fast.Profile.Name() != slow.Profile.Name() || *fast.layout != *slow.layout || !slices.Equal(fast.Found, slow.Found) {
				t.Errorf("%s, %s: %s, %q\nthorough: %s, %q", p.Name(), what, fast.Profile.Name(), fast.Found, slow.Profile.Name(), slow.Found)
			}
			if search.proved {
				quick++
			}
		}
	}
	t.Logf("%d profiles; the quick way was taken %d times", n, quick)
	if quick == 0 {
		t.Error("the quick way was never taken")
	}
}

// TestQuickChoiceOnReferenceImages does the same on images that others have made, with the kernel's own profile in the set and without it.
func TestQuickChoiceOnReferenceImages(t *testing.T) {
	corpus.Long(t)
	for _, name := range []string{"WinXPSP2x86", "WinXPSP2x86PAE", "WinXPSP3x86PAE", "Win2003SP2x86", "ReactOS0413x86",
		"Win7SP1x86PAE", "Win7SP1x64", "Win10x64_18362", "Win10x64_19041", "Win11x64_22000"} {
		t.Run(name, func(t *testing.T) {
			mem := referenceMemory(t, name)
			sets := []*profile.Set{profile.Builtin()}
			for range 2 {
				set := sets[len(sets)-1]
				fast, err := newFinder(mem, Options{Profiles: set}).find(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				whole := newFinder(mem, Options{Profiles: set})
				whole.thorough = true
				slow, err := whole.find(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if fast.Profile.Name() != slow.Profile.Name() || *fast.layout != *slow.layout || !slices.Equal(fast.Found, slow.Found) {
					t.Errorf("%s, %q\nthorough: %s, %q", fast.Profile.Name(), fast.Found, slow.Profile.Name(), slow.Found)
				}
				t.Log(fast.Profile.Name())
				sets = append(sets, set.Without(func(p *profile.Profile) bool { return p.Name() == fast.Profile.Name() }))
			}
		})
	}
}
