package memimage

import (
	"strings"
	"testing"

	"memlens/memimage/reason"
	"memlens/memimage/synth"
)

// TestOverwrittenPrograms looks at the demo, in which one svchost.exe was hollowed out in place. Its header shows it;
// the headers of all other programs equal their files'.
func TestOverwrittenPrograms(t *testing.T) {
	im := openMemory(t, buildMemory(t, synth.Demo()), Options{})
	listed, _ := im.Processes()
	for _, p := range listed {
		w := strings.Join(reason.Texts(p.Warnings()), "; ")
		if hollowed := p.PID == 1912; hollowed != strings.Contains(w, "another program was written over it") || !hollowed && w != "" {
			t.Errorf("process %d %s: warnings %q", p.PID, p.RawName, w)
		}
	}
}
