package similarity_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"memlens/render/similarity"
)

// needTool skips the test if a program is not installed, unless the environment demands it.
func needTool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1" {
		t.Fatalf("%s is required", name)
	}
	t.Skipf("%s is not installed", name)
}

// samples returns files of many kinds and sizes. They must not be changed.
var samples = sync.OnceValue(func() map[string][]byte {
	out := make(map[string][]byte)
	r := rand.New(rand.NewPCG(7, 7))
	for _, size := range []int{0, 1, 2, 3, 6, 7, 8, 20, 64, 100, 191, 192, 193, 384, 385, 511, 512, 513, 1000,
		4095, 4096, 4097, 6144, 12_288, 12_289, 50_000, 100_003, 400_000, 1_000_000} {
		p := make([]byte, size)
		for i := range p {
			p[i] = byte(r.Uint32())
		}
		out[fmt.Sprintf("noise-%d", size)] = p
		q := bytes.Clone(p)
		for i := 0; i < len(q); i += 1 + len(q)/5 {
			q[i] ^= 0x55
		}
		out[fmt.Sprintf("noise-%d-changed", size)] = q
		out[fmt.Sprintf("noise-%d-cut", size)] = p[:size*7/8]
		out[fmt.Sprintf("zeros-%d", size)] = make([]byte, size)
		out[fmt.Sprintf("text-%d", size)] = bytes.Repeat([]byte("the quick brown fox jumps over it. "), size/35+1)[:size]
		few := make([]byte, size)
		for i := range few {
			few[i] = p[i] & 1
		}
		out[fmt.Sprintf("bits-%d", size)] = few
		ended := make([]byte, size)
		copy(ended, p[:size/2])
		out[fmt.Sprintf("noise-then-zeros-%d", size)] = ended
	}
	return out
})

func ssdeepOf(t testing.TB, data []byte) string {
	t.Helper()
	digest, err := similarity.Ssdeep(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// realSsdeep returns the digests that ssdeep gives to files, by name.
func realSsdeep(t *testing.T, files map[string][]byte) map[string]string {
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("ssdeep", "-s", "-b", "-r", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	digests := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		digest, name, ok := strings.Cut(strings.TrimSpace(line), ",")
		if ok && strings.Count(digest, ":") == 2 {
			digests[strings.Trim(name, `"`)] = digest
		}
	}
	return digests
}

func TestSsdeepEqualsTheRealTool(t *testing.T) {
	needTool(t, "ssdeep")
	files := maps.Clone(samples())
	maps.Copy(files, originals(t))
	real := realSsdeep(t, files)
	for name, data := range files {
		want, ok := real[name]
		if !ok && len(data) > 0 {
			t.Errorf("ssdeep says nothing of %s", name)
		}
		if got := ssdeepOf(t, data); ok && got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	t.Logf("%d files compared", len(real))
}

// TestSsdeepOfKnownFiles has digests from ssdeep 2.14.1, for machines where it is not installed.
func TestSsdeepOfKnownFiles(t *testing.T) {
	files := samples()
	for name, want := range map[string]string{
		"noise-1000000":         "24576:NNWL5zVjS/UDsPndApTXNbh9M7DEvLqgJwc0TvrtGRj9/:NNkRjScAPapTXWIvujc0TujZ",
		"noise-20":              "3:8ccgfQn:8K4",
		"noise-513":             "12:BNMtrwMBjLtDx5y/jieyczQK2RRpPM6MsvOAvBFrrKprM:YtrwMpLx7y7i82PM6LvOAvBFrraM",
		"noise-then-zeros-4096": "48:zyhabm8caSL974tbTPK/dLbqG/BcEu4PwumAhWQlk4zV:2jZa3UPqG/u1Uwu1",
		"text-100003":           "24:iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiQ:P",
	} {
		if got := ssdeepOf(t, files[name]); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// TestSsdeepScoreEqualsTheRealTool lets ssdeep compare all pairs of digests; for each block size, one digest is made
// small, long or monotonous by hand.
func TestSsdeepScoreEqualsTheRealTool(t *testing.T) {
	needTool(t, "ssdeep")
	digests := make(map[string]string)
	for name, data := range samples() {
		if len(data) > 0 {
			digests[name] = ssdeepOf(t, data)
		}
	}
	for name, data := range originals(t) {
		digests[name] = ssdeepOf(t, data)
		half := bytes.Clone(data)
		clear(half[len(half)/3 : len(half)/2])
		digests[name+"-cleared"] = ssdeepOf(t, half)
	}
	for i, block := range []int{3, 6, 12, 24, 48, 96, 192, 1536} {
		digests[fmt.Sprintf("made-%d", i)] = fmt.Sprintf("%d:abcdefghijkl:abcdefgh", block)
		digests[fmt.Sprintf("made-%d-same-first", i)] = fmt.Sprintf("%d:abcdefghijkl:xyzabcd", block)
		digests[fmt.Sprintf("made-%d-runs", i)] = fmt.Sprintf("%d:abcdefgggggggggghijkl:abcdefgggggh", block)
		digests[fmt.Sprintf("made-%d-other", i)] = fmt.Sprintf("%d:12abcdefgXkl:abcdefg", block)
	}
	real := realScores(t, digests)
	for a, p := range digests {
		for b, q := range digests {
			want, ok := real[[2]string{a, b}]
			got, err := similarity.SsdeepScore(p, q)
			if err != nil {
				t.Fatal(err)
			}
			if a != b && ok && got != want {
				t.Errorf("%s and %s score %d, want %d\n%s\n%s", a, b, got, want, p, q)
			}
		}
	}
	t.Logf("%d pairs compared", len(real))
}

// realScores returns the scores of all pairs.
func realScores(t *testing.T, digests map[string]string) map[[2]string]int {
	var file strings.Builder
	file.WriteString("ssdeep,1.1--blocksize:hash:hash,filename\n")
	for name, digest := range digests {
		fmt.Fprintf(&file, "%s,\"%s\"\n", digest, name)
	}
	path := filepath.Join(t.TempDir(), "digests")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ssdeep", "-s", "-a", "-c", "-x", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	scores := make(map[[2]string]int)
	for _, row := range rows {
		score, err := strconv.Atoi(row[2])
		if err != nil {
			t.Fatal(err)
		}
		scores[[2]string{afterColon(row[0]), afterColon(row[1])}] = score
	}
	return scores
}

func afterColon(s string) string { return s[strings.LastIndexByte(s, ':')+1:] }

func TestWhatIsNoSsdeepDigestIsAnError(t *testing.T) {
	good := "3:abcdefgh:abcd"
	for _, bad := range []string{"", ":", "::", "3:a", "3:a:b:c", "x:a:b", "-3:a:b", "2:a:b", "99999999999999999999:a:b", "3:" + strings.Repeat("a", 65) + ":b"} {
		_, e1 := similarity.SsdeepScore(bad, good)
		_, e2 := similarity.SsdeepScore(good, bad)
		if !errors.Is(e1, similarity.ErrDigest) || !errors.Is(e2, similarity.ErrDigest) {
			t.Errorf("%.40q: %v, %v", bad, e1, e2)
		}
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

func TestErrorsOfTheDataPassThrough(t *testing.T) {
	want := errors.New("disk on fire")
	_, e1 := similarity.Ssdeep(failing{want}, 10_000)
	_, e2 := similarity.Sdhash("x", failing{want}, 10_000)
	_, e3 := similarity.TLSH(failing{want}, 10_000)
	for i, err := range []error{e1, e2, e3} {
		if !errors.Is(err, want) {
			t.Errorf("%d: %v", i, err)
		}
	}
	short := bytes.NewReader(make([]byte, 9_999))
	_, e1 = similarity.Ssdeep(short, 10_000)
	_, e2 = similarity.Sdhash("x", short, 10_000)
	_, e3 = similarity.TLSH(short, 10_000)
	for i, err := range []error{e1, e2, e3} {
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestSizesThatCannotBeDigestedAreErrors(t *testing.T) {
	for _, size := range []int64{-1, math.MinInt64, math.MaxInt64} {
		_, e1 := similarity.Ssdeep(bytes.NewReader(nil), size)
		_, e2 := similarity.Sdhash("x", bytes.NewReader(nil), size)
		_, e3 := similarity.TLSH(bytes.NewReader(nil), size)
		if e1 == nil || e2 == nil || e3 == nil {
			t.Errorf("size %d: %v, %v, %v", size, e1, e2, e3)
		}
	}
}

func FuzzSsdeepScore(f *testing.F) {
	f.Add("3:abcdefgh:abcd", "6:abcdefgh:abcd")
	f.Add("3:aaaaaaaaaa:", "3::")
	f.Fuzz(func(t *testing.T, a, b string) {
		s, err := similarity.SsdeepScore(a, b)
		back, err2 := similarity.SsdeepScore(b, a)
		if (err == nil) != (err2 == nil) || s != back || s < 0 || s > 100 {
			t.Errorf("%q, %q: %d %v, %d %v", a, b, s, err, back, err2)
		}
	})
}
