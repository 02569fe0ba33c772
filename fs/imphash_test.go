package fs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/pe"
	"memlens/memimage/profile"
	"memlens/memimage/restore"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"
)

// The import hashes of two programs, by pefile 2024.8.26.
const (
	imphashOfReloc32  = "cb75ea2346e4786c10c9d19305326568"
	imphashOfSigned32 = "cb75ea2346e4786c10c9d19305326568"
)

// program reads a small program from the tests of package restore.
func program(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../memimage/restore/testdata", name+".exe"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestImphashByHeadersOfTheProcess has the import tables in the file cache, and the headers that lead to them in a page that
// the process may have written to, or in the section's own.
func TestImphashByHeadersOfTheProcess(t *testing.T) {
	p, err := profile.Builtin().ByName("WinXPSP2x86")
	if err != nil {
		t.Fatal(err)
	}
	process := func(pid uint64, written ...int) synth.Process {
		return synth.Process{PID: pid, PPID: 4, Name: "a.exe", Image: &synth.Executable{File: program(t, "reloc32")}, Written: written,
			Cached: func(page int) bool { return page > 0 }}
	}
	mem, err := synth.Build(synth.System{Profile: p, Paging: synth.X86, RAM: 16 << 20, Seed: 3, Processes: []synth.Process{process(100), process(104, 0)}})
	if err != nil {
		t.Fatal(err)
	}
	f := tree(t, mem, Options{})
	for dir, want := range map[string]string{"100-a.exe": "exact", "104-a.exe": "left"} {
		if d := describedIn(t, f, dir).PE; d.Imphash != imphashOfReloc32 || d.Certainty != want {
			t.Errorf("%s: %s is %s, want %s", dir, d.Imphash, d.Certainty, want)
		}
	}
}

// TestHeadersThatAreAssumed has headers that are assumed for their ImageBase alone, and ones that a process may have written.
func TestHeadersThatAreAssumed(t *testing.T) {
	b := program(t, "reloc32")
	r, err := sparse.NewReader(int64(len(b)), sparse.Extent{Len: int64(len(b)), Src: sparse.Bytes(b)})
	if err != nil {
		t.Fatal(err)
	}
	const headers = 0x400
	rows := []restore.Row{{Length: headers, Kind: restore.Private, Note: "for a reason"}, {FileOffset: headers, Length: r.Size() - headers}}
	for assumed, want := range map[bool]string{false: "exact", true: "assumed"} {
		info := new(peInfo)
		if err := info.addImports(&restore.Result{Reader: r, Rows: rows, HeadersAssumed: assumed}); err != nil {
			t.Fatal(err)
		}
		if info.Imphash != imphashOfReloc32 || info.ImphashIs != want {
			t.Errorf("assumed %v: %s is %s, want %s", assumed, info.Imphash, info.ImphashIs, want)
		}
	}
}

// TestManyImportsAreCounted lists more imports than are shown, over several DLLs.
func TestManyImportsAreCounted(t *testing.T) {
	dll := func(name string, n int) pe.DLL { return pe.DLL{Name: name, Functions: make([]pe.Function, n)} }
	info := new(peInfo)
	info.list(&pe.Imports{DLLs: []pe.DLL{dll("a.dll", maxImports-10), dll("b.dll", 100), dll("c.dll", 7)}})
	if len(info.Imports) != 2 || len(info.Imports[1].Functions) != 10 || !strings.Contains(info.ImportsProblem, "and 97 more are not") {
		t.Errorf("%d DLLs, %q", len(info.Imports), info.ImportsProblem)
	}
	info = new(peInfo)
	info.list(&pe.Imports{DLLs: []pe.DLL{dll("a.dll", maxImports), dll("empty.dll", 0)}})
	if len(info.Imports) != 2 || info.ImportsProblem != "" {
		t.Errorf("%d DLLs, %q", len(info.Imports), info.ImportsProblem)
	}
}
