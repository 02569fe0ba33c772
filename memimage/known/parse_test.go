package known

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// found is a record in the form of the tests.
type found struct {
	name    string
	digests []string
}

// parsed returns the records of a text, each with the digests by which it is found.
func parsed(t testing.TB, text string) ([]found, Stats) {
	t.Helper()
	var out []found
	stats, err := parse(strings.NewReader(text), func(r *record) error {
		f := found{name: string(r.name)}
		for _, d := range r.strongest() {
			f.digests = append(f.digests, hex.EncodeToString(d.bytes[:d.size]))
		}
		out = append(out, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, stats
}

// genuine are the files from which testdata/make.sh makes sets, by their names.
var genuine = map[string]string{
	"a.txt": "plain", "b c,d.txt": "comma", "new\nline.txt": "line", `back\slash.txt`: "backslash", `qu"ote.txt`: "quote",
	"é.txt": "accent", "cr\r.txt": "return", "*star.txt": "star", "x) = y.txt": "bracket",
}

// sums are the digests of a text by their size.
func sums(text string) map[int]string {
	m, s, l := md5.Sum([]byte(text)), sha1.Sum([]byte(text)), sha256.Sum256([]byte(text))
	return map[int]string{md5.Size: hex.EncodeToString(m[:]), sha1.Size: hex.EncodeToString(s[:]), sha256.Size: hex.EncodeToString(l[:])}
}

// TestGenuineSets reads sets that the tools wrote. Tools that do not escape names break the name with a line feed in
// it: then its digest is known with the beginning of the name.
func TestGenuineSets(t *testing.T) {
	for _, c := range []struct {
		file   string
		size   int
		broken bool // names are not escaped
		names  bool
	}{
		{"hashdeep", sha256.Size, true, true}, {"hashdeep-all", sha256.Size, true, true}, {"hashdeep-md5", md5.Size, true, true},
		{"md5deep", md5.Size, true, true}, {"md5deep-z", md5.Size, true, true}, {"md5deep-kt", md5.Size, true, true},
		{"md5deep-cz", md5.Size, true, true}, {"md5deep-q", md5.Size, false, false}, {"sha1deep", sha1.Size, true, true}, {"sha256deep", sha256.Size, true, true},
		{"md5sum", md5.Size, false, true}, {"sha1sum-b", sha1.Size, false, true}, {"sha256sum", sha256.Size, false, true},
		{"sha256sum-tag", sha256.Size, false, true}, {"md5sum-tag", md5.Size, false, true}, {"openssl", sha256.Size, true, true},
	} {
		raw, err := os.ReadFile(filepath.Join("testdata", c.file+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		for _, ends := range []string{"\n", "\r\n"} {
			t.Run(fmt.Sprintf("%s%q", c.file, ends), func(t *testing.T) {
				checkGenuine(t, strings.ReplaceAll(string(raw), "\n", ends), c.size, c.broken, c.names)
			})
		}
	}
}

func checkGenuine(t *testing.T, text string, size int, broken, names bool) {
	records, stats := parsed(t, text)
	byDigest := map[string]string{}
	for _, r := range records {
		if len(r.digests) != 1 {
			t.Errorf("%q has the digests %v", r.name, r.digests)
			continue
		}
		byDigest[r.digests[0]] = r.name
	}
	for name, content := range genuine {
		want := name
		if broken {
			want, _, _ = strings.Cut(name, "\n")
		}
		if !names {
			want = ""
		}
		got, ok := byDigest[sums(content)[size]]
		if broken && want != name && !ok && size == sha256.Size && strings.Contains(text, "SHA2-256(new") {
			continue // the digest is behind the broken name
		}
		if !ok || got != want {
			t.Errorf("%q is known as %q, %v; it should be as %q", name, got, ok, want)
		}
	}
	if stats.Skipped > 2 || !broken && stats.Skipped > 0 || stats.Records != int64(len(records)) {
		t.Errorf("the counts are %+v", stats)
	}
}

// TestOtherDigests checks that digests of other algorithms are not taken for supported ones, even if they have the
// same length.
func TestOtherDigests(t *testing.T) {
	raw, err := os.ReadFile("testdata/sha512sum-tag.txt")
	if err != nil {
		t.Fatal(err)
	}
	sha := strings.Repeat("ab", 32)
	for _, text := range []string{string(raw), "SHA512/256 (a) = " + sha, "BLAKE2b-256 (a) = " + sha, "MD5 (a) = " + sha, sha + "00", sha[:62], sha + "x  a",
		"%%%% HASHDEEP-1.0\n%%%% size,tiger,filename\n1," + sha + ",a\n"} {
		records, stats := parsed(t, text)
		if len(records) != 0 && !strings.Contains(text, "tiger") || stats.Skipped == 0 {
			t.Errorf("%q gives %v, %+v", text, records, stats)
		}
	}
}

func TestTables(t *testing.T) {
	m, s, l := strings.Repeat("1a", 16), strings.Repeat("2b", 20), strings.Repeat("3c", 32)
	upper := strings.ToUpper
	for name, c := range map[string]struct {
		text    string
		want    []found
		skipped int64
	}{
		"NSRL since 2.0": {"\"SHA-1\",\"MD5\",\"CRC32\",\"FileName\",\"FileSize\",\"ProductCode\",\"OpSystemCode\",\"SpecialCode\"\r\n\"" + upper(s) + "\",\"" + upper(m) + "\",\"EBD105A0\",\"I05002T2.PFB\",98865,3095,\"WIN\",\"\"\r\n",
			[]found{{"I05002T2.PFB", []string{s}}}, 0},
		"NSRL 1": {"\"SHA-1\",\"FileName\",\"FileSize\",\"ProductCode\",\"OpSystemCode\",\"MD4\",\"MD5\",\"CRC32\",\"SpecialCode\"\n\"" + s + "\",\"a,b.dll\",1,2,\"WIN\",\"" + m + "\",\"" + m + "\",\"0\",\"\"\n",
			[]found{{"a,b.dll", []string{s}}}, 0},
		"RDS version 3, exported":            {"sha256,sha1,md5,FileName\n" + l + "," + s + "," + m + ",ntdll.dll\n", []found{{"ntdll.dll", []string{l}}}, 0},
		"exported with doubled marks":        {"sha1,md5,file_name\n\"\"\"" + s + "\"\"\",\"\"\"" + m + "\"\"\",\"\"\"x\"\"\"\n", []found{{`"x"`, []string{s}}}, 0},
		"without names of columns":           {"\"" + s + "\",\"" + m + "\",\"EBD105A0\",\"a.dll\",12,3,\"WIN\",\"\"\n", []found{{"a.dll", []string{s}}}, 0},
		"PowerShell":                         {"#TYPE Selected\n\"Algorithm\",\"Hash\",\"Path\"\n\"SHA256\",\"" + upper(l) + "\",\"C:\\a.dll\"\n", []found{{`C:\a.dll`, []string{l}}}, 0},
		"authentihash":                       {"name;md5;authentihash\na;" + m + ";" + l + "\n", []found{{"a", []string{m, l}}}, 0},
		"authentihash is no MD5":             {"name;authentihash\na;" + m + "\n", nil, 1},
		"a mark within a name":               {"md5,name,x\n" + m + ",\"a\"b\",1\n", []found{{`a"b`, []string{m}}}, 0},
		"doubled marks":                      {"md5,name\n" + m + ",\"a\"\"b\"\n", []found{{`a"b`, []string{m}}}, 0},
		"a line feed in a name":              {"md5,name\n" + m + ",\"a\nb\"\n" + m + ",c\n", []found{{"a\nb", []string{m}}, {"c", []string{m}}}, 0},
		"a stray mark swallows a line":       {"md5,name\n" + m + ",\"a\n" + m + ",\"c\"\n" + m + ",d\n", []found{{"a\n" + m + `,"c`, []string{m}}, {"d", []string{m}}}, 0},
		"a stray mark that is noticed":       {"md5,name\n" + m + ",\"a\n" + m + ",\"c\",e\n" + m + ",d\n", []found{{"a\n" + m + `,"c`, []string{m}}, {"d", []string{m}}}, 2},
		"a field that never ends":            {"md5,name\n" + m + ",\"a\n" + strings.Repeat("x\n", 20) + m + ",d\n", []found{{"d", []string{m}}}, 21},
		"one behind another":                 {"md5,name\n" + m + ",a\nname,sha1\nb," + s + "\n", []found{{"a", []string{m}}, {"b", []string{s}}}, 0},
		"a digest of the wrong length":       {"md5,name\n" + m[:30] + ",a\n" + m + ",b\n", []found{{"b", []string{m}}}, 1},
		"fewer fields":                       {"name,md5\na\nb," + m + "\n", []found{{"b", []string{m}}}, 1},
		"bare hashes, blank lines, comments": {"# list\n\n" + m + "\n  " + s + "  \n" + upper(l) + "\n", []found{{"", []string{m}}, {"", []string{s}}, {"", []string{l}}}, 0},
		"hashdeep between others":            {m + "  a\n%%%% HASHDEEP-1.0\n%%%% size,sha1,filename\n1," + s + ",b,c\n", []found{{"a", []string{m}}, {"b,c", []string{s}}}, 0},
		"too long a line":                    {m + "  " + strings.Repeat("x", maxLine) + "\n" + s + "\n", []found{{"", []string{s}}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			got, stats := parsed(t, c.text)
			if !slices.EqualFunc(got, c.want, func(a, b found) bool { return a.name == b.name && slices.Equal(a.digests, b.digests) }) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if stats.Skipped != c.skipped {
				t.Errorf("%+v, want %d skipped", stats, c.skipped)
			}
		})
	}
}

// FuzzParse checks that any bytes can be read as a set without harm, that each record's digests are in the text, and
// that the counts of lines add up.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txt")
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte("\"SHA-1\",\"MD5\",\"FileName\"\n\"" + strings.Repeat("A", 40) + "\",\"" + strings.Repeat("B", 32) + "\",\"a\nb\"\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		lower, n := bytes.ToLower(raw), int64(0)
		stats, err := parse(bytes.NewReader(raw), func(r *record) error {
			n++
			if len(r.strongest()) == 0 {
				t.Error("a record has no digest")
			}
			for _, d := range r.digests {
				if !bytes.Contains(lower, []byte(hex.EncodeToString(d.bytes[:d.size]))) {
					t.Errorf("%x is made up", d.bytes[:d.size])
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if lines := int64(bytes.Count(raw, []byte("\n"))) + 1; n != stats.Records || stats.Lines > lines || stats.Skipped > lines || stats.First > lines {
			t.Errorf("%d records, %d lines: %+v", n, lines, stats)
		}
	})
}
