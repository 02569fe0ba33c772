package fs

import (
	"context"
	"encoding/csv"
	"fmt"
	iofs "io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"memlens/memimage/digest"
	"memlens/memimage/reference"
	"memlens/memimage/synth"
)

func similarRows(t testing.TB, f *FS, dir string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(read(t, f, dir+"/similar.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

// cell returns a cell of a row of similar.csv by the name of its column.
func cell(t testing.TB, row []string, column string) string {
	t.Helper()
	i := slices.Index(similarColumns, column)
	if i < 0 || i >= len(row) {
		t.Fatalf("%v has no column %s", row, column)
	}
	return row[i]
}

func TestSimilarFindsTheOriginal(t *testing.T) {
	f, _ := demo(t)
	for dir, want := range map[string]string{
		"3256-cmd.exe": "cmd.exe", "2284-notepad.exe": "notepad.exe", "664-lsass.exe": "lsass.exe", "scanned/2976-agent.exe": "agent.exe",
	} {
		rows := similarRows(t, f, dir)
		if len(rows) == 0 || rows[0][0] != want {
			t.Errorf("%s: %v, want %s first", dir, rows, want)
		}
	}
}

// TestListingDigestsNothing looks at all files of a process and of its comparisons: none of the sizes
// takes the digest of a reference.
func TestListingDigestsNothing(t *testing.T) {
	f, _ := demo(t)
	for _, dir := range []string{"3256-cmd.exe", "3256-cmd.exe/diff-vs", "3256-cmd.exe/diff-vs-restored"} {
		entries, err := iofs.ReadDir(f, dir)
		if err != nil || len(entries) == 0 {
			t.Fatalf("%s: %d entries, %v", dir, len(entries), err)
		}
		for _, e := range entries {
			if info, err := iofs.Stat(f, dir+"/"+e.Name()); err != nil || !info.IsDir() && info.Size() == 0 {
				t.Errorf("%s: %v, %v", e.Name(), info, err)
			}
		}
	}
	if n := f.digests.memory.Len(); n != 0 {
		t.Errorf("%d references were digested", n)
	}
	if rows := similarRows(t, f, "3256-cmd.exe"); len(rows) == 0 || f.digests.memory.Len() == 0 {
		t.Error("to read similar.csv digests no reference")
	}
}

// TestRenamedReference gives the original under another name, among files that have nothing to do with it.
func TestRenamedReference(t *testing.T) {
	originals := synth.DemoOriginals()
	f := referenced(t, map[string][]byte{"holiday.jpg": originals["cmd.exe"], "cmd.exe": originals["explorer.exe"], "empty": nil, "zeros": make([]byte, 1<<16)})
	rows := similarRows(t, f, "3256-cmd.exe")
	if len(rows) == 0 || rows[0][0] != "holiday.jpg" || cell(t, rows[0], "likeness") != "100" || cell(t, rows[0], "exact") != "true" || cell(t, rows[0], "note") != "the same file" {
		t.Errorf("%v", rows)
	}
}

// TestWhatRunsIsRanked has references for the program that a hollowed process runs, and for the program that it claims
// to run.
func TestWhatRunsIsRanked(t *testing.T) {
	mem := demoMemory(t)
	payload := []byte(read(t, tree(t, mem, Options{}), "1912-svchost.exe/procexedump.exe"))
	f := referenced(t, map[string][]byte{"evil.bin": payload, "svchost.exe": synth.DemoOriginals()["svchost.exe"]})
	rows := similarRows(t, f, "1912-svchost.exe")
	if len(rows) != 2 || rows[0][0] != "evil.bin" || cell(t, rows[0], "likeness") != "100" || cell(t, rows[0], "compared_file") != "procexedump.exe" || rows[1][0] != "svchost.exe" {
		t.Errorf("%v, want evil.bin first", rows)
	}
	info := read(t, f, "1912-svchost.exe/info.json")
	if !strings.Contains(info, `"of": "\\WINDOWS\\system32\\svchost.exe"`) {
		t.Errorf("restored.exe is of: %s", info)
	}
	if page := read(t, f, hollowedPage); !strings.Contains(page, noteForeign) || !strings.Contains(page, `It is of the file that is mapped there: \WINDOWS\system32\svchost.exe.`) {
		t.Error("the page does not say whose file restored.exe is")
	}
	if page := read(t, f, hookedPage); strings.Contains(page, noteForeign) {
		t.Error("the page of another process says that its file is not what runs")
	}
}

// TestHollowedProcessGivesItselfAway looks at the process whose section is svchost.exe's and whose memory is not.
func TestHollowedProcessGivesItselfAway(t *testing.T) {
	f, _ := demo(t)
	rows := similarRows(t, f, "1912-svchost.exe")
	row := rows[slices.IndexFunc(rows, func(row []string) bool { return row[0] == "svchost.exe" })]
	dumped, err1 := strconv.Atoi(cell(t, row, "likeness_procexedump"))
	restored, err2 := strconv.Atoi(cell(t, row, "likeness_restored"))
	if row[0] != "svchost.exe" || err1 != nil || err2 != nil || dumped > 30 || restored < 90 {
		t.Errorf("%v, want svchost.exe with restored.exe alike and procexedump.exe not", row)
	}
}

func TestSimilarIsMadeWhenRead(t *testing.T) {
	dir, cache := folder(t, synth.DemoOriginals()), t.TempDir()
	refs := references(t, dir)
	mem := demoMemory(t)
	var calls, last atomic.Int64
	open := func() *FS {
		calls.Store(0)
		return tree(t, mem, Options{References: refs, CacheDir: cache, Progress: func(what string, done, total int64) {
			calls.Add(1)
			if done == total {
				last.Add(1)
			}
		}})
	}
	f := open()
	first := read(t, f, "3256-cmd.exe/similar.csv")
	if calls.Load() == 0 || last.Load() == 0 {
		t.Errorf("progress was told %d times, %d times at the end", calls.Load(), last.Load())
	}
	entries, size := f.digests.entries()
	if len(entries) != len(synth.DemoOriginals()) || size == 0 {
		t.Errorf("%d references are kept, want %d", len(entries), len(synth.DemoOriginals()))
	}
	for i, e := range entries { // damage of every kind: each is digested anew
		raw, _ := os.ReadFile(e.path)
		os.WriteFile(e.path, [][]byte{nil, raw[:len(raw)/2], []byte("{}"), []byte(strings.Replace(string(raw), `"size":`, `"size":1`, 1))}[i%4], 0o600)
	}
	if second := read(t, open(), "3256-cmd.exe/similar.csv"); second != first {
		t.Errorf("with a damaged cache:\n%s\nbefore:\n%s", second, first)
	}
	if third := read(t, open(), "3256-cmd.exe/similar.csv"); third != first {
		t.Errorf("with a cache:\n%s\nbefore:\n%s", third, first)
	}
}

func TestPruneRemovesTheOldest(t *testing.T) {
	s := newDigestStore(t.TempDir())
	for i := range 10 {
		key := fmt.Sprintf("%02x%062x", i, i)
		s.save(key, &digest.Digests{Size: int64(i)})
		when := time.Unix(int64(1000+i), 0)
		if err := os.Chtimes(s.path(key), when, when); err != nil {
			t.Fatal(err)
		}
	}
	before, size := s.entries()
	s.prune(size / 2)
	after, left := s.entries()
	if len(before) != 10 || left > size/2 || len(after) == 0 {
		t.Errorf("%d files of %d bytes, then %d of %d", len(before), size, len(after), left)
	}
	for _, e := range after {
		if e.time < time.Unix(1004, 0).UnixNano() {
			t.Errorf("%s is older than what was removed", e.path)
		}
	}
}

func TestUnreadableReferenceIsTold(t *testing.T) {
	f := referenced(t, map[string][]byte{"cmd.exe": synth.DemoOriginals()["cmd.exe"], "gone.exe": []byte("x")})
	refs, err := f.refs.All()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(refs[1].Path); err != nil {
		t.Fatal(err)
	}
	rows := similarRows(t, f, "3256-cmd.exe")
	if last := rows[len(rows)-1]; last[0] != "gone.exe" || !strings.HasPrefix(cell(t, last, "note"), "not read: ") {
		t.Errorf("%v", rows)
	}
}

// TestRowsOfSimilar counts the rows: one for each reference up to a limit, also for references that are not alike, and
// one for all references with the same bytes. No line is empty, whatever the names.
func TestRowsOfSimilar(t *testing.T) {
	long := strings.Repeat("é,", 50) + `"`
	other := func(i int) []byte { return []byte(strings.Repeat(fmt.Sprint(i), 2000)) }
	for name, c := range map[string]struct {
		files map[string][]byte
		rows  int
		note  string // of the first row
	}{
		"one":            {map[string][]byte{"a": synth.DemoOriginals()["cmd.exe"]}, 1, "the same file"},
		"none is alike":  {map[string][]byte{"a": other(1), "b": other(2)}, 2, "nothing in common"},
		"all the same":   {map[string][]byte{long: other(1), "b": other(1), "c": other(1)}, 1, "nothing in common; 2 more with the same bytes"},
		"=a formula":     {map[string][]byte{"=a\"": other(1)}, 1, "nothing in common"},
		"empty":          {map[string][]byte{"a": nil}, 1, "nothing in common"},
		"as many as fit": {filesOfNames(maxSimilar, long, other), maxSimilar, "nothing in common"},
		"more":           {filesOfNames(3*maxSimilar, long, other), maxSimilar, "nothing in common"},
	} {
		f := referenced(t, c.files)
		rows := similarRows(t, f, "3256-cmd.exe")
		if len(rows) != c.rows || cell(t, rows[0], "note") != c.note {
			t.Errorf("%s: %d rows, %q, want %d, %q", name, len(rows), rows, c.rows, c.note)
		}
		text := read(t, f, "3256-cmd.exe/similar.csv")
		if info, err := f.Stat("3256-cmd.exe/similar.csv"); err != nil || info.Size() != int64(len(text)) {
			t.Errorf("%s: %d bytes, %v announced: %v", name, len(text), info, err)
		}
		if n := strings.Count(text, "\n"); n != c.rows+1 || strings.Contains(text, "\n\n") {
			t.Errorf("%s: %d lines for %d rows:\n%s", name, n, c.rows, text)
		}
	}
}

// filesOfNames are n files, every third of which has a long name.
func filesOfNames(n int, long string, content func(int) []byte) map[string][]byte {
	files := map[string][]byte{}
	for i := range n {
		name := fmt.Sprintf("%03d", i)
		if i%3 == 0 {
			name = long + name
		}
		files[name] = content(i)
	}
	return files
}

func BenchmarkSimilar(b *testing.B) {
	dir, cache := b.TempDir(), b.TempDir()
	cmd := synth.DemoOriginals()["explorer.exe"]
	for i := range 1000 {
		data := append([]byte(nil), cmd...)
		rng := rand.New(rand.NewPCG(uint64(i), 1))
		for range i * 20 {
			data[rng.IntN(len(data))] ^= byte(rng.Uint32())
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.exe", i)), data, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	refs, err := reference.Open(context.Background(), []string{dir}, reference.Options{})
	if err != nil {
		b.Fatal(err)
	}
	system := synth.Demo()
	system.RAM = 16 << 20
	mem, err := synth.Build(system)
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"cold", "kept on disk"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if name == "cold" {
					os.RemoveAll(cache)
				}
				similarRows(b, tree(b, mem, Options{References: refs, CacheDir: cache}), "1724-explorer.exe")
			}
		})
	}
	f := tree(b, mem, Options{References: refs, CacheDir: cache})
	b.Run("kept in memory", func(b *testing.B) {
		for b.Loop() {
			f.texts = newTexts(0, nil)
			similarRows(b, f, "1724-explorer.exe")
		}
	})
}
