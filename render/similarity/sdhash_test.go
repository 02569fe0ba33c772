package similarity_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/ulikunitz/xz"

	"memlens/memimage/synth/corpus"
	"memlens/render/similarity"
)

// images is the beginning of the paths of files of a real system, if they are there.
const images = "../../../shared/images/ReactOS0413x86."

// unpack returns a compressed file that belongs to the images, nil if there are no images.
func unpack(t testing.TB, name string) io.Reader {
	t.Helper()
	packed, err := os.ReadFile(images + name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := xz.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var unpackOnce sync.Mutex
var unpacked map[string][]byte

// originals returns the executables of a real system, if they are there.
func originals(t testing.TB) map[string][]byte {
	t.Helper()
	unpackOnce.Lock()
	defer unpackOnce.Unlock()
	r := unpack(t, "originals.tar.xz")
	if unpacked != nil || r == nil {
		return unpacked
	}
	files := make(map[string][]byte)
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeReg {
			files[path.Base(header.Name)] = data
		}
	}
	unpacked = files
	return files
}

// realDigests returns the digests that sdhash itself made of the executables of a real system, by name.
func realDigests(t *testing.T) map[string]*similarity.SDBF {
	r := unpack(t, "sdbf.xz")
	if r == nil {
		t.Skip("the images are not at hand")
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	digests := make(map[string]*similarity.SDBF)
	for line := range strings.Lines(string(text)) {
		d, err := similarity.ParseSDBF(line)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.String(); got != strings.TrimSpace(line) {
			t.Errorf("%s is written as %.100s, was %.100s", d.Name, got, line)
		}
		digests[d.Name] = d
	}
	return digests
}

func TestSdhashEqualsTheRealTool(t *testing.T) {
	corpus.Long(t)
	real, files := realDigests(t), originals(t)
	if len(files) == 0 {
		t.Skip("the originals are not at hand")
	}
	compared := 0
	for name, data := range files {
		want, ok := real["original/"+name]
		if !ok {
			continue
		}
		got, err := similarity.Sdhash(want.Name, bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() {
			t.Errorf("%s: %.200s, want %.200s", name, got, want)
		}
		compared++
	}
	t.Logf("%d digests compared", compared)
}

func TestSdhashScoreEqualsTheRealTool(t *testing.T) {
	real := realDigests(t)
	text, err := os.ReadFile(images + "truth.json")
	if err != nil {
		t.Skip(err)
	}
	var truth struct {
		Processes []struct {
			PID        int
			Name       string
			Original   struct{ File string }
			Similarity *struct{ Sdhash int }
		}
	}
	if err := json.Unmarshal(text, &truth); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, p := range truth.Processes {
		if p.Similarity == nil {
			continue
		}
		a := real["original/"+path.Base(p.Original.File)]
		b := real[fmt.Sprintf("recovered/%d-%s", p.PID, p.Name)]
		if a == nil || b == nil {
			t.Errorf("no digests of %d %s", p.PID, p.Name)
			continue
		}
		if got := a.Score(b); got != p.Similarity.Sdhash || b.Score(a) != got {
			t.Errorf("%d %s scores %d, want %d", p.PID, p.Name, got, p.Similarity.Sdhash)
		}
		compared++
	}
	t.Logf("%d scores compared", compared)
}

func sdhashOf(t testing.TB, data []byte) *similarity.SDBF {
	t.Helper()
	d, err := similarity.Sdhash("file", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestSdhashOfKnownFiles has the SHA-256 of digests, from a time when these were checked to equal the real tool's. It
// is for machines without the tool and its digests.
func TestSdhashOfKnownFiles(t *testing.T) {
	files := samples()
	for name, want := range map[string]string{
		"noise-1000000":         "9c8dd39af8be0dae",
		"text-100003":           "e46e90a18cb39725",
		"noise-then-zeros-4096": "ed396a8f1d3e678d",
		"noise-512":             "fb873fa609c211e2",
	} {
		sum := sha256.Sum256([]byte(sdhashOf(t, files[name]).String()))
		if got := hex.EncodeToString(sum[:8]); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestSdhashScoreOfTheSameAndOfOthers(t *testing.T) {
	files := samples()
	a, b := sdhashOf(t, files["noise-1000000"]), sdhashOf(t, files["noise-1000000-changed"])
	other, zeros := sdhashOf(t, files["noise-400000"]), sdhashOf(t, files["zeros-1000000"])
	for _, c := range []struct {
		name     string
		a, b     *similarity.SDBF
		min, max int
	}{
		{"same", a, a, 100, 100},
		{"a few bytes changed", a, b, 90, 100},
		{"nothing in common", a, other, 0, 2},
		{"no features", zeros, zeros, -1, 0},
		{"no features in one", a, zeros, -1, 0},
	} {
		if got := c.a.Score(c.b); got < c.min || got > c.max || got != c.b.Score(c.a) {
			t.Errorf("%s: %d and back %d, want %d to %d", c.name, got, c.b.Score(c.a), c.min, c.max)
		}
	}
}

func FuzzParseSDBF(f *testing.F) {
	good := sdhashOf(f, samples()["noise-4096"]).String()
	f.Add(good)
	f.Add(strings.Replace(good, ":1:", ":99999999:", 1))
	f.Add("sdbf:03:4:file:4096:sha1:256:5:7ff:160:1:17:AAAA")
	f.Add("sdbf:03:-1:")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := similarity.ParseSDBF(text)
		if err != nil {
			if !errors.Is(err, similarity.ErrDigest) {
				t.Errorf("error without ErrDigest: %v", err)
			}
			return
		}
		if score := d.Score(d); score < -1 || score > 100 {
			t.Errorf("score %d", score)
		}
		if again, err := similarity.ParseSDBF(d.String()); err != nil || again.String() != d.String() {
			t.Errorf("%.100s is not read back: %v", d, err)
		}
	})
}

// TestSolidScoreOfRealFiles compares executables of a real system with libraries that sdhash takes for similar to
// every executable.
func TestSolidScoreOfRealFiles(t *testing.T) {
	files := originals(t)
	if files == nil {
		t.Skip("the images are not at hand")
	}
	digest := func(name string) *similarity.SDBF {
		d, err := similarity.Sdhash(name, bytes.NewReader(files[name]), int64(len(files[name])))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	kernel32, user32 := digest("kernel32.dll"), digest("user32.dll")
	alike := 0
	for name := range files {
		if strings.HasSuffix(name, ".dll") || name == "ntoskrnl.exe" {
			continue
		}
		d := digest(name)
		for _, library := range []*similarity.SDBF{kernel32, user32} {
			score, solid := d.Score(library), d.SolidScore(library)
			if score >= 60 {
				alike++
			}
			if solid > 40 {
				t.Errorf("%s and %s: %d, solidly %d", name, library.Name, score, solid)
			}
		}
		if solid := d.SolidScore(d); solid != 100 && solid != -1 {
			t.Errorf("%s and itself: %d", name, solid)
		}
	}
	if alike < 10 {
		t.Errorf("only %d pairs that have nothing in common are alike to sdhash: this test proves nothing", alike)
	}
}
