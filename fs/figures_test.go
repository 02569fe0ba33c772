package fs

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/synth"
)

// referenced is the demo system compared with the files given, in a folder.
func referenced(t testing.TB, files map[string][]byte) *FS {
	t.Helper()
	dir := folder(t, files)
	refs := references(t, dir)
	mem := demoMemory(t)
	return tree(t, mem, Options{References: refs})
}

func picture(t *testing.T, f *FS, name string) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader([]byte(read(t, f, name))))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func count(img image.Image, c color.RGBA) (n int) {
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			if color.RGBAModel.Convert(img.At(x, y)) == c {
				n++
			}
		}
	}
	return n
}

// hatching is the darker colour of what is missing.
var hatching = color.RGBA{0x7c, 0x7c, 0x7c, 0xff}

func TestMapHatchesWhatIsMissing(t *testing.T) {
	f, _ := demo(t)
	whole, holed := picture(t, f, "3256-cmd.exe/map.png"), picture(t, f, "2284-notepad.exe/map.png")
	if n := count(whole, hatching); n > 2000 { // the legend has some
		t.Errorf("%d hatched pixels where nothing is missing", n)
	}
	if n := count(holed, hatching); n < 50000 {
		t.Errorf("%d hatched pixels where most is missing", n)
	}
}

func TestBlinkHasThreeFrames(t *testing.T) {
	f, _ := demo(t)
	for _, name := range []string{"2284-notepad.exe/blink.gif", "2284-notepad.exe/diff-vs/notepad.exe.gif", "2284-notepad.exe/diff-vs-restored/notepad.exe.gif"} {
		g, err := gif.DecodeAll(bytes.NewReader([]byte(read(t, f, name))))
		if err != nil {
			t.Fatal(err)
		}
		if len(g.Image) != 3 || g.LoopCount != 0 || g.Delay[0]+g.Delay[1]+g.Delay[2] != 150 {
			t.Errorf("%s: %d frames, delays %v", name, len(g.Image), g.Delay)
		}
		if bytes.Equal(g.Image[0].Pix, g.Image[1].Pix) || bytes.Equal(g.Image[1].Pix, g.Image[2].Pix) {
			t.Errorf("%s does not blink", name)
		}
	}
}

func numbers(t *testing.T, f *FS, name string) (info comparisonInfo) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, f, name)), &info); err != nil {
		t.Fatal(err)
	}
	return info
}

func TestNumbers(t *testing.T) {
	f, _ := demo(t)
	dumped := numbers(t, f, "3256-cmd.exe/diff-vs/cmd.exe.json")
	if b := dumped.Bytes; b.Bound == 0 || b.NotRecovered != 0 || b.Equal+b.Bound+b.Changed+b.Relocated != b.Total || dumped.DigestReached {
		t.Errorf("procexedump.exe of cmd.exe: %+v", dumped)
	}
	restored := numbers(t, f, "3256-cmd.exe/diff-vs-restored/cmd.exe.json")
	if b := restored.Bytes; b.Equal != b.Total || !restored.DigestReached || !restored.Similarity.Exact || restored.Recovered.MD5 != restored.Reference.MD5 {
		t.Errorf("restored.exe of cmd.exe: %+v", restored)
	}
	holed := numbers(t, f, "2284-notepad.exe/diff-vs/notepad.exe.json")
	if b := holed.Bytes; b.NotRecovered != 28160 || b.Changed != 0 || *holed.Similarity.Blocks < 90 {
		t.Errorf("procexedump.exe of notepad.exe: %+v", holed)
	}
	other := numbers(t, f, "2284-notepad.exe/diff-vs/explorer.exe.json")
	if b := other.Bytes; b.Beyond == 0 || b.Changed == 0 || b.Bound+b.Relocated != 0 || *other.Similarity.Blocks > 10 {
		t.Errorf("notepad.exe against explorer.exe: %+v", other)
	}
}

// TestNamesThatEndLikeKinds has references whose names read as another reference's with a suffix.
func TestNamesThatEndLikeKinds(t *testing.T) {
	cmd := synth.DemoOriginals()["cmd.exe"]
	f := referenced(t, map[string][]byte{"cmd.exe": cmd, "cmd.exe.original": cmd[:1024], "cmd.exe.png": cmd[:2048], "logo.gif": []byte("GIF89a")})
	for name, size := range map[string]int64{"cmd.exe.original.bmp": 1024, "cmd.exe.png.json": 2048, "logo.gif.json": 6, "cmd.exe.json": int64(len(cmd))} {
		if filepath.Ext(name) != ".json" {
			continue
		}
		if got := numbers(t, f, "3256-cmd.exe/diff-vs/"+name); got.Reference.Size != size {
			t.Errorf("%s is of a file of %d bytes, want %d", name, got.Reference.Size, size)
		}
	}
	entries, err := iofs.ReadDir(f, "3256-cmd.exe/diff-vs")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "cmd.exe.original.bmp" {
			t.Error("the picture of cmd.exe is listed under the name of another reference's comparison")
		}
	}
	difference, err := iofs.ReadFile(f, "3256-cmd.exe/diff-vs/cmd.exe.original.bmp")
	if err != nil || bytes.Equal(difference, []byte(read(t, referenced(t, map[string][]byte{"cmd.exe": cmd}), "3256-cmd.exe/diff-vs/cmd.exe.original.bmp"))) {
		t.Errorf("cmd.exe.original.bmp is not the comparison with cmd.exe.original (%v)", err)
	}
}

func TestChangedReferenceIsDrawnAnew(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "cmd.exe")
	cmd := synth.DemoOriginals()["cmd.exe"]
	if err := os.WriteFile(path, cmd, 0o644); err != nil {
		t.Fatal(err)
	}
	refs := references(t, path)
	mem := demoMemory(t)
	f := tree(t, mem, Options{References: refs})
	before := numbers(t, f, "3256-cmd.exe/diff-vs/cmd.exe.json")
	if err := os.WriteFile(path, cmd[:len(cmd)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	after := numbers(t, f, "3256-cmd.exe/diff-vs/cmd.exe.json")
	if after.Reference.Size != int64(len(cmd)/2) || after.Reference.MD5 == before.Reference.MD5 {
		t.Errorf("still %+v", after.Reference)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := iofs.Stat(f, "3256-cmd.exe/diff-vs/cmd.exe.png"); !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("a reference that is gone: %v", err)
	}
	if _, err := iofs.ReadDir(f, "3256-cmd.exe/diff-vs"); err != nil {
		t.Errorf("listing: %v", err)
	}
}

func TestListingDrawsNothing(t *testing.T) {
	f, _ := demo(t)
	err := iofs.WalkDir(f, ".", func(path string, d iofs.DirEntry, err error) error { return err })
	if err != nil {
		t.Fatal(err)
	}
	if n := f.texts.order.Len(); n != 0 {
		t.Errorf("%d files were made to list names", n)
	}
	for _, name := range []string{"map.png", "blink.gif", layoutPicture, layoutVector, modifiedPicture, "index.html", "similar.csv", "diff-vs/cmd.exe.png", "diff-vs/cmd.exe.gif", "diff-vs/cmd.exe.json"} {
		if _, err := iofs.Stat(f, "3256-cmd.exe/"+name); err != nil {
			t.Error(err)
		}
	}
	if n := f.texts.order.Len(); n != 0 {
		t.Errorf("%d files were made to learn sizes", n)
	}
}

func BenchmarkPage(b *testing.B) {
	f, _ := demo(b)
	for b.Loop() {
		f.texts = newTexts(0, nil)
		if _, err := iofs.Stat(f, "1724-explorer.exe/index.html"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRootPage(b *testing.B) {
	f, _ := demo(b)
	for b.Loop() {
		f.texts = newTexts(0, nil)
		if _, err := iofs.Stat(f, "index.html"); err != nil {
			b.Fatal(err)
		}
	}
}

func TestShortPath(t *testing.T) {
	for path, want := range map[string]string{
		"": "", `\Windows\a.exe`: `\Windows\a.exe`, `C:\a.exe`: `C:\a.exe`,
		`\Device\HarddiskVolume1\Windows\system32\notepad.exe`: `…\HarddiskVolume1\Windows\system32\notepad.exe`,
		`C:\` + strings.Repeat("x", 60) + `\a.exe`:             `…\a.exe`,
		`\\server\` + strings.Repeat("x", 60):                  `…\` + strings.Repeat("x", 60),
		strings.Repeat("x", 60):                                strings.Repeat("x", 60),
	} {
		if got := shortPath(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
