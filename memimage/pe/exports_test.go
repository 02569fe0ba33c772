package pe

import (
	"archive/tar"
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	saferwall "github.com/saferwall/pe"
	"github.com/saferwall/pe/log"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// libraries are DLLs with exports: mingw's, and ReactOS's where the corpus is present.
func libraries(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, name := range []string{"library32.dll", "library64.dll"} {
		b, err := os.ReadFile(filepath.Join("../integrity/testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = b
	}
	if _, err := os.Stat("../../../shared/images"); err != nil {
		return out
	}
	f, err := os.Open(corpus.Unpack(t, "ReactOS0413x86.modules-originals.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(strings.ToLower(h.Name), ".dll") && len(out) < 60 {
			if out[h.Name], err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func parsedByAnother(t testing.TB, b []byte) *saferwall.File {
	t.Helper()
	f, err := saferwall.NewBytes(b, &saferwall.Options{Logger: log.NewStdLogger(io.Discard)})
	if err == nil {
		err = f.Parse()
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestExports compares the exports with saferwall/pe's: their addresses, names, ordinals and forwarders.
func TestExports(t *testing.T) {
	functions, forwards := 0, 0
	for name, b := range libraries(t) {
		e, err := open(t, b).Exports()
		if err != nil {
			t.Fatal(name, err)
		}
		for _, want := range parsedByAnother(t, b).Export.Functions {
			if want.FunctionRVA == 0 {
				continue
			}
			functions++
			got, ok, err := e.Ordinal(uint16(want.Ordinal))
			if !ok || err != nil || got.RVA != want.FunctionRVA || got.Forward != want.Forwarder {
				t.Errorf("%s, ordinal %d: %+v, %v, want %+v", name, want.Ordinal, got, err, want)
			}
			if want.Forwarder != "" {
				forwards++
			}
			if want.Name == "" {
				continue
			}
			if is, err := e.IsFunction(want.FunctionRVA); !is || err != nil {
				t.Errorf("%s: no function at %#x: %v", name, want.FunctionRVA, err)
			}
			if named, ok, err := e.Named(want.Name); !ok || err != nil || named != got {
				t.Errorf("%s, %s: %+v, %v, want %+v", name, want.Name, named, err, got)
			}
		}
	}
	if t.Logf("%d functions, %d of them forwarded", functions, forwards); functions < 6 {
		t.Error("too few functions")
	}
}

// TestDelayImports compares the imports of DLLs that are loaded late with saferwall/pe's.
func TestDelayImports(t *testing.T) {
	for _, name := range []string{"delay32", "delay64"} {
		b := samples(t)[name]
		got, err := open(t, b).DelayImports()
		if err != nil || !got.Complete() {
			t.Fatal(err, got.Err)
		}
		want := parsedByAnother(t, b).DelayImports
		if len(got.DLLs) != len(want) || len(want) == 0 {
			t.Fatalf("%s: %d DLLs, want %d", name, len(got.DLLs), len(want))
		}
		for i, d := range want {
			if got.DLLs[i].Name != d.Name || len(got.DLLs[i].Functions) != len(d.Functions) {
				t.Fatalf("%s: %+v, want %+v", name, got.DLLs[i], d)
			}
			for k, fn := range d.Functions {
				if got.DLLs[i].Functions[k].Name != fn.Name || got.DLLs[i].Functions[k].Thunk != fn.ThunkRVA {
					t.Errorf("%s: %+v, want %+v", name, got.DLLs[i].Functions[k], fn)
				}
			}
		}
	}
}

// mapped lays a file out as Windows does, for the test alone: sections at their addresses.
func mapped(t testing.TB, b []byte) []byte {
	f := parsedByAnother(t, b)
	size, headers := uint32(0), uint32(0)
	switch o := f.NtHeader.OptionalHeader.(type) {
	case saferwall.ImageOptionalHeader32:
		size, headers = o.SizeOfImage, o.SizeOfHeaders
	case saferwall.ImageOptionalHeader64:
		size, headers = o.SizeOfImage, o.SizeOfHeaders
	}
	out := make([]byte, size)
	copy(out, b[:headers])
	for _, s := range f.Sections {
		copy(out[s.Header.VirtualAddress:], b[s.Header.PointerToRawData:][:min(s.Header.SizeOfRawData, max(s.Header.VirtualSize, 1))])
	}
	return out
}

// TestImagesInMemory reads the same exports from an image as from its file.
func TestImagesInMemory(t *testing.T) {
	for name, b := range libraries(t) {
		file := open(t, b)
		image, err := OpenImage(sparse.Bytes(mapped(t, b)))
		if err != nil {
			t.Fatal(name, err)
		}
		fromFile, _ := file.Imports()
		fromImage, err := image.Imports()
		if err != nil || strings.Join(symbols(fromFile), " ") != strings.Join(symbols(fromImage), " ") {
			t.Errorf("%s: %v, %v, want %v", name, err, symbols(fromImage), symbols(fromFile))
		}
		a, _ := file.Exports()
		z, _ := image.Exports()
		if a.Count != z.Count || a.Base != z.Base || len(a.scanned().indexes) != len(z.scanned().indexes) {
			t.Errorf("%s: %d exports, want %d", name, z.Count, a.Count)
		}
		if image.ImageBase != file.ImageBase || image.ImageBaseAt() != file.ImageBaseAt() || image.TimeDateStamp != file.TimeDateStamp {
			t.Errorf("%s: %+v, want %+v", name, image, file)
		}
	}
}

// TestExportsWithHoles removes pages: every result is right, and a function that is not found is reported as missing.
func TestExportsWithHoles(t *testing.T) {
	corpus.Long(t)
	checked := 0
	for name, b := range libraries(t) {
		for seed := range uint64(16) {
			checked += checkExportsWithHoles(t, name, b, seed)
		}
	}
	if checked < 6 {
		t.Errorf("only %d names could be looked up", checked)
	}
}

// checkExportsWithHoles removes pages of a library, and looks up all names: each is found as in the whole library, or a
// page is missing. It returns how many were looked up; 0 when the page of the directory itself is missing.
func checkExportsWithHoles(t *testing.T, name string, b []byte, seed uint64) int {
	t.Helper()
	whole, err := open(t, b).Exports()
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(seed, 3))
	memory := mapped(t, b)
	extents := []sparse.Extent{{Len: 0x1000, Src: sparse.Bytes(memory)}}
	for at := int64(0x1000); at < int64(len(memory)); at += 0x1000 {
		if rng.IntN(3) > 0 {
			extents = append(extents, sparse.Extent{Off: at, Len: min(0x1000, int64(len(memory))-at), Src: sparse.Bytes(memory), SrcOff: at})
		}
	}
	r, err := sparse.NewReader(int64(len(memory)), extents...)
	if err != nil {
		t.Fatal(err)
	}
	f, err := OpenImage(r)
	if err != nil {
		t.Fatal(err)
	}
	e, err := f.Exports()
	if err != nil {
		return 0
	}
	names := whole.scanned().indexes
	for s := range names {
		got, ok, err := e.Named(s)
		want, exists, _ := whole.Named(s)
		switch {
		case ok && (got != want || !exists):
			t.Errorf("%s without pages (%d), %s: %+v, want %+v", name, seed, s, got, want)
		case !ok && exists && !sparse.IsHole(err):
			t.Errorf("%s without pages (%d), %s: not found, and nothing is missing: %v", name, seed, s, err)
		}
	}
	return len(names)
}

// FuzzExports reads the exports of a library with any bytes in its export directory.
func FuzzExports(f *testing.F) {
	b := libraries(f)["library32.dll"]
	f.Add(uint16(16), []byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, at uint16, change []byte) {
		file := open(t, bytes.Clone(b))
		image := mapped(t, b)
		dir := int(file.Directory(dirExport).Address)
		copy(image[dir+int(at)%0x200:], change)
		in, err := OpenImage(sparse.Bytes(image))
		if err != nil {
			return
		}
		e, err := in.Exports()
		if err != nil {
			return
		}
		for s := range e.scanned().indexes {
			if _, _, err := e.Named(s); sparse.Failed(err) {
				t.Fatal(err)
			}
		}
		if _, err := e.IsFunction(0x1010); sparse.Failed(err) {
			t.Fatal(err)
		}
	})
}
