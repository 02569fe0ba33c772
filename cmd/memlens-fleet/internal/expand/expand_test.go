package expand

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// folder makes a folder of empty files.
func folder(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestExpandFiles(t *testing.T) {
	dir := folder(t, "b.raw", "a.raw", "2026/c.raw", "2026/11/d.raw", "2026/11/d.txt", "2026/11/e.RAW", "x.raw/inside.dmp")
	for _, c := range []struct {
		pattern string
		want    []string
	}{
		{"*.raw", []string{"a.raw", "b.raw"}},
		{"**.raw", []string{"2026/11/d.raw", "2026/c.raw", "a.raw", "b.raw"}},
		{"2026/**/*.raw", []string{"2026/11/d.raw", "2026/c.raw"}},
		{"2026/**/*.{raw,RAW}", []string{"2026/11/d.raw", "2026/11/e.RAW", "2026/c.raw"}},
		{"b.raw", []string{"b.raw"}},
	} {
		t.Run(c.pattern, func(t *testing.T) {
			found, err := Expand(context.Background(), []string{filepath.Join(dir, c.pattern)}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := below(dir, found.Images); !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func below(dir string, names []string) (out []string) {
	for _, name := range names {
		out = append(out, strings.TrimPrefix(name, dir+"/"))
	}
	return out
}

func TestExpandSeveral(t *testing.T) {
	dir := folder(t, "b.raw", "a.raw")
	found, err := Expand(context.Background(), []string{dir + "/*.raw", dir + "/b.raw"}, Options{})
	if want := []string{dir + "/a.raw", dir + "/b.raw"}; err != nil || !slices.Equal(found.Images, want) {
		t.Errorf("%v, %v, want %v", found.Images, err, want)
	}
}

func TestNothingIsAnError(t *testing.T) {
	dir := folder(t, "a.raw", "empty.txt")
	for _, pattern := range []string{"*.dmp", "gone.raw", "**/gone*", "empty.txt", "[", "gone/*.raw"} {
		if found, err := Expand(context.Background(), []string{filepath.Join(dir, pattern)}, Options{}); err == nil {
			t.Errorf("%s: %v, want an error", pattern, found)
		}
	}
}

func TestList(t *testing.T) {
	dir := folder(t, "a.raw", "b.raw")
	lines := "# hosts\n\n" + dir + "/b*.raw\r\nhttps://files.example/case7/host.raw?token=secret\n"
	list := filepath.Join(dir, "hosts.txt")
	if err := os.WriteFile(list, []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "hosts.txt", time.Unix(1, 0), strings.NewReader(lines))
	}))
	defer server.Close()
	want := []string{dir + "/b.raw", "https://files.example/case7/host.raw?token=secret"}
	for _, from := range []string{list, server.URL + "/hosts.txt?signed=1"} {
		found, err := Expand(context.Background(), []string{from}, Options{})
		if err != nil || !slices.Equal(found.Images, want) {
			t.Errorf("%s: %v, %v, want %v", from, found.Images, err, want)
		}
	}
}

func TestPieces(t *testing.T) {
	for _, c := range []struct{ name, names, images string }{
		{"segments of EWF", "h.E01 h.E02 h.EAA h.FAB g.e01 g.e02", "g.e01 h.E01"},
		{"segments of EWF 2", "h.Ex01 h.Ex02", "h.Ex01"},
		{"numbers", "h.001 h.002 h.003 i.000 i.001", "h.001 i.000"},
		{"letters", "h.raw.aa h.raw.ab xaa xab", "h.raw.aa xaa"},
		{"behind the whole", "h.raw h.raw.1 h.raw.2", "h.raw"},
		{"without a first", "h.E02 i.002 k.raw.ab l.raw.1", "h.E02 i.002 k.raw.ab l.raw.1"},
		{"of others", "h.raw h.vmem host1.raw host2.raw h.dmp", "h.dmp h.raw h.vmem host1.raw host2.raw"},
	} {
		t.Run(c.name, func(t *testing.T) {
			names := strings.Fields(c.names)
			slices.Sort(names)
			images, pieces := withoutPieces(names)
			if got := strings.Join(images, " "); got != c.images {
				t.Errorf("images %s, want %s", got, c.images)
			}
			if len(images)+len(pieces) != len(names) {
				t.Errorf("%d images and %d pieces of %d names", len(images), len(pieces), len(names))
			}
		})
	}
}

func TestPiecesAsImages(t *testing.T) {
	dir := folder(t, "h.001", "h.002")
	found, err := Expand(context.Background(), []string{dir + "/*"}, Options{WholePieces: true})
	if err != nil || len(found.Images) != 2 {
		t.Errorf("%v, %v", found, err)
	}
	if found, err = Expand(context.Background(), []string{dir + "/*"}, Options{}); err != nil || len(found.Images) != 1 || len(found.Pieces) != 1 {
		t.Errorf("%v, %v", found, err)
	}
}
