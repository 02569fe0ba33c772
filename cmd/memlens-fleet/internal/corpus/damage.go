package corpus

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"memlens/memimage/synth"
)

// damage is an image that cannot be read at all.
type damage struct {
	name, what string
	content    func(whole *synth.Memory) ([]byte, error)
}

// damages are the images that are refused.
func damages() []damage {
	return []damage{
		{"damaged/cut-kernel.raw", "a raw image that ends before the kernel", cut(1 << 20)},
		{"damaged/cut-page.raw", "a raw image of which one page is left", cut(4096)},
		{"damaged/empty.raw", "an empty file", made(func() []byte { return nil })},
		{"damaged/envelope.E01", "a segment of EWF whose sections lead nowhere", made(func() []byte { return append([]byte("EVF\x09\r\n\xff\x00\x01\x01\x00\x00\x00"), noise(8192)...) })},
		{"damaged/noise.raw", "bytes at random", made(func() []byte { return noise(2 << 20) })},
		{"damaged/packed.raw.gz", "a compressed image that ends after its first KiB", packed},
		{"damaged/text.raw", "a text", made(func() []byte { return bytes.Repeat([]byte("The image will be uploaded tomorrow.\r\n"), 100) })},
		{"damaged/wide.lime", "a range of LiME that claims more than there is", made(wide)},
		{"damaged/wiped.raw", "a raw image whose kernel was overwritten", wiped},
		{"damaged/zeros.raw", "an image that was never written", made(func() []byte { return make([]byte, 1<<20) })},
	}
}

// damaged writes the damaged images: ten images that are refused, one image whose process list never ends, and one
// whose list leads nowhere.
func (b *builder) damaged() error {
	first := b.Images - len(damages()) - 2
	for n, hostile := range []synth.Hostile{{LoopLists: true}, {WildLinks: true}} {
		if err := b.write(first+n, hostile); err != nil {
			return err
		}
		what := []string{"the list of processes is a loop", "the list of processes leads to nowhere"}[n]
		b.truth.Problems = append(b.truth.Problems, Problem{Image: name(first + n), What: what, Opens: true})
	}
	whole, err := b.machine(0, synth.Hostile{})
	if err != nil {
		return err
	}
	for _, d := range damages() {
		if err := b.writeDamage(d, whole); err != nil {
			return fmt.Errorf("corpus: %s: %w", d.name, err)
		}
	}
	return nil
}

func (b *builder) writeDamage(d damage, whole *synth.Memory) error {
	content, err := d.content(whole)
	if err != nil {
		return err
	}
	path := filepath.Join(b.dir, d.name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	b.truth.Images = append(b.truth.Images, d.name)
	b.truth.Problems = append(b.truth.Problems, Problem{Image: d.name, What: d.what})
	return os.WriteFile(path, content, 0o666)
}

func made(content func() []byte) func(*synth.Memory) ([]byte, error) {
	return func(*synth.Memory) ([]byte, error) { return content(), nil }
}

func cut(n int64) func(*synth.Memory) ([]byte, error) {
	return func(whole *synth.Memory) ([]byte, error) {
		return io.ReadAll(io.NewSectionReader(whole.Reader, 0, n))
	}
}

// wiped returns memory in which the half with the kernel and all page tables is overwritten.
func wiped(whole *synth.Memory) ([]byte, error) {
	all, err := io.ReadAll(io.NewSectionReader(whole.Reader, 0, whole.Reader.Size()))
	if err == nil {
		for i := range all {
			all[i] = 0xaa
		}
	}
	return all[:min(len(all), 8<<20)], err
}

// packed is the beginning of compressed memory.
func packed(whole *synth.Memory) ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := io.Copy(w, io.NewSectionReader(whole.Reader, 0, 4<<20)); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes()[:1024], nil
}

// wide is a range of LiME (header of 32 bytes: magic, version, first and last address) that claims exabytes.
func wide() []byte {
	h := make([]byte, 32, 8192)
	copy(h, "EMiL")
	binary.LittleEndian.PutUint32(h[4:], 1)
	binary.LittleEndian.PutUint64(h[8:], 0x1000)
	binary.LittleEndian.PutUint64(h[16:], 0x7fffffffffffffff)
	return append(h, noise(8192-32)...)
}

func noise(n int) []byte {
	rng := rand.New(rand.NewPCG(16, uint64(n)))
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(rng.Uint32())
	}
	return out
}
