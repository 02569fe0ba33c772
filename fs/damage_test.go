package fs

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage"
	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// TestImageJSONTellsOfDamagedBlocks has a hibernation file with one set of pages that cannot be unpacked.
func TestImageJSONTellsOfDamagedBlocks(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(corpus.Case(t, "xpress-huffman"), "hib19041.sys"))
	if err != nil {
		t.Fatal(err)
	}
	boot := binary.LittleEndian.Uint64(data[0x68:]) * 4096
	head := binary.LittleEndian.Uint32(data[boot:])
	copy(data[boot+4+uint64(head&0xff)*8:], bytes.Repeat([]byte{0xff}, 256)) // its code table
	path := filepath.Join(t.TempDir(), "hiberfil.sys")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	im, err := memimage.Open(t.Context(), path, memimage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	page := make([]byte, 4096)
	for off := int64(0); off < im.Container.Memory.Size(); off += 4096 {
		if _, err := im.Container.Memory.ReadAt(page, off); err != nil && !sparse.IsHole(err) {
			t.Fatal(err)
		}
	}
	text, err := ImageJSON(im)
	if err != nil {
		t.Fatal(err)
	}
	if said := "of the 152 blocks of the hibernation file cannot be unpacked: these bytes are missing"; !strings.Contains(string(text), said) {
		t.Errorf("%s\ndoes not say %q", text, said)
	}
}
