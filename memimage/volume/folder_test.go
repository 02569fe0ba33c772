package volume

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFolder finds files in a folder of this machine, in upper or lower case.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string]string{
		"WINDOWS/system32/NTDLL.dll": "ntdll", "WINDOWS/system32/drivers/Tcpip.SYS": "tcpip", "WINDOWS/SysWOW64/ntdll.dll": "wow",
		"Program Files/a.exe": "a", "Program Files (x86)/b.exe": "b", "Users/Ünë/ß.exe": "ß", "Users/both.exe": "1", "Users/BOTH.exe": "2",
		"Common Files/c.exe": "c", "Commonplace/d.exe": "d", "Tools/tool.exe": "t",
	} {
		put(t, filepath.Join(dir, name), []byte(data))
	}
	v := openFolder(t, dir)
	for name, want := range map[string][2]string{
		`\Device\HarddiskVolume2\Windows\System32\ntdll.dll`: {`\WINDOWS\system32\NTDLL.dll`, "ntdll"},
		`System32\DRIVERS\tcpip.sys`:                         {`\WINDOWS\system32\drivers\Tcpip.SYS`, "tcpip"},
		`\SystemRoot\System32\drivers\tcpip.sys`:             {`\WINDOWS\system32\drivers\Tcpip.SYS`, "tcpip"},
		`tcpip.sys`:                                          {`\WINDOWS\system32\drivers\Tcpip.SYS`, "tcpip"},
		`c:\users\ünË\ß.EXE`:                                 {`\Users\Ünë\ß.exe`, "ß"},
		`C:\Users\BOTH.exe`:                                  {`\Users\BOTH.exe`, "2"},
		`C:\Users\..\Users\.\both.exe`:                       {`\Users\both.exe`, "1"},
		`C:\..\..\Tools\tool.exe`:                            {`\Tools\tool.exe`, "t"},
		`C:\TOOLS~1\tool.exe`:                                {"", "no such file"},
		`C:\PROGRA~2\b.exe`:                                  {"", "ambiguous"},
		`C:\COMMON~1\c.exe`:                                  {"", "ambiguous"},
		`C:\Users\Both.exe`:                                  {"", "ambiguous: the folder has BOTH.exe, both.exe"},
		`C:\Users`:                                           {"", "is a folder"},
		`C:\Users\x.exe`:                                     {"", "no such file"},
		`C:\Users\both.exe\x.exe`:                            {"", "is no folder"},
		`C:both.exe`:                                         {"", "not known"},
		`\\server\share\a.exe`:                               {"", "network share"},
		`\Device\Mup\server\share\a.exe`:                     {"", "network share"},
		`\Device\CdRom0\a.exe`:                               {"", `the device \Device\CdRom0`},
		`\??\UNC\server\a.exe`:                               {"", "network share"},
		`\Device\HarddiskVolume2`:                            {"", "names no file"},
		``:                                                   {"", "names no file"},
		`C:\Windows\`:                                        {"", "names no file"},
		"C:\\Windows\\a\x00b":                                {"", "has a zero"},
		`\Device\HarddiskVolumeShadowCopy1\Windows\a.exe`: {"", "shadow copy"},
	} {
		if want[0] != "" {
			wantFile(t, v, Path{Name: name}, want[0], []byte(want[1]))
			continue
		}
		if f, err := v.Lookup(t.Context(), Path{Name: name}); err == nil || !strings.Contains(err.Error(), want[1]) {
			t.Errorf("%s: %v, %v; want %s", name, f, err, want[1])
		}
	}
}

func openFolder(t testing.TB, dir string) *Volumes {
	t.Helper()
	v, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

// TestRedirected finds the files of 32-bit processes, on 64-bit and on 32-bit Windows.
func TestRedirected(t *testing.T) {
	for _, tt := range []struct{ files, want, note string }{
		{"System32 SysWOW64", "SysWOW64", "by WoW64 redirection from System32"},
		{"System32", "System32", ""},
	} {
		dir := t.TempDir()
		for folder := range strings.FieldsSeq(tt.files) {
			put(t, dir+"/Windows/"+folder+"/a.dll", []byte(folder))
		}
		for _, name := range []string{`C:\Windows\System32\a.dll`, `\SystemRoot\System32\a.dll`} {
			f := wantFile(t, openFolder(t, dir), Path{Name: name, Redirected: true}, `\Windows\`+tt.want+`\a.dll`, []byte(tt.want))
			if f.Note != tt.note {
				t.Errorf("%s: %q, want %q", name, f.Note, tt.note)
			}
		}
	}
}

// TestFolderShortName finds a file by a short name that only one name fits, and checks the note on this assumption.
func TestFolderShortName(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/Windows/System32/Long Name.Of.a.dllx", []byte("long"))
	put(t, dir+"/Windows/System32/lo.dll", nil)
	v := openFolder(t, dir)
	f := wantFile(t, v, Path{Name: `C:\Windows\System32\LONGNA~1.DLL`}, `\Windows\System32\Long Name.Of.a.dllx`, []byte("long"))
	if !strings.HasPrefix(f.Note, "assumed: the short name LONGNA~1.DLL") {
		t.Errorf("%q", f.Note)
	}
}

// TestHostileLinks follows no link out of the folder.
func TestHostileLinks(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	put(t, outside+"/secret.dll", []byte("secret"))
	put(t, dir+"/Windows/System32/ntdll.dll", []byte("ntdll"))
	up := strings.Repeat("../", 20)
	for name, target := range map[string]string{
		"passwd.dll": "/etc/passwd", "up.dll": up + "etc/passwd", "out": outside, "beside": "../../.." + outside, "loop": "loop",
		"win.dll": `\??\C:\Windows\System32\ntdll.dll`, "winfwd.dll": "/??/C:/Windows/System32/ntdll.dll", "drive.dll": "C:/Windows/System32/NTDLL.dll",
		"own.dll": dir + "/Windows/System32/ntdll.dll", "like.dll": dir + "x/Windows/System32/ntdll.dll",
	} {
		if err := os.Symlink(target, filepath.Join(dir, "Windows", name)); err != nil {
			t.Fatal(err)
		}
	}
	v := openFolder(t, dir)
	for _, name := range []string{`passwd.dll`, `up.dll`, `out\secret.dll`, `beside\secret.dll`, `loop`, `loop\a`, "like.dll"} {
		if f, err := v.Lookup(t.Context(), Path{Name: `\SystemRoot\` + name}); err == nil {
			t.Errorf("%s leads to %s: %q", name, f.Path, contentOf(t, f))
		}
	}
	for _, name := range []string{"win.dll", "winfwd.dll", "drive.dll", "own.dll"} {
		wantFile(t, v, Path{Name: `\SystemRoot\` + name}, `\Windows\System32\ntdll.dll`, []byte("ntdll"))
	}
}

// TestFolderChanges checks that a file is not opened if it is not the file that was looked up.
func TestFolderChanges(t *testing.T) {
	dir := t.TempDir()
	path := dir + "/Windows/System32/a.dll"
	put(t, path, []byte("a"))
	v := openFolder(t, dir)
	look := func() *File {
		f, err := v.Lookup(t.Context(), Path{Name: `\SystemRoot\System32\a.dll`})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	before := look()
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := before.Open(); err == nil {
		t.Error("a file that has changed is opened")
	}
	if after := look(); after.Key == before.Key {
		t.Error("a file that has changed has the same key")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Lookup(t.Context(), Path{Name: `\SystemRoot\System32\a.dll`}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a folder: %v", err)
	}
}

// TestEmptied refuses a file that a tool shows as zeros.
func TestEmptied(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/Win/System32/config/a.dll", make([]byte, 5000))
	f, err := openFolder(t, dir).Lookup(t.Context(), Path{Name: `\SystemRoot\System32\config\a.dll`})
	if err != nil {
		t.Fatal(err)
	}
	var e *UnreadableError
	if _, err := f.Open(); !errors.As(err, &e) {
		t.Error(err)
	}
}

// TestNoWindows refuses folders without Windows.
func TestNoWindows(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/Windows/notepad.exe", nil)
	for _, d := range []string{dir, dir + "/nothing"} {
		if _, err := OpenFolder(d); err == nil {
			t.Errorf("%s is opened", d)
		}
	}
	if _, err := OpenFolder(dir); !errors.Is(err, ErrNoWindows) {
		t.Error(err)
	}
}
