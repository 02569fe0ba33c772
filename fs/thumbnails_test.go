package fs

import (
	"bytes"
	"errors"
	"image"
	iofs "io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/bmp"

	"memlens/render"
)

func namesIn(t *testing.T, f *FS, dir string) (names []string) {
	t.Helper()
	entries, err := iofs.ReadDir(f, dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestThumbnailsAreOfThePictures lists the small pictures, in the order of their processes, of the processes that have
// a large one.
func TestThumbnailsAreOfThePictures(t *testing.T) {
	f, _ := demo(t)
	for _, in := range []string{".", scannedName} {
		var want []string
		for _, name := range namesIn(t, f, in) {
			if _, err := f.Stat(path.Join(in, name, "colorized.bmp")); err == nil {
				want = append(want, name+".bmp")
			}
		}
		dir := path.Join(in, thumbnailsName)
		slices.Sort(want)
		if got := namesIn(t, f, dir); !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("%s holds %q, want %q", dir, got, want)
		}
		for _, name := range want {
			info, err := f.Stat(path.Join(dir, name))
			if err != nil || info.Size() != render.ThumbnailSize {
				t.Errorf("%s: %v, error %v", name, info, err)
			}
		}
	}
}

func thumbnailOf(t *testing.T, f *FS, name string) *image.Paletted {
	t.Helper()
	picture, err := bmp.Decode(strings.NewReader(read(t, f, name)))
	if err != nil {
		t.Fatal(err)
	}
	return picture.(*image.Paletted)
}

// TestThumbnailHatchesWhatIsMissing looks at notepad.exe, which lacks pages, and at cmd.exe, which is whole.
func TestThumbnailHatchesWhatIsMissing(t *testing.T) {
	f, _ := demo(t)
	hatched := func(name string) int {
		pix := thumbnailOf(t, f, name).Pix
		return bytes.Count(pix, []byte{253}) + bytes.Count(pix, []byte{254})
	}
	if n := hatched("gallery/3256-cmd.exe.bmp"); n != 0 {
		t.Errorf("%d dots of cmd.exe are hatched", n)
	}
	const all = render.ThumbnailSide * render.ThumbnailSide
	if n := hatched("gallery/2284-notepad.exe.bmp"); n < all/2 || n > 2*all/3 { // 62.5 % are missing
		t.Errorf("%d of %d dots of notepad.exe are hatched", n, all)
	}
	if a, b := read(t, f, "gallery/3256-cmd.exe.bmp"), read(t, f, "gallery/3256-cmd.exe.bmp"); a != b {
		t.Error("two readings differ")
	}
}

func TestNoThumbnails(t *testing.T) {
	f, _ := demo(t)
	for _, name := range []string{"4-System.bmp", "3256-cmd.exe", "3256-cmd.exe.png", ".bmp", "cmd.exe.bmp", "9-none.exe.bmp", ".directory"} {
		if _, err := f.Open("gallery/" + name); !errors.Is(err, iofs.ErrNotExist) {
			t.Errorf("gallery/%s: %v", name, err)
		}
	}
}

// TestFolderIcon opens the files that a file manager asks for by their names. No listing has them.
func TestFolderIcon(t *testing.T) {
	f, _ := demo(t)
	for _, name := range namesIn(t, f, "3256-cmd.exe") {
		if strings.HasPrefix(name, ".") {
			t.Errorf("%s is listed", name)
		}
	}
	hint := read(t, f, "3256-cmd.exe/.directory")
	icon, ok := strings.CutPrefix(hint, "[Desktop Entry]\nIcon=./")
	if !ok {
		t.Fatalf("the hint is %q", hint)
	}
	if read(t, f, "3256-cmd.exe/"+strings.TrimSpace(icon)) != read(t, f, "gallery/3256-cmd.exe.bmp") {
		t.Error("the icon is not the small picture")
	}
	if _, err := f.Open("4-System/.directory"); !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("System has no picture: %v", err)
	}
}
