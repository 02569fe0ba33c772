package nt

import (
	"encoding/binary"
	"strings"
	"testing"

	"memlens/memimage/profile"
	"memlens/memimage/synth"
)

// secureKernelSystem is a system with processes of all kinds; for some, only their structures show the kind.
func secureKernelSystem(t testing.TB) synth.System {
	s := row(t, "Win10x64_19041.2846", 0)
	s.Profile = s.Profile.With("with SecureState", map[string]profile.Field{
		"_KPROCESS.SecureState.SecureHandle": {Offset: 0x2e8, Type: "unsigned long long", Size: 8},
	})
	for pid, name := range map[uint64]string{88: "Registry", 96: "Secure System", 100: "", 104: "bash", 108: "vmmemWSL"} {
		s.Processes = append(s.Processes, synth.Process{PID: pid, PPID: 4, Name: name, Minimal: true})
	}
	for pid, name := range map[uint64]string{112: "LsaIso.exe", 116: "lsass.exe", 120: "", 124: "Secure System", 128: "vmmem.exe"} {
		s.Processes = append(s.Processes, synth.Process{PID: pid, PPID: 4, Name: name, Image: program(s.Profile, "a.exe"), Dead: pid == 128})
	}
	return s
}

// TestProcessKinds checks the kinds of processes, and the reasons why they have no executable.
func TestProcessKinds(t *testing.T) {
	l := newLab(t, secureKernelSystem(t))
	set := func(pid uint64, path string, value uint64) {
		t.Helper()
		for p := range l.whole.Processes() {
			if p.PID == pid {
				l.write(uint64(p.VA)+l.offset(path), binary.LittleEndian.AppendUint64(nil, value))
			}
		}
	}
	set(104, "_EPROCESS.PicoContext", 0xffffc08812345010)
	set(124, "_EPROCESS.PicoContext", 0xffffc08812345010) // it has an environment block: so it is a program of Windows
	set(112, "_EPROCESS.Pcb.SecureState.SecureHandle", 0xffff900012345671)
	set(116, "_EPROCESS.Pcb.SecureState.SecureHandle", 0xffff900012345670)
	set(96, "_EPROCESS.Pcb.SecureState.SecureHandle", 1)
	want := map[uint64]string{
		4: "system: the System process", 88: "minimal: registry hives", 96: "minimal: the secure kernel", 100: "minimal: made by the kernel",
		104: "pico: a pico process", 108: "minimal: a virtual machine", 112: "trustlet", 116: "ordinary", 120: "ordinary", 124: "ordinary", 128: "ordinary: has exited",
	}
	n := 0
	for p, err := range l.kernel().Processes() {
		if err != nil {
			t.Fatal(err)
		}
		n++
		kind, says, _ := strings.Cut(want[p.PID], ": ")
		_, err := p.Environment(p.Space())
		if p.Kind().String() != kind || (says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("process %d %q: %s, %v; want %s", p.PID, p.RawName, p.Kind(), err, want[p.PID])
		}
		if p.IsSecureSystem() != (p.PID == 96) {
			t.Errorf("process %d %q stands for the secure kernel: %v", p.PID, p.RawName, p.IsSecureSystem())
		}
	}
	if n != len(want) {
		t.Errorf("%d processes", n)
	}
}

// TestSecurePID: before Windows 10 1809 a trustlet is known by an id. A profile of another kernel shows no trustlets.
func TestSecurePID(t *testing.T) {
	r := record{binary.LittleEndian.AppendUint64(nil, 2), 8}
	at := profile.Field{Type: "unsigned long long", Size: 8}
	for _, c := range []struct {
		handle, pid profile.Field
		want        bool
	}{{at, profile.Field{}, false}, {profile.Field{}, at, true}, {profile.Field{}, profile.Field{}, false}} {
		if got := r.isSecure(c.handle, c.pid); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	for exact, want := range map[bool]ProcessKind{true: Trustlet, false: OrdinaryProcess} {
		p := &Process{PID: 8, PEB: 0x10000, secure: true, kernel: &Kernel{Exact: exact}}
		if got := p.Kind(); got != want {
			t.Errorf("exact %v: %s", exact, got)
		}
	}
}
