package known

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"io"
	"os"
	"slices"
)

// refSize is how many bytes of an entry lead to the name: an offset in the index, the highest byte first; 0: no name.
const refSize = 6

// Bounds of the memory that sorting takes, in bytes: of the waiting entries of one size, and of all buffers of a
// merge.
const (
	maxWaiting    = 16 << 20
	mergeBuffers  = 16 << 20
	minMergeBytes = 4 << 10
	maxMergeBytes = 256 << 10
)

// sorter sorts entries of one width, each a digest and the place of a name, which may be too many for memory: it
// sorts them in pieces, and writes the pieces to a file one behind the other. Entries of the same digest stay in the
// order in which they were added.
type sorter struct {
	width   int
	waiting []byte
	most    int   // bytes that may wait
	size    int64 // of all entries
	keys    []sortKey
	spill   *spill
	runs    []run
}

// sortKey is the beginning of an entry, by which nearly all entries differ, and the number of the entry.
type sortKey struct {
	head   uint64
	number uint32
}

// run is a sorted piece of the file.
type run struct{ off, size int64 }

// spill is the file that the sorters of an index share.
type spill struct {
	*os.File
	size int64
}

func newSorter(size int, most int, to *spill) *sorter {
	width := size + refSize
	return &sorter{width: width, most: most / width * width, spill: to}
}

// add adds an entry.
func (s *sorter) add(digest []byte, ref int64) error {
	if len(s.waiting) == s.most {
		if err := s.flush(); err != nil {
			return err
		}
	}
	if len(s.waiting) == cap(s.waiting) {
		s.waiting = append(make([]byte, 0, min(max(2*cap(s.waiting), s.width<<10), s.most)), s.waiting...)
	}
	s.waiting = append(s.waiting, digest...)
	var place [8]byte
	binary.BigEndian.PutUint64(place[:], uint64(ref))
	s.waiting = append(s.waiting, place[8-refSize:]...)
	s.size += int64(s.width)
	return nil
}

func (s *sorter) entry(number uint32) []byte {
	return s.waiting[int(number)*s.width:][:s.width]
}

func (s *sorter) digest(number uint32) []byte { return s.entry(number)[:s.width-refSize] }

// sorted puts the numbers of the waiting entries in order.
func (s *sorter) sorted() []sortKey {
	n := len(s.waiting) / s.width
	if s.keys = s.keys[:0]; cap(s.keys) < n {
		s.keys = make([]sortKey, 0, n)
	}
	for i := range n {
		s.keys = append(s.keys, sortKey{binary.BigEndian.Uint64(s.entry(uint32(i))), uint32(i)})
	}
	slices.SortFunc(s.keys, func(a, b sortKey) int {
		switch {
		case a.head < b.head:
			return -1
		case a.head > b.head:
			return 1
		}
		return cmp.Or(bytes.Compare(s.digest(a.number), s.digest(b.number)), cmp.Compare(a.number, b.number))
	})
	return s.keys
}

// flush writes the waiting entries to the file, in order.
func (s *sorter) flush() error {
	if len(s.waiting) == 0 {
		return nil
	}
	out := bufio.NewWriterSize(s.spill, maxMergeBytes)
	for _, k := range s.sorted() {
		out.Write(s.entry(k.number))
	}
	if err := out.Flush(); err != nil { // which returns the error of any write before it
		return err
	}
	size := int64(len(s.waiting))
	s.runs = append(s.runs, run{s.spill.size, size})
	s.spill.size += size
	s.waiting = s.waiting[:0]
	return nil
}

// each calls a function for each entry in order. The entry is valid until the function returns.
func (s *sorter) each(do func(entry []byte) error) error {
	if len(s.runs) == 0 {
		for _, k := range s.sorted() {
			if err := do(s.entry(k.number)); err != nil {
				return err
			}
		}
		s.waiting, s.keys = nil, nil
		return nil
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.waiting, s.keys = nil, nil
	return s.merge(do)
}

// merge reads the runs of the file in order.
func (s *sorter) merge(do func(entry []byte) error) error {
	size := min(max(mergeBuffers/len(s.runs), minMergeBytes), maxMergeBytes)
	var all merging
	for i, r := range s.runs {
		m := &merged{number: i, in: bufio.NewReaderSize(io.NewSectionReader(s.spill, r.off, r.size), size), entry: make([]byte, s.width), left: r.size / int64(s.width)}
		if err := m.next(); err != nil {
			return err
		}
		all = append(all, m)
	}
	heap.Init(&all)
	for len(all) > 0 {
		least := all[0]
		if err := do(least.entry); err != nil {
			return err
		}
		if least.left == 0 {
			heap.Pop(&all)
			continue
		}
		if err := least.next(); err != nil {
			return err
		}
		heap.Fix(&all, 0)
	}
	return nil
}

// merged is a run that is being read.
type merged struct {
	number int
	in     *bufio.Reader
	entry  []byte // the next entry
	left   int64  // entries behind it
}

func (m *merged) next() error {
	m.left--
	_, err := io.ReadFull(m.in, m.entry)
	return err
}

// merging is a heap of runs, the run with the least entry first.
type merging []*merged

func (m merging) Len() int { return len(m) }
func (m merging) Less(i, j int) bool {
	a, b := m[i], m[j]
	digest := len(a.entry) - refSize
	return cmp.Or(bytes.Compare(a.entry[:digest], b.entry[:digest]), cmp.Compare(a.number, b.number)) < 0
}
func (m merging) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m *merging) Push(x any)   { *m = append(*m, x.(*merged)) }
func (m *merging) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}
