package format

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// splitNamed cuts a file into pieces with these names; the source is the first piece.
func splitNamed(data []byte, names ...string) *memSource {
	src := newMemSource(names[0], nil)
	src.siblings = map[string][]byte{}
	step := (len(data)/len(names) + pageSize) &^ (pageSize - 1)
	for i, name := range names {
		src.siblings[name] = data[min(i*step, len(data)):min((i+1)*step, len(data))]
	}
	src.Source = sparse.Bytes(src.siblings[names[0]])
	return src
}

// TestPieces has the names that tools give to the pieces of a file.
func TestPieces(t *testing.T) {
	for _, names := range [][]string{
		{"a.001", "a.002", "a.003"},
		{"a.000", "a.001", "a.002"},
		{"a.raw.0", "a.raw.1", "a.raw.2"},
		{"xaa", "xab", "xac"},
		{"xaaa", "xaab"},
		{"x00", "x01", "x02"},
		{"a.lime.aa", "a.lime.ab"},
		{"a.lime.AA", "a.lime.AB"},
		{"case_7-aa", "case_7-ab"},
		{"a.raw", "a.raw.1", "a.raw.2"},
		{"a.raw", "A.RAW.1"},
	} {
		t.Run(strings.Join(names, " "), func(t *testing.T) {
			im, err := Open(splitNamed(writeLiME(testMemory()), names...), Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer im.Close()
			if im.Format != "split: LiME" || len(im.Truncated) > 0 || !noteWith(im, names[len(names)-1]) {
				t.Errorf("format %q, truncated %q, notes %q", im.Format, im.Truncated, im.Notes)
			}
			checkMemory(t, im, testMemory())
		})
	}
}

// TestMissingPiece checks that a missing piece is a hole, and that the bytes behind it are in the right place.
func TestMissingPiece(t *testing.T) {
	whole := slices.Concat(testPages(0, 40))
	for _, names := range [][]string{{"a.001", "a.002", "a.003", "a.004"}, {"xaa", "xab", "xac", "xad"}, {"a.raw", "a.raw.1", "a.raw.2", "a.raw.3"}} {
		src := splitNamed(whole, names...)
		size := int64(len(src.siblings[names[0]]))
		delete(src.siblings, names[1])
		im, err := Open(src, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if im.Format != "split: raw" || len(im.Truncated) != 1 || !strings.Contains(im.Truncated[0].String(), names[1]) || !noteWith(im, "The piece "+names[1]+" of the image is missing") {
			t.Errorf("%s: format %q, truncated %q, notes %q", names, im.Format, im.Truncated, im.Notes)
		}
		if cut := im.Truncated[0]; cut.Have != uint64(int64(len(whole))-size) || cut.Promised != uint64(len(whole)) {
			t.Errorf("%s: %s, want %#x of %#x bytes", names, cut, int64(len(whole))-size, len(whole))
		}
		got := make([]byte, len(whole))
		if n, err := sparse.ZeroFill(im.Memory, nil).ReadAt(got, 0); n < len(got) {
			t.Fatal(err)
		}
		var missing []sparse.Run
		for r, err := range sparse.Runs(im.Memory) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Err != nil {
				missing = append(missing, r)
			}
		}
		if n := im.Memory.Covered(); n != int64(len(whole))-size {
			t.Errorf("%s: %#x bytes are said to be there, of %#x without %#x", names, n, len(whole), size)
		}
		if len(missing) != 1 || missing[0].Off != size || missing[0].Len != size {
			t.Errorf("%s: missing %v, want %#x bytes at %#x", names, missing, size, size)
		}
		want := slices.Clone(whole)
		clear(want[size : 2*size])
		if !slices.Equal(got, want) {
			t.Errorf("%s: other bytes", names)
		}
		im.Close()
	}
}

// TestTruncatedFirstPiece has a second piece that is longer than the first: then the length that the first piece had
// is not known.
func TestTruncatedFirstPiece(t *testing.T) {
	src := splitNamed(testPages(0, 40), "a.001", "a.002")
	short := withFiles("a.001", src.siblings["a.001"][:5*pageSize], "a.002", src.siblings["a.002"])
	im, err := Open(short, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if im.Memory.Size() != 5*pageSize || len(im.Truncated) != 1 || !noteWith(im, "a.002, the last piece, is longer") {
		t.Errorf("%#x bytes, truncated %q, notes %q", im.Memory.Size(), im.Truncated, im.Notes)
	}
}

// TestParts has pieces of about one size, as split -n makes them: older versions put the bytes that are left over
// into the last part, newer ones make the first parts longer by a byte.
func TestParts(t *testing.T) {
	whole := testPages(0, 40)[:160001]
	for _, sizes := range [][]int{{40000, 40000, 40000, 40001}, {40001, 40000, 40000, 40000}, {53333, 53333, 53335}, {53334, 53334, 53333}, {80000, 80001}, {80001, 80000}} {
		src, at := withFiles("xaa", whole[:sizes[0]]), 0
		for i, n := range sizes {
			src.siblings["xa"+string(rune('a'+i))] = whole[at : at+n]
			at += n
		}
		im, err := Open(src, Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(whole))
		if n, err := im.Memory.ReadAt(got, 0); n < len(got) || !slices.Equal(got, whole) || len(im.Truncated) > 0 {
			t.Errorf("%v: %d bytes, %v, truncated %q", sizes, n, err, im.Truncated)
		}
		im.Close()
	}
}

// TestNotPieces has files beside each other that are not pieces of one file.
func TestNotPieces(t *testing.T) {
	memory := testPages(0x1000, 8) // begins with its address
	for name, c := range map[string]struct {
		src  *memSource
		note string
	}{
		"a second download":             {withFiles("a.raw", memory, "a.raw.1", memory), "a.raw.1 lies beside this file"},
		"a copy that begins with zeros": {withFiles("a.raw", testPages(0, 8), "a.raw.1", testPages(0, 8)), "a.raw.1 lies beside this file"},
		"two LiME files":                {withFiles("a.001", writeLiME(testMemory()[:1]), "a.002", writeLiME(testMemory()[1:])), "a.002 lies beside this file"},
		"other names":                   {withFiles("a01", memory, "a02", testPages(0, 8)), ""},
		"a later piece":                 {withFiles("a.003", memory, "a.002", memory, "a.001", testPages(0x8000, 8)), "open the first, a.001"},
		"a later piece of split":        {withFiles("xac", memory, "xaa", memory), "open the first, xaa"},
		"a word in small letters":       {withFiles("mem.raw", memory, "mem.rax", testPages(0, 8)), ""},
		"one of another long row":       {withFiles("a.001", memory, "a.900", testPages(0, 8)), "a.002 is missing"},
		"only a piece behind more":      {withFiles("a.raw", memory, "a.raw.7", testPages(0, 8)), ""},
	} {
		im, err := Open(c.src, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(im.Format, "split") {
			t.Errorf("%s: format %q", name, im.Format)
		}
		if c.note != "" && !noteWith(im, c.note) {
			t.Errorf("%s: notes %q", name, im.Notes)
		}
		im.Close()
	}
}

// withFiles is a file with others beside it: names and contents in turn.
func withFiles(name string, data []byte, others ...any) *memSource {
	src := newMemSource(name, data)
	src.siblings = map[string][]byte{name: data}
	for i := 0; i < len(others); i += 2 {
		src.siblings[others[i].(string)] = others[i+1].([]byte)
	}
	return src
}

// TestSplitOfCoreutils opens the pieces that the program split makes, with each of its ways to name the pieces.
func TestSplitOfCoreutils(t *testing.T) {
	corpus.Long(t)
	split := tool(t, "split")
	whole := append(testPages(0, 200), 1, 2, 3)
	for _, args := range [][]string{nil, {"-d"}, {"-x"}, {"-a3"}, {"-d", "-a4"}, {"--numeric-suffixes=1"}, {"--additional-suffix="}} {
		for _, prefix := range []string{"x", "mem.raw."} {
			for _, bytes := range []int{len(whole) / 2, 8192, 2048} {
				if bytes == 2048 && prefix != "x" {
					continue
				}
				if len(whole)/bytes > 98 && slices.Contains(args, "--numeric-suffixes=1") {
					continue // split gives up
				}
				name := fmt.Sprintf("%q %s %d", args, prefix, bytes)
				dir := t.TempDir()
				if err := os.WriteFile(filepath.Join(dir, "whole"), whole, 0o600); err != nil {
					t.Fatal(err)
				}
				cmd := exec.Command(split, append(slices.Clone(args), "-b", fmt.Sprint(bytes), "whole", prefix)...)
				cmd.Dir = dir
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%s: %v: %s", name, err, out)
				}
				if err := os.Remove(filepath.Join(dir, "whole")); err != nil {
					t.Fatal(err)
				}
				entries, err := os.ReadDir(dir)
				if err != nil {
					t.Fatal(err)
				}
				im, err := OpenFile(filepath.Join(dir, entries[0].Name()), Options{})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				got := make([]byte, len(whole))
				if n, err := im.Memory.ReadAt(got, 0); n < len(whole) || !slices.Equal(got, whole) {
					t.Errorf("%s: %d pieces from %s: format %s, %d bytes read of %d, %v; %.500q", name, len(entries), entries[0].Name(), im.Format, n, len(whole), err, im.Notes)
				}
				if im.Format != "split: raw" {
					t.Errorf("%s: format %s", name, im.Format)
				}
				if err := im.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
					t.Error(err)
				}
			}
		}
	}
}

// FuzzPieces has files with any names beside each other: no piece is made up that is not in the folder.
func FuzzPieces(f *testing.F) {
	f.Add("a.001", "a.002")
	f.Add("xaa", "xab")
	f.Add("mem.raw", "mem.raw.1")
	f.Add("\u212a.aa", "k.ab")
	f.Add("İ.00", "i.01")
	f.Fuzz(func(t *testing.T, name, other string) {
		src := withFiles(name, testPages(0, 2), other, testPages(0x2000, 2))
		im, err := Open(src, Options{})
		if err != nil {
			return
		}
		defer im.Close()
		if n := im.Memory.Size(); n > maxSegmentFiles*2*pageSize {
			t.Errorf("%#x bytes of two files with %#x", n, 2*pageSize)
		}
	})
}
