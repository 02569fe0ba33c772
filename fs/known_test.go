package fs

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/known"
	"memlens/memimage/report"
	"memlens/memimage/synth"
)

// knownSets opens sets of the texts given, by their names.
func knownSets(t testing.TB, texts ...string) (out []*known.Set) {
	t.Helper()
	for i, text := range texts {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("set%d.txt", i))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		set, err := known.Open(path, known.Options{CacheDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, set)
	}
	return out
}

// unrelated is a set of nothing that is in memory.
const unrelated = "d41d8cd98f00b204e9800998ecf8427e  empty\n"

// plainKnown is the expected text about a restored file beside the originals, found in the slow way: by reading the
// file from the tree, and looking for holes in it.
func plainKnown(t testing.TB, f *FS, name, set string, originals map[[32]byte]string) string {
	t.Helper()
	file, err := f.Open(name)
	if errors.Is(err, iofs.ErrNotExist) {
		return "not comparable"
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	raw, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	if hole, err := file.(Holer).NextHole(0); err != nil || hole < int64(len(raw)) {
		return "not comparable"
	}
	if original, ok := originals[sha256.Sum256(raw)]; ok {
		return "SHA-256 in " + set + ": " + original
	}
	return "no"
}

// TestKnownFiles looks up all executables of the demo in a set of its originals, and checks every place that shows the
// result.
func TestKnownFiles(t *testing.T) {
	var set strings.Builder
	originals := map[[32]byte]string{}
	for name, data := range synth.DemoOriginals() {
		sum := sha256.Sum256(data)
		originals[sum] = name
		fmt.Fprintf(&set, "%x  %s\n", sum, name)
	}
	f := tree(t, demoMemory(t), Options{Known: knownSets(t, unrelated, set.String())})
	gallery, counts := read(t, f, indexName), map[string]int{}
	for _, p := range csvRows(t, f, "processes.csv") {
		dir := p["directory"]
		want := plainKnown(t, f, dir+"/restored.exe", "set1.txt", originals)
		counts[strings.Split(want, ":")[0]]++
		checkKnown(t, dir, p["known"], want)
		if !strings.Contains(gallery, "Known file: <bdi>"+htmlOf(p["known"])) {
			t.Errorf("the gallery does not say that %s is %q", dir, p["known"])
		}
		if got := knownInfo(t, f, dir+"/info.json"); got != p["known"] {
			t.Errorf("info.json of %s says %q, not %q", dir, got, p["known"])
		}
		if _, err := f.Stat(dir + "/modules.csv"); err != nil {
			continue
		}
		page := read(t, f, dir+"/"+indexName)
		for _, m := range csvRows(t, f, dir+"/modules.csv") {
			at := path.Join(dir, modulesName, m["directory"])
			checkKnown(t, at, m["known"], plainKnown(t, f, at+"/restored.dll", "set1.txt", originals))
			if !strings.Contains(page, "Known file: <bdi>"+htmlOf(m["known"])) {
				t.Errorf("the page does not say that %s is %q", at, m["known"])
			}
			if got := knownInfo(t, f, at+"/info.json"); got != m["known"] {
				t.Errorf("info.json of %s says %q, not %q", at, got, m["known"])
			}
		}
	}
	for _, kind := range []string{"SHA-256 in set1.txt", "not comparable", "no"} {
		if counts[kind] == 0 {
			t.Errorf("the demo has none of %q: %v", kind, counts)
		}
	}
	for _, d := range csvRows(t, f, driversCSV) {
		checkKnown(t, d["directory"], d["known"], plainKnown(t, f, driversName+"/"+d["directory"]+"/restored.sys", "set1.txt", originals))
	}
}

// checkKnown compares a text with the expected text; a reason may follow.
func checkKnown(t *testing.T, what, got, want string) {
	t.Helper()
	if got == "not what runs, but its file: "+want && strings.HasSuffix(want, "svchost.exe") {
		return
	}
	if got != want && !(strings.HasPrefix(got, want+":") && !strings.HasPrefix(want, "SHA")) {
		t.Errorf("%s is %q; it should be %q", what, got, want)
	}
}

func htmlOf(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&#39;", `"`, "&#34;").Replace(s)
}

func knownInfo(t testing.TB, f *FS, name string) string {
	t.Helper()
	var info struct{ Known *string }
	if err := json.Unmarshal([]byte(read(t, f, name)), &info); err != nil {
		t.Fatal(err)
	}
	if info.Known == nil {
		return ""
	}
	return *info.Known
}

// TestKnownByEachDigest: one file is found by each kind of digest, each of several sets is reported, and a file with
// one changed byte is not found.
func TestKnownByEachDigest(t *testing.T) {
	mem := demoMemory(t)
	file := []byte(read(t, tree(t, mem, Options{}), "1912-svchost.exe/restored.exe"))
	changed := append([]byte(nil), file...)
	changed[len(changed)/2] ^= 1
	known := func(texts ...string) string {
		t.Helper()
		return rowOf(t, tree(t, mem, Options{Known: knownSets(t, texts...)}), "1912")["known"]
	}
	const foreign = "not what runs, but its file: "
	short, middle, long := fmt.Sprintf("%x  a\n", md5.Sum(file)), fmt.Sprintf("%X  b\n", sha1.Sum(file)), fmt.Sprintf("%x\n", sha256.Sum256(file))
	hashdeep := "%%%% HASHDEEP-1.0\n%%%% size,md5,sha256,filename\n"
	for _, c := range []struct{ want, one, two string }{
		{foreign + "MD5 in set0.txt: a", short, unrelated},
		{foreign + "SHA-1 in set1.txt: b", unrelated, middle},
		{foreign + "SHA-256 in set0.txt", short + middle + long, unrelated},
		{foreign + "MD5 in set0.txt: a; SHA-1 in set1.txt: b", short, middle},
		{"no", fmt.Sprintf("%x  a\n", sha256.Sum256(changed)), fmt.Sprintf("%x  a\n", md5.Sum(changed))},
		// A file with the same MD5 and another SHA-256 is another file.
		{"no", hashdeep + fmt.Sprintf("1,%x,%x,a\n", md5.Sum(file), sha256.Sum256(changed)), unrelated},
	} {
		if got := strings.TrimRight(known(c.one, c.two), " "); got != c.want && !strings.HasPrefix(got, c.want+": ") {
			t.Errorf("known as %q, want %q", got, c.want)
		}
	}
}

// TestKnownByAuthentihash has a signed program whose certificates are never mapped: the signed bytes are known, where a
// set has their digest.
func TestKnownByAuthentihash(t *testing.T) {
	mem := signedSystem(t)
	for text, want := range map[string]string{
		"name,authentihash\nsigned32.exe," + signedDigest + "\n": "authentihash (SHA-256) in set0.txt: signed32.exe",
		signedDigest + "\n": "authentihash (SHA-256) in set0.txt",
		unrelated:           "not comparable: ",
		fmt.Sprintf("%x\n", sha256.Sum256(program(t, "signed32"))): "not comparable: ", // the file, of which bytes are missing
	} {
		got := rowOf(t, tree(t, mem, Options{Known: knownSets(t, text)}), "100")["known"]
		if got != want && !(strings.HasSuffix(want, ": ") && strings.HasPrefix(got, want) && strings.HasSuffix(got, " bytes missing")) {
			t.Errorf("known as %q, want %q", got, want)
		}
	}
}

// TestHostileKnownNames has names in sets that steer terminals, end quotations, are markup or formulas, or have no end.
func TestHostileKnownNames(t *testing.T) {
	mem := demoMemory(t)
	file := []byte(read(t, tree(t, mem, Options{}), "1912-svchost.exe/restored.exe"))
	names := []string{"=1+cmd|'/C calc'!A0", `"><script>alert(1)</script>`, "a\x1b[2J\x07b", "\xff\xfe\x80", "\u202egpj.exe", `""",""","`,
		strings.Repeat("<", 600), strings.Repeat("\x01", 600), strings.Repeat("é", 300), strings.Repeat(`"`, 600), strings.Repeat("\u2028", 200)}
	for i := 0; i < len(names); i += 3 {
		var sets []string
		for _, name := range names[i:min(i+3, len(names))] {
			sets = append(sets, fmt.Sprintf("%x  %s\n", sha256.Sum256(file), name))
		}
		checkHostileNames(t, tree(t, mem, Options{Known: knownSets(t, sets...)}))
	}
}

func checkHostileNames(t *testing.T, f *FS) {
	t.Helper()
	for _, name := range []string{"processes.csv", indexName, "1912-svchost.exe/info.json", "1912-svchost.exe/" + indexName, "1912-svchost.exe/modules.csv"} {
		text := read(t, f, name)
		info, err := f.Stat(name)
		if err != nil || info.Size() != int64(len(text)) {
			t.Errorf("%s has %d bytes, not as many as were told of: %v", name, len(text), err)
		}
		if path.Ext(name) == ".html" && strings.Contains(text, "<script>alert") || strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && report.Steers(r) }) {
			t.Errorf("%s shows a name as it is", name)
		}
	}
	row := rowOf(t, f, "1912")["known"]
	if !strings.Contains(row, "SHA-256 in set0.txt: ") || len(row) > report.MaxKnownText {
		t.Errorf("the row says %q", row)
	}
	if got := knownInfo(t, f, "1912-svchost.exe/info.json"); got != strings.TrimRight(row, " ") {
		t.Errorf("info.json says %q, not %q", got, row)
	}
}

// TestListingReadsNoSet lists everything and asks for all sizes: no set is read for that, and no file digested.
func TestListingReadsNoSet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "set")
	if err := os.WriteFile(path, []byte(unrelated), 0o600); err != nil {
		t.Fatal(err)
	}
	asked := 0
	set, err := known.Open(path, known.Options{CacheDir: t.TempDir(), Progress: func(string, int64, int64) { asked++ }})
	if err != nil {
		t.Fatal(err)
	}
	f := tree(t, demoMemory(t), Options{Known: []*known.Set{set}})
	for _, dir := range []string{".", "1912-svchost.exe", "1912-svchost.exe/modules", driversName} {
		entries, err := iofs.ReadDir(f, dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if _, err := e.Info(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if asked > 0 {
		t.Errorf("%d times a set was read for a listing", asked)
	}
	read(t, f, "processes.csv")
	if asked == 0 {
		t.Error("the set was not read")
	}
}

// TestSetThatCannotBeRead: a failed lookup is reported, beside the lookups that succeed, and is tried again.
func TestSetThatCannotBeRead(t *testing.T) {
	mem := demoMemory(t)
	file := []byte(read(t, tree(t, mem, Options{}), "1912-svchost.exe/restored.exe"))
	gone := filepath.Join(t.TempDir(), "gone.txt")
	os.WriteFile(gone, []byte(unrelated), 0o600)
	set, err := known.Open(gone, known.Options{})
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(gone)
	f := tree(t, mem, Options{Known: append(knownSets(t, fmt.Sprintf("%x  a\n", md5.Sum(file))), set)})
	if got, want := rowOf(t, f, "1912")["known"], "not what runs, but its file: MD5 in set0.txt: a; not looked up in gone.txt: no such file or directory"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := rowOf(t, tree(t, mem, Options{Known: []*known.Set{set}}), "1912")["known"], "not looked up in gone.txt: no such file or directory"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestKnownEndsWithItsReader: when the reader goes away, the work ends, and the next reader begins anew.
func TestKnownEndsWithItsReader(t *testing.T) {
	f := tree(t, demoMemory(t), Options{Known: knownSets(t, unrelated)})
	file, err := f.Open("processes.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := file.(ContextReaderAt).ReadAtContext(gone, make([]byte, 10), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("one who has gone reads: %v", err)
	}
	if _, err := file.(ContextReaderAt).ReadAtContext(t.Context(), make([]byte, 10), 0); err != nil {
		t.Error(err)
	}
}
