package format

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

// affWriter writes segments.
type affWriter struct{ out []byte }

func newAFFWriter() *affWriter { return &affWriter{[]byte(affMagic)} }

func (w *affWriter) segment(name string, arg uint32, data []byte) {
	w.out = append(w.out, "AFF\x00"...)
	for _, v := range []uint32{uint32(len(name)), uint32(len(data)), arg} {
		w.out = binary.BigEndian.AppendUint32(w.out, v)
	}
	w.out = append(append(append(w.out, name...), data...), "ATT\x00"...)
	w.out = binary.BigEndian.AppendUint32(w.out, uint32(affHead+len(name)+len(data)+affTail))
}

func (w *affWriter) quad(name string, v uint64) {
	w.segment(name, 2, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(v)), uint32(v>>32)))
}

// writeAFF writes an image in pages of a size, by the method of the flags; zeros have their own.
func writeAFF(t testing.TB, image []byte, size int, flags uint32) []byte {
	w := newAFFWriter()
	w.segment("badflag", 0, make([]byte, 512))
	w.segment("aff_file_type", 0, []byte("AFF"))
	w.segment("pagesize", uint32(size), nil)
	for i := 0; i < len(image); i += size {
		page := image[i:min(i+size, len(image))]
		name := fmt.Sprintf("page%d", i/size)
		switch {
		case flags&affCompressed != 0 && bytes.Count(page, []byte{0}) == len(page):
			w.segment(name, affCompressed|affZero, binary.BigEndian.AppendUint32(nil, uint32(len(page))))
		case flags&affCompressed == 0:
			w.segment(name, 0, page)
		case flags&affMethod == affLZMA:
			w.segment(name, flags, packLZMA(t, page))
		default:
			w.segment(name, flags, packZlib(t, page))
		}
	}
	w.quad("imagesize", uint64(len(image)))
	sum := md5.Sum(image)
	w.segment("md5", 0, sum[:])
	return w.out
}

func affWrappings() []wrapping {
	of := func(size int, flags uint32) func(testing.TB, []run) *memSource {
		return func(t testing.TB, r []run) *memSource {
			return newMemSource("a.aff", writeAFF(t, writeLiME(r), size, flags))
		}
	}
	return []wrapping{
		{name: "AFF, plain", format: "AFF: LiME", write: of(64<<10, 0)},
		{name: "AFF, zlib", format: "AFF: LiME", write: of(64<<10, affCompressed)},
		{name: "AFF, LZMA", format: "AFF: LiME", write: of(64<<10, affCompressed|affLZMA)},
		{name: "AFF, large pages", format: "AFF: LiME", write: of(16<<20, affCompressed)},
	}
}

// TestAFFTools opens the files that AFFLIB writes from one image.
func TestAFFTools(t *testing.T) {
	corpus.Long(t)
	tool(t, "affconvert")
	image := bytes.Repeat(append(testPages(0x1000, 9), make([]byte, 100<<10)...), 3)
	image = append(image, testPages(0x5000, 2)[:pageSize+77]...)
	for _, options := range [][]string{{"-x"}, {"-X1"}, {"-X9"}, {"-L"}, {"-x", "-s64k"}, {"-X7", "-s64k"}, {"-L", "-s64k"}, {}} {
		t.Run(strings.Join(options, " "), func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "a.raw"), image, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("affconvert", append(append([]string{"-q"}, options...), "-o", "a.aff", "a.raw")...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v %s", err, out)
			}
			im, err := OpenFile(filepath.Join(dir, "a.aff"), Options{SpoolDir: dir})
			if err != nil {
				t.Fatal(err)
			}
			defer im.Close()
			if im.Format != "AFF: raw" || len(im.Doubts) > 0 || len(im.Truncated) > 0 {
				t.Errorf("%s: %q %q", im.Format, im.Doubts, im.Notes)
			}
			checkMemory(t, im, []run{{0, image}})
			checked, err := im.Verify(context.Background(), nil)
			if err != nil || len(checked) != 2 || !checked[0].Good() || !checked[1].Good() {
				t.Errorf("%v, digests %+v", err, checked)
			}
		})
	}
}

// TestAFFOfSeveralFilesIsNamed has the files that AFFLIB writes when one file is not enough.
func TestAFFOfSeveralFilesIsNamed(t *testing.T) {
	for what, write := range map[string]func(w *affWriter){
		"encrypted": func(w *affWriter) { w.segment("affkey_aes256", 0, make([]byte, 52)) },
		"metadata":  func(w *affWriter) { w.segment("aff_file_type", 0, []byte("AFM")) },
		"folder":    func(w *affWriter) { w.segment("aff_file_type", 0, []byte("AFD")) },
		"without":   func(w *affWriter) { w.segment("aff_file_type", 0, []byte("AFF")) },
	} {
		w := newAFFWriter()
		write(w)
		_, err := Open(newMemSource("a.aff", w.out), Options{})
		var not *NotMemoryError
		if !errors.As(err, &not) || !strings.Contains(not.What, what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAFFPageIsMissing(t *testing.T) {
	corpus.Long(t)
	image := testPages(0x1000, 12)
	for _, size := range []int{4 * pageSize, 2 << 20} {
		whole := bytes.Repeat(image, size*3/len(image)+1)[:size*3]
		for name, damage := range map[string]func(data []byte, at int){
			"named otherwise": func(data []byte, at int) { data[at+affHead] = 'x' },
			"damaged":         func(data []byte, at int) { data[at+affHead+40] ^= 0x55; data[at+affHead+41] ^= 0x55 },
		} {
			data := writeAFF(t, whole, size, affCompressed)
			damage(data, bytes.Index(data, []byte("page1"))-affHead)
			im, err := Open(newMemSource("a.aff", data), Options{SpoolDir: t.TempDir()})
			if err != nil {
				t.Fatal(name, err)
			}
			checkMemory(t, im, []run{{0, whole[:size]}, {uint64(2 * size), whole[2*size:]}})
			if said := strings.Join(append(im.Damage(), im.Notes...), " "); !strings.Contains(said, "missing") {
				t.Errorf("%s: %q", name, said)
			}
			im.Close()
		}
	}
}

func TestAFFDoubts(t *testing.T) {
	data := writeAFF(t, testPages(0, 600), 2<<20, affCompressed)
	at := bytes.Index(data, []byte("md5"))
	data[at+3] ^= 1
	im, err := Open(newMemSource("a.aff", data), Options{SpoolDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if len(im.Doubts) != 1 || !strings.Contains(im.Doubts[0], "MD5") {
		t.Errorf("doubts %q", im.Doubts)
	}
	w := newAFFWriter()
	w.out = append(w.out, writeAFF(t, testPages(0, 6), pageSize, 0)[len(affMagic):]...)
	w.quad("badsectors", 3)
	im, err = Open(newMemSource("a.aff", w.out), Options{})
	if err != nil || len(im.Doubts) != 1 || !strings.Contains(im.Doubts[0], "3 sectors") {
		t.Errorf("%v %+v", err, im)
	}
}

func FuzzAFF(f *testing.F) {
	for _, flags := range []uint32{0, affCompressed, affCompressed | affLZMA} {
		f.Add(writeAFF(f, testPage(pageSize)[:2000], 512, flags))
	}
	fuzzOpener(f, openAFF)
}

// TestAFFPagesOfAnotherSize has pages that are not as long as the file says that pages are, and an image that ends before
// its last page: either is said.
func TestAFFPagesOfAnotherSize(t *testing.T) {
	image := writeLiME(testMemory())
	whole := writeAFF(t, image, 64<<10, 0)
	for _, size := range []uint32{32 << 10, 60 << 10, 68 << 10, 128 << 10} {
		data := bytes.Clone(whole)
		at := bytes.Index(data, []byte("pagesize"))
		binary.BigEndian.PutUint32(data[at-4:], size)
		im, err := Open(newMemSource("a.aff", data), Options{})
		if err != nil {
			continue
		}
		if said := strings.Join(im.Doubts, " "); !strings.Contains(said, "not as long as its pages should be") {
			t.Errorf("pages of %d: doubts %q", size, im.Doubts)
		}
		_ = im.Close()
	}
	data := bytes.Clone(whole)
	at := bytes.Index(data, []byte("imagesize"))
	binary.BigEndian.PutUint32(data[at+len("imagesize"):], 64<<10)
	im := openTest(t, newMemSource("a.aff", data))
	if !noteWith(im, "behind the end of the image") {
		t.Errorf("notes %q", im.Notes)
	}
	checkSubset(t, im, flat(testMemory()))
}

// TestAFFManyDigests has the same digest again and again.
func TestAFFManyDigests(t *testing.T) {
	w := &affWriter{writeAFF(t, writeLiME(testMemory()), 64<<10, affCompressed)}
	for i := range 3 * affMaxDigests {
		w.segment("md5", 0, bytes.Repeat([]byte{1}, 16))
		w.segment("sha1", 0, bytes.Repeat([]byte{byte(i)}, 20))
	}
	if im := openTest(t, newMemSource("a.aff", w.out)); len(im.Digests) != affMaxDigests {
		t.Errorf("%d digests", len(im.Digests))
	}
}
