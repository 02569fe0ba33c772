package fs

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"memlens/memimage"
	"memlens/memimage/profile"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// rowOf returns the row of a process in processes.csv by the names of the columns.
func rowOf(t testing.TB, f *FS, pid string) map[string]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(read(t, f, "processes.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		out := map[string]string{}
		for i, name := range rows[0] {
			out[name] = row[i]
		}
		if out["pid"] == pid {
			return out
		}
	}
	t.Fatalf("processes.csv has no process %s", pid)
	return nil
}

// names are the facts in the tree about a process's name.
type names struct {
	LongName string   `json:"long_name"`
	Path     string   `json:"path"`
	PEBPath  string   `json:"peb_path"`
	Warnings []string `json:"warnings"`
}

// checkMasquerade looks at all places that name a process with different names in its PEB and in the kernel.
func checkMasquerade(t *testing.T, f *FS, dir, pid string, kernel, peb string) {
	t.Helper()
	var info names
	if err := json.Unmarshal([]byte(read(t, f, dir+"/info.json")), &info); err != nil {
		t.Fatal(err)
	}
	name := kernel[strings.LastIndexByte(kernel, '\\')+1:]
	if info.LongName != name || info.Path != kernel || info.PEBPath != peb || len(info.Warnings) != 1 ||
		!strings.Contains(info.Warnings[0], kernel) || !strings.Contains(info.Warnings[0], peb) {
		t.Errorf("info.json: %+v", info)
	}
	if row := rowOf(t, f, pid); row["path"] != kernel || row["peb_path"] != peb || row["warning"] == "" {
		t.Errorf("processes.csv: %q, %q, %q", row["path"], row["peb_path"], row["warning"])
	}
	page := read(t, f, dir+"/index.html")
	for _, want := range []string{"<title>" + name + ", process " + pid + "</title>", "Warnings", kernel, peb} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if index := read(t, f, indexName); !strings.Contains(index, `<bdi>`+string(breakable(name))+`</bdi>`) || !strings.Contains(index, `<span class="badge">warning</span>`) {
		t.Error("the gallery does not warn")
	}
	got := listNames(t, f, dir+"/diff-vs")
	for _, want := range []string{name + ".png", peb[strings.LastIndexByte(peb, '\\')+1:] + ".png"} {
		if !slices.Contains(got, want) {
			t.Errorf("diff-vs lacks %s: %q", want, got)
		}
	}
}

func listNames(t testing.TB, f *FS, dir string) (out []string) {
	t.Helper()
	list, err := f.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

// TestMasquerade builds processes that call themselves another program, in other ways, and some that do not.
func TestMasquerade(t *testing.T) {
	p, err := profile.Builtin().ByName("Win7SP1x64")
	if err != nil {
		t.Fatal(err)
	}
	evil, good := synth.NewProgram(synth.Program{Name: "evil.exe", Bits: 64}), synth.NewProgram(synth.Program{Name: "svchost.exe", Bits: 64})
	mem, err := synth.Build(synth.System{Profile: p, RAM: 16 << 20, Processes: []synth.Process{
		{PID: 40, PPID: 4, Name: "evil.exe", Path: `C:\Users\u\evil.exe`, PEBPath: `C:\WINDOWS\system32\svchost.exe`, Image: evil},
		{PID: 44, PPID: 4, Name: "svchost.exe", Path: `C:\Users\u\svchost.exe`, PEBPath: `C:\WINDOWS\system32\svchost.exe`, Image: good},
		{PID: 48, PPID: 4, Name: "smss.exe", PEBPath: `\SystemRoot\System32\smss.exe`, Image: good},
		{PID: 52, PPID: 4, Name: "csrss.exe", PEBPath: `\??\C:\WINDOWS\system32\csrss.exe`, Image: good},
		{PID: 56, PPID: 4, Name: "wow.exe", Path: `C:\WINDOWS\SysWOW64\wow.exe`, PEBPath: `C:\WINDOWS\system32\WOW.EXE`, Image: good},
		{PID: 60, PPID: 4, Name: "short.exe", Path: `C:\Program Files\A B\short.exe`, PEBPath: `C:\PROGRA~1\AB\short.exe`, Image: good},
	}})
	if err != nil {
		t.Fatal(err)
	}
	f := tree(t, mem, Options{References: references(t, folder(t, map[string][]byte{"evil.exe": evil.File, "svchost.exe": good.File}))})
	checkMasquerade(t, f, "40-evil.exe", "40", `\Device\HarddiskVolume1\Users\u\evil.exe`, `C:\WINDOWS\system32\svchost.exe`)
	for pid, want := range map[string]bool{"4": false, "40": true, "44": true, "48": false, "52": false, "56": false, "60": true} {
		if got := rowOf(t, f, pid)["warning"]; (got != "") != want {
			t.Errorf("process %s: warning %q, want one: %v", pid, got, want)
		}
	}
}

// TestMasqueradeOfTheCase does the same with an image that others built.
func TestMasqueradeOfTheCase(t *testing.T) {
	im, err := memimage.Open(context.Background(), corpus.UnpackCase(t, "peb-masquerade", "image.raw"), memimage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	f := New(im, Options{References: references(t, filepath.Join(corpus.Case(t, "peb-masquerade"), "references"))})
	processes, _ := im.Processes()
	dirs, _ := named(processes)
	for i, p := range processes {
		if warned := len(p.Warnings()) > 0; warned != (p.PID == 9100) {
			t.Errorf("process %d: %q", p.PID, p.Warnings())
		}
		if p.PID == 9100 {
			checkMasquerade(t, f, dirs[i], "9100", p.AuditPath(), `C:\Windows\notepad.exe`)
			if !strings.HasSuffix(p.AuditPath(), `\Users\user\Dev\peb_masquerade.exe`) {
				t.Errorf("the kernel's path is %s", p.AuditPath())
			}
		}
	}
}
