package pe

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	gope "debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	saferwall "github.com/saferwall/pe"
	"github.com/saferwall/pe/log"

	"memlens/memimage/sparse"
)

// samples are small programs of several linkers. Two are signed with osslsigncode.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, name := range []string{"reloc32", "reloc64", "fixed32", "fixed64", "data32", "data64", "delay32", "delay64", "signed32", "signed64"} {
		b, err := os.ReadFile(filepath.Join("../restore/testdata", name+".exe"))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = b
	}
	return out
}

func open(t testing.TB, b []byte) *File {
	t.Helper()
	f, err := Open(sparse.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// symbols writes imports as debug/pe does, without imports by ordinal.
func symbols(im *Imports) []string {
	var out []string
	for _, d := range im.DLLs {
		for _, fn := range d.Functions {
			if !fn.ByOrdinal {
				out = append(out, fn.Name+":"+d.Name)
			}
		}
	}
	return out
}

// TestImports compares the import tables with debug/pe's.
func TestImports(t *testing.T) {
	for name, b := range samples(t) {
		im, err := open(t, b).Imports()
		if err != nil || !im.Complete() || im.Open {
			t.Fatalf("%s: %v, %v", name, err, im)
		}
		std, err := gope.NewFile(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		want, err := std.ImportedSymbols()
		if got := symbols(im); err != nil || len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q (%v)", name, got, want, err)
		}
	}
}

// holed is a file with pieces missing, each for a reason.
func holed(t testing.TB, b []byte, holes ...Range) *sparse.Reader {
	t.Helper()
	var extents []sparse.Extent
	at := int64(0)
	for _, h := range append(holes, Range{int64(len(b)), 0}) {
		extents = append(extents, sparse.Extent{Off: at, Len: max(0, h.Off-at), Src: sparse.Bytes(b), SrcOff: at})
		at = h.End()
	}
	r, err := sparse.NewReader(int64(len(b)), extents...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestHolesAreNoNames removes any 64 bytes of the files: every result is also a result for the whole file, and the
// others are counted.
func TestHolesAreNoNames(t *testing.T) {
	for name, b := range samples(t) {
		whole, err := open(t, b).Imports()
		if err != nil {
			t.Fatal(err)
		}
		all := symbols(whole)
		count := 0
		for _, d := range whole.DLLs {
			count += len(d.Functions)
		}
		cut := 0
		for off := int64(0); off < int64(len(b)); off += 16 {
			f, err := Open(holed(t, b, Range{off, min(64, int64(len(b))-off)}))
			if err != nil {
				if !sparse.IsHole(err) {
					t.Fatalf("%s without %#x: %v", name, off, err)
				}
				continue
			}
			im, err := f.Imports()
			if err != nil {
				t.Fatal(err)
			}
			told, open := 0, im.Open
			for i := range im.DLLs {
				told += len(im.DLLs[i].Functions) + im.DLLs[i].Unreadable
				open = open || im.DLLs[i].Open
			}
			for _, s := range symbols(im) {
				if !slices.ContainsFunc(all, func(w string) bool { return w == s || strings.HasSuffix(s, ":") && strings.HasPrefix(w, s) }) {
					t.Errorf("%s without %#x: %q was made up", name, off, s)
				}
			}
			if told != count && !open || told > count {
				t.Errorf("%s without %#x: %d functions are told of or counted, want %d", name, off, told, count)
			}
			dlls, functions := im.Unreadable()
			if im.Complete() != (dlls == 0 && functions == 0 && !open) {
				t.Errorf("%s without %#x: complete: %v, though %d, %d, %v", name, off, im.Complete(), dlls, functions, open)
			}
			if !im.Complete() {
				cut++
			}
		}
		if cut == 0 {
			t.Errorf("%s: no hole touched an import", name)
		}
	}
}

// failing is a reader that cannot be read in one place.
type failing struct {
	io.ReaderAt
	at  int64
	err error
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off <= f.at && f.at < off+int64(len(p)) {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(p, off)
}

// TestReadErrorsAreNoHoles has a reader that fails at each byte: that is an error, or has no effect, but is no hole.
func TestReadErrorsAreNoHoles(t *testing.T) {
	broken := errors.New("the disk is broken")
	b := samples(t)["reloc64"]
	seen := 0
	for at := int64(0); at < int64(len(b)); at += 8 {
		f, err := Open(sparse.Whole(failing{bytes.NewReader(b), at, broken}, int64(len(b))))
		if err != nil {
			if !errors.Is(err, broken) {
				t.Fatal(err)
			}
			continue
		}
		im, err := f.Imports()
		if err != nil && errors.Is(err, broken) {
			seen++
		} else if err != nil || !im.Complete() {
			t.Fatalf("at %#x: %v, %v", at, err, im.Err)
		}
	}
	if seen == 0 {
		t.Error("the import tables were never read")
	}
}

func hashes(t testing.TB, b []byte) (string, string) {
	t.Helper()
	long, short := sha256.New(), sha1.New()
	if err := open(t, b).Authentihash(long, short); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", long.Sum(nil)), fmt.Sprintf("%x", short.Sum(nil))
}

// signed are the message digests that osslsigncode calculated when it signed the files.
var signed = map[string]string{
	"signed32": "cd7d379d615ae4f628e019e96933299e0298788e0f1140aaaa9506f56cf00b86",
	"signed64": "a044da258b005daf9c4d695bcd1fe3c1c886582486831c2790f10072cce07fdc",
}

// TestAuthentihash compares the digest with the one in the signature, and with the file before it was signed.
func TestAuthentihash(t *testing.T) {
	files := samples(t)
	for name, want := range signed {
		if got, _ := hashes(t, files[name]); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if got, _ := hashes(t, files[strings.Replace(name, "signed", "reloc", 1)]); got != want {
			t.Errorf("%s before it was signed: %s, want %s", name, got, want)
		}
		if certificates := open(t, files[name]).Certificates(); certificates.Off != 6144 || certificates.End() != int64(len(files[name])) {
			t.Errorf("%s: certificates at %#x", name, certificates)
		}
	}
}

// TestOsslsigncode compares with osslsigncode itself, where it is installed.
func TestOsslsigncode(t *testing.T) {
	program, err := exec.LookPath("osslsigncode")
	if err != nil {
		t.Skip("osslsigncode is not installed")
	}
	calculated := regexp.MustCompile(`Calculated message digest\s*:\s*([0-9A-F]{64})`)
	for name := range signed {
		path := filepath.Join("../restore/testdata", name+".exe")
		out, _ := exec.Command(program, "verify", "-in", path).CombinedOutput() // nobody trusts the signer
		m := calculated.FindSubmatch(out)
		got, _ := hashes(t, samples(t)[name])
		if m == nil || !strings.EqualFold(string(m[1]), got) {
			t.Errorf("%s: %s, osslsigncode says %s", name, got, out)
		}
	}
}

// saferwallHash is the digest by saferwall/pe.
func saferwallHash(t testing.TB, b []byte) (string, string) {
	t.Helper()
	f, err := saferwall.NewBytes(b, &saferwall.Options{Fast: true, Logger: log.NewStdLogger(io.Discard)})
	if err == nil {
		err = f.Parse()
	}
	if err != nil {
		t.Fatal(err)
	}
	sums := f.AuthentihashExt(sha256.New(), sha1.New())
	if len(sums) < 2 {
		return "", ""
	}
	return fmt.Sprintf("%x", sums[0]), fmt.Sprintf("%x", sums[1])
}

// TestAuthentihashOfAnyFile compares the digest with saferwall/pe's: with odd sizes, an overlay, and the certificates
// in the middle, at the end, behind it and nowhere.
func TestAuthentihashOfAnyFile(t *testing.T) {
	for name, b := range samples(t) {
		entry := open(t, b).optional + open(t, b).directoriesAt() + 8*dirCert
		for _, tt := range []struct {
			name      string
			off, size uint32
			extra     int
		}{
			{"none", 0, 0, 0}, {"none, odd size", 0, 0, 3}, {"at the end", uint32(len(b)), 0x100, 0x100}, {"before an overlay", uint32(len(b)), 0x100, 0x111},
			{"in the middle", 0x800, 0x100, 0}, {"behind the end", uint32(len(b)), 0x100, 0x80}, {"wild", 0xfffffff0, 0xffffffff, 1},
		} {
			c := append(bytes.Clone(b), bytes.Repeat([]byte("overlay!"), 40)[:tt.extra]...)
			binary.LittleEndian.PutUint32(c[entry:], tt.off)
			binary.LittleEndian.PutUint32(c[entry+4:], tt.size)
			long, short := hashes(t, c)
			if wantLong, wantShort := saferwallHash(t, c); long != wantLong || short != wantShort {
				t.Errorf("%s, certificates %s: %s, saferwall/pe says %s", name, tt.name, long, wantLong)
			}
			c[open(t, c).optional+64]++ // the CheckSum
			if again, _ := hashes(t, c); again != long {
				t.Errorf("%s, certificates %s: the CheckSum counts", name, tt.name)
			}
			c[0x7f0]++
			if again, _ := hashes(t, c); again == long {
				t.Errorf("%s, certificates %s: a byte of a section does not count", name, tt.name)
			}
		}
	}
}

// TestWhereAnotherIsWrong has a table right behind the headers: saferwall/pe takes SizeOfHeaders for the size of the
// optional header, and so believes that the table lies in the headers.
func TestWhereAnotherIsWrong(t *testing.T) {
	b := bytes.Clone(samples(t)["reloc64"])
	f := open(t, b)
	entry := f.optional + f.directoriesAt() + 8*dirCert
	binary.LittleEndian.PutUint32(b[entry:], f.SizeOfHeaders)
	binary.LittleEndian.PutUint32(b[entry+4:], 8)
	b[f.SizeOfHeaders]++
	first, _ := hashes(t, b)
	theirs, _ := saferwallHash(t, b)
	b[f.SizeOfHeaders]++
	if again, _ := hashes(t, b); again != first {
		t.Error("a byte of the certificate table counts")
	}
	if again, _ := saferwallHash(t, b); again == theirs {
		t.Error("saferwall/pe leaves the table out: it is right now, and this test can go")
	}
}

// TestAuthentihashOfHoles has a hole in the bytes under the digest, and a hole in the certificates, which do not count.
func TestAuthentihashOfHoles(t *testing.T) {
	b := samples(t)["signed64"]
	want, _ := hashes(t, b)
	for _, tt := range []struct {
		hole Range
		ok   bool
	}{{Range{0x1000, 1}, false}, {Range{6144, int64(len(b)) - 6144}, true}, {Range{6143, 2}, false}} {
		f, err := Open(holed(t, b, tt.hole))
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		err = f.Authentihash(h)
		if tt.ok != (err == nil) || !tt.ok && !sparse.IsHole(err) || tt.ok && fmt.Sprintf("%x", h.Sum(nil)) != want {
			t.Errorf("hole %#x: %v", tt.hole, err)
		}
	}
}

// TestHugeFile has a file that is mapped as it is and reaches behind the last RVA: its imports are read all the same.
func TestHugeFile(t *testing.T) {
	b := bytes.Clone(samples(t)["reloc64"])
	binary.LittleEndian.PutUint32(b[open(t, b).optional+32:], 0x200) // SectionAlignment
	r, err := sparse.NewReader(2*maxImage, sparse.Extent{Len: int64(len(b)), Src: sparse.Bytes(b)})
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Imports(); err != nil {
		t.Error(err)
	}
}

// FuzzOpen reads hostile files: the numbers of the headers of a program are changed.
func FuzzOpen(f *testing.F) {
	b := samples(f)["signed64"]
	f.Add(b, uint16(0), uint32(0), int64(0x1000))
	f.Add(samples(f)["delay32"], uint16(0x3c), uint32(0xffffffff), int64(0))
	rng := rand.New(rand.NewPCG(1, 2))
	for range 64 {
		f.Add(b, uint16(rng.IntN(0x400)), rng.Uint32(), rng.Int64N(0x2000))
	}
	f.Fuzz(func(t *testing.T, b []byte, at uint16, v uint32, hole int64) {
		b = bytes.Clone(b)
		if int(at)+4 <= len(b) {
			binary.LittleEndian.PutUint32(b[at:], v)
		}
		hole = min(max(hole, 0), int64(len(b)))
		file, err := Open(holed(t, b, Range{hole, min(16, int64(len(b))-hole)}))
		if err != nil {
			return
		}
		im, err := file.Imports()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range im.DLLs {
			for _, fn := range d.Functions {
				if fn.Name == "" != fn.ByOrdinal {
					t.Errorf("%+v", fn)
				}
			}
		}
		n := int64(0)
		for _, r := range file.Signed() {
			n += r.Len
		}
		for _, r := range file.Unsigned() {
			n += r.Len
		}
		if n != int64(len(b)) {
			t.Errorf("%#x bytes of %#x: %#x, %#x", n, len(b), file.Signed(), file.Unsigned())
		}
		if err := file.Authentihash(sha256.New()); err != nil {
			if !sparse.IsHole(err) {
				t.Fatal(err)
			}
		}
	})
}
