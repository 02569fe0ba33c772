package format

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// writersDir has files that other programs wrote from the known memory, and writers.csv, which has a row for each:
//
//   - file, name: the file, packed once more with xz where that made it much smaller, and the name to open it by
//   - beside: other files that must lie beside it, FILE=NAME
//   - format: the expected Image.Format
//   - runs: the ranges of memory, in hexadecimal; the end of a range is not in it
//   - size, sha256: the digest of the memory from 0 up to size, gaps as zeros, measured without this package
//   - differs: pages that the writer changed, or that were changed for it
//   - writer, source, made: the program, where its source is, and how the file was made
//   - remarks: the differences from the known memory, and their reason
const writersDir = "testdata/writers"

// writersMemoryFile is where TestWritersMemory puts the known memory, for tools to pack.
var writersMemoryFile = flag.String("writersmemory", "", "write the memory that testdata/writers holds to this file, zeros in its gaps")

// writersMemory is the memory in the files of testdata/writers: pages as in testMemory, but fewer, for each file
// holds the whole memory. Page 8 is all noise, which no packer makes smaller.
func writersMemory() []run {
	runs := []run{
		{0x1000, testPages(0x1000, 20)},
		{0x20000, testPages(0x20000, 30)},
		{0x48000, testPages(0x48000, 10)},
	}
	for _, r := range runs {
		for at := 0; at < len(r.data); at += pageSize {
			if page := (int(r.addr) + at) / pageSize; page%5 >= 2 && page != 8 {
				clear(r.data[at+128 : at+pageSize])
			}
		}
	}
	return runs
}

func TestWritersMemory(t *testing.T) {
	if *writersMemoryFile == "" {
		t.Skip("no file is asked for")
	}
	if err := os.WriteFile(*writersMemoryFile, flat(writersMemory()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writtenFile is a row of writers.csv, by the names of its columns.
type writtenFile map[string]string

func writtenFiles(t *testing.T) []writtenFile {
	t.Helper()
	f, err := os.Open(filepath.Join(writersDir, "writers.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) < 2 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	var files []writtenFile
	for _, row := range rows[1:] {
		w := writtenFile{}
		for i, column := range rows[0] {
			w[column] = row[i]
		}
		files = append(files, w)
	}
	return files
}

// span is a range of addresses; its end is not in it.
type span struct{ from, to int64 }

// spans reads the ranges in a column, such as "1000-15000 20000-3e000".
func (w writtenFile) spans(t *testing.T, column string) []span {
	t.Helper()
	var out []span
	for _, text := range strings.Fields(w[column]) {
		var s span
		if _, err := fmt.Sscanf(text, "%x-%x", &s.from, &s.to); err != nil {
			t.Fatalf("%s: %q: %v", column, text, err)
		}
		out = append(out, s)
	}
	return out
}

// source returns the file under the name by which the test opens it, with the files that must lie beside it.
func (w writtenFile) source(t *testing.T) *memSource {
	t.Helper()
	src := newMemSource(w["name"], writtenContent(t, w["file"], w["name"]))
	src.siblings = map[string][]byte{}
	for _, beside := range strings.Fields(w["beside"]) {
		file, name, _ := strings.Cut(beside, "=")
		src.siblings[name] = writtenContent(t, file, name)
	}
	return src
}

// writtenContent reads a file, which is packed once more with xz where that made it much smaller.
func writtenContent(t *testing.T, file, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(writersDir, file))
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Ext(file) != ".xz" || filepath.Ext(name) == ".xz" {
		return data
	}
	r, err := xz.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if data, err = io.ReadAll(r); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return data
}

// TestFilesOfOtherWriters opens files that other programs wrote. Each file has the known memory where its row says,
// and gaps where the writer left memory out. Its whole memory has the digest that was measured without this package.
func TestFilesOfOtherWriters(t *testing.T) {
	corpus.Long(t)
	known := flat(writersMemory())
	for _, w := range writtenFiles(t) {
		t.Run(w["file"], func(t *testing.T) {
			im, err := Open(w.source(t), Options{SpoolDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer im.Close()
			if im.Format != w["format"] {
				t.Errorf("format %q, want %q", im.Format, w["format"])
			}
			checkSpans(t, im, w.spans(t, "runs"))
			checkKnown(t, im, known, w.spans(t, "differs"))
			size, err := strconv.ParseInt(w["size"], 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			if sum := digest(t, im.Memory, size); hex.EncodeToString(sum[:]) != w["sha256"] {
				t.Errorf("SHA-256 of %#x bytes is %x, want %s", size, sum, w["sha256"])
			}
		})
	}
}

// checkSpans checks that these ranges have memory, and that no other place has.
func checkSpans(t *testing.T, im *Image, want []span) {
	t.Helper()
	var got []span
	for r, err := range sparse.Runs(im.Memory) {
		if err != nil {
			t.Fatal(err)
		}
		switch n := len(got); {
		case r.Err != nil:
		case n > 0 && got[n-1].to == r.Off:
			got[n-1].to = r.End()
		default:
			got = append(got, span{r.Off, r.End()})
		}
	}
	if fmt.Sprintf("%x", got) != fmt.Sprintf("%x", want) {
		t.Errorf("memory is at %x, want %x (%q)", got, want, im.Notes)
	}
}

// checkKnown checks that every page that can be read is as in the known memory, and zeros behind its end. The ranges
// that the writer changed are exceptions: each must have a change.
func checkKnown(t *testing.T, im *Image, known []byte, changed []span) {
	t.Helper()
	buf := make([]byte, pageSize)
	for r, err := range sparse.Runs(im.Memory) {
		if err != nil {
			t.Fatal(err)
		}
		for off := r.Off; r.Err == nil && off < r.End(); off += pageSize {
			if _, err := im.Memory.ReadAt(buf, off); err != nil && err != io.EOF {
				t.Fatalf("reading %#x: %v", off, err)
			}
			want := make([]byte, pageSize)
			if off < int64(len(known)) {
				copy(want, known[off:])
			}
			if same := bytes.Equal(buf, want); same == inSpans(changed, off) {
				t.Fatalf("page %#x: as in the known memory: %v", off, same)
			}
		}
	}
}

func inSpans(spans []span, off int64) bool {
	for _, s := range spans {
		if s.from <= off && off < s.to {
			return true
		}
	}
	return false
}
