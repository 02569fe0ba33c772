package compress

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/pierrec/lz4/v4"
)

// ways are all ways, with their names.
var ways = map[string]Way{
	"greedy": Greedy, "lazy": Lazy, "literals": Literals, "half": Half, "mixed": Mixed, "short3": Short3, "nibble": Nibble, "byte": Byte,
	"wide16": Wide16, "wide32": Wide32,
}

// pages are pages unlike each other.
func pages() map[string][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	out := map[string][]byte{
		"zeros": make([]byte, 4096),
		"text":  bytes.Repeat([]byte("the quick brown fox jumps over the lazy dog. "), 100)[:4096],
		"noise": make([]byte, 4096), "words": nil, "runs": nil, "pairs": make([]byte, 4096),
	}
	for i := range out["noise"] {
		out["noise"][i] = byte(rng.Uint32())
		out["pairs"][i] = byte(rng.IntN(3))
	}
	words := []string{"memory", "page", "store", "compressed", "record", "region", "\x00\x00\x00\x00", "\xff\xfe"}
	for len(out["words"]) < 4096 {
		out["words"] = append(out["words"], words[rng.IntN(len(words))]...)
		out["runs"] = append(out["runs"], bytes.Repeat([]byte{byte(rng.Uint32())}, 1+rng.IntN(400))...)
	}
	out["words"], out["runs"] = out["words"][:4096], append(out["runs"], make([]byte, 4096)...)[:4096]
	return out
}

func TestXpress(t *testing.T) {
	for kind, page := range pages() {
		for name, way := range ways {
			got, used, forms := plain(Xpress(page, way))
			if !bytes.Equal(got, page) {
				t.Errorf("%s, %s: %d bytes that differ from the page", kind, name, len(got))
			}
			if packed := Xpress(page, way); used != len(packed) {
				t.Errorf("%s, %s: %d of %d bytes are used", kind, name, used, len(packed))
			}
			for _, form := range forbidden[way] {
				if forms[form] > 0 {
					t.Errorf("%s, %s: a length of %d bits", kind, name, form)
				}
			}
		}
	}
}

// forbidden are the forms of length that a way must not use.
var forbidden = map[Way][]int{Literals: {3, 4, 8, 16, 32}, Short3: {4, 8, 16, 32}, Nibble: {8, 16, 32}, Byte: {16, 32}, Wide16: {8, 32}, Wide32: {8, 16}}

func TestEveryForm(t *testing.T) {
	all := make(map[int]int)
	for _, page := range pages() {
		for _, way := range ways {
			_, _, forms := plain(Xpress(page, way))
			for form, n := range forms {
				all[form] += n
			}
		}
	}
	for _, form := range []int{3, 4, 5, 8, 16, 32} { // 5: a half byte that shares its byte with the half byte before
		if all[form] < 10 {
			t.Errorf("form %d occurs %d times", form, all[form])
		}
	}
}

func TestBeyond(t *testing.T) {
	for kind, page := range pages() {
		if got, _, _ := plain(XpressBeyond(page)); got != nil {
			t.Errorf("%s: Xpress unpacks", kind)
		}
		if _, err := lz4.UncompressBlock(LZ4Beyond(page), make([]byte, 4096)); err == nil {
			t.Errorf("%s: LZ4 unpacks", kind)
		}
	}
}

func TestLZ4(t *testing.T) {
	for kind, page := range pages() {
		for name, way := range ways {
			got := make([]byte, 4096)
			if n, err := lz4.UncompressBlock(LZ4(page, way), got); err != nil || n != 4096 || !bytes.Equal(got, page) {
				t.Errorf("%s, %s: %d bytes, %v", kind, name, n, err)
			}
		}
	}
}

func TestSmall(t *testing.T) {
	zeros := pages()["zeros"]
	for way, want := range map[Way]string{
		Greedy: "\xff\xff\xff\x7f\x00\x07\x00\x0f\xff\xfc\x0f", Wide32: "\xff\xff\xff\x7f\x00\x07\x00\x0f\xff\x00\x00\xfc\x0f\x00\x00",
	} {
		if got := Xpress(zeros, way); string(got) != want {
			t.Errorf("way %d: % x, want % x", way, got, want)
		}
	}
}

// plain unpacks plain LZ77 data of a page, step by step as in [MS-XCA] 2.4.4; nil for damage. It counts the forms of
// length by their bits.
func plain(in []byte) (out []byte, at int, forms map[int]int) {
	defer func() {
		if recover() != nil {
			out = nil
		}
	}()
	forms = make(map[int]int)
	flags, count, half := 0, 0, 0
	take := func(n int) (v int) {
		for i := range n {
			v |= int(in[at+i]) << (8 * i)
		}
		at += n
		return v
	}
	for {
		if count == 0 {
			flags, count = take(4), 32
		}
		count--
		if flags>>count&1 == 0 {
			out = append(out, byte(take(1)))
			continue
		}
		if at == len(in) {
			return out, at, forms
		}
		token := take(2)
		length, form := token&7, 3
		if length == 7 {
			if half == 0 {
				half, form = at, 4
				length = take(1) & 15
			} else {
				length, form, half = int(in[half]>>4), 5, 0
			}
			if length == 15 {
				form = 8
				if length = take(1); length == 255 {
					form = 16
					if length = take(2); length == 0 {
						length, form = take(4), 32
					}
					length -= 15 + 7
				}
				length += 15
			}
			length += 7
		}
		forms[form]++
		for range length + 3 {
			out = append(out, out[len(out)-(token>>3)-1])
		}
	}
}
