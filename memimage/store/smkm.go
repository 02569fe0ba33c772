package store

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"memlens/memimage/paging"
)

// store is an SMKM_STORE. It is immutable.
type store struct {
	g      *Global
	at     paging.Virt
	root   paging.Virt // of its tree
	chunks [chunkArrays]paging.Virt
	// bits, mask: a region key is the number of a chunk, shifted left by bits, and the number of a record in it.
	bits, mask         uint32
	recordSize, header paging.Virt
	regionMask         uint32 // of a record key: the place where the data begins in its region, in units of 16 bytes
	regionShift        uint32
	regions            paging.Virt
	space              Memory // of the process that has the regions
}

const (
	unit      = 16      // of the place of data, in bytes
	maxRecord = 1 << 12 // bytes of a record, and of the header before them
)

// openStore opens the store of an index, and checks that its members agree with each other.
func (g *Global) openStore(index uint32) (*store, error) {
	l := &g.layout
	array, err := g.pointer(g.block + paging.Virt(index/storesPerArray)*paging.Virt(l.Pointer))
	if err != nil {
		return nil, err
	}
	if !g.system.IsKernel(array) {
		return nil, fmt.Errorf("store %d: its array is at %#x", index, uint64(array))
	}
	at, err := g.pointer(array + paging.Virt(index%storesPerArray)*l.MetadataSize)
	if err != nil {
		return nil, err
	}
	if !g.system.IsKernel(at) {
		return nil, fmt.Errorf("store %d would be at %#x", index, uint64(at))
	}
	s, err := g.readStore(at)
	if err != nil {
		return nil, fmt.Errorf("store %d at %#x: %w", index, uint64(at), err)
	}
	return s, nil
}

// readStore reads an SMKM_STORE.
func (g *Global) readStore(at paging.Virt) (*store, error) {
	l := &g.layout
	b := make([]byte, l.Owner+paging.Virt(l.Pointer))
	if _, err := g.system.Kernel.ReadVirt(b, at); err != nil {
		return nil, err
	}
	u32 := func(off paging.Virt) uint32 { return binary.LittleEndian.Uint32(b[off:]) }
	ptr := func(off paging.Virt) paging.Virt { return pointer(b[off:], l.Pointer) }
	chunks := l.Manager + l.Chunks
	s := &store{
		g: g, at: at, root: ptr(l.Manager),
		bits: u32(chunks+l.BitValue) & 0xff, mask: u32(chunks + l.RecordsMask),
		recordSize: paging.Virt(u32(chunks + l.RecordSize)), header: paging.Virt(u32(chunks + l.HeaderSize)),
		regionMask: u32(l.Manager + l.RegionMask), regionShift: u32(l.Manager+l.RegionShift) & 0xff,
		regions: ptr(l.Regions),
	}
	for i := range s.chunks {
		s.chunks[i] = ptr(chunks + paging.Virt(i*l.Pointer))
	}
	if err := s.check(ptr(l.Manager + l.Back)); err != nil {
		return nil, err
	}
	if format := binary.LittleEndian.Uint16(b[l.Manager+l.Format:]); l.Codec == Xpress && format != formatXpress {
		return nil, &LostError{Why: OtherFormat, Err: fmt.Errorf("format %d", format)}
	}
	var err error
	s.space, err = g.system.Owner(ptr(l.Owner))
	return s, err
}

// check checks that the members fit each other. back is the pointer back to the store.
func (s *store) check(back paging.Virt) error {
	switch {
	case back != s.at:
		return fmt.Errorf("what should point back to it has %#x", uint64(back))
	case s.mask&(s.mask+1) != 0 || bits.Len32(s.mask) > int(s.bits) || s.bits >= 32:
		return fmt.Errorf("the mask of records %#x does not fit the shift %d", s.mask, s.bits)
	case s.regionMask&(s.regionMask+1) != 0 || bits.Len32(s.regionMask) != int(s.regionShift) || s.regionShift >= 32:
		return fmt.Errorf("the mask of regions %#x does not fit the shift %d", s.regionMask, s.regionShift)
	case s.recordSize < 8 || s.recordSize > maxRecord || s.header > maxRecord:
		return fmt.Errorf("records of %d bytes behind %d bytes", s.recordSize, s.header)
	}
	return nil
}
