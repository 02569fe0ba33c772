package main

import "testing"

// TestSelection checks which paths of a tree are wanted.
func TestSelection(t *testing.T) {
	const (
		own     = "3256-cmd.exe/procexedump.exe"
		picture = "3256-cmd.exe/map.png"
		dll     = "3256-cmd.exe/modules/7c900000-ntdll.dll/dlldump.dll"
		driver  = "drivers/804d7000-ntoskrnl.exe/moddump.sys"
		region  = "3256-cmd.exe/regions/00010000-00010fff.bin"
		rows    = "3256-cmd.exe/modules.csv"
		small   = "gallery/3256-cmd.exe.bmp"
	)
	all := []string{own, picture, dll, driver, region, rows, small, "processes.csv", "index.html", "scanned/processes.csv"}
	for name, c := range map[string]struct {
		selection
		want []string
	}{
		"nothing said":    {selection{}, []string{small, own, picture, rows, "processes.csv", "index.html", "scanned/processes.csv"}},
		"all":             {selection{what: []string{"all"}}, all},
		"executables":     {selection{what: []string{"executables"}}, []string{own, "processes.csv", "scanned/processes.csv"}},
		"pictures":        {selection{what: []string{"pictures"}}, []string{small, picture, "processes.csv", "index.html", "scanned/processes.csv"}},
		"modules":         {selection{what: []string{"modules"}}, []string{dll, rows, "processes.csv", "scanned/processes.csv"}},
		"two":             {selection{what: []string{"drivers", "regions"}}, []string{driver, region, "processes.csv", "scanned/processes.csv"}},
		"module by name":  {selection{what: []string{"all"}, name: "NTDLL.*"}, []string{dll, "processes.csv", "index.html", "scanned/processes.csv"}},
		"process by name": {selection{name: "cmd.exe"}, []string{small, own, picture, rows, "processes.csv", "index.html", "scanned/processes.csv"}},
		"file by name":    {selection{name: "*.png"}, []string{picture, "processes.csv", "index.html", "scanned/processes.csv"}},
		"small picture":   {selection{name: "*.bmp"}, []string{small, "processes.csv", "index.html", "scanned/processes.csv"}},
		"another process": {selection{what: []string{"all"}, pids: []uint{4}}, []string{driver, "processes.csv", "index.html", "scanned/processes.csv"}},
	} {
		t.Run(name, func(t *testing.T) {
			wanted := map[string]bool{}
			for _, path := range c.want {
				wanted[path] = true
			}
			for _, path := range all {
				if got := c.wants(path); got != wanted[path] {
					t.Errorf("%s is wanted: %v, want %v", path, got, wanted[path])
				}
			}
		})
	}
}

// wants asks for a file and for all directories above it, as a walk does.
func (s *selection) wants(name string) bool {
	for i, c := range name {
		if c == '/' && !s.wantsDir(name[:i]) {
			return false
		}
	}
	return s.wantsFile(name)
}

// TestSelectionRefuses checks the errors about values that do not exist.
func TestSelectionRefuses(t *testing.T) {
	for name, s := range map[string]selection{"no such thing": {what: []string{"dlls"}}, "no pattern": {name: "["}} {
		if s.check() == nil {
			t.Errorf("%s is not refused", name)
		}
	}
}
