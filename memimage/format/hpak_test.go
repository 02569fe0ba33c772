package format

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

// hpakPart is a section for the writer: its content, unpacked and as it is stored.
type hpakPart struct {
	kind, name   string
	data, stored []byte
	compressed   bool
}

func plainPart(kind, name string, data []byte) hpakPart {
	return hpakPart{kind: kind, name: name, data: data, stored: data}
}

// writeHPAK writes sections as FDPro does: their headers have 0x4d8 bytes.
func writeHPAK(parts ...hpakPart) []byte {
	const header = 0x4d8
	out := make([]byte, hpakFirst)
	copy(out, "HPAK")
	for _, p := range parts {
		h := make([]byte, header)
		copy(h, "HPAKSECTHPAK_SECTION_"+p.kind)
		copy(h[0xd4:], p.name)
		at := uint64(len(out) + header)
		for off, v := range map[int]uint64{0x98: uint64(len(p.data)), 0xa8: at, 0xb0: at + uint64(len(p.stored)), 0xb8: uint64(len(p.stored))} {
			binary.LittleEndian.PutUint64(h[off:], v)
		}
		if p.compressed {
			h[0x8c] = 1
		}
		out = append(append(out, h...), p.stored...)
	}
	return out
}

func hpakWrappings() []wrapping {
	packed := func(pack func(testing.TB, []byte) []byte) func(testing.TB, []run) *memSource {
		return func(t testing.TB, r []run) *memSource {
			lime := writeLiME(r)
			return newMemSource("a.hpak", writeHPAK(hpakPart{"PHYSDUMP", "memdump.bin", lime, pack(t, lime), true}))
		}
	}
	return []wrapping{
		{name: "HPAK", format: "HPAK: LiME", write: file("a.hpak", func(r []run) []byte { return writeHPAK(plainPart("PHYSDUMP", "memdump.bin", writeLiME(r))) })},
		{name: "HPAK, gzip", format: "HPAK: LiME", write: packed(packGzip)},
		{name: "HPAK, zlib", format: "HPAK: LiME", write: packed(packZlib)},
	}
}

// TestHPAKPageFile takes the page file out of an HPAK file by the command in the note.
func TestHPAKPageFile(t *testing.T) {
	memory, pages := testPages(0, 9), testPages(0x77000, 5)
	data := writeHPAK(plainPart("PHYSDUMP", "memdump.bin", memory), plainPart("PAGEDUMP", "dumpfile.sys", pages))
	path := writeFile(t, "host.hpak", data)
	im, err := OpenFile(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if im.Format != "HPAK: raw" {
		t.Errorf("format %q", im.Format)
	}
	checkMemory(t, im, []run{{0, memory}})
	_, command, ok := strings.Cut(strings.Join(im.Notes, "\n"), "take it out: ")
	if !ok {
		t.Fatalf("notes %q", im.Notes)
	}
	tool(t, "sh")
	command, _, _ = strings.Cut(command, ".\n")
	cmd := exec.Command("sh", "-c", strings.TrimSuffix(command, "."))
	cmd.Dir = filepath.Dir(path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v %s", command, err, out)
	}
	if got, err := os.ReadFile(filepath.Join(cmd.Dir, "pagefile.sys")); err != nil || string(got) != string(pages) {
		t.Errorf("%s: %d bytes, %v", command, len(got), err)
	}
}

func TestHPAKWithoutMemory(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(corpus.Case(t, "named-containers"), "x.hpak"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(newMemSource("x.hpak", data), Options{})
	var not *NotMemoryError
	if !errors.As(err, &not) || !strings.Contains(not.What, "HPAK") {
		t.Errorf("%v", err)
	}
	if _, err := Open(newMemSource("x.hpak", writeHPAK(plainPart("PAGEDUMP", "dumpfile.sys", data))), Options{}); err == nil || !strings.Contains(err.Error(), "without the section of physical memory") {
		t.Errorf("%v", err)
	}
}

// TestHPAKSizes has a header whose size is not the size of the unpacked data.
func TestHPAKSizes(t *testing.T) {
	data := testPages(0, 4)
	im, err := Open(newMemSource("a.hpak", writeHPAK(hpakPart{"PHYSDUMP", "memdump.bin", append(data, 0), packGzip(t, data), true})), Options{SpoolDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if len(im.Doubts) != 1 {
		t.Errorf("doubts %q", im.Doubts)
	}
}

func FuzzHPAK(f *testing.F) {
	lime := writeLiME([]run{{0x1000, testPages(0x1000, 3)}})
	f.Add(writeHPAK(plainPart("PHYSDUMP", "memdump.bin", lime), plainPart("PAGEDUMP", "dumpfile.sys", lime)))
	f.Add(writeHPAK(hpakPart{"PHYSDUMP", "memdump.bin", lime, packGzip(f, lime), true}))
	fuzzOpener(f, openHPAK)
}
