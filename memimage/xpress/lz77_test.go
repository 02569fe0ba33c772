package xpress

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"testing"
)

// vector is a row of testdata/vectors.json: streams of several encoders; other decoders agree on the results.
type vector struct {
	Name, Compressed, SHA256, Error string
	Size, Used                      int
}

func vectors(t testing.TB) []vector {
	t.Helper()
	list, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var out []vector
	if err := json.Unmarshal(list, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func (v vector) packed(t testing.TB) []byte {
	t.Helper()
	b, err := hex.DecodeString(v.Compressed)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestLZ77OfOthers unpacks streams on which other decoders agree, with all forms of length, and refuses the streams
// that they call damaged.
func TestLZ77OfOthers(t *testing.T) {
	sound, damaged := 0, 0
	for _, v := range vectors(t) {
		got := make([]byte, v.Size)
		used, err := LZ77(got, v.packed(t))
		switch sum := sha256.Sum256(got); {
		case v.Error != "":
			damaged++
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %v, want %q", v.Name, err, v.Error)
			}
		case err != nil || hex.EncodeToString(sum[:]) != v.SHA256 || used != v.Used:
			t.Errorf("%s: %d bytes used, %v", v.Name, used, err)
		default:
			sound++
		}
	}
	if sound < 20 || damaged < 5 {
		t.Errorf("%d unpack, %d are damaged", sound, damaged)
	}
}

// TestLZ77Examples unpacks the examples of MS-XCA 3.1.
func TestLZ77Examples(t *testing.T) {
	for _, c := range []struct{ packed, want string }{
		{"\x3f\x00\x00\x00abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz"},
		{"\xff\xff\xff\x1fabc\x17\x00\x0f\xff\x26\x01", string(bytes.Repeat([]byte("abc"), 100))},
	} {
		got := make([]byte, len(c.want))
		if used, err := LZ77(got, []byte(c.packed)); err != nil || string(got) != c.want || used != len(c.packed) {
			t.Errorf("%q: %q, %d, %v", c.packed, got, used, err)
		}
	}
}

// TestLZ77CutOff cuts sound streams at places all over them, and at every place of short ones.
func TestLZ77CutOff(t *testing.T) {
	for _, v := range vectors(t) {
		if v.Error != "" {
			continue
		}
		packed, got := v.packed(t), make([]byte, v.Size)
		for cut := 0; cut < v.Used; cut += 1 + v.Used/64 {
			if _, err := LZ77(got, packed[:cut]); !errors.Is(err, ErrDamaged) {
				t.Fatalf("%s, cut to %d of %d bytes: %v", v.Name, cut, v.Used, err)
			}
		}
	}
}

// randomStream makes a stream of random literals and matches whose lengths are written in random forms; some forms
// are longer than needed.
func randomStream(rng *rand.Rand, size int) (packed []byte) {
	out, half, bit, flagsAt := 0, -1, 0, 0
	token := func(match bool) {
		if bit == 0 {
			flagsAt, bit = len(packed), 32
			packed = append(packed, 0, 0, 0, 0)
		}
		if bit--; match {
			binary.LittleEndian.PutUint32(packed[flagsAt:], binary.LittleEndian.Uint32(packed[flagsAt:])|1<<bit)
		}
	}
	nibble := func(v byte) {
		if half < 0 {
			half = len(packed)
			packed = append(packed, v)
			return
		}
		packed[half] |= v << 4
		half = -1
	}
	for out < size {
		if out == 0 || size-out < 3 || rng.IntN(3) == 0 {
			token(false)
			packed = append(packed, byte(rng.IntN(4)))
			out++
			continue
		}
		token(true)
		n := min(rng.IntN([]int{7, 20, 300, 5000}[rng.IntN(4)]), size-out-3)
		packed = binary.LittleEndian.AppendUint16(packed, uint16(rng.IntN(min(out, 8192))<<3|min(n, 7)))
		out += n + 3
		if n < 7 {
			continue
		}
		if nibble(byte(min(n-7, 15))); n < 22 {
			continue
		}
		switch form := rng.IntN(3); {
		case form == 0 && n-22 < 255:
			packed = append(packed, byte(n-22))
		case form == 1:
			packed = binary.LittleEndian.AppendUint16(append(packed, 255), uint16(n))
		default:
			packed = binary.LittleEndian.AppendUint32(append(packed, 255, 0, 0), uint32(n))
		}
	}
	return packed
}

// TestLZ77AsThePseudocode unpacks random streams as the pseudocode of the specification does.
func TestLZ77AsThePseudocode(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		size := 1 + rng.IntN(9000)
		packed := randomStream(rng, size)
		got := make([]byte, size)
		used, err := LZ77(got, packed)
		if want, ok := slowLZ77(packed, size); !ok || err != nil || used != len(packed) || !bytes.Equal(got, want) {
			t.Fatalf("%x: %d of %d bytes used, %v, the slow decoder: %v", packed, used, len(packed), err, ok)
		}
	}
}

// FuzzXpress unpacks any bytes.
func FuzzXpress(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.packed(f), v.Size)
	}
	f.Fuzz(func(t *testing.T, packed []byte, size int) {
		if size < 1 || size > 200000 {
			return
		}
		got := make([]byte, size)
		_, err := LZ77(got, packed)
		if want, ok := slowLZ77(packed, size); ok != (err == nil) || ok && !bytes.Equal(got, want) {
			t.Errorf("%v, the slow decoder: %v", err, ok)
		}
	})
}

func BenchmarkLZ77(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	got := make([]byte, 4096)
	packed := randomStream(rng, len(got))
	b.SetBytes(int64(len(got)))
	for b.Loop() {
		if _, err := LZ77(got, packed); err != nil {
			b.Fatal(err)
		}
	}
}
