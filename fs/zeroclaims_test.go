package fs

import (
	"bytes"
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"memlens/memimage/digest"
	"memlens/memimage/reference"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"
	"memlens/render/figure"
)

// claim is a file that claims any size behind its header: zeros, all missing. It counts the bytes that are read.
type claim struct {
	header []byte
	size   int64
	read   atomic.Int64
}

func (c *claim) ReadAt(p []byte, off int64) (int, error) {
	c.read.Add(int64(len(p)))
	clear(p)
	if off < int64(len(c.header)) {
		copy(p, c.header[off:])
	}
	return len(p), nil
}

func (c *claim) Zeros(off int64) int64 {
	if off < int64(len(c.header)) {
		return 0
	}
	return c.size - off
}

func (c *claim) missing() []figure.Span {
	at := int64(len(c.header))
	return []figure.Span{{Off: at, Len: c.size - at}}
}

// TestDigestsOfClaims digests files with hardly any bytes. Zeros are read for MD5 and SHA-256 alone, and not even for
// these where a header claims more than any program has.
func TestDigestsOfClaims(t *testing.T) {
	for _, c := range []struct {
		size, most int64
		md5        bool
	}{{65 << 20, 70 << 20, true}, {3 << 30, 32 << 20, false}} {
		f := &claim{header: synth.DemoOriginals()["cmd.exe"], size: c.size}
		d, err := digest.Of("x", f, f.size, ranges(f.missing()))
		if err != nil || (d.MD5 != "") != c.md5 || (d.SHA256 != "") != c.md5 {
			t.Errorf("%d bytes: MD5 %q, SHA-256 %q, error %v", c.size, d.MD5, d.SHA256, err)
		}
		if n := f.read.Load(); n > c.most {
			t.Errorf("%d bytes: %d were read, want at most %d", c.size, n, c.most)
		}
	}
}

// TestClaimedDigestsAreThoseOfBytes compares the digests of a file that is known to be zeros with the digests of the
// zeros.
func TestClaimedDigestsAreThoseOfBytes(t *testing.T) {
	f := &claim{header: synth.DemoOriginals()["cmd.exe"], size: 3<<20 + 77}
	got, err1 := digest.Of("x", f, f.size, nil)
	plain := make([]byte, f.size)
	f.ReadAt(plain, 0)
	want, err2 := digest.Of("x", bytes.NewReader(plain), f.size, nil)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if got.MD5 != want.MD5 || got.Ssdeep != want.Ssdeep || got.TLSH != want.TLSH || got.Sdhash != want.Sdhash || !bytes.Equal(got.Blocks, want.Blocks) {
		t.Errorf("%+v, want %+v", got, want)
	}
	a := &digest.Parsed{Digests: digest.Digests{Size: 1 << 31}}
	if a.Like(a).Exact {
		t.Error("files without a digest are said to be the same")
	}
}

// TestNoDigestOfClaimsInFigures looks at the foot of a figure.
func TestNoDigestOfClaimsInFigures(t *testing.T) {
	r, err := sparse.NewReader(1<<31, sparse.Extent{Len: 3, Src: sparse.Bytes([]byte("MZ\x90"))})
	if err != nil {
		t.Fatal(err)
	}
	f, _ := demo(t)
	s, err := f.sums("x", &body{Content: sized{sparse.ZeroFill(r, nil), r.Size()}, strict: r})
	if err != nil || s.lacks == nil || !strings.Contains(s.lines(), "2147483645 bytes are missing") {
		t.Errorf("%v, error %v", s, err)
	}
	if n, m := strings.Count(s.lines(), "\n"), strings.Count(new(sums).lines(), "\n"); n != m {
		t.Errorf("%d lines, announced were %d", n+1, m+1)
	}
}

// TestHugeReferences has references that claim a terabyte beside sound ones.
func TestHugeReferences(t *testing.T) {
	dir := folder(t, synth.DemoOriginals())
	huge := filepath.Join(dir, "services.exe")
	if err := os.Truncate(huge, 1<<40); err != nil {
		t.Skip(err)
	}
	refs := references(t, dir, huge)
	f := tree(t, demoMemory(t), Options{References: refs})
	if list := refs.TooLarge(); len(list) != 1 || list[0].Path != huge {
		t.Errorf("too large: %v", list)
	}
	rows := similarRows(t, f, "3256-cmd.exe")
	if rows[0][0] != "cmd.exe" {
		t.Errorf("%v, want cmd.exe first", rows[0])
	}
	at := slices.IndexFunc(rows, func(row []string) bool { return row[0] == "services.exe" })
	if at < 0 || !strings.Contains(cell(t, rows[at], "note"), "larger than 1 GiB") {
		t.Errorf("%v: does not name what is too large", rows)
	}
	for _, e := range entryNames(t, f, "652-services.exe/diff-vs") {
		if strings.HasPrefix(e, "services.exe") {
			t.Errorf("%s is listed", e)
		}
	}
	if _, err := f.Stat("652-services.exe/diff-vs/services.exe.json"); !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func entryNames(t *testing.T, f *FS, dir string) (names []string) {
	t.Helper()
	list, err := f.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// TestHolesOfReferences asks a sparse reference for its zeros.
func TestHolesOfReferences(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse.exe")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 600<<20); err != nil {
		t.Fatal(err)
	}
	b, err := openReference(reference.OnHost("sparse.exe", path))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	n := sparse.ZeroRun(whole{b.within(context.Background())}, 1<<20, b.Size())
	if n == 0 {
		t.Skip("this file system does not tell holes")
	}
	if n != 599<<20 {
		t.Errorf("%d zeros are known, want %d", n, 599<<20)
	}
}

// TestWorkEndsWithItsReader reads files whose work never ends by itself, and goes away.
func TestWorkEndsWithItsReader(t *testing.T) {
	f, _ := demo(t)
	var makings atomic.Int64
	started, finish := make(chan bool), make(chan bool)
	l := f.later("slow", 5, func(ctx context.Context) ([]byte, error) {
		makings.Add(1)
		started <- true
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-finish:
			return []byte("done\n"), nil
		}
	})
	file := &openFile{node: place{name: "slow"}, body: &body{Content: l}}
	if !file.Making() {
		t.Error("the file is not said to be in the making")
	}
	read := func() (context.CancelFunc, <-chan error) {
		ctx, cancel := context.WithCancel(context.Background())
		result := make(chan error, 1)
		go func() {
			_, err := file.ReadAtContext(ctx, make([]byte, 5), 0)
			result <- err
		}()
		return cancel, result
	}
	leave1, first := read()
	<-started
	leave2, second := read() // waits for the first
	leave2()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("a reader that waited got %v", err)
	}
	_, third := read()
	leave1()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the reader that left got %v", err)
	}
	<-started // the third begins anew
	finish <- true
	if err := <-third; err != nil || makings.Load() != 2 || file.Making() {
		t.Errorf("error %v, made %d times", err, makings.Load())
	}
}

// TestDigestsEndWithTheirReader ends digesting at the first reading after its reader is gone.
func TestDigestsEndWithTheirReader(t *testing.T) {
	f, _ := demo(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, name := range []string{"3256-cmd.exe/similar.csv", "3256-cmd.exe/diff-vs/cmd.exe.json", "3256-cmd.exe/diff-vs/cmd.exe.png",
		"3256-cmd.exe/map.png", "3256-cmd.exe/blink.gif"} {
		file, err := f.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.(ContextReaderAt).ReadAtContext(ctx, make([]byte, 10), 0); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		if n, err := file.(io.ReaderAt).ReadAt(make([]byte, 10), 0); n != 10 {
			t.Errorf("%s, read by one who stays: %v", name, err)
		}
		file.Close()
	}
}

// TestWaitingForReferencesEnds waits for references that another reader has digested for ever.
func TestWaitingForReferencesEnds(t *testing.T) {
	f, _ := demo(t)
	if err := f.comparing.Acquire(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	file, err := f.Open("3256-cmd.exe/similar.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	go func() {
		_, err := file.(ContextReaderAt).ReadAtContext(ctx, make([]byte, 10), 0)
		result <- err
	}()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestListingEndsWithItsReader lists the results of a scan, and goes away.
func TestListingEndsWithItsReader(t *testing.T) {
	f, _ := demo(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.ReadDirContext(ctx, "scanned"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := f.OpenContext(ctx, "scanned/processes.csv"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := f.ReadDir("scanned"); err != nil {
		t.Error(err)
	}
}

// TestTablesEndWithTheirOpener opens tables of all processes, and goes away after the first process: the table is not
// made to the end, and nothing of it is kept.
func TestTablesEndWithTheirOpener(t *testing.T) {
	f, _ := demo(t)
	for _, name := range []string{"processes.csv", "index.html", "scanned/processes.csv", "scanned/index.html"} {
		if _, err := f.ReadDir("scanned"); err != nil { // the scan is done
			t.Fatal(err)
		}
		ctx := newPatience(1)
		if _, err := f.OpenContext(ctx, name); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := f.StatContext(newPatience(0), name); !errors.Is(err, context.Canceled) {
			t.Errorf("the size of %s: %v", name, err)
		}
		if got := read(t, f, name); len(got) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
}
