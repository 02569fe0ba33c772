package memimage

import (
	"bytes"
	"sync"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/synth"
)

// TestStoreForManyReaders has many readers ask for pages of a store that is not found yet.
func TestStoreForManyReaders(t *testing.T) {
	m := buildMemory(t, storeSystem(t, "Win10x64_19041.2846"))
	im := openBuiltStore(t, m, true, true)
	spaces := map[uint64]*paging.Space{}
	for _, p := range allProcesses(t, im) {
		spaces[p.PID] = p.Process.Space()
	}
	var wait sync.WaitGroup
	for start := range 16 {
		wait.Go(func() {
			b := make([]byte, pageSize)
			n := len(m.Truth.Store.Pages)
			for i := range n {
				want := &m.Truth.Store.Pages[(i*7+start*n/16)%n]
				if want.PID == 0 || want.Kind == synth.StoreLazy && want.PID == 1044 { // a page table
					continue
				}
				_, err := spaces[want.PID].ReadVirt(b, paging.Virt(want.VA))
				if readable := want.Readable(synth.StoresAndPageFiles); readable != (err == nil) || readable && !bytes.Equal(b, want.Content) {
					t.Errorf("process %d, %#x (%v): %v", want.PID, want.VA, want.Kind, err)
				}
			}
		})
	}
	wait.Wait()
}
