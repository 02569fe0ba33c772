package volume

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"memlens/memimage/sparse"
)

// recordPlace returns where the record of a file of a volume is on the disk.
func recordPlace(t testing.TB, image, path string) int64 {
	t.Helper()
	v := mustOpen(t, image).trees[0].(*ntfs)
	w := walk{stack: []node{v.root()}, rest: split(path)}
	if err := w.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	off := w.top().(*ntfsNode).ref.number * v.record
	for _, e := range v.mft.extents {
		if at := off - e.vcn*v.cluster; at >= 0 && at < e.n*v.cluster {
			return e.lcn*v.cluster + at
		}
	}
	t.Fatal("the record is nowhere")
	return 0
}

// changeRecord changes the record of a file.
func changeRecord(t testing.TB, image, path string, change func(b []byte)) {
	t.Helper()
	at := recordPlace(t, image, path)
	all, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	b := bytes.Clone(all[at:][:1024])
	change(b)
	patch(t, image, at, b)
}

// attributeAt returns where in a record an attribute begins.
func attributeAt(b []byte, typ uint32) int {
	for off := int(binary.LittleEndian.Uint16(b[20:])); ; off += int(binary.LittleEndian.Uint32(b[off+4:])) {
		if binary.LittleEndian.Uint32(b[off:]) == typ {
			return off
		}
	}
}

// TestRecords checks that the damage in the record of a file is named, and that other files are read.
func TestRecords(t *testing.T) {
	var files map[string][]byte
	image := newNTFS(t, 16*mib, func(dir string) { files = windowsFiles(t, dir) })
	tests := []struct {
		path, want string
		change     func(b []byte)
	}{
		{`\Windows\System32\ntdll.dll`, "it is encrypted by EFS", func(b []byte) { b[attributeAt(b, typeData)+13] |= 0x40 }},
		{`\Windows\System32\drivers\tcpip.sys`, "deleted", func(b []byte) { b[22] &^= 1 }},
		{`\Windows\System32\small.dll`, "for another file by now", func(b []byte) { b[16]++ }},
		{`\Windows\SysWOW64\ntdll.dll`, "was not written whole", func(b []byte) { b[510]++ }},
		{`\Windows\System32\config\SYSTEM`, "clusters from", func(b []byte) {
			at := attributeAt(b, typeData)
			runs := b[at+int(binary.LittleEndian.Uint16(b[at+32:])):]
			copy(runs[1+int(runs[0]&15):], "\xff\xff\xff\x7f"[4-min(4, int(runs[0]>>4)):])
		}},
		{`\Windows\WinSxS\amd64_a_1\comctl32.dll`, "a list of clusters", func(b []byte) {
			at := attributeAt(b, typeData)
			b[at+int(binary.LittleEndian.Uint16(b[at+32:]))] = 0
		}},
		{`\Windows\WinSxS\amd64_b_2\comctl32.dll`, `begins with "BAAD"`, func(b []byte) { copy(b, "BAAD") }},
		{`\Windows\WinSxS\amd64_c_3\other.dll`, "an attribute", func(b []byte) { b[attributeAt(b, typeStandardInformation)+4] = 1 }},
		{`\Windows\explorer.exe`, "and clusters for", func(b []byte) { // more bytes than clusters
			at := attributeAt(b, typeData)
			b[at+48+2], b[at+56+2] = 1, 1
		}},
	}
	for _, tt := range tests {
		changeRecord(t, image, tt.path, tt.change)
		delete(files, tt.path)
	}
	v := mustOpen(t, image)
	for _, tt := range tests {
		f, err := v.Lookup(t.Context(), Path{Name: tt.path})
		if err == nil || errors.Is(err, ErrNotFound) || sparse.Failed(err) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v; want %s", tt.path, f, err, tt.want)
		}
	}
	for path, want := range files {
		wantFile(t, v, Path{Name: path}, path, want)
	}
}

// TestMirror opens a volume whose first record of $MFT is damaged.
func TestMirror(t *testing.T) {
	var files map[string][]byte
	image := newNTFS(t, 16*mib, func(dir string) { files = windowsFiles(t, dir) })
	first, _ := mftPlaces(t, image, 0)
	patch(t, image, first, []byte("BAAD"))
	v := mustOpen(t, image)
	checkFiles(t, v, files, "")
	if !strings.Contains(strings.Join(v.Notes, ""), "$MFTMirr") {
		t.Errorf("%q", v.Notes)
	}
}

// TestDirty checks the note that a volume was in use.
func TestDirty(t *testing.T) {
	image := newNTFS(t, 16*mib, func(dir string) { windowsFiles(t, dir) })
	if v := mustOpen(t, image); len(v.Notes) > 0 {
		t.Errorf("%q", v.Notes)
	}
	first, _ := mftPlaces(t, image, 0)
	all, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	b := bytes.Clone(all[first+3*1024:][:1024])
	at := attributeAt(b, 0x70)
	b[at+int(binary.LittleEndian.Uint16(b[at+20:]))+10] |= 1
	patch(t, image, first+3*1024, b)
	if v := mustOpen(t, image); !strings.Contains(strings.Join(v.Notes, ""), "marked dirty") {
		t.Errorf("%q", v.Notes)
	}
}

// TestMFTInPieces reads records of a $MFT that is in so many pieces that it has a list of attributes.
func TestMFTInPieces(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes thousands of files")
	}
	var path string
	want := []byte("the last one")
	image := newNTFS(t, 16*mib, func(dir string) {
		windowsFiles(t, dir)
		if err := os.Mkdir(dir+"/fill", 0o700); err != nil {
			t.Fatal(err)
		}
		inPieces(t, dir+"/fill", dir+"/all")
		// the free space is in pieces, and each new file without clusters needs a record
		if err := os.Truncate(dir+"/all", mib/2); err != nil {
			t.Fatal(err)
		}
		for i := 0; ; i++ {
			name := fmt.Sprintf("%s/Windows/new%05d.dll", dir, i)
			if err := os.WriteFile(name, want, 0o600); err != nil {
				break
			}
			path = fmt.Sprintf(`\Windows\new%05d.dll`, i)
		}
	}, "-c", "512")
	v := mustOpen(t, image)
	if n := len(v.trees[0].(*ntfs).mft.extents); n < 400 {
		t.Errorf("$MFT is in %d pieces: its list of attributes is not tested", n)
	}
	wantFile(t, v, Path{Name: path}, path, want)
	wantFile(t, v, Path{Name: `\Windows\new00001.dll`}, `\Windows\new00001.dll`, want)
}

// TestTwoWindows checks on which of two volumes a path is taken to be.
func TestTwoWindows(t *testing.T) {
	one := newNTFS(t, 8*mib, func(dir string) {
		put(t, dir+"/Windows/System32/a.dll", []byte("1"))
		put(t, dir+"/Windows/only1.dll", []byte("1"))
	})
	two := newNTFS(t, 8*mib, func(dir string) {
		put(t, dir+"/Windows/System32/a.dll", []byte("2"))
		put(t, dir+"/Windows/only2.dll", []byte("2"))
	})
	v := mustOpen(t, disk(t, 20*mib, "label: dos\n2048,8MiB,7\n18432,8MiB,7\n", map[int64]string{2048: one, 18432: two}))
	for name, want := range map[string][2]string{
		`\Device\HarddiskVolume1\Windows\System32\a.dll`: {"1", "assumed: it is the one of partition 1, for partition 2 has a file of this path too"},
		`\SystemRoot\only1.dll`:                          {"1", ""},
		`\Device\HarddiskVolume9\Windows\only2.dll`:      {"2", `\Device\HarddiskVolume9 is taken for partition 2, where a file of this path is`},
	} {
		f, err := v.Lookup(t.Context(), Path{Name: name})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := string(contentOf(t, f)); got != want[0] || f.Note != want[1] {
			t.Errorf("%s: %q, %q", name, got, f.Note)
		}
	}
}
