package similarity_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"memlens/render/similarity"
)

func tlshOf(data []byte) (string, error) {
	return similarity.TLSH(bytes.NewReader(data), int64(len(data)))
}

// tlshFiles are files near the limits for a digest.
func tlshFiles(t testing.TB) map[string][]byte {
	files := maps.Clone(samples())
	maps.Copy(files, originals(t))
	noise := files["noise-1000"]
	for _, n := range []int{49, 50, 255, 256, 257, 656, 657} {
		files["edge-"+strconv.Itoa(n)] = noise[:n]
	}
	return files
}

// realTLSH returns the digests that tlsh itself gives, by name. It came with
// Debian as tlsh_unittest, without the later prefix "T1".
func realTLSH(t *testing.T, files map[string][]byte) map[string]string {
	if _, err := exec.LookPath("tlsh_unittest"); err != nil {
		t.Skip("tlsh_unittest (Debian: tlsh-tools) is not installed")
	}
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("tlsh_unittest", "-r", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	digests := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		digest, path, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if len(digest) == 70 {
			digests[filepath.Base(path)] = digest
		}
	}
	return digests
}

func TestTLSHEqualsTheRealTool(t *testing.T) {
	files := tlshFiles(t)
	real := realTLSH(t, files)
	for name, data := range files {
		got, err := tlshOf(data)
		want, ok := real[name]
		if ok && got != "T1"+want {
			t.Errorf("%s is %s %v, want T1%s", name, got, err, want)
		}
		if !ok && !errors.Is(err, similarity.ErrTooUniform) {
			t.Errorf("%s is %s, error %v; tlsh has none", name, got, err)
		}
	}
	t.Logf("%d digests compared", len(real))
}

func TestTLSHDistanceEqualsTheRealTool(t *testing.T) {
	real := realTLSH(t, tlshFiles(t))
	var list strings.Builder
	for name, digest := range real {
		list.WriteString(digest + "\t" + name + "\n")
	}
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("tlsh_unittest", "-l", path, "-xref", "-T", "10000").Output()
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		want, err := strconv.Atoi(f[2])
		if err != nil {
			t.Fatal(err)
		}
		got, err := similarity.TLSHDistance(real[f[0]], "T1"+real[f[1]])
		if err != nil || got != want {
			t.Errorf("%s and %s: %d %v, want %d", f[0], f[1], got, err, want)
		}
		compared++
	}
	t.Logf("%d pairs compared", compared)
}

// TestTLSHOfKnownFiles has digests from tlsh 3.4.4, for machines where it is not installed.
func TestTLSHOfKnownFiles(t *testing.T) {
	files := samples()
	for name, want := range map[string]string{
		"noise-1000000":         "T11D2533BD30966AA12B2674B6450CD4F7C5D30CB4E2F97E01788F726164A2BF9D0ACDB1",
		"noise-513":             "T15FF075E3505EFF442F8448A14C1F738EF06D6E78C82C025A040032275FB5F060146CCA",
		"noise-then-zeros-4096": "T12E81FADF3B8CB4C5E498F7785F04A87225279A7A514757CC45AF096429705E081C79E8",
		"text-100003":           "T1E7A30341101C53F4714F14C081CCD5F345CCC11071500441B0307003BC0DE104C6D171",
	} {
		if got, err := tlshOf(files[name]); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", name, got, err, want)
		}
	}
}

func FuzzTLSHDistance(f *testing.F) {
	a, err := tlshOf(samples()["noise-1000"])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(a, a[2:])
	f.Add("T1", strings.Repeat("0", 70))
	f.Fuzz(func(t *testing.T, a, b string) {
		d, err := similarity.TLSHDistance(a, b)
		back, err2 := similarity.TLSHDistance(b, a)
		if (err == nil) != (err2 == nil) || d != back || d < 0 {
			t.Errorf("%q, %q: %d %v, %d %v", a, b, d, err, back, err2)
		}
	})
}
