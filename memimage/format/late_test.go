package format

import (
	"bytes"
	"sync/atomic"
	"testing"
	"time"

	"memlens/memimage/sparse"
)

// lateFile is a file that comes late.
type lateFile struct{ *memSource }

func (lateFile) WillNeed(off, n int64) bool { return true }

// TestBlocksAreUnpackedAhead checks that blocks of containers whose bytes come late are unpacked before they are
// read, several at a time, and that blocks of other containers are not.
func TestBlocksAreUnpackedAhead(t *testing.T) {
	near := newMemSource("a", nil)
	for name, src := range map[string]Source{"near": near, "late": lateFile{near}, "late inside": &inner{Source: lateFile{near}}} {
		in := newInput(src, Options{})
		var loaded, running, most atomic.Int64
		b := in.newBlocks(uniform{10, 100}, 10, func(i int) ([]byte, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			time.Sleep(time.Millisecond)
			loaded.Add(1)
			if i == 7 {
				panic("a mistake")
			}
			return bytes.Repeat([]byte{byte(i)}, 10), nil
		})
		isLate := name != "near"
		if sparse.WillNeed(b, 15, 60) != isLate {
			t.Errorf("%s: is it late? %v", name, !isLate)
		}
		deadline := time.Now().Add(5 * time.Second)
		for isLate && loaded.Load() < 7 && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		if n := loaded.Load(); n != map[bool]int64{true: 7}[isLate] {
			t.Errorf("%s: %d blocks were unpacked ahead", name, n)
		}
		if isLate && most.Load() < 2 {
			t.Errorf("%s: one after the other", name)
		}
		p := make([]byte, 50)
		if n, err := b.ReadAt(p, 15); n != 50 || err != nil || p[0] != 1 || p[49] != 6 {
			t.Errorf("%s: %d bytes, %v: %v", name, n, err, p)
		}
	}
}
