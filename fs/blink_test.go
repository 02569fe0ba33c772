package fs

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"memlens/memimage"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// TestBlinkSaysWhatItsFramesAre has an original, other references, and none.
func TestBlinkSaysWhatItsFramesAre(t *testing.T) {
	corpus.Long(t)
	cmd := synth.DemoOriginals()["cmd.exe"]
	volume := filepath.Join(t.TempDir(), "WINDOWS", "system32")
	if err := os.MkdirAll(volume, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"cmd.exe": cmd, "ntoskrnl.exe": cmd, "ntdll.dll": cmd} {
		if err := os.WriteFile(filepath.Join(volume, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		references []string
		first      string
	}{
		"none":                 {nil, frameRestored},
		"its own path":         {[]string{filepath.Dir(filepath.Dir(volume))}, frameOriginal},
		"its name":             {[]string{folder(t, map[string][]byte{"CMD.EXE": cmd})}, frameReference},
		"another name":         {[]string{filepath.Join(folder(t, map[string][]byte{"other.exe": cmd}), "other.exe")}, frameRestored},
		"another memory image": {[]string{baseline(t, asItIs)}, frameReference},
	} {
		f := against(t, asItIs, c.references...)
		if got, want := blinkFrames(t, f, 3256), []string{c.first, frameMemory, frameRecovered}; !slices.Equal(got, want) {
			t.Errorf("%s: frames %v, want %v", name, got, want)
		}
	}
}

// blinkFrames are the names of the frames of a process's blink.gif.
func blinkFrames(t *testing.T, f *FS, pid uint64) (out []string) {
	t.Helper()
	listed, _ := f.image.Processes()
	i := slices.IndexFunc(listed, func(p *memimage.Process) bool { return p.PID == pid })
	a, err := f.process(place{}, listed[i]).exe.animation()
	if err != nil {
		t.Fatal(err)
	}
	defer closer(a.files)()
	subjects, err := a.subjects(context.Background(), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range subjects {
		out = append(out, s.Frame)
	}
	return out
}

// TestFiguresAreAsLongAsListed draws the figures of every process's executable.
func TestFiguresAreAsLongAsListed(t *testing.T) {
	f := tree(t, changedDemo(t, asItIs), Options{})
	listed, _ := f.image.Processes()
	drawn := 0
	for _, p := range listed {
		m := f.process(place{}, p).exe
		if m.lacksBlink() != nil || lacksLayout(m) != nil {
			continue
		}
		for name, open := range map[string]func() (*body, error){"blink.gif": m.blinkGIF, layoutPicture: m.layoutPNG, layoutVector: m.layoutSVG} {
			b, err := open()
			if err != nil {
				t.Fatal(err)
			}
			if made := f.texts.order.Len(); drawn == 0 && made > 0 {
				t.Errorf("%d files were made to learn a size", made)
			}
			if n, err := b.ReadAt(make([]byte, b.Size()), 0); int64(n) != b.Size() || b.Size() == 0 {
				t.Errorf("process %d, %s: %d bytes of %d: %v", p.PID, name, n, b.Size(), err)
			}
			b.Close()
			drawn++
		}
	}
	if drawn < 9 {
		t.Errorf("%d figures", drawn)
	}
}
