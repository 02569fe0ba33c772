package fs

import (
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	knownfiles "memlens/memimage/known"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// patience is a context that is cancelled when it has been asked so many times whether it is.
type patience struct {
	context.Context
	left atomic.Int64
	gone func() bool
	done chan struct{}
}

func newPatience(asks int64) *patience {
	p := &patience{Context: context.Background(), done: make(chan struct{})}
	p.left.Store(asks)
	p.gone = sync.OnceValue(func() bool { close(p.done); return true })
	return p
}

func (p *patience) Done() <-chan struct{} { return p.done }

func (p *patience) Err() error {
	if p.left.Add(-1) < 0 && p.gone() {
		return context.Canceled
	}
	return nil
}

// readWithin reads a file for a reader that may go away.
func readWithin(ctx context.Context, f *FS, name string) ([]byte, error) {
	file, err := f.OpenContext(ctx, name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	out := make([]byte, file.(Sizer).Size())
	n, err := file.(ContextReaderAt).ReadAtContext(ctx, out, 0)
	if err == io.EOF {
		err = nil
	}
	return out[:n], err
}

// TestCancelledAnywhere goes away at each point at which the work for a file asks for it. Then there is no file, or the
// whole one, and the next reader gets the whole one.
func TestCancelledAnywhere(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	plain, _ := demo(t)
	known := fmt.Appendf(nil, "%x  cmd.exe\n", md5.Sum(synth.DemoOriginals()["cmd.exe"]))
	fresh := func(cache string) *FS { // a tree that has kept nothing yet, beside what is in the cache
		set := filepath.Join(cache, "set.txt")
		if err := os.WriteFile(set, known, 0o600); err != nil {
			t.Fatal(err)
		}
		opened, err := knownfiles.Open(set, knownfiles.Options{CacheDir: cache})
		if err != nil {
			t.Fatal(err)
		}
		return New(plain.image, Options{References: plain.refs, Known: []*knownfiles.Set{opened}, CacheDir: cache})
	}
	sound := fresh(t.TempDir())
	want := readAll(t, sound, "3256-cmd.exe")
	entries, err := sound.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() && e.Name() != "memory.raw" {
			if want[e.Name()], err = iofs.ReadFile(sound, e.Name()); err != nil {
				t.Fatal(err)
			}
		}
	}
	most := int64(0)
	for name, data := range want {
		for asks, over := int64(0), false; !over; asks += 1 + asks/4 {
			cache := t.TempDir()
			f := fresh(cache)
			ctx := newPatience(asks)
			got, err := readWithin(ctx, f, name)
			over = ctx.left.Load() >= 0
			if err == nil && !bytes.Equal(got, data) || over && err != nil {
				t.Errorf("%s, cancelled when asked %d times: error %v, and it differs", name, asks, err)
			}
			for _, f := range []*FS{f, fresh(cache)} {
				if got, err := iofs.ReadFile(f, name); err != nil || !bytes.Equal(got, data) {
					t.Errorf("%s, after a reader that left when asked %d times: error %v, or it differs", name, asks, err)
				}
			}
			most = max(most, asks)
			if t.Failed() {
				break
			}
		}
	}
	if most < 100 {
		t.Errorf("no file asked more than %d times", most)
	}
}
