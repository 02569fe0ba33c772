package fs

import (
	"html"
	iofs "io/fs"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

// target is an address in a page: of a link, or of a picture.
var target = regexp.MustCompile(`(?:href|src)="([^"#]+)(?:#[^"]*)?"`)

// TestPagesLeadSomewhere follows all links of all pages, and opens all pictures in them, with references and without.
func TestPagesLeadSomewhere(t *testing.T) {
	corpus.Long(t)
	with, mem := demo(t)
	links := 0
	for _, f := range []*FS{with, tree(t, mem, Options{})} {
		err := iofs.WalkDir(f, ".", func(name string, d iofs.DirEntry, err error) error {
			if err != nil || d.Name() != indexName {
				return err
			}
			for _, m := range target.FindAllStringSubmatch(read(t, f, name), -1) {
				address := html.UnescapeString(m[1])
				if strings.HasPrefix(address, "data:") {
					continue
				}
				to, err := url.PathUnescape(address)
				if err != nil {
					t.Errorf("%s leads to %q: %v", name, address, err)
					continue
				}
				if links++; !there(f, path.Join(path.Dir(name), to)) {
					t.Errorf("%s leads to %s, which is not there", name, address)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d links", links)
	if links < 1000 {
		t.Errorf("%d links only", links)
	}
}

func there(f *FS, name string) bool {
	_, err := iofs.Stat(f, name)
	return err == nil
}
