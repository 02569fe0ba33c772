package profile

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// copyTo puts a copy of a file from testdata at a path below dir.
func copyTo(t testing.TB, dir, path, from string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", from))
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return to
}

func checkAgainstCompiler(t *testing.T, dir, program string) {
	statements, id := readTruth(t, filepath.Join(dir, program+".exe"))
	p, err := OpenSymbols(filepath.Join(dir, program+".pdb"), id, SymbolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if err := s.check(p); err != nil {
			t.Error(err)
		}
	}
}

func TestPDBAgainstTheCompiler(t *testing.T) {
	for _, program := range []string{"kernel_x64", "kernel_x86"} {
		t.Run(program, func(t *testing.T) { checkAgainstCompiler(t, "testdata", program) })
	}
}

func TestPDBAgainstTheCompilerAtHand(t *testing.T) {
	for _, tool := range []string{"clang", "lld-link"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1" {
				t.Fatal(err)
			}
			t.Skip("needs clang and lld (Debian: clang lld):", err)
		}
	}
	dir := t.TempDir()
	if out, err := exec.Command("testdata/build.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, program := range []string{"kernel_x64", "kernel_x86"} {
		t.Run(program, func(t *testing.T) { checkAgainstCompiler(t, dir, program) })
		if b, err := os.ReadFile(filepath.Join(dir, program+".pdb")); err != nil || bytes.Contains(b, []byte(os.TempDir())) {
			t.Errorf("%s.pdb says in which folder it was made, or cannot be read: %v", program, err)
		}
	}
}

// symbolTable puts testdata/kernel.json below dir as the symbol table of a kernel.
func symbolTable(t testing.TB, dir, path string, id Identity) string {
	t.Helper()
	b, err := os.ReadFile("testdata/kernel.json")
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, []byte(strings.ReplaceAll(string(b), "{GUID}", id.GUID)), 0o644); err != nil {
		t.Fatal(err)
	}
	return to
}

// The symbol table has some of the structures, with the offsets that the compiler gave them.
func TestSymbolTableAgainstTheCompiler(t *testing.T) {
	statements, id := readTruth(t, "testdata/kernel_x64.exe")
	p, err := OpenSymbols(symbolTable(t, t.TempDir(), "kernel.json", id), id, SymbolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, s := range statements {
		_, isStruct := p.SizeOf(s.name)
		_, isField := p.Field(s.name)
		if s.kind == truthSymbol || !isStruct && !isField {
			continue
		}
		checked++
		if err := s.check(p); err != nil {
			t.Error(err)
		}
	}
	if checked != 36 {
		t.Errorf("%d statements", checked)
	}
}

func TestTypesFromPDB(t *testing.T) {
	p, err := ReadSymbols("testdata/kernel_x64.pdb", SymbolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"_EPROCESS.Pcb":                "_KPROCESS",
		"_EPROCESS.UniqueProcessId":    "ptr void",
		"_EPROCESS.ImageFileName":      "unsigned char[15]",
		"_EPROCESS.Callback":           "ptr function",
		"_EPROCESS.Row":                "ptr int",
		"_EPROCESS.Matrix":             "int[3][2]",
		"_EPROCESS.Names":              "_UNICODE_STRING[3]",
		"_EPROCESS.Deep":               "ptr ptr unsigned long",
		"_EPROCESS.Kind":               "int",
		"_EPROCESS.Peb":                "ptr _PEB",
		"_EPROCESS.ProcessDelete":      "unsigned long",
		"_MMVAD_SHORT.u":               "<anon>",
		"_MMVAD_SHORT.u.VadFlags":      "_MMVAD_FLAGS",
		"_MMVAD_SHORT.Children":        "ptr _MMVAD_SHORT[2]",
		"_MMVAD_FLAGS2.FileOffset":     "unsigned long long",
		"_DISPATCHER_HEADER.Type":      "unsigned char",
		"_KDDEBUGGER_DATA64.KernBase":  "unsigned long long",
		"_KPROCESS.DirectoryTableBase": "unsigned long long[2]",

		"_MMPAGING_FILE.VirtualStorePagefile":            "unsigned short",
		"_MI_PARTITION.Vp.PagingFile":                    "ptr _MMPAGING_FILE[16]",
		"_MI_SYSTEM_INFORMATION.Hardware.InvalidPteMask": "unsigned long long",
	} {
		if f, ok := p.Field(path); !ok || f.Type != want {
			t.Errorf("%s: %q, want %q", path, f.Type, want)
		}
	}
	if _, ok := p.Field("_EPROCESS.Peb.Ldr"); ok || p.KDBGSize() == 0 {
		t.Error("a member of what is not there, or no debugger block")
	}
}

func TestSymbolsOfAnotherKernel(t *testing.T) {
	_, id := readTruth(t, "testdata/kernel_x64.exe")
	for _, want := range []Identity{{PDB: id.PDB, GUID: id.GUID, Age: id.Age + 1}, {PDB: "ntkrnlmp.pdb", GUID: strings.Repeat("A", 32), Age: 1}, {}} {
		_, err := OpenSymbols("testdata/kernel_x64.pdb", want, SymbolOptions{})
		if !errors.Is(err, ErrOtherKernel) || !strings.Contains(err.Error(), id.GUID) || !strings.Contains(err.Error(), want.GUID) {
			t.Errorf("%v: %v", want, err)
		}
	}
}

func TestSymbolsInAFolder(t *testing.T) {
	_, id := readTruth(t, "testdata/kernel_x64.exe")
	for name, path := range map[string]string{
		"symbol store":                  "ntkrnlmp.pdb/" + id.GUID + "1/ntkrnlmp.pdb",
		"symbol store in small letters": "NTKRNLMP.pdb/" + strings.ToLower(id.GUID) + "1/NtKrnlMp.PDB",
		"part of a symbol store":        id.GUID + "1/ntkrnlmp.pdb",
		"a file of any name":            "kernel from Bob.pdb",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			copyTo(t, dir, path, "kernel_x64.pdb")
			copyTo(t, dir, "kernel_x86.pdb", "kernel_x86.pdb")
			if p, err := OpenSymbols(dir, id, SymbolOptions{}); err != nil || p.Arch() != X64 {
				t.Error(err)
			}
		})
	}
}

func TestSymbolTableInAFolder(t *testing.T) {
	_, id := readTruth(t, "testdata/kernel_x64.exe")
	for _, path := range []string{"windows/ntkrnlmp.pdb/{}-1.json", "symbols/windows/ntkrnlmp.pdb/{}-1.json", "ntkrnlmp.pdb/{}-1.json", "{}-1.JSON", "any.json"} {
		dir := t.TempDir()
		symbolTable(t, dir, strings.ReplaceAll(path, "{}", id.GUID), id)
		if p, err := OpenSymbols(dir, id, SymbolOptions{}); err != nil || p.Source() != "Volatility 3 symbol table" {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestNoSymbolsInAFolder(t *testing.T) {
	dir := t.TempDir()
	copyTo(t, dir, "kernel_x86.pdb", "kernel_x86.pdb")
	if err := os.WriteFile(filepath.Join(dir, "broken.pdb"), []byte("Microsoft C/C++ MSF 7.00\r\n\x1aDS\x00\x00\x00"), 0o644); err != nil {
		t.Fatal(err)
	}
	want := Identity{PDB: `D:\build\..\NTKRNLMP.PDB`, GUID: strings.Repeat("AB", 16), Age: 27}
	_, err := OpenSymbols(dir, want, SymbolOptions{})
	for _, part := range []string{
		"of NTKRNLMP.PDB/" + want.GUID + "1B", "windows/NTKRNLMP.PDB/" + want.GUID + "-27.json.xz",
		"https://msdl.microsoft.com/download/symbols/NTKRNLMP.PDB/" + want.GUID + "1B/NTKRNLMP.PDB", "broken.pdb",
	} {
		if !errors.Is(err, ErrNoSymbols) || !strings.Contains(err.Error(), part) {
			t.Errorf("no %s in: %v", part, err)
		}
	}
}

func TestFileName(t *testing.T) {
	for name, want := range map[string]string{
		"ntkrpamp.pdb": "ntkrpamp.pdb", `c:\x\ntoskrnl.pdb`: "ntoskrnl.pdb", "../../etc/passwd": "passwd",
		"": "ntkrnlmp.pdb", "..": "ntkrnlmp.pdb", "a/..": "ntkrnlmp.pdb", "a\x00b": "ntkrnlmp.pdb",
	} {
		if got := fileName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestFilesThatAreNoSymbols(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"empty": "", "text": "hello", "other JSON": `{"a": [1, 2]}`, "array": "[]", "cut JSON": `{"user_types": {"_EPROCESS": {"fi`,
		"bad gzip": "\x1f\x8b\x08\x00garbage", "bad xz": "\xfd7zXZ\x00garbage",
		"PDB of version 2": "Microsoft C/C++ program database 2.00\r\n\x1aJG\x00\x00",
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadSymbols(path, SymbolOptions{}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFilesMistakenForSymbols(t *testing.T) {
	for start, advice := range map[string]string{"MSCF\x00\x00": "expand", "MZ\x90\x00": "PDB file", "PK\x03\x04": "unpack"} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(start), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadSymbols(path, SymbolOptions{}); err == nil || !strings.Contains(err.Error(), advice) {
			t.Errorf("%q: %v", start, err)
		}
	}
}

func TestCompletedWithTheKnownVersion(t *testing.T) {
	v := Version{10, 0, 17763, 5}
	p, err := ReadSymbols("testdata/kernel_x64.pdb", SymbolOptions{Version: v})
	if err != nil || p.Version() != v || p.OS() != "Windows 10 1809 / Server 2019" {
		t.Error(p.Version(), err)
	}
	if size := mustName(t, "Win10x64_17763").KDBGSize(); p.KDBGSize() != size {
		t.Errorf("%d, want %d", p.KDBGSize(), size)
	}
}

func BenchmarkReadPDB(b *testing.B) {
	for b.Loop() {
		if _, err := ReadSymbols("testdata/kernel_x64.pdb", SymbolOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestSymbolsFrom reads a symbol file that is not in this machine's file system.
func TestSymbolsFrom(t *testing.T) {
	b, err := os.ReadFile("testdata/kernel_x64.pdb")
	if err != nil {
		t.Fatal(err)
	}
	want, err := ReadSymbols("testdata/kernel_x64.pdb", SymbolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	id, _ := want.Identity()
	got, err := OpenSymbolsFrom(bytes.NewReader(b), int64(len(b)), "kernel_x64.pdb", "https://server/kernel_x64.pdb", id, SymbolOptions{})
	if err != nil || got.Name() != want.Name() || !reflect.DeepEqual(got.structs(), want.structs()) {
		t.Errorf("%v, want %v: %v", got, want, err)
	}
	id.Age++
	if _, err := OpenSymbolsFrom(bytes.NewReader(b), int64(len(b)), "kernel_x64.pdb", "https://server/kernel_x64.pdb", id, SymbolOptions{}); !errors.Is(err, ErrOtherKernel) || !strings.Contains(err.Error(), "https://server/kernel_x64.pdb is of") {
		t.Error(err)
	}
	if _, err := OpenSymbolsFrom(bytes.NewReader(b[:1000]), 1000, "a", "https://server/a", id, SymbolOptions{}); err == nil {
		t.Error("a part of a file is taken for symbols")
	}
}
