package digest

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	saferwall "github.com/saferwall/pe"
	"github.com/saferwall/pe/log"

	"memlens/memimage/pe"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"
)

// program reads a small program from the tests of package restore.
func program(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../restore/testdata", name+".exe"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// byPefile are import hashes that pefile 2024.8.26 gives.
var byPefile = map[string]string{
	"data32": "f9ade0aa18f660a34a4fa23392e21838", "data64": "f9ade0aa18f660a34a4fa23392e21838", "delay32": "7b6315c9eb4b37f72d1cc144498d93cd",
	"delay64": "7b6315c9eb4b37f72d1cc144498d93cd", "reloc32": "cb75ea2346e4786c10c9d19305326568", "fixed64": "cb75ea2346e4786c10c9d19305326568",
	"signed32": "cb75ea2346e4786c10c9d19305326568", "signed64": "cb75ea2346e4786c10c9d19305326568",
}

// TestImphash compares the import hash with pefile's and saferwall/pe's.
func TestImphash(t *testing.T) {
	files := map[string][]byte{}
	for name := range byPefile {
		files[name] = program(t, name)
	}
	for name, b := range synth.DemoOriginals() {
		files[name] = b
	}
	for name, b := range files {
		got, err := Imphash(sparse.Bytes(b))
		if want := byPefile[name]; err != nil || want != "" && got != want {
			t.Errorf("%s: %s, pefile says %s (%v)", name, got, want, err)
		}
		f, err := saferwall.NewBytes(b, &saferwall.Options{Logger: log.NewStdLogger(io.Discard), DisableCertValidation: true})
		if err == nil {
			err = f.Parse()
		}
		if err != nil {
			t.Fatal(err)
		}
		if want, _ := f.ImpHash(); got != want {
			t.Errorf("%s: %s, saferwall/pe says %s", name, got, want)
		}
	}
}

func TestNamesInTheImportHash(t *testing.T) {
	imports := &pe.Imports{DLLs: []pe.DLL{
		{Name: "WS2_32.dll", Functions: []pe.Function{{Ordinal: 3, ByOrdinal: true}, {Ordinal: 9999, ByOrdinal: true}, {Ordinal: 0, ByOrdinal: true}}},
		{Name: "a.b.DLL", Functions: []pe.Function{{Name: "?Of@@YA_N"}, {Name: "no name"}}},
		{Name: "driver.exe", Functions: []pe.Function{{Ordinal: 7, ByOrdinal: true}}},
		{Name: "\x01", Functions: []pe.Function{{Name: "F"}}},
	}}
	want := md5.Sum([]byte("ws2_32.closesocket,ws2_32.ord9999,a.b.?of@@ya_n,driver.exe.ord7,*invalid*.f"))
	if got := ImphashOf(imports); got != fmt.Sprintf("%x", want) {
		t.Errorf("%s, want %x", got, want)
	}
	imports.Err = io.ErrUnexpectedEOF
	if got := ImphashOf(imports); got != "" {
		t.Errorf("%s of tables that could not all be read", got)
	}
}

// TestDigestsOfHoles takes pieces out of a program: a digest is the digest of the whole file, or there is none.
func TestDigestsOfHoles(t *testing.T) {
	b := program(t, "signed64")
	whole, err := Of("signed64", bytes.NewReader(b), int64(len(b)), nil)
	if err != nil || whole.Imphash == "" || whole.Signed == "" {
		t.Fatal(whole, err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	none, some := 0, 0
	for range 300 {
		hole := pe.Range{Off: rng.Int64N(int64(len(b)) - 100), Len: 1 + rng.Int64N(99)}
		holed := bytes.Clone(b)
		clear(holed[hole.Off : hole.Off+hole.Len])
		d, err := Of("signed64", bytes.NewReader(holed), int64(len(b)), []pe.Range{hole})
		if err != nil {
			t.Fatal(err)
		}
		for _, pair := range [][2]string{{d.Imphash, whole.Imphash}, {d.Signed, whole.Signed}} {
			switch pair[0] {
			case "":
				none++
			case pair[1]:
				some++
			default:
				t.Errorf("without %#x+%#x: %s, not %s", hole.Off, hole.Len, pair[0], pair[1])
			}
		}
	}
	if none == 0 || some == 0 {
		t.Errorf("%d digests, %d times none", some, none)
	}
}
