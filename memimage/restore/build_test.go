package restore

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestRebuild builds the programs in testdata from their sources, and restores them: other versions of the compilers
// lay programs out differently.
func TestRebuild(t *testing.T) {
	if testing.Short() {
		t.Skip("most of its time is the compilers'; what they have built is in testdata")
	}
	for _, tool := range []string{"i686-w64-mingw32-gcc", "x86_64-w64-mingw32-gcc", "lld-link", "llvm-dlltool"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1" {
				t.Fatal(err)
			}
			t.Skipf("%s is not installed (Debian: gcc-mingw-w64, lld, llvm)", tool)
		}
	}
	dir := t.TempDir()
	if out, err := exec.Command("sh", filepath.Join("testdata", "build.sh"), dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range programs {
		file, err := os.ReadFile(filepath.Join(dir, name+".exe"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(file, programFile(t, name)) {
			t.Logf("%s: this compiler builds another file", name)
		}
		p := loadProgram(t, file, false, movedBase(name)).bind(true)
		r := restored(t, p.input(sources{mapped: all, own: all}))
		if check(t, file, r); !same(file, r) || !r.AllExact() {
			t.Errorf("%s: not the file: %+v", name, r.Rows)
		}
	}
}
