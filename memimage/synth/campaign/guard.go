package campaign

import (
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
)

// guard ends the test, with the stacks of all goroutines, when a variant takes too long or too much memory: a
// goroutine cannot be stopped from outside.
type guard struct {
	limit  time.Duration
	memory uint64
	done   chan struct{}

	mu    sync.Mutex
	name  string // of the variant that is running; empty: none
	since time.Time
	floor uint64 // bytes in use before the first variant
	peak  uint64
}

func newGuard(limit time.Duration, memory uint64) *guard {
	runtime.GC()
	g := &guard{limit: limit, memory: memory, done: make(chan struct{}), floor: heapInUse()}
	go g.watch()
	return g
}

func (g *guard) stop() { close(g.done) }

func (g *guard) begin(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.name, g.since, g.peak = name, time.Now(), 0
}

// end returns how long the variant took, and how many bytes were in use at most.
func (g *guard) end() (time.Duration, uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.name = ""
	return time.Since(g.since), g.peak
}

func (g *guard) watch() {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-g.done:
			return
		case <-tick.C:
			g.look()
		}
	}
}

func (g *guard) look() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.name == "" {
		return
	}
	if now := heapInUse(); now > g.floor {
		g.peak = max(g.peak, now-g.floor)
	}
	switch took := time.Since(g.since); {
	case took > g.limit:
		giveUp("%s hangs: it has run for %v", g.name, took)
	case g.peak > g.memory:
		giveUp("%s uses %d MiB", g.name, g.peak>>20)
	}
}

func giveUp(format string, args ...any) {
	stacks := make([]byte, 4<<20)
	fmt.Fprintf(os.Stderr, format+"\n\n%s\n", append(args, stacks[:runtime.Stack(stacks, true)])...)
	os.Exit(2)
}

// heapInUse returns how many bytes the objects take that are in use, or that were and are not collected yet.
func heapInUse() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
