package memimage

import (
	"bytes"
	"context"
	"os"
	"strings"
	"syscall"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// TestProfileOnABrokenDisk opens images of which a part cannot be read. Processes that cannot be asked prove nothing: the
// profile is that of the sound image, whatever part it is, or the image is refused.
func TestProfileOnABrokenDisk(t *testing.T) {
	system := synth.Demo()
	system.RAM = 16 << 20
	mem, err := synth.Build(system)
	if err != nil {
		t.Fatal(err)
	}
	built := make([]byte, mem.Reader.Size())
	if _, err := mem.Reader.ReadAt(built, 0); err != nil {
		t.Fatal(err)
	}
	images := map[string][]byte{"built": built}
	if _, err := os.Stat("../../shared/images"); err == nil && !testing.Short() {
		for _, name := range []string{"WinXPSP2x86.raw", "Win7SP1x64.raw"} {
			if images[name], err = os.ReadFile(corpus.Unpack(t, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, data := range images {
		t.Run(name, func(t *testing.T) { profileOnABrokenDisk(t, data) })
	}
}

func profileOnABrokenDisk(t *testing.T, data []byte) {
	open := func(bad ...sparse.Run) (*Image, error) {
		f := newDiskFile(bytes.NewReader(data), int64(len(data)), bad...)
		f.disk.Break(true)
		return OpenSource(context.Background(), f, Options{})
	}
	sound, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer sound.Close()
	opened := 0
	for _, parts := range []int64{4, 16} {
		size := int64(len(data)) / parts
		for off := int64(0); off < int64(len(data)); off += size {
			im, err := open(sparse.Run{Off: off, Len: size})
			if err != nil {
				if !strings.Contains(err.Error(), syscall.EIO.Error()) {
					t.Errorf("without %#x bytes at %#x: %v, which says nothing of an I/O error", size, off, err)
				}
				continue
			}
			opened++
			if got, want := im.Kernel.Profile.Name(), sound.Kernel.Profile.Name(); got != want {
				t.Errorf("without %#x bytes at %#x: profile %s, not %s", size, off, got, want)
			}
			im.Close()
		}
	}
	if opened == 0 {
		t.Error("the image was refused each time")
	}
}
