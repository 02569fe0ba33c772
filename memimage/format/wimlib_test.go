package format

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// wimResource returns the stored bytes, and the size, of the file in a WIM that has this SHA-1.
func wimResource(t *testing.T, wim fields, sum [20]byte) (stored []byte, size int) {
	const entry = 50
	reference := func(at int) (off, packed, whole int) {
		return int(wim.u64(at + 8)), int(wim.u64(at) & (1<<56 - 1)), int(wim.u64(at + 16))
	}
	table, n, _ := reference(0x30)
	for at := table; at < table+n; at += entry {
		if bytes.Equal(wim[at+30:at+50], sum[:]) {
			off, packed, whole := reference(at)
			return wim[off : off+packed], whole
		}
	}
	t.Fatal("the file is not in the WIM")
	return nil, 0
}

// wimChunks returns the chunks of a resource: they follow a table with the offsets of all chunks but the first.
func wimChunks(stored fields, size, chunk int) [][]byte {
	n := (size + chunk - 1) / chunk
	begin := (n - 1) * 4
	var out [][]byte
	for i := range n {
		from, to := begin, len(stored)
		if i > 0 {
			from += int(stored.u32((i - 1) * 4))
		}
		if i < n-1 {
			to = begin + int(stored.u32(i*4))
		}
		out = append(out, stored[from:to])
	}
	return out
}

// TestXpressHuffmanOfWimlib unpacks the data that wimlib's encoder makes from pages and from the code of this test.
func TestXpressHuffmanOfWimlib(t *testing.T) {
	tool, err := exec.LookPath("wimcapture")
	if err != nil {
		if requireTools() {
			t.Fatal(err)
		}
		t.Skip("wimcapture is not there")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	data := append(testPages(0, 100), code[:min(len(code), 1<<20)]...)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "data"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, chunk := range []int{4096, 16384, 65536} {
		for _, level := range []int{20, 100} {
			path := filepath.Join(t.TempDir(), "a.wim")
			out, err := exec.Command(tool, dir, path, fmt.Sprintf("--compress=xpress:%d", level), fmt.Sprintf("--chunk-size=%d", chunk)).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			wim, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			stored, size := wimResource(t, wim, sha1.Sum(data))
			if size != len(data) {
				t.Fatalf("%d bytes, want %d", size, len(data))
			}
			checkWimChunks(t, wimChunks(stored, size, chunk), data, chunk)
		}
	}
}

func checkWimChunks(t *testing.T, chunks [][]byte, data []byte, chunk int) {
	t.Helper()
	packed := 0
	for i, c := range chunks {
		want := data[i*chunk : min((i+1)*chunk, len(data))]
		if len(c) == len(want) {
			continue // stored as it is
		}
		packed++
		if got, err := xpressHuffman(c, len(want)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("chunk %d of %d: %v", i, len(chunks), err)
		}
		if i%16 > 0 {
			continue
		}
		if got, ok := slowHuffman(c, len(want)); !ok || !bytes.Equal(got, want) {
			t.Errorf("chunk %d of %d: the slow decoder: %v", i, len(chunks), ok)
		}
	}
	if t.Logf("%d of %d chunks of %d bytes are packed", packed, len(chunks), chunk); packed == 0 {
		t.Error("no chunk is packed")
	}
}
