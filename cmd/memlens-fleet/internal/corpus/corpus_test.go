package corpus

import (
	"context"
	"path/filepath"
	"testing"

	"memlens/memimage"
)

// TestCorpus opens the images: exactly the images are refused that must be by the truth.
func TestCorpus(t *testing.T) {
	dir := t.TempDir()
	truth, err := Build(dir, Corpus{Images: 20, Small: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(truth.Images) != 20 || len(truth.Problems) != 12 || len(truth.Hooks) != 1 || len(truth.Hooks[0].Images) != 2 {
		t.Errorf("%d images, %d problems, hooks %v", len(truth.Images), len(truth.Problems), truth.Hooks)
	}
	refused := map[string]string{}
	for _, p := range truth.Problems {
		if !p.Opens {
			refused[p.Image] = p.What
		}
	}
	for _, name := range truth.Images {
		im, err := memimage.Open(context.Background(), filepath.Join(dir, name), memimage.Options{})
		if (err != nil) != (refused[name] != "") {
			t.Errorf("%s (%s): %v", name, refused[name], err)
		}
		if err == nil {
			im.Close()
		}
	}
}
