package fs_test

import (
	"fmt"
	iofs "io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"memlens/fs"
	"memlens/memimage"
	"memlens/memimage/profile"
	"memlens/memimage/synth"
)

// TestTreeOverTheNetwork compares the tree of an image on a web server with the tree of the local file: names, sizes,
// times, inode numbers, attributes and bytes are the same.
func TestTreeOverTheNetwork(t *testing.T) {
	p, err := profile.Builtin().ByName("Win7SP1x64")
	if err != nil {
		t.Fatal(err)
	}
	exe := synth.NewProgram(synth.Program{Name: "one.exe", Base: 0x140000000, Code: 0x2000, Data: 0x1000, Bits: 64})
	m, err := synth.Build(synth.System{Profile: p, Processes: []synth.Process{{PID: 368, PPID: 4, Name: "one.exe", Image: exe}, {PID: 372, PPID: 368, Name: "two.exe", Image: exe}}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "host.raw")
	if err := m.WriteFile(file); err != nil {
		t.Fatal(err)
	}
	second := time.Unix(1700000000, 0) // servers give times in whole seconds
	if err := os.Chtimes(file, second, second); err != nil {
		t.Fatal(err)
	}
	files := http.FileServer(http.Dir(dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		files.ServeHTTP(w, r)
	}))
	defer server.Close()
	local, remote := treeAt(t, file), treeAt(t, server.URL+"/host.raw")
	found := [2]map[string]seen{}
	for i, f := range []*fs.FS{local, remote} {
		s := survey{t: t, fsys: f, block: 100_000, most: 1 << 20, budget: 1 << 30}
		found[i] = s.run()
	}
	sameTree(t, found[0], found[1])
	if len(found[0]) < 80 {
		t.Errorf("%d files and directories", len(found[0]))
	}
	want, got := infos(t, local), infos(t, remote)
	for name := range found[0] {
		if want[name] != got[name] || want[name] == "" {
			t.Errorf("%s: %s, locally %s", name, got[name], want[name])
		}
	}
}

func treeAt(t *testing.T, path string) *fs.FS {
	t.Helper()
	im, err := memimage.Open(t.Context(), path, memimage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	return fs.New(im, fs.Options{})
}

// infos returns the facts about all files and directories that are known without opening them.
func infos(t *testing.T, f *fs.FS) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := iofs.WalkDir(f, ".", func(name string, e iofs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		out[name] = fmt.Sprint(info.Name(), info.Size(), info.Mode(), info.ModTime(), info.Sys())
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return out
}
