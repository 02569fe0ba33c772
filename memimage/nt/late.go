package nt

import (
	"sync"

	"memlens/memimage/rescue"
	"memlens/memimage/sparse"
)

// aheadProcesses is how many processes are read at the same time.
const aheadProcesses = 32

// ReadAhead calls read with the first processes of the list, several at a time, where memory is slow to read. Then the
// memory that read looks at is in the cache for the real reads, process by process. It returns when all have been read,
// or at once where memory is fast.
func (k *Kernel) ReadAhead(most int, read func(*Process)) {
	if !sparse.IsLate(k.cache) {
		return
	}
	var reading sync.WaitGroup
	defer reading.Wait()
	slots := make(chan struct{}, aheadProcesses)
	n := 0
	for p, err := range k.Processes() {
		if n++; n > most {
			return
		}
		if err != nil {
			continue
		}
		slots <- struct{}{}
		reading.Go(func() {
			defer func() { <-slots }()
			_ = rescue.Call(func() error { read(p); return nil })
		})
	}
}

// readWitness reads the memory of a process that is used to learn about the kernel.
func readWitness(p *Process) {
	var reading sync.WaitGroup
	defer reading.Wait()
	for _, read := range []func(){
		func() { p.coherence() },
		func() { p.VAD(p.base) },
		func() { _, _ = p.ImageSection() },
		func() { p.AuditPath() },
		func() { p.Wow64PEB() },
		func() { _, _ = p.tables.ReadVirt(make([]byte, pageSize), p.base) },
	} {
		reading.Go(func() { _ = rescue.Call(func() error { read(); return nil }) })
	}
}
