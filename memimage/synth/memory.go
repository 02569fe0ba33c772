package synth

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"memlens/memimage/sparse"
)

// Memory is a built system.
type Memory struct {
	Reader   *sparse.Reader // all of physical memory; unused pages are zeros
	Runs     []Run          // the physical pages that a machine of this size has
	Truth    Truth          // the place of everything
	PageFile []byte         // the page file, nil if nothing was paged out
	frames   frames
}

// Run is a run of physical pages.
type Run struct{ Start, Pages uint64 }

// runs are all pages but the first and the pages of the holes.
func (m *machine) runs() []Run {
	if m.gap > 0 && m.pages > gapEnd {
		return []Run{{1, holeStart - 1}, {holeEnd, m.gap - holeEnd}, {gapEnd, m.pages - gapEnd}}
	}
	return []Run{{1, holeStart - 1}, {holeEnd, m.pages - holeEnd}}
}

// memory returns the finished system.
func (b *builder) memory() (*Memory, error) {
	f := newFrames(b.m)
	r, err := sparse.NewReader(b.RAM, sparse.Extent{Off: 0, Len: b.RAM, Src: f})
	if err != nil {
		return nil, fmt.Errorf("synth: %w", err)
	}
	b.fillTruth()
	return &Memory{Reader: r, Runs: b.m.runs(), Truth: b.truth, PageFile: b.pageFile, frames: f}, nil
}

// frames is finished physical memory: the used frames, in order.
type frames struct {
	size int64
	pfns []uint64
	data map[uint64]*[pageSize]byte
}

func newFrames(m *machine) frames {
	maps.DeleteFunc(m.frames, func(_ uint64, f *[pageSize]byte) bool { return f == nil })
	return frames{size: int64(m.pages) << pageShift, pfns: slices.Sorted(maps.Keys(m.frames)), data: m.frames}
}

// Size is the size of the machine's memory in bytes.
func (f frames) Size() int64 { return f.size }

// Probe implements sparse.Source: all of memory is there.
func (f frames) Probe(off int64) (int64, error) {
	switch {
	case off < 0:
		return 0, fmt.Errorf("synth: negative offset %d", off)
	case off >= f.size:
		return 0, io.EOF
	}
	return f.size - off, nil
}

// ReadAt implements sparse.Source.
func (f frames) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("synth: negative offset %d", off)
	}
	n := 0
	for n < len(p) && off+int64(n) < f.size {
		at := off + int64(n)
		rest := min(len(p)-n, int(pageSize-at%pageSize), int(f.size-at))
		if d := f.data[uint64(at)>>pageShift]; d != nil {
			copy(p[n:n+rest], d[at%pageSize:])
		} else {
			clear(p[n : n+rest])
		}
		n += rest
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Resident is the number of bytes of memory in used frames.
func (m *Memory) Resident() int64 { return int64(len(m.frames.pfns)) << pageShift }

// WriteFile writes the memory as a raw image with holes for unused frames.
func (m *Memory) WriteFile(name string) error {
	return m.write(name, m.frames.size, func(pfn uint64) int64 { return int64(pfn) << pageShift })
}

// WriteDivided writes the memory as a raw image that leaves out a hole, which begins at gap and ends at 4 GiB, as
// virtual machines write it.
func (m *Memory) WriteDivided(name string, gap int64) error {
	const end = gapEnd << pageShift
	return m.write(name, m.frames.size-(end-gap), func(pfn uint64) int64 {
		if at := int64(pfn) << pageShift; at < end {
			return at
		}
		return int64(pfn)<<pageShift - (end - gap)
	})
}

// write writes a file of size bytes; place returns the offset of a frame.
func (m *Memory) write(name string, size int64, place func(pfn uint64) int64) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("synth: %w", err)
	}
	defer func() {
		if e := f.Close(); err == nil && e != nil {
			err = fmt.Errorf("synth: %w", e)
		}
	}()
	if err := f.Truncate(size); err != nil {
		return fmt.Errorf("synth: %w", err)
	}
	for _, pfn := range m.frames.pfns {
		if _, err := f.WriteAt(m.frames.data[pfn][:], place(pfn)); err != nil {
			return fmt.Errorf("synth: %w", err)
		}
	}
	return nil
}
