package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// TestHeapGrowth: garbage is collected late for the first time, and then as often as a mount of thousands of
// processes needs. The user's own setting stays.
func TestHeapGrowth(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "123")
	if limitHeap(); growth() != 100 {
		t.Errorf("what the user has set became %d", growth())
	}
	t.Setenv("GOGC", "")
	if limitHeap(); growth() != firstGrowth {
		t.Errorf("at first %d %%", growth())
	}
	for range 500 {
		if runtime.GC(); growth() == heapGrowth {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("after garbage was collected: %d %%", growth())
}

// growth returns how much the heap may grow before garbage is collected, in percent.
func growth() uint64 {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
