package format

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

func packWith(t testing.TB, data []byte, open func(io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := open(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packGzip(t testing.TB, data []byte) []byte {
	return packWith(t, data, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil })
}

func packLZ4(t testing.TB, data []byte) []byte {
	return packWith(t, data, func(w io.Writer) (io.WriteCloser, error) { return lz4.NewWriter(w), nil })
}

func packSnappy(t testing.TB, data []byte) []byte {
	return packWith(t, data, func(w io.Writer) (io.WriteCloser, error) { return s2.NewWriter(w, s2.WriterSnappyCompat()), nil })
}

func packS2(t testing.TB, data []byte) []byte {
	return packWith(t, data, func(w io.Writer) (io.WriteCloser, error) { return s2.NewWriter(w, s2.WriterBlockSize(128<<10)), nil })
}

func packZstd(t testing.TB, data []byte) []byte {
	return packWith(t, data, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) })
}

// packZstdFrames writes a frame for each 100000 bytes and a skippable one behind them, as the seekable format does.
func packZstdFrames(t testing.TB, data []byte) []byte {
	code, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(true))
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for i := 0; i < len(data); i += 100000 {
		out = code.EncodeAll(data[i:min(i+100000, len(data))], out)
	}
	return append(out, "\x5e\x2a\x4d\x18\x04\x00\x00\x00seek"...)
}

func packXZ(blockSize int64) func(testing.TB, []byte) []byte {
	return func(t testing.TB, data []byte) []byte {
		return packWith(t, data, func(w io.Writer) (io.WriteCloser, error) {
			return xz.WriterConfig{BlockSize: blockSize}.NewWriter(w)
		})
	}
}

// packPzstd writes frames as pzstd does, each behind one to be skipped that has its size.
func packPzstd(t testing.TB, data []byte) []byte {
	code, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for i := 0; i < len(data); i += 100000 {
		frame := code.EncodeAll(data[i:min(i+100000, len(data))], nil)
		out = append(out, "\x50\x2a\x4d\x18\x04\x00\x00\x00"...)
		out = append(binary.LittleEndian.AppendUint32(out, uint32(len(frame))), frame...)
	}
	return out
}

func packLZ4Legacy(t testing.TB, data []byte) []byte {
	return packWith(t, data, func(w io.Writer) (io.WriteCloser, error) {
		z := lz4.NewWriter(w)
		return z, z.Apply(lz4.LegacyOption(true))
	})
}

func packLZMA(t testing.TB, data []byte) []byte {
	return packWith(t, data, func(w io.Writer) (io.WriteCloser, error) { return lzma.NewWriter(w) })
}

func packZlib(t testing.TB, data []byte) []byte {
	return packWith(t, data, func(w io.Writer) (io.WriteCloser, error) { return zlib.NewWriter(w), nil })
}

type zipEntry struct {
	name   string
	data   []byte
	method uint16
}

func packZip(t testing.TB, entries ...zipEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.RegisterCompressor(zstd.ZipMethodWinZip, zstd.ZipCompressor())
	for _, e := range entries {
		f, err := w.CreateHeader(&zip.FileHeader{Name: e.name, Method: e.method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// packedWrappings lists the containers that hold other containers.
func packedWrappings() []wrapping {
	packed := func(name, format string, pack func(testing.TB, []byte) []byte) wrapping {
		return kept(wrapping{name: name, format: format + ": LiME", write: func(t testing.TB, r []run) *memSource {
			return newMemSource("a.lime.z", pack(t, writeLiME(r)))
		}})
	}
	zipped := func(method uint16) func(testing.TB, []byte) []byte {
		return func(t testing.TB, data []byte) []byte {
			return packZip(t, zipEntry{"case/readme.txt", []byte("hello"), zip.Deflate}, zipEntry{"case/a.lime", data, method})
		}
	}
	return []wrapping{
		packed("gzip", "gzip", packGzip),
		packed("snappy", "snappy", packSnappy),
		packed("S2", "S2", packS2),
		packed("lz4", "lz4", packLZ4),
		packed("zstd", "zstd", packZstd),
		packed("zstd, many frames", "zstd", packZstdFrames),
		packed("zstd, of pzstd", "zstd", packPzstd),
		packed("lz4, behind a frame to be skipped", "lz4", func(t testing.TB, data []byte) []byte {
			return append([]byte("\x5a\x2a\x4d\x18\x05\x00\x00\x00hello"), packLZ4(t, data)...)
		}),
		packed("lz4, legacy", "lz4 (legacy)", packLZ4Legacy),
		packed("lzma", "lzma", packLZMA),
		packed("zlib", "zlib", packZlib),
		packed("xz", "xz", packXZ(0)),
		packed("xz, many blocks", "xz", packXZ(50000)),
		packed("zip, stored", "zip", zipped(zip.Store)),
		packed("zip, deflated", "zip", zipped(zip.Deflate)),
		packed("zip, zstd", "zip", zipped(zstd.ZipMethodWinZip)),
		packed("gzip in zip", "zip: gzip", func(t testing.TB, data []byte) []byte {
			return packZip(t, zipEntry{"a.lime.gz", packGzip(t, data), zip.Store})
		}),
	}
}

func TestRandomAccessNeedsNoSpool(t *testing.T) {
	lime := writeLiME(testMemory())
	never := func(string, int64) error { return errors.New("must not be spooled") }
	for name, data := range map[string][]byte{
		"zstd, many frames": packZstdFrames(t, lime),
		"xz, many blocks":   packXZ(50000)(t, lime),
		"zip, stored":       packZip(t, zipEntry{"a", lime, zip.Store}),
	} {
		im, err := Open(newMemSource("a", data), Options{Spool: never})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkMemory(t, im, testMemory())
	}
}

func TestSpoolIsAskedForAndLeavesNothing(t *testing.T) {
	data := packGzip(t, writeLiME(testMemory()))
	dir := t.TempDir()
	no := errors.New("no space in this house")
	if _, err := Open(newMemSource("a.gz", data), Options{SpoolDir: dir, Spool: func(string, int64) error { return no }}); !errors.Is(err, no) {
		t.Errorf("%v", err)
	}
	var place string
	var last int64
	im, err := Open(newMemSource("a.gz", data), Options{
		SpoolDir: dir,
		Spool:    func(path string, _ int64) error { place = path; return nil },
		Progress: func(done, total int64) { last = done * 100 / total },
	})
	if err != nil {
		t.Fatal(err)
	}
	if place != dir || last != 100 || !noteWith(im, dir) {
		t.Errorf("place %q, progress %d%%, notes %q", place, last, im.Notes)
	}
	if err := im.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%d files are left", len(left))
	}
}

func TestPackedForeignFilesAreRefusedEarly(t *testing.T) {
	data := packGzip(t, append([]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00"), make([]byte, 5<<20)...))
	calls := 0
	_, err := Open(newMemSource("a.gz", data), Options{SpoolDir: t.TempDir(), Progress: func(int64, int64) { calls++ }})
	var not *NotMemoryError
	if !errors.As(err, &not) || !strings.Contains(not.What, "ELF") || calls > 0 {
		t.Errorf("%v after %d steps", err, calls)
	}
}

func TestTooManyContainers(t *testing.T) {
	data := writeLiME(testMemory())
	for range 6 {
		data = packZip(t, zipEntry{"a", data, zip.Store})
	}
	if _, err := Open(newMemSource("a.zip", data), Options{}); err == nil || !strings.Contains(err.Error(), "inside each other") {
		t.Errorf("%v", err)
	}
}

func TestZipEncryptedIsNamed(t *testing.T) {
	data := packZip(t, zipEntry{"a.raw", testPages(0, 2), zip.Store})
	data[6] |= 1
	data[bytes.Index(data, []byte("PK\x01\x02"))+8] |= 1
	if _, err := Open(newMemSource("a.zip", data), Options{}); err == nil || !strings.Contains(err.Error(), "encrypted") {
		t.Errorf("%v", err)
	}
}

// TestCompressedByLiME opens a file that LiME wrote with compress=1: one zlib stream with a window of 2 KiB.
func TestCompressedByLiME(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(corpus.Case(t, "named-containers"), "compressed.lime"))
	if err != nil {
		t.Fatal(err)
	}
	im, err := Open(newMemSource("compressed.lime", data), Options{SpoolDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if im.Format != "zlib: LiME" {
		t.Errorf("format %q", im.Format)
	}
}

// TestMemoryThatLooksCompressed has memory that begins as compressed files do, and is not compressed.
func TestMemoryThatLooksCompressed(t *testing.T) {
	for _, head := range []string{"\x78\x9c", "\x38\x8d", "\x5d\x00\x00\x81\x01\xff\xff\xff\xff\xff\xff\xff\xff", "\x50\x2a\x4d\x18\x04\x00\x00\x00"} {
		data := testPages(0, 40)
		copy(data[pageSize:], data[3*pageSize:])
		copy(data, head)
		small := packZlib(t, []byte("hello"))
		for _, d := range [][]byte{data, append(small, data...)} {
			im, err := Open(newMemSource("a.raw", d), Options{SpoolDir: t.TempDir()})
			if err != nil || im.Format != "raw" {
				t.Errorf("%q: %v, %+v", head, err, im)
			}
		}
	}
}

// TestPackingTools opens the files that the usual tools make of one image.
func TestPackingTools(t *testing.T) {
	corpus.Long(t)
	want := testMemory()
	for _, c := range []struct {
		name, format string
		command      []string
	}{
		{"gzip", "gzip: LiME", []string{"gzip", "-c", "a.lime"}},
		{"bzip2", "bzip2: LiME", []string{"bzip2", "-c", "a.lime"}},
		{"xz", "xz: LiME", []string{"xz", "-c", "a.lime"}},
		{"xz with blocks", "xz: LiME", []string{"xz", "-c", "--block-size=65536", "a.lime"}},
		{"xz with threads", "xz: LiME", []string{"xz", "-c", "-T4", "a.lime"}},
		{"zstd", "zstd: LiME", []string{"zstd", "-c", "a.lime"}},
		{"zstd long", "zstd: LiME", []string{"zstd", "-c", "--long=27", "-19", "a.lime"}},
		{"pzstd", "zstd: LiME", []string{"sh", "-c", "pzstd -q -p2 -c a.lime"}},
		{"zstd --format=lzma", "lzma: LiME", []string{"zstd", "--format=lzma", "-c", "a.lime"}},
		{"xz --format=lzma", "lzma: LiME", []string{"xz", "--format=lzma", "-9", "-c", "a.lime"}},
		{"lz4", "lz4: LiME", []string{"lz4", "-c", "a.lime"}},
		{"lz4, legacy", "lz4 (legacy): LiME", []string{"lz4", "-l", "-c", "a.lime"}},
		{"zip", "zip: LiME", []string{"zip", "-q", "-", "a.lime"}},
		{"zip stored", "zip: LiME", []string{"sh", "-c", "zip -q -0 x.zip a.lime && cat x.zip"}},
		{"zip of xz", "zip: xz: LiME", []string{"sh", "-c", "xz -k a.lime && zip -q y.zip a.lime.xz && cat y.zip"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tool(t, c.command[0])
			if c.command[0] == "sh" {
				name, _, _ := strings.Cut(c.command[2], " ")
				tool(t, cmp.Or(map[string]string{"xz": "zip"}[name], name))
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "a.lime"), writeLiME(want), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(c.command[0], c.command[1:]...)
			cmd.Dir = dir
			packed, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			im, err := OpenFile(writeFile(t, "a.packed", packed), Options{SpoolDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer im.Close()
			if im.Format != c.format {
				t.Errorf("format %q", im.Format)
			}
			checkMemory(t, im, want)
		})
	}
}

func FuzzPacked(f *testing.F) {
	lime := writeLiME([]run{{0x1000, testPages(0x1000, 3)}})
	for _, pack := range []func(testing.TB, []byte) []byte{packGzip, packSnappy, packS2, packLZ4, packZstd, packZstdFrames, packXZ(0), packXZ(5000), packPzstd, packLZ4Legacy, packLZMA, packZlib} {
		f.Add(pack(f, lime))
	}
	fuzzOpener(f, openPacked)
}

func FuzzZip(f *testing.F) {
	lime := writeLiME([]run{{0x1000, testPages(0x1000, 3)}})
	f.Add(packZip(f, zipEntry{"a.lime", lime, zip.Store}, zipEntry{"b", lime[:9], zip.Deflate}))
	f.Add(packZip(f, zipEntry{"a.lime", lime, zip.Deflate}))
	fuzzOpener(f, openZip)
}

// TestDamagedStreamIsDoubted changes a byte in the middle of files that are compressed as a whole: nothing shows
// which bytes of the memory are wrong, and so the image says that no byte is sure. It says the same of a file that
// ends before its checksum.
func TestDamagedStreamIsDoubted(t *testing.T) {
	corpus.Long(t)
	for _, w := range packedWrappings() {
		t.Run(w.name, func(t *testing.T) {
			src := w.write(t, testMemory())
			whole := content(t, src)
			doubted := 0
			for i := range 24 {
				data := bytes.Clone(whole)
				data[len(data)*(i+4)/30] ^= 0x10
				im, err := Open(&memSource{sparse.Bytes(data), src.name, nil}, Options{SpoolDir: t.TempDir()})
				if err != nil {
					continue
				}
				known := len(im.Doubts) > 0 || noteWith(im, "that it has none is assumed") || noteWith(im, "its checksum there is not checked") || noteWith(im, "has no checksum")
				if !known && !trueMemory(im.Memory, flat(testMemory())) {
					t.Errorf("a changed byte at %d/30 makes memory wrong, and the image does not say so", i+4)
				}
				if len(im.Doubts) > 0 {
					doubted++
				}
				im.Close()
			}
			t.Logf("%d of up to 24 places make the image doubt itself", doubted)
			im, err := Open(&memSource{sparse.Bytes(whole[:len(whole)*2/3]), src.name, nil}, Options{SpoolDir: t.TempDir()})
			if err == nil && len(im.Doubts) == 0 && noteWith(im, "temporary file") {
				t.Errorf("a file that is cut off before its checksum is not doubted: %q", im.Notes)
			}
		})
	}
}

// trueMemory reports whether all bytes that can be read from a memory are as in want.
func trueMemory(mem *sparse.Reader, want []byte) bool {
	for run := range sparse.Runs(mem) {
		b := make([]byte, run.Len)
		if run.Err != nil {
			continue
		}
		if _, err := mem.ReadAt(b, run.Off); err != nil && err != io.EOF || run.End() > int64(len(want)) || !bytes.Equal(b, want[run.Off:run.End()]) {
			return false
		}
	}
	return true
}

// TestPackedELFCore opens an ELF core that is compressed as a whole: it is not refused as other ELF files are.
func TestPackedELFCore(t *testing.T) {
	runs := testMemory()
	for name, data := range map[string][]byte{
		"little endian": writeQEMU(runs),
		"big endian":    writeELF(binary.BigEndian, false, nil, runs),
	} {
		im, err := Open(newMemSource("a.elf.gz", packGzip(t, data)), Options{SpoolDir: t.TempDir()})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer im.Close()
		checkMemory(t, im, runs)
	}
}
