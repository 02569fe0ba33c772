package format

import (
	"crypto/sha256"
	"encoding/hex"
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
