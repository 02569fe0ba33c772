package sparse_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
)

// countingDisk counts the reads that touch each bad place.
type countingDisk struct {
	*sparsetest.Disk
	mu      sync.Mutex
	touched []int // by bad place
}

func (c *countingDisk) ReadAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	for i, bad := range c.Bad {
		if c.Broken() && off < bad.End() && off+int64(len(p)) > bad.Off {
			c.touched[i]++
		}
	}
	c.mu.Unlock()
	return c.Disk.ReadAt(p, off)
}

func newCountingDisk(data []byte, bad ...sparse.Run) *countingDisk {
	c := &countingDisk{Disk: &sparsetest.Disk{ReaderAt: bytes.NewReader(data), Bad: bad}, touched: make([]int, len(bad))}
	c.Break(true)
	return c
}

// TestBadPlacesAreReadTwice reads all over a broken disk: a bad page is read twice at most, and the pages around it
// are read as usual.
func TestBadPlacesAreReadTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // no time passes
		data := make([]byte, 64*4096+100)
		rng := rand.New(rand.NewPCG(1, 1))
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		disk := newCountingDisk(data, sparse.Run{Off: 5 * 4096, Len: 512}, sparse.Run{Off: 30*4096 + 1024, Len: 512}, sparse.Run{Off: 64 * 4096, Len: 50})
		bad := map[int64]bool{5: true, 30: true, 64: true}
		var faults sparse.Faults
		src := faults.Watch(sparse.Whole(disk, int64(len(data))))
		failed := int64(0)
		for range 2000 {
			off := rng.Int64N(int64(len(data)))
			p := make([]byte, 1+rng.IntN(min(20*4096, len(data)-int(off))))
			n, err := src.ReadAt(p, off)
			if !bytes.Equal(p[:n], data[off:off+int64(n)]) {
				t.Fatalf("wrong bytes at %#x", off)
			}
			at := off + int64(n)
			if n < len(p) {
				failed++
				if !errors.Is(err, syscall.EIO) || !sparse.Failed(err) || !bad[at/4096] {
					t.Fatalf("%#x bytes at %#x: stopped at %#x with %v", len(p), off, at, err)
				}
			}
			for page := off / 4096; page*4096 < at; page++ {
				if bad[page] && at > (page+1)*4096 {
					t.Fatalf("%#x bytes at %#x: read past the bad page %d to %#x", len(p), off, page, at)
				}
			}
		}
		if failed == 0 || faults.Count() != failed {
			t.Errorf("%d reads failed, %d are counted", failed, faults.Count())
		}
		for i, n := range disk.touched {
			if n == 0 || n > 2 {
				t.Errorf("the bad place %d was read %d times", i, n)
			}
		}
	})
}

// TestBadPlacesAreForgotten checks that a place is read again after some seconds, or after Forget.
func TestBadPlacesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data := bytes.Repeat([]byte("sound "), 4096)
		disk := newCountingDisk(data, sparse.Run{Off: 4096, Len: 4096})
		var faults sparse.Faults
		src := faults.Watch(sparse.Whole(disk, int64(len(data))))
		fails := func() bool {
			p := make([]byte, 4096)
			_, err := src.ReadAt(p, 4096)
			return sparse.Failed(err)
		}
		if !fails() {
			t.Fatal("the disk does not fail")
		}
		disk.Break(false)
		if !fails() {
			t.Error("the place is read again at once")
		}
		time.Sleep(10 * time.Second)
		if fails() {
			t.Error("the place is not read again after 10 seconds")
		}
		disk.Break(true)
		if !fails() {
			t.Fatal("the disk does not fail any more")
		}
		disk.Break(false)
		faults.Forget()
		if fails() {
			t.Error("the place is not read again, though it was to be forgotten")
		}
	})
}

// TestFailureOfManyIsNotOfEach has a file in which every read of more than a page fails, although single pages can be
// read.
func TestFailureOfManyIsNotOfEach(t *testing.T) {
	data := bytes.Repeat([]byte{7}, 10*4096)
	var faults sparse.Faults
	src := faults.Watch(sparse.Whole(pageAtATime{bytes.NewReader(data)}, int64(len(data))))
	p := make([]byte, len(data)-100)
	if n, err := src.ReadAt(p, 100); n != len(p) || err != nil || faults.Count() != 0 {
		t.Errorf("%d of %d bytes, %v", n, len(p), err)
	}
}

type pageAtATime struct{ *bytes.Reader }

func (r pageAtATime) ReadAt(p []byte, off int64) (int, error) {
	if len(p) > 4096 {
		return 0, syscall.EIO
	}
	return r.Reader.ReadAt(p, off)
}

// TestReadersThatMeetABadPlace has many readers at the same time: each reads the bad place once at most, and one
// reader tries it alone.
func TestReadersThatMeetABadPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const readers = 8
		disk := newCountingDisk(make([]byte, 64*4096), sparse.Run{Off: 7 * 4096, Len: 4096})
		var faults sparse.Faults
		src := faults.Watch(sparse.Whole(disk, 64*4096))
		var wg sync.WaitGroup
		for range readers {
			wg.Go(func() {
				for range 100 {
					if n, err := src.ReadAt(make([]byte, 16*4096), 0); n != 7*4096 || !sparse.Failed(err) {
						t.Errorf("%#x bytes, %v", n, err)
					}
				}
			})
		}
		wg.Wait()
		if n := disk.touched[0]; n > readers+1 {
			t.Errorf("the place was read %d times", n)
		}
	})
}
