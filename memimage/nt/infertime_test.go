package nt

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"memlens/memimage/profile"
	"memlens/memimage/synth"
)

// trimTime is where Windows XP SP3 has _EPROCESS.Vm.LastTrimTime, which the profiles do not know.
const trimTime = 0x1f8

// pressed is a Windows XP under memory pressure: all processes, System among them, have been trimmed, at the times that
// trimmed gives, and System has no time of creation.
func pressed(t *testing.T, trimmed func(i int, created time.Time) time.Time) *lab {
	t.Helper()
	s := system(t, "WinXPSP3x86")
	for pid := uint64(500); pid < 600; pid += 4 {
		s.Processes = append(s.Processes, synth.Process{PID: pid, PPID: 368 + pid%8*8, Name: "some.exe", Image: s.Processes[0].Image})
	}
	l := newLab(t, s)
	l.options.Symbols = nil
	for i, p := range l.built.Truth.Processes {
		at := trimmed(i, p.Created)
		l.writePhys(p.EPROCESSPhys+trimTime, fileTimeBytes(at))
		if p.PID == 4 {
			l.writePhys(p.EPROCESSPhys+int64(l.offset("_EPROCESS.CreateTime")), make([]byte, 8))
		}
	}
	return l
}

func fileTimeBytes(t time.Time) []byte {
	return binary.LittleEndian.AppendUint64(nil, uint64(t.Unix()+11644473600)*10000000+uint64(t.Nanosecond()/100))
}

// later are trim times as they are on a real system: a second's passes over the processes, in no order of theirs.
func later(i int, created time.Time) time.Time {
	return time.Date(2011, 1, 9, 19, 0, 0, 0, time.UTC).Add(time.Duration(i*37%101) * 10 * time.Millisecond)
}

// checkCreated compares the times of the listed processes, without System, with the built ones.
func checkCreated(t *testing.T, l *lab, k *Kernel) {
	t.Helper()
	want := map[uint64]time.Time{}
	for _, p := range l.built.Truth.Processes {
		want[p.EPROCESS] = p.Created
	}
	n := 0
	for p, err := range k.Processes() {
		if err != nil {
			t.Fatal(err)
		}
		if n++; p.PID == 4 {
			if !p.Created.IsZero() {
				t.Errorf("System was created %v", p.Created)
			}
			continue
		}
		if !p.Created.Equal(want[uint64(p.VA)].Truncate(100)) || !p.Exited.IsZero() {
			t.Errorf("process %d was created %v and exited %v, want %v and not", p.PID, p.Created, p.Exited, want[uint64(p.VA)])
		}
	}
	if n < 20 {
		t.Errorf("%d processes", n)
	}
}

// TestCreationStaysUnderMemoryPressure: another member may have a time in more processes than the profile's own. That
// is no reason to move the member, when no process rules it out.
func TestCreationStaysUnderMemoryPressure(t *testing.T) {
	for why, trimmed := range map[string]func(int, time.Time) time.Time{
		"trimmed one after the other": later,
		"trimmed at once":             func(int, time.Time) time.Time { return time.Date(2011, 1, 9, 19, 0, 0, 0, time.UTC) },
		"trimmed soon after creation": func(_ int, c time.Time) time.Time { return c.Add(time.Second) },
	} {
		t.Run(why, func(t *testing.T) {
			l := pressed(t, trimmed)
			k := l.kernel()
			if said := strings.Join(k.Found, "\n"); k.Exact || strings.Contains(said, "inferred") || strings.Contains(said, "nothing is read of") {
				t.Errorf("profile %s (exact: %v): %s", k.Profile.Name(), k.Exact, said)
			}
			checkCreated(t, l, k)
		})
	}
}

// TestCreationStaysWithAnOddProcess: one process with a damaged time is no reason either.
func TestCreationStaysWithAnOddProcess(t *testing.T) {
	l := pressed(t, later)
	odd := l.built.Truth.Processes[len(l.built.Truth.Processes)/2]
	created := int64(l.offset("_EPROCESS.CreateTime"))
	l.writePhys(odd.EPROCESSPhys+created, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	k := l.kernel()
	if k.layout.EPROCESS.CreateTime != profile.Offset(created) {
		t.Errorf("CreateTime moved to %#x: %s", k.layout.EPROCESS.CreateTime, strings.Join(k.Found, "\n"))
	}
}

// TestCreationIsNoTimeOfTrimming: where processes have the same time in the profile's member, or a time before their
// parent's, the member is not the time of creation.
func TestCreationIsNoTimeOfTrimming(t *testing.T) {
	for why, trimmed := range map[string]func(int, time.Time) time.Time{
		"at once": func(int, time.Time) time.Time { return time.Date(2011, 1, 9, 19, 0, 0, 0, time.UTC) },
		"oldest ones last": func(i int, _ time.Time) time.Time {
			return time.Date(2011, 1, 9, 19, 0, 0, 0, time.UTC).Add(-time.Duration(i) * time.Second)
		},
	} {
		t.Run(why, func(t *testing.T) {
			l := pressed(t, trimmed)
			p := l.sys.Profile
			f, _ := p.Field("_EPROCESS.CreateTime")
			f.Offset = trimTime
			wrong := p.With("wrong", map[string]profile.Field{"_EPROCESS.CreateTime": f})
			l.options.Profiles = profile.Builtin().Without(func(*profile.Profile) bool { return true }).With(wrong)
			k, err := Find(context.Background(), l.memory(), l.options)
			if err != nil {
				t.Fatal(err)
			}
			checkCreated(t, l, k)
			if said := strings.Join(k.Found, "\n"); !strings.Contains(said, "CreateTime from 0x1f8 to 0x70") {
				t.Error(said)
			}
		})
	}
}
