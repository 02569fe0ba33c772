package digest

import (
	"bytes"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"

	"memlens/render/similarity"
)

func TestBlocks(t *testing.T) {
	data := make([]byte, 10*blockSize+7)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	clear(data[3*blockSize : 4*blockSize])
	all, moved := blocksOf(t, data), blocksOf(t, data[2*blockSize:])
	if len(all) != 9 || all.shared(all) != 9 {
		t.Fatalf("%d blocks, want 9: whole ones that are not uniform", len(all))
	}
	if all.shared(moved) != 7 {
		t.Errorf("%d blocks shared with a file that lacks two", all.shared(moved))
	}
	if got := parseBlocks(all.bytes()); got.shared(all) != 9 {
		t.Errorf("read back: %v", got)
	}
	plain := fnv.New64a()
	plain.Write(data[:blockSize])
	if got := hashOf(data[:blockSize]); got != plain.Sum64() {
		t.Errorf("hash %#x, want %#x", got, plain.Sum64())
	}
	if _, err := Of("x", strings.NewReader("short"), 4096, nil); err == nil {
		t.Error("a file that shrank has blocks")
	}
}

func blocksOf(t *testing.T, data []byte) blocks {
	t.Helper()
	b := new(blockHasher)
	if err := similarity.Feed(b, bytes.NewReader(data), int64(len(data))); err != nil {
		t.Fatal(err)
	}
	return b.blocks()
}
