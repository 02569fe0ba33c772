// Package mdmp writes minidumps of processes, the files that MiniDumpWriteDump of Windows writes with all of a process's
// memory (MiniDumpWithFullMemory) and that debuggers open.
//
// It is given facts and addresses, and knows nothing of where they come from. Below it is package sparse, above it is
// memimage. The structures are those of minidumpapiset.h, without padding between their members.
package mdmp

import (
	"fmt"
	"time"

	"memlens/memimage/sparse"
)

// Dump is what a minidump says. What is not known is zero.
type Dump struct {
	Time    time.Time // at which the memory was as it is here
	System  System
	Process Process
	Threads []Thread
	Modules []Module
	Regions []Region
	Comment string  // shown by debuggers when they open the file
	Memory  []Range // what there is of the address space: in order, and none touches another
}

// Range is a stretch of addresses, in bytes.
type Range struct{ Start, Len uint64 }

// MaxRanges is how many ranges and regions a dump has at most: their tables must lie in front of the memory, in the first
// 4 GiB of the file.
const MaxRanges = 1 << 20

// Process is the process that is dumped.
type Process struct {
	ID      uint32
	Created time.Time
}

// Open returns the dump as a file, and how many bytes of it lie in front of the memory. memory is the address space: an
// offset in it is an address. Nothing of it is read before the file is.
func (d *Dump) Open(memory sparse.Source) (file *sparse.Reader, head int64, err error) {
	if len(d.Memory) > MaxRanges || len(d.Regions) > MaxRanges {
		return nil, 0, fmt.Errorf("mdmp: %d ranges and %d regions of memory are more than %d", len(d.Memory), len(d.Regions), MaxRanges)
	}
	front, err := d.front()
	if err != nil {
		return nil, 0, err
	}
	head = int64(len(front))
	extents := make([]sparse.Extent, 0, 1+len(d.Memory))
	extents = append(extents, sparse.Extent{Len: head, Src: sparse.Bytes(front)})
	size := head
	for _, r := range d.Memory {
		extents = append(extents, sparse.Extent{Off: size, Len: int64(r.Len), Src: memory, SrcOff: int64(r.Start)})
		size += int64(r.Len)
	}
	file, err = sparse.NewReader(size, extents...)
	return file, head, err
}
