package fs

import (
	"encoding/json"
	iofs "io/fs"
	"strings"
	"testing"

	"memlens/memimage/profile"
	"memlens/memimage/synth"
)

// TestKindsOfProcesses reads info.json of processes without an executable, also of one without a name.
func TestKindsOfProcesses(t *testing.T) {
	p, err := profile.Builtin().ByName("Win10x64_19041.2846")
	if err != nil {
		t.Fatal(err)
	}
	exe := synth.NewProgram(synth.Program{Name: "a.exe", Bits: 64, Code: 0x1000})
	m, err := synth.Build(synth.System{Profile: p, RAM: 16 << 20, Seed: 1, Processes: []synth.Process{
		{PID: 88, PPID: 4, Name: "Registry", Minimal: true}, {PID: 92, PPID: 4, Name: "Secure System", Minimal: true},
		{PID: 96, PPID: 4, Minimal: true}, {PID: 100, PPID: 4, Image: exe}, {PID: 104, PPID: 4, Name: "LsaIso.exe", Image: exe},
		{PID: 108, PPID: 4, Name: "LsaIso.exe", Image: exe, PEB: synth.None},
	}})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := openTree(m.Reader, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]struct{ kind, means, reason string }{
		"4-System":         {"system", "no executable of its own", "System process"},
		"88-Registry":      {"minimal", "holds registry hives", "registry hives"},
		"92-Secure System": {"minimal", "stands for the secure kernel", "the secure kernel"},
		"96-unnamed":       {"minimal", "made by the kernel", "made by the kernel"},
		"100-unnamed":      {"ordinary", "", ""},
		"104-LsaIso.exe":   {"trustlet", "assumed", ""},
		"108-LsaIso.exe":   {"trustlet", "assumed", "the secure kernel runs the process"},
	} {
		raw, err := iofs.ReadFile(tree, dir+"/info.json")
		if err != nil {
			t.Fatal(err)
		}
		var info processInfo
		if err := json.Unmarshal(raw, &info); err != nil {
			t.Fatal(err)
		}
		if info.Kind != want.kind || !strings.Contains(info.KindMeans, want.means) || (want.means == "") != (info.KindMeans == "") {
			t.Errorf("%s: %s, %q", dir, info.Kind, info.KindMeans)
		}
		if (info.NotRecovered == "") != (want.reason == "") || !strings.Contains(info.NotRecovered, want.reason) || strings.Contains(info.NotRecovered, "damaged") {
			t.Errorf("%s: not recovered for %q", dir, info.NotRecovered)
		}
	}
	raw, err := iofs.ReadFile(tree, "image.json")
	if err != nil || !strings.Contains(string(raw), "virtualization-based security (process Secure System)") {
		t.Errorf("%v: image.json says\n%s", err, raw)
	}
}
