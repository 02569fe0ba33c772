package format

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

// TestXpressHuffmanOfWindows unpacks blocks that Windows compressed.
func TestXpressHuffmanOfWindows(t *testing.T) {
	dir := corpus.Case(t, "xpress-huffman")
	list, err := os.ReadFile(filepath.Join(dir, "DIGESTS"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(list)), "\n")
	for _, line := range lines {
		var name, want string
		var size int
		if _, err := fmt.Sscan(line, &name, &size, &want); err != nil {
			t.Fatal(err)
		}
		packed, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := xpressHuffman(packed, size)
		if sum := sha256.Sum256(got); err != nil || hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s: %x, %v", name, sum, err)
		}
		if got, ok := slowHuffman(packed, size); !ok || fmt.Sprintf("%x", sha256.Sum256(got)) != want {
			t.Errorf("%s: the slow decoder: %v", name, ok)
		}
	}
	if len(lines) < 10 {
		t.Errorf("only %d vectors", len(lines))
	}
}

// TestXpressOfOthers unpacks plain LZ77 data on which other decoders agree.
func TestXpressOfOthers(t *testing.T) {
	list, err := os.ReadFile(filepath.Join(corpus.Case(t, "xpress-plain"), "xpress-vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name, Compressed, SHA256, Error string
		Size                            int
	}
	if err := json.Unmarshal(list, &vectors); err != nil {
		t.Fatal(err)
	}
	sound, damaged := 0, 0
	for _, v := range vectors {
		packed, err := hex.DecodeString(v.Compressed)
		if err != nil {
			t.Fatal(err)
		}
		got, err := xpressLZ77(packed, v.Size)
		switch sum := sha256.Sum256(got); {
		case v.Error != "":
			damaged++
			if err == nil {
				t.Errorf("%s: no error, want %q", v.Name, v.Error)
			}
		case err != nil || hex.EncodeToString(sum[:]) != v.SHA256:
			t.Errorf("%s: %v", v.Name, err)
		default:
			sound++
		}
	}
	t.Logf("%d unpack, %d are damaged", sound, damaged)
	if sound == 0 || damaged == 0 {
		t.Errorf("%d unpack, %d are damaged", sound, damaged)
	}
}
