package memimage

import (
	"strings"
	"testing"

	"memlens/memimage/synth"
)

// TestSecureKernel: where a process stands for the secure kernel, the image says what it lacks, and a program with the
// name of a trustlet is taken for one.
func TestSecureKernel(t *testing.T) {
	for _, has := range []bool{false, true} {
		sys := builtSystem(named(t, "Win10x64_19041.2846"))
		exe := sys.Processes[0].Image
		name := map[bool]string{false: "secure system", true: "Secure System"}[has]
		sys.Processes = append(sys.Processes, synth.Process{PID: 3000, PPID: 4, Name: name, Minimal: true},
			synth.Process{PID: 3004, PPID: 600, Name: "LsaIso.exe", Image: exe}, synth.Process{PID: 3008, PPID: 600, Name: "LsaIso2.exe", Image: exe})
		im := openMemory(t, buildMemory(t, sys), Options{})
		if said := strings.Contains(strings.Join(im.Assumed(), "\n"), "virtualization-based security"); im.HasSecureKernel() != has || said != has {
			t.Errorf("has a secure kernel: %v, and it is said: %v; want %v", im.HasSecureKernel(), said, has)
		}
		processes, _ := im.Processes()
		for _, p := range processes {
			kind, assumed := p.Kind()
			want := map[uint64]string{4: "system", 88: "minimal", 3000: "minimal", 3004: map[bool]string{true: "trustlet", false: "ordinary"}[has]}[p.PID]
			if want == "" {
				want = "ordinary"
			}
			if kind.String() != want || assumed != (want == "trustlet") || (p.KindMeans() == "") != (want == "ordinary") {
				t.Errorf("process %d %q is %s, assumed %v: %q; want %s", p.PID, p.RawName, kind, assumed, p.KindMeans(), want)
			}
			if want == "trustlet" && !strings.Contains(p.KindMeans(), "assumed") || p.PID == 3000 && has && !strings.Contains(p.KindMeans(), "secure kernel") {
				t.Error(p.KindMeans())
			}
		}
	}
}
