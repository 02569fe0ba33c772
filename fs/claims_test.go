package fs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	iofs "io/fs"
	"strings"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// openAll opens all that is listed below a directory, and returns the names.
func openAll(t testing.TB, f *FS, dir string) (names []string) {
	t.Helper()
	iofs.WalkDir(f, dir, func(name string, d iofs.DirEntry, err error) error {
		if err != nil {
			t.Errorf("%s is listed: %v", name, err)
			return nil
		}
		file, err := f.Open(name)
		if err != nil {
			t.Errorf("%s is listed: %v", name, err)
			return nil
		}
		defer file.Close()
		if _, err := file.Stat(); err != nil {
			t.Errorf("%s is listed: %v", name, err)
		}
		names = append(names, name)
		return nil
	})
	return names
}

// headers are the pages of memory that begin with the headers of an executable.
func headers(mem sparse.Source, exe []byte) (out []int64) {
	page := make([]byte, onePage)
	for off := int64(0); off < mem.Size(); off += onePage {
		if n, _ := mem.ReadAt(page, off); n == onePage && bytes.Equal(page[:0x100], exe[:0x100]) {
			out = append(out, off)
		}
	}
	return out
}

// claims are the offsets of the fields of an executable's headers that say how long it is, and of each section where it lies
// and how long it is.
func claims(exe []byte) []int {
	lfanew := int(binary.LittleEndian.Uint32(exe[0x3c:]))
	out := []int{lfanew + 0x50, lfanew + 0x54} // SizeOfImage, SizeOfHeaders
	table := lfanew + 0x18 + int(binary.LittleEndian.Uint16(exe[lfanew+0x14:]))
	for i := range int(exe[lfanew+6]) {
		for at := 8; at < 24; at += 4 {
			out = append(out, table+40*i+at)
		}
	}
	return out
}

// TestWhatIsListedOpens has headers whose claims no picture can show: each listed file opens, whatever they claim.
func TestWhatIsListedOpens(t *testing.T) {
	corpus.Long(t)
	mem := demoMemory(t).Reader
	sound := tree(t, demoMemory(t), Options{})
	const dir = "3256-cmd.exe"
	exe := []byte(read(t, sound, dir+"/procmemdump.exe"))[:onePage]
	refs := references(t, folder(t, map[string][]byte{"cmd.exe": []byte(read(t, sound, dir+"/restored.exe"))}))
	pages := headers(mem, exe)
	if len(pages) == 0 {
		t.Fatal("the headers are nowhere")
	}
	hidden := 0
	for _, at := range claims(exe) {
		for _, v := range []uint32{0xfffffe00, 0x7ffffe00, 0} {
			if testing.Short() && v != 0x7ffffe00 {
				continue // one goroutine reads, by the same code
			}
			t.Run(fmt.Sprintf("%#x/%#x", at, v), func(t *testing.T) {
				extents := []sparse.Extent{{Len: mem.Size(), Src: mem}}
				for _, pa := range pages {
					extents = append(extents, sparse.Extent{Off: pa + int64(at), Len: 4, Src: sparse.Bytes(binary.LittleEndian.AppendUint32(nil, v))})
				}
				r, err := sparse.NewReader(mem.Size(), sparse.Overlay(extents...)...)
				if err != nil {
					t.Fatal(err)
				}
				f, err := openTree(r, Options{References: refs})
				if err != nil {
					t.Fatal(err)
				}
				names := strings.Join(openAll(t, f, dir), "\n")
				if strings.Contains(names, "/diff-vs") && !strings.Contains(names, "diff-vs/cmd.exe.bmp") {
					hidden++
				}
			})
		}
	}
	if hidden == 0 {
		t.Error("every comparison could be drawn: the claims are too small")
	}
}
