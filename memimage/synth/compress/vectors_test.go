package compress

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// TestVectors writes pages that other programs have written, too: the data must be the same to the byte.
func TestVectors(t *testing.T) {
	list, err := os.ReadFile("../../xpress/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct{ Name, Compressed string }
	if err := json.Unmarshal(list, &vectors); err != nil {
		t.Fatal(err)
	}
	same := map[string]Way{
		"a page of zeros": Greedy, "a page of zeros, 32-bit length": Wide32, "a page of 0xcc": Greedy, "text": Greedy, "text, lazy": Lazy,
		"text, matches of at most 9 (3-bit lengths only)": Short3, "text, at most 24 (nibbles)": Nibble, "text, at most 279 (bytes)": Byte,
		"text, 16-bit lengths": Wide16, "32 literals: the flags end with the data": Literals, "31 literals and a match": Greedy,
	}
	found := 0
	for _, v := range vectors {
		way, ok := same[v.Name]
		if !ok {
			continue
		}
		found++
		packed, err := hex.DecodeString(v.Compressed)
		if err != nil {
			t.Fatal(err)
		}
		page, _, _ := plain(packed)
		if got := Xpress(page, way); string(got) != string(packed) {
			t.Errorf("%s: % x, want % x", v.Name, got, packed)
		}
	}
	if found != len(same) {
		t.Errorf("%d vectors of %d", found, len(same))
	}
}
