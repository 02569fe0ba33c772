package format

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

// huffmanData writes a code table and the rest, which is given in hexadecimal.
func huffmanData(lengths map[int]int, rest string) []byte {
	out := make([]byte, 256)
	for s, n := range lengths {
		out[s/2] |= byte(n << (s % 2 * 4))
	}
	b, err := hex.DecodeString(strings.ReplaceAll(rest, " ", ""))
	if err != nil {
		panic(err)
	}
	return append(out, b...)
}

// TestXpressHuffmanExamples has the examples of Microsoft in MS-XCA 3.2, and the data that the compression API of
// Windows makes from 65537 zeros, as published on the list cifs-protocol@lists.samba.org on 2022-11-01.
func TestXpressHuffmanExamples(t *testing.T) {
	alphabet := map[int]int{256: 4, 'w': 4, 'x': 4, 'y': 4, 'z': 4}
	for s := 'a'; s < 'w'; s++ {
		alphabet[int(s)] = 5
	}
	for _, c := range []struct {
		name, rest, want string
		lengths          map[int]int
	}{
		{"literals", "d8523ed794115be9195ff9d67cdf8d0400000000", "abcdefghijklmnopqrstuvwxyz", alphabet},
		{"a match of 297 bytes", "a8dc0000ff2601", strings.Repeat("abc", 100), map[int]int{'a': 3, 'b': 3, 'c': 2, 256: 2, 287: 2}},
		{"a match over the border", "00980000fffdff", strings.Repeat("\x00", 65537), map[int]int{0: 2, 256: 2, 271: 1}},
	} {
		data := huffmanData(c.lengths, c.rest)
		got, err := xpressHuffman(data, len(c.want))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
		for _, size := range []int{len(c.want) - 1, len(c.want) + 1} {
			if _, err := xpressHuffman(data, size); !errors.Is(err, errPacked) {
				t.Errorf("%s, as %d bytes: %v", c.name, size, err)
			}
		}
	}
}

// huffmanItems are many kinds of data, as bytes and matches.
func huffmanItems() map[string][]lzItem {
	rng := rand.New(rand.NewPCG(7, 7))
	out := map[string][]lzItem{
		"pages": lzItems(testPages(0, 16), 1<<20), "short matches": lzItems(testPages(0, 16), 17), "many blocks": lzItems(testPages(0, 70), 1<<20),
		"one byte": {{literal: 7}}, "zeros, 32 bits": {{}, {distance: 1, length: 300000}},
		"over the border, then more":  append([]lzItem{{}, {distance: 1, length: 70000}}, lzItems(testPages(0, 20), 1<<20)...),
		"a border in a match's place": append(literals(make([]byte, 65533)), lzItem{distance: 65533, length: 3}, lzItem{literal: 1}),
		"farthest":                    append(literals(make([]byte, 65535)), lzItem{distance: 65535, length: 70}),
	}
	noise := make([]byte, 200000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	out["noise"] = literals(noise)
	out["all lengths of codes"] = literals(skewed())
	for _, n := range []int{3, 17, 18, 19, 271, 272, 273, 274, 65538, 65539, 65540} {
		out["length "+hex.EncodeToString([]byte{byte(n >> 16), byte(n >> 8), byte(n)})] = []lzItem{{literal: 1}, {literal: 2}, {distance: 2, length: n}, {literal: 3}}
	}
	return out
}

func literals(data []byte) []lzItem {
	out := make([]lzItem, len(data))
	for i, b := range data {
		out[i].literal = b
	}
	return out
}

// skewed returns bytes in which each value is half as frequent as the next, so that the codes have 1 to 15 bits.
func skewed() []byte {
	out := []byte{}
	for i := range 15 {
		out = append(out, bytes.Repeat([]byte{byte(i)}, 1<<i)...)
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func TestXpressHuffmanOfOurEncoder(t *testing.T) {
	lengths := map[int]bool{}
	for name, items := range huffmanItems() {
		var e huffmanEncoder
		packed, want := e.pack(items), unpackItems(items)
		for n := range e.lengths {
			lengths[n] = true
		}
		if got, err := xpressHuffman(packed, len(want)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v", name, err)
		}
		if got, ok := slowHuffman(packed, len(want)); !ok || !bytes.Equal(got, want) {
			t.Errorf("%s: the slow decoder has %d bytes, %v", name, len(got), ok)
		}
	}
	for n := 1; n <= 15; n++ {
		if !lengths[n] {
			t.Errorf("no code of %d bits was written", n)
		}
	}
}

// TestXpressHuffmanLongMatchesAtEveryBit has lengths of all forms behind symbols that end at all bits of a word.
func TestXpressHuffmanLongMatchesAtEveryBit(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	items := literals(skewed())
	for range 3000 {
		form := formSymbol + rng.IntN(forms-formSymbol)
		n := map[int]int{formSymbol: rng.IntN(15), formByte: 15 + rng.IntN(255), form16: 15 + rng.IntN(400), form32: 15 + rng.IntN(400)}[form]
		items = append(items, lzItem{distance: 1 + rng.IntN(1<<rng.IntN(15)), length: 3 + n, form: form})
		for range rng.IntN(9) {
			items = append(items, lzItem{literal: byte(bitsOf(rng))})
		}
	}
	var e huffmanEncoder
	packed, want := e.pack(items), unpackItems(items)
	if got, err := xpressHuffman(packed, len(want)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v", err)
	}
	for form := formSymbol; form < forms; form++ {
		for free := range 16 {
			if !e.places[[2]int{form, free}] {
				t.Errorf("no length of form %d was written with %d bits free", form, free)
			}
		}
	}
}

// bitsOf returns how often rng says yes, up to 14 times.
func bitsOf(rng *rand.Rand) (n int) {
	for n < 14 && rng.IntN(2) == 0 {
		n++
	}
	return n
}

func TestXpressHuffmanRandom(t *testing.T) {
	corpus.Long(t)
	rng := rand.New(rand.NewPCG(9, 9))
	for range 300 {
		items := []lzItem{{literal: byte(rng.Uint32())}}
		done := 1
		for range rng.IntN(2000) {
			it := lzItem{literal: byte(rng.Uint32N(1 + rng.Uint32N(255)))}
			if rng.IntN(3) == 0 {
				it.distance, it.length = 1+rng.IntN(min(done, 65535)), 3+rng.IntN(1<<rng.IntN(11))
			}
			items = append(items, it)
			done += max(it.length, 1)
		}
		var e huffmanEncoder
		want := unpackItems(items)
		if got, err := xpressHuffman(e.pack(items), len(want)); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: %v", len(want), err)
		}
	}
}

func TestXpressHuffmanDamage(t *testing.T) {
	ab := map[int]int{'a': 1, 'b': 2, 256: 2}
	match := func(symbol int) map[int]int { return map[int]int{'a': 1, symbol: 2, 256: 2} }
	for _, c := range []struct {
		name    string
		lengths map[int]int
		rest    string
		size    int
		why     string
	}{
		{"no table", nil, "", 1, huffmanBadTable},
		{"one symbol", map[int]int{'a': 1}, "0000 0000", 1, huffmanBadTable},
		{"a code is missing", map[int]int{'a': 1, 'b': 2}, "0000 0000", 1, huffmanBadTable},
		{"too many codes", map[int]int{'a': 1, 'b': 1, 'c': 15}, "0000 0000", 1, huffmanBadTable},
		{"no data", ab, "", 1, huffmanTruncated},
		{"half a word", ab, "00", 1, huffmanTruncated},
		{"more bytes than bits", ab, "0000 0000", 40, huffmanTruncated},
		{"a match of nothing", match(0x10f), "0080", 20, huffmanBadMatch},
		{"a match before the data", match(0x110), "0060 0000", 4, huffmanBadMatch},
		{"a match behind the data", match(0x101), "0060 0000", 4, huffmanBadMatch},
		{"no byte of a length", match(0x10f), "0060 0000", 40, huffmanTruncated},
		{"no 16 bits of a length", match(0x10f), "0060 0000 ff00", 40, huffmanTruncated},
		{"no 32 bits of a length", match(0x10f), "0060 0000 ff0000 010000", 40, huffmanTruncated},
		{"a length of 14 in 16 bits", match(0x10f), "0060 0000 ff0e00", 40, huffmanBadLength},
		{"a length of 14 in 32 bits", match(0x10f), "0060 0000 ff0000 0e000000", 18, huffmanBadLength},
		{"a length of 4 GiB", match(0x10f), "0060 0000 ff0000 ffffffff", 40, huffmanBadMatch},
		{"another symbol at the end", ab, "0000 0000", 2, huffmanBadEnd},
		{"bits behind the last byte, without an end", map[int]int{'a': 1, 'b': 1}, "0020 0000", 2, huffmanBadEnd},
		{"no second table", ab, strings.Repeat("0000", 4096) + "0000 0000", 65537, huffmanTruncated},
	} {
		_, err := xpressHuffman(huffmanData(c.lengths, c.rest), c.size)
		if !errors.Is(err, errPacked) || !strings.HasSuffix(err.Error(), c.why) {
			t.Errorf("%s: %v, want %q", c.name, err, c.why)
		}
		if _, ok := slowHuffman(huffmanData(c.lengths, c.rest), c.size); ok {
			t.Errorf("%s: the slow decoder takes it", c.name)
		}
	}
	if _, err := xpressHuffman(make([]byte, 255), 1); !errors.Is(err, errPacked) {
		t.Errorf("%v", err)
	}
}

// TestXpressHuffmanPadding has many kinds of bits and bytes behind the end symbol: they are padding.
func TestXpressHuffmanPadding(t *testing.T) {
	ab := map[int]int{'a': 1, 'b': 2, 256: 2}
	for _, rest := range []string{"0030 0000", "0030 0001", "0030 0000 01", "0030 0000 0123456789"} {
		if got, err := xpressHuffman(huffmanData(ab, rest), 2); err != nil || string(got) != "aa" {
			t.Errorf("%s: %q, %v", rest, got, err)
		}
	}
}

// TestXpressHuffmanEndMayBeMissing leaves the end symbol out where MS-XCA does not need it: where a table would
// follow, and where the symbol has no code.
func TestXpressHuffmanEndMayBeMissing(t *testing.T) {
	for _, n := range []int{3, 100, 65536, 131072} {
		e := huffmanEncoder{noEnd: true}
		want := testPages(0, 32)[:n]
		if got, err := xpressHuffman(e.pack(literals(want)), n); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	e := huffmanEncoder{noEnd: true}
	over := []lzItem{{}, {distance: 1, length: 3}, {distance: 1, length: 70000}} // the first match is symbol 256
	if got, err := xpressHuffman(e.pack(over), 70004); err != nil || !bytes.Equal(got, make([]byte, 70004)) {
		t.Errorf("a match over the border: %v", err)
	}
}

// TestXpressHuffmanTruncated cuts data at every place: if they still unpack, the result is right, and only zeros
// behind the end were cut off.
func TestXpressHuffmanTruncated(t *testing.T) {
	corpus.Long(t)
	want := testPages(pageSize, 4)
	packed := packHuffman(want)
	for cut := range len(packed) {
		got, err := xpressHuffman(packed[:cut], len(want))
		if err == nil && (!bytes.Equal(got, want) || cut < len(packed)-4) {
			t.Fatalf("cut to %d of %d bytes: no error", cut, len(packed))
		}
	}
}

// TestXpressHuffmanOfChangedData changes bits of data, and swaps lengths of codes: both decoders must agree on every
// result.
func TestXpressHuffmanOfChangedData(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	small := lzItems(testPages(pageSize, 1)[:600], 300)
	whole := packHuffman(unpackItems(small))
	sound, damaged := 0, 0
	for range 5000 {
		packed := bytes.Clone(whole)
		for range 1 + rng.IntN(3) {
			if i, j := rng.IntN(256), rng.IntN(256); rng.IntN(3) == 0 {
				packed[i], packed[j] = packed[j], packed[i]
			}
			packed[256+rng.IntN(len(packed)-256)] ^= 1 << rng.IntN(8)
		}
		got, err := xpressHuffman(packed, 600)
		if want, ok := slowHuffman(packed, 600); ok != (err == nil) || ok && !bytes.Equal(got, want) {
			t.Fatalf("%x: %v, the slow decoder: %v", packed, err, ok)
		}
		if err == nil {
			sound++
		} else {
			damaged++
		}
	}
	t.Logf("%d unpack to something, %d are damaged", sound, damaged)
	if sound == 0 || damaged == 0 {
		t.Errorf("%d unpack to something, %d are damaged", sound, damaged)
	}
}

// TestXpressHuffmanAllocates checks that the decoder allocates only its result and its state, for all lengths in the
// data. The error needs some more, which is not used again under the race detector.
func TestXpressHuffmanAllocates(t *testing.T) {
	data := huffmanData(map[int]int{'a': 1, 0x10f: 2, 256: 2}, "0060 0000 ff0000 ffffffff")
	if n := testing.AllocsPerRun(10, func() { _, _ = xpressHuffman(data, hiberBlock) }); n > 20 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzXpressHuffman compares the decoder with the slow one.
func FuzzXpressHuffman(f *testing.F) {
	f.Add(packHuffman(testPages(pageSize, 1)[:500]), 500)
	f.Add(huffmanData(map[int]int{'a': 3, 'b': 3, 'c': 2, 256: 2, 287: 2}, "a8dc0000ff2601"), 300)
	f.Add(huffmanData(map[int]int{0: 2, 256: 2, 271: 1}, "00980000fffdff"), 65537)
	f.Add(huffmanData(map[int]int{'a': 1, 0x10f: 2, 256: 2}, "0060 0000 ff0000 ffff0000"), 65539)
	f.Fuzz(func(t *testing.T, packed []byte, size int) {
		if size < 1 || size > 200000 {
			return
		}
		got, err := xpressHuffman(packed, size)
		if want, ok := slowHuffman(packed, size); ok != (err == nil) || ok && !bytes.Equal(got, want) {
			t.Errorf("%v, the slow decoder: %v", err, ok)
		}
	})
}

func BenchmarkXpressHuffman(b *testing.B) {
	data := testPages(0, 16)
	packed := packHuffman(data)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := xpressHuffman(packed, len(data)); err != nil {
			b.Fatal(err)
		}
	}
}
