package volume

import (
	"errors"
	"strings"
	"testing"
)

// TestVolumes looks up every file of volumes with all sizes of clusters, sectors and records.
func TestVolumes(t *testing.T) {
	tests := []struct {
		name string
		size int64
		args []string
	}{
		{"512 B clusters", 24 * mib, []string{"-c", "512"}},
		{"4 KiB clusters", 24 * mib, nil},
		{"64 KiB clusters", 48 * mib, []string{"-c", "65536"}},
		{"4 KiB sectors and records", 32 * mib, []string{"-s", "4096"}},
		{"2 MiB clusters", 160 * mib, []string{"-c", "2097152"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if testing.Short() && tt.args != nil {
				t.Skip("one is enough")
			}
			var files map[string][]byte
			image := newNTFS(t, tt.size, func(dir string) {
				files = windowsFiles(t, dir)
				manyNames(t, dir+"/Windows/System32", 400)
			}, tt.args...)
			v := mustOpen(t, image)
			for path, want := range files {
				wantFile(t, v, Path{Name: strings.ToUpper(`C:` + path)}, path, want)
			}
			for _, n := range []string{"00000", "00123", "00399"} {
				path := `\Windows\System32\Microsoft.Windows.Component-` + n + ".dll"
				wantFile(t, v, Path{Name: path}, path, []byte(strings.TrimLeft(n, "0") + "0")[:max(1, len(strings.TrimLeft(n, "0")))])
			}
			for _, name := range []string{`\Windows\System32\Microsoft.Windows.Component-00400.dll`, `\Windows\System32`, `\nothing\a.dll`, `\Windows\explorer.exe\a`} {
				if f, err := v.Lookup(t.Context(), Path{Name: name}); !errors.Is(err, ErrNotFound) {
					t.Errorf("%s: %v, %v", name, f, err)
				}
			}
		})
	}
}

// TestTables finds the volumes of disks with partition tables of all kinds.
func TestTables(t *testing.T) {
	var files map[string][]byte
	windows := newNTFS(t, 24*mib, func(dir string) { files = windowsFiles(t, dir) })
	data := newNTFS(t, 8*mib, func(dir string) { put(t, dir+"/tools/tool.exe", []byte("tool")) })
	const first, second = 2048, 20480
	volumes := map[int64]string{first: data, second: windows}
	tests := []struct{ name, script, label string }{
		{"GPT", "label: gpt\n2048,8MiB,EBD0A0A2-B9E5-4433-87C0-68B6B72699C7\n" +
			"20480,24MiB,EBD0A0A2-B9E5-4433-87C0-68B6B72699C7\n", "partition 2"},
		{"MBR", "label: dos\n2048,8MiB,7\n20480,24MiB,7,*\n", "partition 2"},
		{"MBR, extended", "label: dos\n1:start=2048,size=8MiB,type=7\n2:start=18560,type=f\n5:start=20480,size=24MiB,type=7\n", "partition 5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := mustOpen(t, disk(t, 40*mib, tt.script, volumes))
			for path, want := range files {
				f := wantFile(t, v, Path{Name: `\Device\HarddiskVolume7` + path}, path, want)
				if f.Volume != tt.label || !strings.Contains(f.Note, `\Device\HarddiskVolume7 is taken for `+tt.label) {
					t.Errorf("%s is on %s (%s), want %s", path, f.Volume, f.Note, tt.label)
				}
			}
			wantFile(t, v, Path{Name: `D:\tools\TOOL.EXE`, SystemRoot: `C:\Windows`}, `\tools\tool.exe`, []byte("tool"))
			if f, err := v.Lookup(t.Context(), Path{Name: `D:\Windows\explorer.exe`, SystemRoot: `C:\Windows`}); !errors.Is(err, ErrNotFound) {
				t.Errorf("a file of C: serves for one of D: %v, %v", f, err)
			}
		})
	}
}
