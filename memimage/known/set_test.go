package known

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"memlens/memimage/synth/corpus"
)

// written returns the path of a new set with a text in it.
func written(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func opened(t testing.TB, path string, o Options) *Set {
	t.Helper()
	s, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func lookUp(t testing.TB, s *Set, digests ...[]byte) (Match, bool) {
	t.Helper()
	m, ok, err := s.Lookup(t.Context(), digests...)
	if err != nil {
		t.Fatal(err)
	}
	return m, ok
}

// randomSet makes a set of n lines with digests of all sizes, Many digests have the same beginning, some occur twice,
// and most names occur several times. The map has the expected names: if a digest has several names, the first.
func randomSet(seed uint64, n int) (text string, want map[string]string) {
	r := rand.New(rand.NewPCG(seed, 1))
	var out strings.Builder
	want = map[string]string{}
	var all [][]byte
	for range n {
		d := make([]byte, sizes[r.IntN(len(sizes))])
		for j := range d {
			d[j] = byte(r.Uint32())
		}
		switch {
		case len(all) > 0 && r.IntN(8) == 0:
			d = all[r.IntN(len(all))]
		case r.IntN(3) == 0:
			clear(d[:len(d)-2]) // they differ only at the end
		case r.IntN(50) == 0:
			copy(d, bytes.Repeat([]byte{0xff}, len(d)))
		}
		all = append(all, d)
		name := fmt.Sprintf("file %d", r.IntN(n/2+1))
		if _, ok := want[string(d)]; !ok {
			want[string(d)] = name
		}
		fmt.Fprintf(&out, "%x  %s\n", d, name)
	}
	return out.String(), want
}

// TestIndexAgainstMap compares indexes of random sets, of sizes around the borders of blocks, with a map.
func TestIndexAgainstMap(t *testing.T) {
	corpus.Long(t)
	for i, n := range []int{1, 2, blockEntries - 1, blockEntries, blockEntries + 1, 3*blockEntries - 1, 3 * blockEntries, 3*blockEntries + 1, 9000} {
		for _, most := range []int{maxWaiting, 40 * (32 + refSize)} { // in memory, and in many runs
			text, want := randomSet(uint64(i), n)
			checkIndex(t, indexOf(t, text, most), want)
		}
	}
}

// indexOf makes an index in which at most so many bytes of entries wait.
func indexOf(t *testing.T, text string, most int) *index {
	t.Helper()
	var files [2]*os.File
	for i := range files {
		f, err := os.CreateTemp(t.TempDir(), "*")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		files[i] = f
	}
	w := newWriter(t.Context(), files[0], files[1])
	for i, size := range sizes {
		w.sorters[i] = newSorter(size, most, w.spill)
	}
	stats, err := parse(strings.NewReader(text), w.add)
	if err == nil {
		err = w.finish(stats)
	}
	if err != nil {
		t.Fatal(err)
	}
	x, err := openFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func checkIndex(t *testing.T, x *index, want map[string]string) {
	t.Helper()
	for d, name := range want {
		got, ok, err := x.lookup([]byte(d))
		if err != nil || !ok || string(got) != name {
			t.Fatalf("%x is known as %q, %v, %v; it should be as %q", d, got, ok, err, name)
		}
		near := []byte(d)
		for _, step := range []byte{1, 0xff} { // the digest before it and the digest behind it
			near[len(near)-1] += step
			_, known := want[string(near)]
			if _, ok, err := x.lookup(near); err != nil || ok != known {
				t.Fatalf("%x is known: %v, %v; it should be: %v", near, ok, err, known)
			}
			near[len(near)-1] -= step
		}
	}
}

// TestOrder checks that the first of the given digests that is in the set is returned.
func TestOrder(t *testing.T) {
	s := opened(t, "testdata/hashdeep-md5.txt", Options{CacheDir: t.TempDir()})
	plain, comma := digestOf(t, sums("plain")[16]), digestOf(t, sums("comma")[16])
	if m, ok := lookUp(t, s, make([]byte, 32), comma, plain); !ok || m != (Match{1, "b c,d.txt"}) {
		t.Errorf("found %v, %v", m, ok)
	}
	if m, ok := lookUp(t, s, make([]byte, 16), nil, make([]byte, 20), comma[:15]); ok {
		t.Errorf("found %v", m)
	}
}

// TestStrongestOnly checks that a record with several digests is not found by a weaker one: somebody may have made
// another file with that digest.
func TestStrongestOnly(t *testing.T) {
	s := opened(t, "testdata/hashdeep-all.txt", Options{CacheDir: t.TempDir()})
	all := sums("plain")
	if m, ok := lookUp(t, s, digestOf(t, all[16]), digestOf(t, all[20])); ok {
		t.Errorf("found %v", m)
	}
	if m, ok := lookUp(t, s, digestOf(t, all[32])); !ok || m.Name != "a.txt" {
		t.Errorf("found %v, %v", m, ok)
	}
}

func digestOf(t *testing.T, text string) []byte {
	t.Helper()
	d, ok := parseDigest([]byte(text))
	if !ok {
		t.Fatalf("%q is no digest", text)
	}
	return d.bytes[:d.size]
}

// TestWrappings reads one set in all encodings, and packed.
func TestWrappings(t *testing.T) {
	plain, err := os.ReadFile("testdata/sha256sum.txt")
	if err != nil {
		t.Fatal(err)
	}
	wide := func(order binary.AppendByteOrder) string {
		var out []byte
		for _, unit := range utf16.Encode([]rune("\ufeff" + string(plain))) {
			out = order.AppendUint16(out, unit)
		}
		return string(out)
	}
	packed := func(w io.WriteCloser, out *bytes.Buffer) string {
		w.Write(plain)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	var gz, x, zst bytes.Buffer
	xw, _ := xz.NewWriter(&x)
	zw, _ := zstd.NewWriter(&zst)
	for name, text := range map[string]string{"plain": string(plain), "UTF-8": "\ufeff" + string(plain), "UTF-16LE": wide(binary.LittleEndian), "UTF-16BE": wide(binary.BigEndian),
		"gzip": packed(gzip.NewWriter(&gz), &gz), "xz": packed(xw, &x), "zstd": packed(zw, &zst)} {
		t.Run(name, func(t *testing.T) {
			s := opened(t, written(t, "set", text), Options{CacheDir: t.TempDir()})
			for name, content := range genuine {
				if m, ok := lookUp(t, s, digestOf(t, sums(content)[32])); !ok || m.Name != name {
					t.Errorf("%q is known as %v, %v", name, m, ok)
				}
			}
			if stats, err := s.Stats(t.Context()); err != nil || stats.Records != int64(len(genuine)) || stats.Skipped != 0 {
				t.Errorf("%+v, %v", stats, err)
			}
		})
	}
	t.Run("cut off", func(t *testing.T) {
		raw := gz.Bytes()
		s := opened(t, written(t, "set", string(raw[:len(raw)-20])), Options{CacheDir: t.TempDir()})
		if _, _, err := s.Lookup(t.Context(), make([]byte, 16)); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a file that is cut off gives %v", err)
		}
	})
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"SQLite": {"SQLite format 3\x00" + strings.Repeat("\x00", 100), "sqlite3 -csv -header"}, "zip": {"PK\x03\x04rest of it", "unpack it"},
		"text": {"\n\nHello, world\n", `line 3 is "Hello, world"`}, "empty": {"", "it is empty"}, "digests in XML": {"<?xml version='1.0'?>", "XML"},
		"an executable": {"MZ\x90\x00" + strings.Repeat("\x00", 5000), "no hashes"},
	} {
		if _, err := Open(written(t, name, c.text), Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(t.TempDir(), Options{}); err == nil || !strings.Contains(err.Error(), "not a file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := Open("/nonexistent", Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// TestExportOfSQLite runs the command that is proposed for NSRL's databases on a database of the same form.
func TestExportOfSQLite(t *testing.T) {
	tool, err := exec.LookPath("sqlite3")
	if err != nil {
		if os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip("sqlite3 is not installed")
	}
	all := sums("plain")
	db := filepath.Join(t.TempDir(), "RDS.db")
	schema := fmt.Sprintf(`CREATE TABLE FILE (sha256 VARCHAR NOT NULL, sha1 VARCHAR NOT NULL, md5 VARCHAR NOT NULL, crc32 VARCHAR NOT NULL, file_name VARCHAR NOT NULL,
		file_size INTEGER NOT NULL, package_id INTEGER NOT NULL, CONSTRAINT PK_FILE__FILE PRIMARY KEY (sha256, sha1, md5, crc32, file_name, file_size, package_id));
		INSERT INTO FILE VALUES ('%s', '%s', '%s', '0', 'a "quoted", name', 5, 1);`, strings.ToUpper(all[32]), strings.ToUpper(all[20]), strings.ToUpper(all[16]))
	if out, err := exec.Command(tool, db, schema).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_, err = Open(db, Options{})
	if err == nil {
		t.Fatal("a database was opened")
	}
	_, command, _ := strings.Cut(err.Error(), "by sqlite3")
	command = strings.NewReplacer("FILE.db", db, "nsrl.csv", db+".csv").Replace(tool + command)
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
	if m, ok := lookUp(t, opened(t, db+".csv", Options{CacheDir: t.TempDir()}), digestOf(t, all[32])); !ok || m.Name != `a "quoted", name` {
		t.Errorf("found %v, %v", m, ok)
	}
}

// TestFailureIsKept checks that a set that cannot be read is not read again for each digest.
func TestFailureIsKept(t *testing.T) {
	path, reads := written(t, "set", sums("a")[32]+"  a\n"), 0
	s := opened(t, path, Options{Progress: func(string, int64, int64) { reads++ }})
	t.Setenv("TMPDIR", filepath.Join(path, "no folder"))
	for range 3 {
		if _, _, err := s.Lookup(t.Context(), make([]byte, 16)); err == nil {
			t.Fatal("an index was made nowhere")
		}
		t.Setenv("TMPDIR", t.TempDir())
	}
	if reads > 0 {
		t.Error("it was tried again at once")
	}
	s.since = time.Now().Add(-2 * patience)
	if _, ok := lookUp(t, s, digestOf(t, sums("a")[32])); !ok {
		t.Error("it is not tried again")
	}
}

// TestKept checks that an index is used again, is made anew when the set has changed, and is not kept without a
// folder.
func TestKept(t *testing.T) {
	path, dir := written(t, "set", sums("a")[32]+"  a\n"), t.TempDir()
	reads := 0
	o := Options{CacheDir: dir, Progress: func(what string, done, total int64) {
		if done == total && strings.HasPrefix(what, "reading") {
			reads++
		}
	}}
	look := func(text, name string, known bool, want int) {
		t.Helper()
		reads = 0
		if m, ok := lookUp(t, opened(t, path, o), digestOf(t, sums(text)[32])); ok != known || m.Name != name {
			t.Errorf("%q is known as %v, %v", text, m, ok)
		}
		if min(reads, 1) != want {
			t.Errorf("the set was read %d times, want %d", reads, want)
		}
	}
	look("a", "a", true, 1)
	look("a", "a", true, 0)
	look("b", "", false, 0)
	os.WriteFile(path, []byte(sums("b")[32]+"  b\n"), 0o600)
	os.Chtimes(path, time.Now(), time.Now().Add(time.Second))
	look("b", "b", true, 1)
	look("a", "", false, 0)
	if left, _ := filepath.Glob(filepath.Join(dir, indexesName, unfinished+"*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	t.Setenv("TMPDIR", t.TempDir())
	for _, o.CacheDir = range []string{"", filepath.Join(path, "no folder")} {
		look("b", "b", true, 1)
		look("b", "b", true, 1)
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestDamage changes single bytes of an index, and cuts the index off at many places: then it is made anew, and
// lookups give the same results.
func TestDamage(t *testing.T) {
	corpus.Long(t)
	text, want := randomSet(7, 6)
	path, dir := written(t, "set", text), t.TempDir()
	ask := func() *Set {
		t.Helper()
		s := opened(t, path, Options{CacheDir: dir})
		for d, name := range want {
			if m, ok := lookUp(t, s, []byte(d)); !ok || m.Name != name {
				t.Fatalf("%x is known as %v, %v; it should be as %q", d, m, ok, name)
			}
		}
		return s
	}
	ask()
	indexes, _ := filepath.Glob(filepath.Join(dir, indexesName, "*"+indexSuffix))
	if len(indexes) != 1 {
		t.Fatalf("the folder has %v", indexes)
	}
	whole, err := os.ReadFile(indexes[0])
	if err != nil {
		t.Fatal(err)
	}
	rebuilt, tried := 0, 0
	for i := 0; i < len(whole); i += 5 {
		for _, damaged := range [][]byte{whole[:i], slices.Concat(whole[:i], []byte{whole[i] ^ 0x10}, whole[i+1:])} {
			if err := os.WriteFile(indexes[0], damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			ask()
			tried++
			if now, err := os.ReadFile(indexes[0]); err != nil {
				t.Fatal(err)
			} else if bytes.Equal(now, whole) {
				rebuilt++
			}
		}
	}
	if rebuilt < tried*9/10 { // the magic at the beginning is not read, and names without a digest are not read
		t.Errorf("of %d damaged indexes %d were made anew", tried, rebuilt)
	}
}

// TestDiskFails checks that an index that is damaged as soon as it is made is an error, not a loop.
func TestDiskFails(t *testing.T) {
	s := opened(t, written(t, "set", sums("a")[32]+"  a\n"), Options{CacheDir: t.TempDir()})
	for range 2 {
		x, err := s.opened(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		x.firsts[2][0] ^= 0xff
		clear(x.firsts[2])
		x.footer.Tables[2].Off++
		if _, _, err = s.Lookup(t.Context(), digestOf(t, sums("a")[32])); err == nil {
			continue // it was made anew
		}
		if !errors.Is(err, errDamaged) {
			t.Errorf("the error is %v", err)
		}
		return
	}
	t.Error("no error was noticed")
}

// TestEndedByContext checks that cancelled work leaves no files behind, and that the next lookup begins anew.
func TestEndedByContext(t *testing.T) {
	text, want := randomSet(3, 20000)
	path, dir := written(t, "set", text), t.TempDir()
	for _, phase := range []string{"reading", "sorting"} {
		ctx, cancel := context.WithCancel(t.Context())
		s := opened(t, path, Options{CacheDir: dir, Progress: func(what string, done, total int64) {
			if strings.HasPrefix(what, phase) && done > 0 {
				cancel()
			}
		}})
		_, _, err := s.Lookup(ctx, make([]byte, 16))
		if phase == "reading" && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", phase, err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, indexesName, unfinished+"*")); len(left) > 0 {
			t.Errorf("%s: left behind: %v", phase, left)
		}
		for d := range want {
			if _, ok := lookUp(t, s, []byte(d)); !ok {
				t.Errorf("%s: %x is not known", phase, d)
			}
			break
		}
	}
}

// TestManyAtOnce asks sets of one file in one folder from many goroutines.
func TestManyAtOnce(t *testing.T) {
	text, want := randomSet(4, 3000)
	path, dir := written(t, "set", text), t.TempDir()
	one := opened(t, path, Options{CacheDir: dir})
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			s := one
			if i%2 == 0 {
				s, _ = Open(path, Options{CacheDir: dir})
			}
			for d, name := range want {
				if m, ok, err := s.Lookup(t.Context(), []byte(d)); err != nil || !ok || m.Name != name {
					t.Errorf("%x is known as %v, %v, %v", d, m, ok, err)
					return
				}
			}
		})
	}
	wait.Wait()
}

// TestOfAnotherProcess is run by TestProcesses in processes of its own.
func TestOfAnotherProcess(t *testing.T) {
	path, dir := os.Getenv("KNOWN_SET"), os.Getenv("KNOWN_DIR")
	if path == "" {
		t.Skip("run by TestProcesses")
	}
	s := opened(t, path, Options{CacheDir: dir})
	_, want := randomSet(5, 40000)
	for d, name := range want {
		if m, ok := lookUp(t, s, []byte(d)); !ok || m.Name != name {
			t.Fatalf("%x is known as %v, %v", d, m, ok)
		}
	}
}

// TestProcesses has processes make one index at the same time, and kills one in the middle of it.
func TestProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	text, _ := randomSet(5, 40000)
	path, dir := written(t, "set", text), t.TempDir()
	start := func() *exec.Cmd {
		c := exec.Command(os.Args[0], "-test.run=^TestOfAnotherProcess$")
		c.Env = append(os.Environ(), "KNOWN_SET="+path, "KNOWN_DIR="+dir)
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	killed := start()
	for { // until it has begun to write
		if left, _ := filepath.Glob(filepath.Join(dir, indexesName, unfinished+"*")); len(left) > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	killed.Process.Kill()
	killed.Wait()
	both := []*exec.Cmd{start(), start()}
	for _, c := range both {
		if err := c.Wait(); err != nil {
			t.Errorf("%v: %s", err, c.Stdout)
		}
	}
	indexes, _ := filepath.Glob(filepath.Join(dir, indexesName, "*"+indexSuffix))
	if len(indexes) != 1 {
		t.Errorf("the indexes are %v", indexes)
	}
}

// TestPrune checks that the index that was used longest ago is removed first, and that old unfinished files are
// removed.
func TestPrune(t *testing.T) {
	dir := t.TempDir()
	s := &Set{options: Options{CacheDir: dir}}
	os.MkdirAll(s.folder(), 0o700)
	now := time.Now()
	for i, name := range []string{"a.index", "b.index", "c.index", "making-1", "making-2", "other"} {
		path := filepath.Join(s.folder(), name)
		os.WriteFile(path, make([]byte, 100), 0o600)
		at := now.Add(time.Duration(i-10) * time.Minute)
		if name == "making-1" {
			at = now.Add(-2 * maxAbandoned)
		}
		os.Chtimes(path, at, at)
	}
	s.prune(250)
	var left []string
	entries, _ := os.ReadDir(s.folder())
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{"b.index", "c.index", "making-2", "other"}; !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v", left, want)
	}
}

// FuzzIndex checks that any bytes can be read as an index without harm.
func FuzzIndex(f *testing.F) {
	text, _ := randomSet(1, 40)
	path, dir := written(f, "set", text), f.TempDir()
	s := opened(f, path, Options{CacheDir: dir})
	lookUp(f, s, make([]byte, 16))
	indexes, _ := filepath.Glob(filepath.Join(dir, indexesName, "*"+indexSuffix))
	raw, err := os.ReadFile(indexes[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw, []byte("0123456789abcdef"))
	f.Fuzz(func(t *testing.T, raw, digest []byte) {
		x, err := openIndex(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			return
		}
		x.lookup(digest)
		for i := range x.firsts {
			x.lookup(x.firsts[i][:min(len(x.firsts[i]), sizes[i])])
		}
	})
}
