package format

import (
	"bytes"
	"errors"
	"syscall"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
)

// brokenBeside is a file whose siblings are on disks with unreadable places.
type brokenBeside struct {
	*memSource
	t    *testing.T
	part float64
}

func (b brokenBeside) Beside(name string) (Source, error) {
	src, err := b.memSource.Beside(name)
	if err != nil {
		return nil, err
	}
	var all []*sparsetest.Disk
	disk := onDisk(b.t, src.(*memSource), b.part, &all)
	disk.Break(true)
	return disk, nil
}

// TestAFF4FurtherVolumeThatCannotBeRead has unreadable places in the second of two volumes, and opens the image by
// either volume: a place that cannot be read is an error, and not a missing bevy.
func TestAFF4FurtherVolumeThatCannotBeRead(t *testing.T) {
	v := &aff4Writer{form: aff4Form{method: aff4Schema + "NullCompressor"}, t: t, urn: aff4URN}
	v.add("container.description", []byte(aff4URN))
	want := testPages(0, 64)
	first := v.parts(aff4URN+"/m", []string{aff4URN + "/m/data"}, want, mapEntry(0, uint64(len(want)), 0, 0))
	second := &memSource{sparse.Bytes(first.siblings["a.aff4.A01"]), "a.aff4.A01", first.siblings}
	for _, src := range []*memSource{first, second} {
		for i := range 20 {
			got := make([]byte, len(want))
			n := 0
			im, err := Open(brokenBeside{src, t, float64(i) / 20}, Options{})
			if err == nil {
				n, err = sparse.ZeroFill(im.Memory, nil).ReadAt(got, 0)
				_ = im.Close()
			}
			if !errors.Is(err, syscall.EIO) && n < len(want) || !bytes.Equal(got[:n], want[:n]) {
				t.Errorf("%s, a bad place at %d of 20: %d bytes, %v", src.name, i, n, err)
			}
		}
	}
}
