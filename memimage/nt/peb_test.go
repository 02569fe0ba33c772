package nt

import (
	"errors"
	"strings"
	"testing"

	"memlens/memimage/synth"
)

// TestWhyThereIsNoExecutable: processes without an executable say why.
func TestWhyThereIsNoExecutable(t *testing.T) {
	want := map[uint64]string{
		4: "System process", 88: "registry hives", 92: "compressed", 96: "secure kernel", 100: "virtual machine",
		104: "made by the kernel", 108: "has exited",
	}
	s := row(t, "Win10x64_19041.2846", 0)
	for pid, name := range map[uint64]string{88: "Registry", 92: "MemCompression", 96: "Secure System", 100: "vmmemWSL", 104: "other"} {
		s.Processes = append(s.Processes, synth.Process{PID: pid, PPID: 4, Name: name, Minimal: true})
	}
	s.Processes = append(s.Processes, synth.Process{PID: 108, PPID: 4, Name: "gone.exe", Image: program(s.Profile, "a.exe"), Dead: true})
	n := 0
	for p, err := range newLab(t, s).whole.Processes() {
		if err != nil {
			t.Fatal(err)
		}
		n++
		var none *NoPEBError
		if _, err := p.Environment(p.Space()); !errors.As(err, &none) || !strings.Contains(err.Error(), want[p.PID]) {
			t.Errorf("process %d %q: %v, want %q", p.PID, p.RawName, err, want[p.PID])
		}
	}
	if n != len(want) {
		t.Errorf("%d processes", n)
	}
}

// TestWow64: a 32-bit process on 64-bit Windows leads to its executable and to its second environment block, in all
// known forms.
func TestWow64(t *testing.T) {
	for _, name := range []string{"Win2003SP2x64", "VistaSP1x64", "Win7SP1x64", "Win8SP0x64", "Win8SP1x64", "Win10x64_10586", "Win10x64_19041.2846", "Win11x64_26100"} {
		t.Run(name, func(t *testing.T) {
			s := row(t, name, 0)
			exe := synth.NewProgram(synth.Program{Name: "wow.exe", Bits: 32})
			s.Processes = []synth.Process{{PID: 8, Name: "wow.exe", Image: exe, Wow64: true}, {PID: 12, Name: "own.exe", Image: program(s.Profile, "own.exe")}}
			l := newLab(t, s)
			for p := range l.whole.Processes() {
				if p.PID == 4 {
					continue
				}
				truth := l.built.Truth.Processes[p.PID/4-1]
				peb, ok := p.Wow64PEB()
				if ok != truth.Wow64 || uint64(peb) != truth.PEB32 {
					t.Errorf("process %d: 32-bit PEB at %#x, %v, want %#x", p.PID, uint64(peb), ok, truth.PEB32)
				}
				env, err := p.Environment(p.Tables())
				if err != nil || uint64(env.ImageBase) != truth.Base {
					t.Errorf("process %d: %+v, %v, want the base %#x", p.PID, env, err, truth.Base)
				}
				if id, ok := p.SessionID(); !ok || id != 0 {
					t.Errorf("process %d: session %d, %v", p.PID, id, ok)
				}
			}
		})
	}
}
