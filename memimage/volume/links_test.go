package volume

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// linkedFiles fills a volume with a small Windows and links of all kinds.
func linkedFiles(t testing.TB, dir string) {
	t.Helper()
	windowsFiles(t, dir)
	put(t, dir+"/Program Files/App/app.exe", []byte("app"))
	put(t, dir+"/Program Files/Application.Data.exe", []byte("long"))
	put(t, dir+"/Program Files (x86)/App/app.exe", []byte("app x86"))
	attr(t, dir+"/Program Files", "dos_name", []byte("PROGRA~1"))
	attr(t, dir+"/Program Files (x86)", "dos_name", []byte("PROGRA~2"))
	attr(t, dir+"/Program Files/Application.Data.exe", "dos_name", []byte("APPLIC~1.EXE"))
	for name, target := range map[string]string{
		"Junction": `C:\Program Files`, "Chain": `C:\Junction\App`, "Loop": `C:\Loop`, "Volume": `Volume{01234567-89ab-cdef-0123-456789abcdef}\`,
	} {
		if err := os.Mkdir(dir+"/"+name, 0o700); err != nil {
			t.Fatal(err)
		}
		attr(t, dir+"/"+name, "reparse_data", junction(target))
	}
	for name, data := range map[string][]byte{
		"Program Files/relative.exe": symlink(`App\app.exe`, true),
		"Program Files/up.exe":       symlink(`..\..\..\Windows\explorer.exe`, true),
		"absolute.exe":               symlink(`C:\Program Files\App\app.exe`, false),
		"rooted.exe":                 symlink(`\Windows\explorer.exe`, true),
		"share.exe":                  symlink(`UNC\server\share\a.exe`, false),
		"nowhere.exe":                symlink(`nothing.exe`, true),
		"cloud.exe":                  {0x1a, 0x30, 0, 0x90, 0, 0, 0, 0},
		"dedup.exe":                  {0x13, 0, 0, 0x80, 0, 0, 0, 0},
		"app.exe":                    {0x1b, 0, 0, 0x80, 0, 0, 0, 0},
	} {
		put(t, dir+"/"+name, []byte("not the content"))
		attr(t, dir+"/"+name, "reparse_data", data)
	}
}

// TestLinks follows links on a disk image.
func TestLinks(t *testing.T) {
	v := mustOpen(t, newNTFS(t, 16*mib, func(dir string) { linkedFiles(t, dir) }))
	explorer := noise(6, 4096)
	tests := []struct {
		name, own, note string
		want            []byte
	}{
		{`C:\PROGRA~1\APP\APP.EXE`, `\Program Files\App\app.exe`, "", []byte("app")},
		{`C:\PROGRA~2\APP\APP.EXE`, `\Program Files (x86)\App\app.exe`, "", []byte("app x86")},
		{`C:\progra~1\applic~1.exe`, `\Program Files\Application.Data.exe`, "", []byte("long")},
		{`C:\Junction\App\app.exe`, `\Program Files\App\app.exe`, `through the link \Junction → \??\C:\Program Files`, []byte("app")},
		{`C:\chain\app.exe`, `\Program Files\App\app.exe`, `through the link \Chain → \??\C:\Junction\App; through the link \Junction`, []byte("app")},
		{`C:\absolute.exe`, `\Program Files\App\app.exe`, `through the link \absolute.exe`, []byte("app")},
		{`C:\Junction\relative.exe`, `\Program Files\App\app.exe`, `through the link \Program Files\relative.exe → App\app.exe`, []byte("app")},
		{`C:\Program Files\up.exe`, `\Windows\explorer.exe`, "through the link", explorer},
		{`C:\rooted.exe`, `\Windows\explorer.exe`, "through the link", explorer},
	}
	for _, tt := range tests {
		f := wantFile(t, v, Path{Name: tt.name}, tt.own, tt.want)
		if !strings.Contains(f.Note, tt.note) || tt.note == "" && f.Note != "" {
			t.Errorf("%s: %q, want %q", tt.name, f.Note, tt.note)
		}
	}
	for name, why := range map[string]string{
		`C:\share.exe`: "not on this volume", `C:\Volume\a.exe`: "not on this volume", `C:\cloud.exe`: "cloud", `C:\dedup.exe`: "deduplicated",
		`C:\app.exe`: "0x8000001b",
	} {
		var e *UnreadableError
		if f, err := v.Lookup(t.Context(), Path{Name: name}); !errors.As(err, &e) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
	if f, err := v.Lookup(t.Context(), Path{Name: `C:\nowhere.exe`}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a link to nothing: %v, %v", f, err)
	}
	if f, err := v.Lookup(t.Context(), Path{Name: `C:\Loop\a.exe`}); err == nil || !strings.Contains(err.Error(), "no end") {
		t.Errorf("a link to itself: %v, %v", f, err)
	}
}

// TestMounted finds files in a folder where ntfs-3g has mounted a volume.
func TestMounted(t *testing.T) {
	image := newNTFS(t, 16*mib, func(dir string) {
		linkedFiles(t, dir)
		wofCompressed(t, dir+"/Windows/wof.dll", 10, []byte("0123456789"), 2, 0)
	})
	mounted(t, image, "ro", func(dir string) {
		v, err := OpenFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		explorer := noise(6, 4096)
		for name, want := range map[string]struct {
			own  string
			data []byte
		}{
			`\Device\HarddiskVolume3\WINDOWS\SYSTEM32\NTDLL.DLL`: {`\Windows\System32\ntdll.dll`, code(t, 300_001)},
			`C:\Junction\App\app.exe`:                            {`\Program Files\App\app.exe`, []byte("app")},
			`C:\chain\app.exe`:                                   {`\Program Files\App\app.exe`, []byte("app")},
			`C:\absolute.exe`:                                    {`\Program Files\App\app.exe`, []byte("app")},
			`C:\Junction\relative.exe`:                           {`\Program Files\App\app.exe`, []byte("app")},
			`C:\Junction\..\Windows\explorer.exe`:                {`\Windows\explorer.exe`, explorer},
			`C:\PROGRA~1\App\app.exe`:                            {`\Program Files\App\app.exe`, []byte("app")},
			`C:\progra~2\App\app.exe`:                            {`\Program Files (x86)\App\app.exe`, []byte("app x86")},
		} {
			wantFile(t, v, Path{Name: name}, want.own, want.data)
		}
		for _, name := range []string{`C:\share.exe`, `C:\cloud.exe`, `C:\dedup.exe`, `C:\app.exe`, `C:\Windows\wof.dll`, `C:\Program Files\up.exe`} {
			var e *UnreadableError
			if f, err := v.Lookup(t.Context(), Path{Name: name}); !errors.As(err, &e) {
				t.Errorf("%s: %v, %v", name, f, err)
			}
		}
	})
}
