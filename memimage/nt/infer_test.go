package nt

import (
	"context"
	"errors"
	"testing"

	"memlens/memimage/profile"
	"memlens/memimage/synth"
)

// widened is a profile with a gap in its _EPROCESS that no kernel has.
func widened(t testing.TB, name string) *profile.Profile {
	p := named(t, name)
	f, _ := p.Field("_EPROCESS.UniqueProcessId")
	return p.Shifted("widened", "_EPROCESS", func(off int64) int64 {
		if off >= f.Offset {
			return off + 0x30
		}
		return off
	})
}

// TestInferenceIsBounded: inference uses the work that a search may take, and ends when that is used up.
func TestInferenceIsBounded(t *testing.T) {
	s := system(t, "Win10x64_19041")
	s.Profile = widened(t, "Win10x64_19041")
	m, err := synth.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	search := func(left int64) *finder {
		f := newFinder(m.Reader, Options{Profiles: profile.Builtin()})
		f.work.left = left
		if err := f.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		return f
	}
	all := search(maxWork)
	spent := maxWork - all.work.left
	if all.kernel == nil || spent < inferWork || spent > maxWork/2 {
		t.Errorf("with all the work there is: kernel %v, %d units spent of %d", all.kernel, spent, maxWork)
	}
	for _, share := range []int64{16, 8} {
		if f := search(spent / share); f.kernel != nil {
			t.Errorf("with 1/%d of the work that it takes, a kernel is found", share)
		}
	}
}

// FuzzInference damages the structures of a system of an unknown kernel. The search must end, and any result must be a
// System process.
func FuzzInference(f *testing.F) {
	s := system(f, "Win10x64_19041")
	s.Profile, s.RAM = widened(f, "Win10x64_19041"), 16<<20
	l := newLab(f, s)
	first, second := l.built.Truth.Processes[0], l.built.Truth.Processes[1]
	for _, off := range []uint16{0, 0x28, 0x440, 0x448, 0x480, 0x550, 0x5a8, 0x7d8} {
		f.Add(off, off, []byte{4, 0, 0, 0, 0, 0, 0, 0})
		f.Add(off, off+0x30, []byte{0xff, 0xff, 0xff, 0xff, 0, 0x80, 0xff, 0xff})
	}
	f.Fuzz(func(t *testing.T, a, b uint16, with []byte) {
		if len(with) == 0 || len(with) > 64 {
			return
		}
		damaged := lab{t: t, sys: l.sys, built: l.built, whole: l.whole, options: l.options}
		damaged.writePhys(first.EPROCESSPhys+int64(a%0x600), with)
		damaged.writePhys(second.EPROCESSPhys+int64(b%0x600), with)
		k, err := Find(context.Background(), damaged.memory(), damaged.options)
		var none *NotFoundError
		var unfit *ProfileError
		switch {
		case err != nil && !errors.As(err, &none) && !errors.As(err, &unfit):
			t.Error(err)
		case err == nil && uint64(k.SystemProcess) != first.EPROCESS:
			t.Errorf("System is at %#x", uint64(k.SystemProcess))
		}
	})
}

// TestParentStays: the parents of many processes are gone. That is no reason to take a member with ids of running
// processes, such as a debugger's or a console's, for the parent's.
func TestParentStays(t *testing.T) {
	for why, parent := range map[string]uint64{"all parents are gone": 9996, "that of one is there": 4} {
		t.Run(why, func(t *testing.T) {
			s := system(t, "WinXPSP3x86")
			for i := range s.Processes {
				s.Processes[i].PPID = 9996
			}
			s.Processes[0].PPID = parent
			l := newLab(t, s)
			l.options.Symbols = nil
			const other = 0x1c4 // in _EPROCESS, of no member that is read
			for _, p := range l.built.Truth.Processes {
				if p.PID != 4 {
					l.writePhys(p.EPROCESSPhys+other, []byte{4, 0, 0, 0})
				}
			}
			if k := l.kernel(); k.layout.EPROCESS.PPID != profile.Offset(l.offset("_EPROCESS.InheritedFromUniqueProcessId")) {
				t.Errorf("the parent's id moved to %#x: %q", k.layout.EPROCESS.PPID, k.Found)
			}
		})
	}
}

// TestLikeliestProfileStays: a profile in which more processes have a pointer where a session is, which any profile
// could have by chance, is not preferred to a likelier profile that no process rules out.
func TestLikeliestProfileStays(t *testing.T) {
	l := newLab(t, system(t, "WinXPSP3x86"))
	f, _ := l.sys.Profile.Field("_EPROCESS.Session")
	f.Offset = int64(l.offset("_EPROCESS.ActiveProcessLinks"))
	other := l.sys.Profile.With("other", map[string]profile.Field{"_EPROCESS.Session": f})
	none := profile.Builtin().Without(func(*profile.Profile) bool { return true })
	l.options = Options{Profiles: none.With(l.sys.Profile, other)}
	if k := l.kernel(); k.Profile.Name() != l.sys.Profile.Name() {
		t.Errorf("profile %s was chosen", k.Profile.Name())
	}
}
