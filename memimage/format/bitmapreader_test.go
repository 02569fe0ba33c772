package format

import (
	"bytes"
	"testing"

	"memlens/memimage/sparse"
)

// TestBitmapReader compares reading by the bitmap alone with reading by the list of runs that is made from the
// bitmap.
func TestBitmapReader(t *testing.T) {
	runs := append(testMemory(), run{0x9000000, testPages(0x9000000, 1)})
	for _, cut := range []int{0, 3000, 20 * pageSize} {
		data := writeCrashBitmap(crashLayouts()[0], crashBitmapFull, false, runs)
		src := newMemSource("a.dmp", data[:len(data)-cut])
		im, err := Open(src, Options{})
		if err != nil {
			t.Fatal(err)
		}
		f := fields(data)
		base := crashLayouts()[0].headerSize
		b := pageBitmap{at: uint64(base + 0x38), bits: f.u64(base + 0x30), data: f.u64(base + 0x20)}
		r, err := newBitmapReader(newInput(src, Options{}), b, src, uint64(src.Size()))
		if err != nil {
			t.Fatal(err)
		}
		mem, err := sparse.NewReader(im.Memory.Size(), sparse.Extent{Len: im.Memory.Size(), Src: r})
		if err != nil {
			t.Fatal(err)
		}
		var want []run
		for run := range sparse.Runs(im.Memory) {
			if run.Err == nil {
				buf := make([]byte, run.Len)
				if n, err := im.Memory.ReadAt(buf, run.Off); n < len(buf) {
					t.Fatal(err)
				}
				want = append(want, runOf(run.Off, buf))
			}
		}
		checkMemory(t, &Image{Memory: mem}, want)
	}
}

func runOf(off int64, data []byte) run { return run{uint64(off), data} }

// TestBitmapOfMoreRunsThanALayoutHolds has every second page of 16 GiB.
func TestBitmapOfMoreRunsThanALayoutHolds(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 100 MiB of memory")
	}
	const pages = 4 << 20
	head := hugeHeads(hugeSize)["crash dump by a bitmap"]
	base := crashLayouts()[0].headerSize
	bitmap := head[base+0x38:]
	copy(bitmap, bytes.Repeat([]byte{0x55}, pages/8))
	im, err := Open(&hugeSource{name: "a.dmp", head: head, size: hugeSize}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if noteWith(im, "left out") || len(im.Memory.Extents()) > maxExtents+1 {
		t.Errorf("%d extents, %q", len(im.Memory.Extents()), im.Notes)
	}
	for _, page := range []int64{0, 2, 2 * maxExtents, 2*maxExtents + 2, pages - 2} {
		if n, err := im.Memory.Probe(page * pageSize); n != pageSize || err != nil {
			t.Errorf("page %#x: %#x, %v", page, n, err)
		}
		if _, err := im.Memory.Probe((page + 1) * pageSize); err == nil {
			t.Errorf("page %#x is there", page+1)
		}
	}
}
