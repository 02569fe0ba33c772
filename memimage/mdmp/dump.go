// Package mdmp writes minidumps of processes, in the form that MiniDumpWriteDump of Windows writes with the full
// memory of a process (MiniDumpWithFullMemory), and that debuggers open.
//
// It gets facts and addresses, and does not know where they come from. Below it is package sparse, above it is
// memimage. The structures are from minidumpapiset.h, without padding between their members.
package mdmp

import (
	"fmt"
	"time"

	"memlens/memimage/sparse"
)

// Dump is the content of a minidump. Fields that are not known are zero.
type Dump struct {
	Time    time.Time // the time of the memory
	System  System
	Process Process
	Threads []Thread
	Modules []Module
	Regions []Region
	Comment string  // shown by debuggers when they open the file
	Memory  []Range // the present parts of the address space: in order, and none touches another
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

// Open returns the dump as a file, and how many bytes of it lie in front of the memory. memory is the address space:
// an offset in it is an address. Memory is read only when the file is read.
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
