package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/pierrec/lz4/v4"

	"memlens/memimage/paging"
	"memlens/memimage/xpress"
)

// maxNext bounds the chain of records, each of which names the next, on the way to a page.
const maxNext = 16

// record is an ST_PAGE_RECORD: where the data of a page is, and its size with flags.
type record struct{ key, size uint32 }

// rawSize is the size of data that is not compressed.
const rawSize = pageSize

// kind is how the data of a page is kept.
type kind uint8

const (
	kindPacked kind = iota // compressed
	kindRaw                // not compressed
	kindNone               // no data
)

// data returns how the record's data is kept and how many bytes it has. The lower 12 bits of a size are the size of
// compressed data. The other bits are flags, whose meaning is not known.
func (r record) data() (kind, int, error) {
	switch n := r.size & (pageSize - 1); {
	case r.size == rawSize:
		return kindRaw, pageSize, nil
	case r == record{}: // free, or in a page that reads as zeros because it was not acquired
		return 0, 0, &LostError{Why: LostRecord, Err: errors.New("it is empty")}
	case r.size == 0:
		return kindNone, 0, nil
	case n == 0: // a whole page with flags: one source reads the page, the other source reads zeros
		return 0, 0, fmt.Errorf("its record has the size %#x", r.size)
	default:
		return kindPacked, int(n), nil
	}
}

// Assumption is an assumption about the bytes of a page.
type Assumption uint8

const (
	Nothing    Assumption = iota
	NoData                // its record has no data: one of the sources takes the page for zeros
	InPageFile            // its data was written to a page file, which may be of another time
	RawZeros              // its data are zeros that are not compressed, although Windows would compress zeros
)

func (a Assumption) String() string {
	return [...]string{
		"nothing", "that a record without data stands for zeros",
		"that the page file, which has its data, is of this system and moment",
		"that its data are zeros which were not compressed, and not a page that could not be acquired",
	}[a]
}

// Page unpacks the page with a key into dst, which is as long as a page. The error is a *[LostError], or wraps a
// *[sparse.ReadError].
func (g *Global) Page(key uint32, dst []byte) (Assumption, error) {
	p, err := g.locate(key)
	if err != nil {
		return Nothing, err
	}
	if p.kind == kindNone {
		clear(dst)
		return NoData, nil
	}
	err = p.read(dst)
	if err == nil && p.kind == kindRaw && p.assumed == Nothing && allZero(dst) {
		return RawZeros, nil
	}
	return p.assumed, err
}

// place is the place of the data of a page: n bytes at an address of the owner of a store.
type place struct {
	*store
	kind    kind
	at      paging.Virt
	n       int
	assumed Assumption
}

// locate finds the data of the page with a key.
func (g *Global) locate(key uint32) (place, error) {
	s, err := g.storeOf(key)
	if err != nil {
		return place{}, err
	}
	regionKey, ok, err := g.find(s.root, key)
	if err != nil {
		return place{}, lost(NoRecord, err)
	}
	if !ok {
		return place{}, &LostError{Why: NoRecord}
	}
	r, err := s.record(regionKey)
	if err != nil {
		return place{}, lost(LostRecord, err)
	}
	p := place{store: s}
	if p.kind, p.n, err = r.data(); err != nil {
		return p, lost(Damaged, err)
	}
	if p.kind == kindNone {
		return p, nil
	}
	if p.at, err = s.data(r, p.n); err != nil {
		return p, lost(NoRegion, err)
	}
	p.assumed, err = p.assumption()
	return p, lost(DataOut, dataOut(err))
}

// read reads and unpacks the data.
func (p *place) read(dst []byte) error {
	if p.kind == kindRaw {
		_, err := p.space.ReadVirt(dst, p.at)
		return lost(DataOut, dataOut(err))
	}
	buf := make([]byte, p.n)
	if _, err := p.space.ReadVirt(buf, p.at); err != nil {
		return lost(DataOut, dataOut(err))
	}
	if err := p.g.layout.Codec.unpack(dst, buf); err != nil {
		return &LostError{Why: Damaged, Err: err}
	}
	return nil
}

func allZero(b []byte) bool { return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) }

// assumption says whether a page of the data, which is on two pages at most, comes from a page file.
func (p *place) assumption() (Assumption, error) {
	assumed := Nothing
	for _, at := range [...]paging.Virt{p.at, p.at + paging.Virt(p.n) - 1} {
		page, err := p.space.Translate(at)
		if err != nil {
			return Nothing, err
		}
		if page.State == paging.PageFile {
			assumed = InPageFile
		}
	}
	return assumed, nil
}

// dataOut says why data cannot be read, without the address in the owner.
func dataOut(err error) error {
	var fault *paging.FaultError
	if errors.As(err, &fault) {
		return errors.New(fault.Reason())
	}
	return err
}

// record follows a region key to its record: the highest bit of the chunk's number says in which array the chunk is,
// and the other bits at which index.
func (s *store) record(regionKey uint32) (record, error) {
	for range maxNext {
		number := regionKey >> s.bits
		if number == 0 {
			return record{}, fmt.Errorf("region key %#x names no chunk", regionKey)
		}
		array := bits.Len32(number) - 1
		chunk, err := s.chunk(array, number&^(1<<array))
		if err != nil {
			return record{}, err
		}
		var b [8]byte
		at := chunk + s.header + s.recordSize*paging.Virt(regionKey&s.mask)
		if _, err := s.g.system.Kernel.ReadVirt(b[:], at); err != nil {
			return record{}, err
		}
		r := record{binary.LittleEndian.Uint32(b[:]), binary.LittleEndian.Uint32(b[4:])}
		if r.key != noRecord {
			return r, nil
		}
		regionKey = r.size
	}
	return record{}, fmt.Errorf("more than %d records name each other", maxNext)
}

// chunk returns the address of a chunk.
func (s *store) chunk(array int, i uint32) (paging.Virt, error) {
	if !s.g.system.IsKernel(s.chunks[array]) {
		return 0, fmt.Errorf("the array of chunks is at %#x", uint64(s.chunks[array]))
	}
	at, err := s.g.pointer(s.chunks[array] + s.g.layout.Stride*paging.Virt(i))
	if err == nil && (at%pageSize != 0 || !s.g.system.IsKernel(at)) {
		err = fmt.Errorf("the chunk is at %#x", uint64(at))
	}
	return at, err
}

// data returns where the data of a record, of n bytes, is in the owner's address space.
func (s *store) data(r record, n int) (paging.Virt, error) {
	if !s.g.system.IsKernel(s.regions) {
		return 0, fmt.Errorf("the array of regions is at %#x", uint64(s.regions))
	}
	region, err := s.g.pointer(s.regions + paging.Virt(r.key>>s.regionShift)*paging.Virt(s.g.layout.Pointer))
	if err != nil {
		return 0, err
	}
	const alignment = 1 << 16 // of regions
	off := paging.Virt(r.key&s.regionMask) * unit
	switch size := (paging.Virt(s.regionMask) + 1) * unit; {
	case region == 0:
		return 0, &LostError{Why: NoRegion}
	case region%alignment != 0 || region+size > s.g.system.User || region+size < region:
		return 0, fmt.Errorf("the region is at %#x", uint64(region))
	case off+paging.Virt(n) > size:
		return 0, fmt.Errorf("the data goes on behind its region")
	}
	return region + off, nil
}

// unpack unpacks the data of a page. Data may be padded to the unit of its placement, and must end there.
func (c Codec) unpack(dst, data []byte) error {
	if c == LZ4 {
		n, err := lz4.UncompressBlock(data, dst)
		if err == nil && n != len(dst) {
			err = fmt.Errorf("it unpacks to %#x bytes", n)
		}
		return err
	}
	used, err := xpress.LZ77(dst, data)
	if err == nil && len(data)-used >= unit {
		err = fmt.Errorf("it goes on for %d bytes behind the page", len(data)-used)
	}
	return err
}
