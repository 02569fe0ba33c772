package pdb

import (
	"errors"
	"fmt"
	"io"
)

// ErrFormat is wrapped by errors about files that are not PDB files of version 7; damaged ones have other errors.
var ErrFormat = errors.New("pdb: not a PDB file of version 7")

const msfMagic = "Microsoft C/C++ MSF 7.00\r\n\x1aDS\x00\x00\x00"

// maxStream bounds a stream in a file of any size. The largest ones of a kernel have a few MB.
const maxStream = 1 << 26

// msf is the container: streams made of blocks that lie anywhere in the file.
type msf struct {
	r         io.ReaderAt
	size      int64
	blockSize int64
	sizes     []uint32 // of streams in bytes
	blocks    []cursor // of streams: their block numbers
}

func openMSF(r io.ReaderAt, size int64) (*msf, error) {
	head := make([]byte, len(msfMagic)+24)
	if n, err := r.ReadAt(head, 0); n < len(head) {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if string(head[:len(msfMagic)]) != msfMagic {
		return nil, ErrFormat
	}
	c := cursor{b: head[len(msfMagic):]}
	m := &msf{r: r, size: size, blockSize: int64(c.u32())}
	c.take(8) // free block map, number of blocks
	dirSize := c.u32()
	c.take(4)
	dirMap := c.u32()
	if m.blockSize < 512 || m.blockSize > 1<<16 || m.blockSize&(m.blockSize-1) != 0 {
		return nil, fmt.Errorf("pdb: block size %#x", m.blockSize)
	}
	return m, m.readDirectory(dirSize, dirMap)
}

// readDirectory reads the table of streams. Its own block numbers are in the blocks from dirMap on.
func (m *msf) readDirectory(size, dirMap uint32) error {
	numbers := make([]byte, m.count(size)*4)
	if int64(size) > min(m.size, maxStream) {
		return fmt.Errorf("pdb: stream directory of %#x bytes in a file of %#x", size, m.size)
	}
	if _, err := m.r.ReadAt(numbers, int64(dirMap)*m.blockSize); err != nil {
		return fmt.Errorf("pdb: block map of the directory at block %#x: %w", dirMap, err)
	}
	dir, err := m.read(size, cursor{b: numbers})
	if err != nil {
		return fmt.Errorf("pdb: stream directory: %w", err)
	}
	c := cursor{b: dir}
	n := c.u32()
	if int64(n)*4 > int64(len(dir)) {
		return fmt.Errorf("pdb: %d streams in a directory of %#x bytes", n, size)
	}
	for range n {
		m.sizes = append(m.sizes, c.u32())
	}
	for i, s := range m.sizes {
		if s == 0xffffffff { // a stream that was deleted
			m.sizes[i], s = 0, 0
		}
		m.blocks = append(m.blocks, cursor{b: c.take(int(m.count(s) * 4))})
	}
	if c.bad {
		return errors.New("pdb: stream directory cut short")
	}
	return nil
}

// count is the number of blocks that hold size bytes.
func (m *msf) count(size uint32) int64 { return (int64(size) + m.blockSize - 1) / m.blockSize }

// read reads size bytes from the numbered blocks.
func (m *msf) read(size uint32, numbers cursor) ([]byte, error) {
	if int64(size) > min(m.size, maxStream) {
		return nil, fmt.Errorf("pdb: stream of %#x bytes in a file of %#x", size, m.size)
	}
	out := make([]byte, size)
	for rest := out; len(rest) > 0; {
		n := min(int64(len(rest)), m.blockSize)
		block := numbers.u32()
		if _, err := m.r.ReadAt(rest[:n], int64(block)*m.blockSize); err != nil {
			return nil, fmt.Errorf("pdb: block %#x: %w", block, err)
		}
		rest = rest[n:]
	}
	return out, nil
}

// stream reads a stream.
func (m *msf) stream(i int) ([]byte, error) {
	if i < 0 || i >= len(m.sizes) {
		return nil, fmt.Errorf("pdb: no stream %d among %d", i, len(m.sizes))
	}
	b, err := m.read(m.sizes[i], m.blocks[i])
	if err != nil {
		return nil, fmt.Errorf("pdb: stream %d: %w", i, err)
	}
	return b, nil
}
