package fleet

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"memlens/memimage/reason"
	"memlens/memimage/report"
)

// killWorkers kills a process that reads images every few milliseconds, the given number of times, and returns how
// often it did.
func killWorkers(t *testing.T, times int64) (killed func() int64) {
	t.Helper()
	var n atomic.Int64
	done := make(chan struct{})
	go func() {
		for n.Load() < times {
			select {
			case <-done:
				return
			case <-time.After(150 * time.Millisecond):
			}
			for _, pid := range workers() {
				if syscall.Kill(pid, syscall.SIGKILL) == nil {
					n.Add(1)
				}
			}
		}
	}()
	return func() int64 {
		close(done)
		return n.Load()
	}
}

// workers returns the ids of the processes that read images.
func workers() (out []int) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	for _, r := range shared.all {
		out = append(out, r.pool.PIDs()...)
	}
	return out
}

// TestFaults has images whose processes crash, hang and use too much memory: only these images fail.
func TestFaults(t *testing.T) {
	_, truth := images(t)
	good := filepath.Join(testDir, truth.Hooks[0].Images[0])
	want := map[string]reason.Code{"crashes.raw": reason.Crashed, "hangs.raw": reason.Deadline, "swells.raw": reason.OutOfMemory}
	in := []string{good}
	for name := range want {
		in = append(in, filepath.Join(t.TempDir(), name))
	}
	slices.Sort(in)
	o := options(t)
	o.Deadline, o.Memory, o.Attempts, o.Shards = 8*time.Second, 128<<20, 2, 1
	run(t, in, o)
	problems := rows[tableRow](t, o, "problems.parquet")
	if len(problems) != 3 {
		t.Errorf("%d problems, want 3", len(problems))
	}
	for _, p := range problems {
		if p.Code != string(want[filepath.Base(p.Image)]) || p.Stage != string(report.StageOpen) {
			t.Errorf("%+v", p)
		}
	}
	files := outputs(t, o)
	if s := files[SummaryName]; !strings.Contains(s, `"images":4,"opened":1,"failed":3`) {
		t.Error(s)
	}
	if strings.Contains(files["records-00000-of-00001.jsonl"], `"half"`) {
		t.Error("there are records of an attempt that failed")
	}
}

func TestNothingAtAll(t *testing.T) {
	o := options(t)
	o.Shards, o.Pictures = 1, 0
	run(t, []string{filepath.Join(t.TempDir(), "gone.raw")}, o)
	files := outputs(t, o)
	for _, name := range []string{"stack.parquet", "changes.parquet", "problems.parquet", "stack.html", SummaryName, "records-00000-of-00001.jsonl"} {
		if _, ok := files[name]; !ok {
			t.Errorf("there is no %s", name)
		}
	}
	if files["stack.jsonl"] != "" || !strings.Contains(files["problems.jsonl"], `"no-such-file"`) {
		t.Errorf("%q, %q", files["stack.jsonl"], files["problems.jsonl"])
	}
}

// TestLostImage checks a run in which fewer images come out than went in.
func TestLostImage(t *testing.T) {
	accounts := []Account{{Image: "a", Opened: true}, {Image: "b"}}
	for images, lost := range map[int]bool{2: false, 3: true, 1: true} {
		left := accounts
		next := func(a *Account) bool {
			if len(left) == 0 {
				return false
			}
			*a, left = left[0], left[1:]
			return true
		}
		f := settle{options(t), images}
		if err := f.ProcessElement(context.Background(), nil, next, func([]byte) {}); (err != nil) != lost {
			t.Errorf("%d images: %v", images, err)
		}
	}
}

// TestRunFails has a file that cannot be written: the run ends with an error, and soon.
func TestRunFails(t *testing.T) {
	o := options(t)
	o.Shards = 1
	if err := os.MkdirAll(filepath.Join(o.Output, "stack.parquet", "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), "prism", []string{filepath.Join(t.TempDir(), "gone.raw")}, o); err == nil {
		t.Error("no error")
	}
}

func TestOtherShards(t *testing.T) {
	o := options(t)
	if err := os.MkdirAll(o.Output, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, refused := range map[string]bool{"records-00000-of-00003.jsonl": false, "records-00001-of-00003.parquet": false, "records-00000-of-00004.jsonl": true} {
		if err := os.WriteFile(filepath.Join(o.Output, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := o.checkOutput(context.Background()); (err != nil) != refused {
			t.Errorf("%s: %v", name, err)
		}
		os.Remove(filepath.Join(o.Output, name))
	}
}

func TestShards(t *testing.T) {
	for _, c := range []struct{ images, shards int }{{1, 1}, {10, 3}, {500, 16}, {16, 16}} {
		o := Options{Shards: c.shards}
		n := make([]int, c.shards)
		for i := range c.images {
			n[o.shardOf(i, c.images)]++
		}
		if slices.Max(n)-slices.Min(n) > 1 {
			t.Errorf("%d images in %d shards: %v", c.images, c.shards, n)
		}
	}
}
