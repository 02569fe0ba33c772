package volume

import (
	"fmt"
	"strings"
	"testing"
)

// TestPlaces takes apart paths in all forms that the kernel and the loader have.
func TestPlaces(t *testing.T) {
	wow := "by WoW64 redirection"
	tests := []struct {
		path Path
		want []string // "reach label root:parts"
		note string
	}{
		{Path{Name: `\Device\HarddiskVolume2\Windows\a.dll`}, []string{`any \Device\HarddiskVolume2 Windows\a.dll`}, ""},
		{Path{Name: `\Device\HarddiskVolume2\Windows\a.dll`, SystemDevice: `\device\harddiskvolume2`}, []string{`system \Device\HarddiskVolume2 Windows\a.dll`}, ""},
		{Path{Name: `\Device\HarddiskVolume3\Windows\a.dll`, SystemDevice: `\Device\HarddiskVolume2`}, []string{`other \Device\HarddiskVolume3 Windows\a.dll`}, ""},
		{Path{Name: `\Device\HarddiskDmVolumes\group\Volume1\a.dll`}, []string{`any \Device\HarddiskDmVolumes\group\Volume1 a.dll`}, ""},
		{Path{Name: `\Device\Harddisk0\Partition2\a.dll`}, []string{`any \Device\Harddisk0\Partition2 a.dll`}, ""},
		{Path{Name: `\??\C:\Windows\a.dll`}, []string{`any C: Windows\a.dll`}, ""},
		{Path{Name: `\??\c:\Windows\a.dll`, SystemRoot: `C:\Windows`}, []string{`system c: Windows\a.dll`}, ""},
		{Path{Name: `\\?\D:\x\a.dll`, SystemRoot: `C:\Windows`}, []string{`other D: x\a.dll`}, ""},
		{Path{Name: `\\?\GLOBALROOT\Device\HarddiskVolume1\a.dll`}, []string{`any \Device\HarddiskVolume1 a.dll`}, ""},
		{Path{Name: `\\?\Volume{0123}\a.dll`}, []string{`any Volume{0123} a.dll`}, ""},
		{Path{Name: `C:/Windows/a.dll`}, []string{`any C: Windows\a.dll`}, ""},
		{Path{Name: `\Windows\a.dll`}, []string{`any  Windows\a.dll`}, ""},
		{Path{Name: `\SystemRoot\system32\a.dll`}, []string{`system  root:system32\a.dll`}, ""},
		{Path{Name: `\systemroot\system32\a.dll`, SystemRoot: `D:\WINNT`}, []string{`system  WINNT\system32\a.dll`}, ""},
		{Path{Name: `%SystemRoot%\a.dll`, SystemRoot: `C:\Windows`}, []string{`system  Windows\a.dll`}, ""},
		{Path{Name: `system32\drivers\a.sys`, SystemRoot: `C:\Windows`}, []string{`system  Windows\system32\drivers\a.sys`}, ""},
		{Path{Name: `a.sys`}, []string{`system  root:a.sys`, `system  root:System32\a.sys`, `system  root:System32\drivers\a.sys`}, ""},
		{Path{Name: `C:\Windows\System32\a.dll`, Redirected: true}, []string{`any C: Windows\SysWOW64\a.dll`}, wow},
		{Path{Name: `C:\Windows\system32\drivers\a.sys`, Redirected: true}, []string{`any C: Windows\SysWOW64\drivers\a.sys`}, wow},
		{Path{Name: `C:\Windows\system32\drivers\etc\hosts`, Redirected: true}, []string{`any C: Windows\system32\drivers\etc\hosts`}, ""},
		{Path{Name: `C:\Windows\system32\spool\a.dll`, Redirected: true}, []string{`any C: Windows\system32\spool\a.dll`}, ""},
		{Path{Name: `C:\Windows\Sysnative\a.dll`, Redirected: true}, []string{`any C: Windows\System32\a.dll`}, wow},
		{Path{Name: `C:\Windows\SysWOW64\a.dll`, Redirected: true}, []string{`any C: Windows\SysWOW64\a.dll`}, ""},
		{Path{Name: `C:\Windows\a.dll`, Redirected: true}, []string{`any C: Windows\a.dll`}, ""},
		{Path{Name: `C:\WINNT\System32\a.dll`, SystemRoot: `C:\WINNT`, Redirected: true}, []string{`system C: WINNT\SysWOW64\a.dll`}, wow},
		{Path{Name: `C:\App\System32\a.dll`, SystemRoot: `C:\Windows`, Redirected: true}, []string{`system C: App\System32\a.dll`}, ""},
		{Path{Name: `\SystemRoot\System32\a.dll`, Redirected: true}, []string{`system  root:SysWOW64\a.dll`}, wow},
		{Path{Name: `\Device\HarddiskVolume1\Windows\System32\a.dll`, Redirected: true}, []string{`any \Device\HarddiskVolume1 Windows\SysWOW64\a.dll`}, wow},
	}
	reaches := map[reach]string{anyVolume: "any", systemVolume: "system", otherVolume: "other"}
	for _, tt := range tests {
		places, err := tt.path.places()
		if err != nil {
			t.Errorf("%+v: %v", tt.path, err)
			continue
		}
		var got []string
		for _, p := range places {
			root := ""
			if p.root {
				root = "root:"
			}
			got = append(got, fmt.Sprintf("%s %s %s%s", reaches[p.reach], p.label, root, strings.Join(p.parts, `\`)))
		}
		if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
			t.Errorf("%+v: %q, want %q", tt.path, got, tt.want)
		}
		if note := places[0].note; !strings.HasPrefix(note, tt.note) || tt.note == "" && note != "" {
			t.Errorf("%+v: note %q", tt.path, note)
		}
	}
}

// TestShortNames checks which names a short name may stand for.
func TestShortNames(t *testing.T) {
	tests := []struct {
		short, long string
		want        bool
	}{
		{"PROGRA~1", "Program Files", true},
		{"progra~2", "Program Files (x86)", true},
		{"PROGRA~1", "Programs", false}, // it is short itself
		{"PROGR~10", "Program Files", true},
		{"PR1A2B~5", "Program Files", true},
		{"PR1A2X~5", "Program Files", false},
		{"LONGNA~1.DLL", "long name.dllx", true},
		{"LONGNA~1.DLL", "long.name.dll", true},
		{"LONGNA~1", "long name.dll", false},
		{"LONGNA~1.DLL", "longname", false},
		{"A~1", "a+b+c.x", false},
		{"A_B_C~1.X", "a+b+c.x", true},
		{"PROGRA~X", "Program Files", false},
		{"PROGRAM~1", "Program Files", false},
		{"~1", "Program Files", false},
	}
	for _, tt := range tests {
		if got := isShortOf(tt.short, tt.long); got != tt.want {
			t.Errorf("%s of %s: %v", tt.short, tt.long, got)
		}
	}
}

func TestWoW64(t *testing.T) {
	for _, tt := range []struct{ path, root, want string }{
		{`C:\Windows\System32\a.dll`, `C:\Windows`, `C:\Windows\SysWOW64\a.dll`},
		{`\??\c:\windows\sysnative\a.dll`, `C:\Windows`, `c:\windows\System32\a.dll`},
		{`\Device\HarddiskVolume2\Windows\system32\a.dll`, `C:\Windows`, `\Device\HarddiskVolume2\Windows\SysWOW64\a.dll`},
		{`\SystemRoot\system32\a.dll`, `C:\Windows`, `\Windows\SysWOW64\a.dll`},
		{`C:\Windows\System32\drivers\etc\hosts`, `C:\Windows`, `C:\Windows\System32\drivers\etc\hosts`},
		{`C:\Users\a.dll`, `C:\Windows`, `C:\Users\a.dll`},
		{`\\server\share\System32\a.dll`, `C:\Windows`, `\\server\share\System32\a.dll`},
		{`\SystemRoot\system32\a.dll`, "", `\SystemRoot\system32\a.dll`},
		{"", `C:\Windows`, ""},
	} {
		if got := WoW64(tt.path, tt.root); got != tt.want {
			t.Errorf("%q in %q: %q, want %q", tt.path, tt.root, got, tt.want)
		}
	}
}
