package synth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/pierrec/lz4/v4"

	"memlens/memimage/profile"
)

// storeWalk follows one entry to the bytes of its page, with offsets and rules of its own.
type storeWalk struct {
	walker
	m   *Memory
	off walkOffsets
}

// walkOffsets are the structures' offsets, all from the start of the structure that a pointer leads to.
type walkOffsets struct {
	tree, meta                   uint64 // from SmGlobals; size of SMKM_STORE_METADATA
	local, rows, back, mask, lsb uint64 // from SMKM_STORE
	format, regions, owner       uint64
	stride                       uint64
	bit, records, size, header   uint64 // from rows
}

var walkX64 = walkOffsets{0x1c0, 0x28, 0x50, 0x110, 0x370, 0x378, 0x37c, 0x430, 0x1848, 0x19b8, 16, 0x108, 0x10c, 0x110, 0x118}
var walkX86 = walkOffsets{0xf4, 0x14, 0x38, 0xa4, 0x1f8, 0x1fc, 0x200, 0x25c, 0x1184, 0x125c, 12, 0x88, 0x8c, 0x90, 0x98}

// walkOf is the table of a build, from the differences between builds.
func walkOf(arch profile.Arch, build uint32) walkOffsets {
	o := walkX64
	if arch == profile.X86 {
		o = walkX86
		switch build {
		case 14393:
			o.format, o.regions, o.owner, o.stride = 0x258, 0x1124, 0x1204, 8
		case 15063:
			o.format, o.regions, o.owner = 0x258, 0x1174, 0x1244
		case 16299, 17134, 17763, 18362:
			o.owner = 0x1254
		}
		return o
	}
	switch build {
	case 14393:
		o.format, o.regions, o.owner = 0x420, 0x17a8, 0x1918
	case 15063:
		o.format, o.regions, o.owner = 0x420, 0x1828, 0x1988
	case 16299, 17134, 17763, 18362:
		o.owner = 0x19a8
	case 26100:
		o.format, o.regions, o.owner = 0, 0x1b70, 0x1d08
	}
	return o
}

// The reasons why a page is missing: the ends of the states in truth files.
var (
	errMissing = errors.New("-missing")
	errDamaged = errors.New("-damaged")
	errOut     = errors.New("-out")
)

// read reads n ≤ 8 bytes that lie in one page.
func (s *storeWalk) read(va uint64, n int) uint64 {
	s.t.Helper()
	pa, ok := s.translate(va)
	if !ok || va%4096+uint64(n) > 4096 {
		s.t.Fatalf("%#x does not translate, or %d bytes from there cross a page", va, n)
	}
	return s.phys(pa, n)
}

func (s *storeWalk) pointer(va uint64) uint64 { s.t.Helper(); return s.read(va, s.ptr()) }

// location returns the page file and the offset in a software entry.
func (s *storeWalk) location(e uint64) (number int, offset uint64) {
	f, _ := s.p.Field("_MMPTE_SOFTWARE.PageFileLow")
	if f.BitPos == 1 {
		return int(e >> 1 & 15), e >> 32
	}
	if e&16 == 0 {
		e &^= s.m.Truth.Store.Mask
	}
	return int(e >> 12 & 15), e >> 32
}

// search looks a key up in a tree; depth counts the nodes.
func (s *storeWalk) search(node uint64, key uint32) (value uint32, depth int, ok bool) {
	ptr := uint64(s.ptr())
	for depth = 1; ; depth++ {
		n, leaf := s.read(node, 2), s.read(node+3, 1) != 0
		each := 2 * ptr
		if leaf {
			each = 8
		}
		at, last := node+2*ptr, uint64(0)
		for i := range n {
			k := uint32(s.read(at+i*each, 4))
			if i > 0 && k <= uint32(s.read(at+(i-1)*each, 4)) {
				s.t.Fatalf("node %#x: key %d is %#x, not above the one before it", node, i, k)
			}
			if k <= key {
				last = at + i*each
			}
		}
		switch {
		case leaf && (last == 0 || uint32(s.read(last, 4)) != key):
			return 0, depth, false
		case leaf:
			return uint32(s.read(last+4, 4)), depth, true
		case last == 0:
			node = s.pointer(node + ptr)
		default:
			node = s.pointer(last + ptr)
		}
	}
}

// page returns the page that an entry leads to.
func (s *storeWalk) page(e uint64, files bool) ([]byte, error) {
	t, ptr := s.m.Truth.Store, uint64(s.ptr())
	number, offset := s.location(e)
	if number != t.Number || e&0xc01 != 0 {
		return nil, fmt.Errorf("entry %#x: page file %d", e, number)
	}
	key := uint32(number)<<28 | uint32(offset)
	if s.off.format == 0 {
		key &= 0xfffffff
	}
	index, _, ok := s.search(s.pointer(t.SmGlobals+s.off.tree), key)
	if !ok || index>>24 == 1 {
		return nil, errMissing
	}
	row := s.pointer(t.SmGlobals + uint64(index&0x3ff>>5)*ptr)
	if row == 0 {
		return nil, errMissing
	}
	store := s.pointer(row + uint64(index&31)*s.off.meta)
	if store == 0 {
		return nil, errMissing
	}
	if s.pointer(store+s.off.back) != store || s.pointer(store+s.off.owner) != t.EPROCESS {
		s.t.Fatalf("store %#x: back pointer %#x, owner %#x", store, s.pointer(store+s.off.back), s.pointer(store+s.off.owner))
	}
	region, _, ok := s.search(s.pointer(store+s.off.local), key)
	if !ok {
		return nil, errMissing
	}
	record, size, err := s.record(store, region)
	if err != nil {
		return nil, err
	}
	return s.unpack(store, record, size, files)
}

// record finds the record of a region key.
func (s *storeWalk) record(store uint64, region uint32) (key, size uint32, err error) {
	rows, ptr := store+s.off.rows, uint64(s.ptr())
	for range 10 {
		enc := region >> (s.read(rows+s.off.bit, 4) & 0xff)
		h := bits.Len32(enc) - 1
		chunk := s.pointer(s.pointer(rows+uint64(h)*ptr) + uint64(enc^1<<h)*s.off.stride)
		if _, there := s.translate(chunk); !there || chunk == 0 {
			return 0, 0, errMissing
		}
		at := chunk + s.read(rows+s.off.header, 4) + s.read(rows+s.off.size, 4)*uint64(region&uint32(s.read(rows+s.off.records, 4)))
		key, size = uint32(s.read(at, 4)), uint32(s.read(at+4, 4))
		if key != 0xffffffff {
			return key, size, nil
		}
		region = size
	}
	return 0, 0, errDamaged
}

// unpack reads the data that a record names.
func (s *storeWalk) unpack(store uint64, key, size uint32, files bool) ([]byte, error) {
	lsb := s.read(store+s.off.lsb, 4) & 0xff
	region := s.pointer(s.pointer(store+s.off.regions) + uint64(key>>lsb)*uint64(s.ptr()))
	switch {
	case region == 0:
		return nil, errMissing
	case region&0xffff != 0:
		s.t.Fatalf("region %#x", region)
	}
	if size != 0x1000 {
		size &= 0xfff
	}
	data, err := s.owner(region+(uint64(key)&s.read(store+s.off.mask, 4))*16, int(size), files)
	page := make([]byte, 4096)
	switch {
	case err != nil:
		return nil, err
	case size == 0x1000:
		return data, nil
	case size == 0:
		return page, nil
	case s.off.format == 0:
		if n, err := lz4.UncompressBlock(data, page); err != nil || n != 4096 {
			return nil, errDamaged
		}
		return page, nil
	case s.read(store+s.off.format, 2) != 3:
		s.t.Fatalf("store %#x: format %d", store, s.read(store+s.off.format, 2))
	}
	return unpackLZ77(data)
}

// owner reads memory of MemCompression.
func (s *storeWalk) owner(va uint64, n int, files bool) (data []byte, err error) {
	var dtb uint64
	for _, p := range s.m.Truth.Processes {
		if p.EPROCESS == s.m.Truth.Store.EPROCESS {
			dtb = p.DTB
		}
	}
	u := s.in(dtb)
	for n > 0 {
		k := min(n, int(4096-va%4096))
		e, _ := u.entry(va)
		number, offset := s.location(e)
		page := make([]byte, k)
		switch {
		case e == 0 || e&0xc01 == 0 && number == s.m.Truth.Store.Number:
			return nil, errMissing
		case e&1 != 0 || e&0xc00 == 0x800:
			pa := e & 0xffffffffff000
			if e&1 == 0 && e&16 == 0 {
				pa &^= s.m.Truth.Store.Mask
			}
			if _, err := s.r.ReadAt(page, int64(pa|va&0xfff)); err != nil {
				s.t.Fatalf("entry %#x: %v", e, err)
			}
		case !files || number != s.fileNumber():
			return nil, errOut
		default:
			copy(page, s.m.PageFile[offset<<12|va&0xfff:])
		}
		data, va, n = append(data, page...), va+uint64(k), n-k
	}
	return data, nil
}

// fileNumber is the number of the page file that is available: tests use 0.
func (s *storeWalk) fileNumber() int { return 0 }

// unpackLZ77 unpacks a page of plain LZ77 data ([MS-XCA] 2.4.4).
func unpackLZ77(in []byte) (out []byte, err error) {
	defer func() {
		if recover() != nil {
			out, err = nil, errDamaged
		}
	}()
	pos, half, flags, left := 0, -1, uint32(0), 0
	u8 := func() int { pos++; return int(in[pos-1]) }
	for len(out) < 4096 {
		if left == 0 {
			flags, left, pos = binary.LittleEndian.Uint32(in[pos:]), 32, pos+4
		}
		left--
		if flags>>left&1 == 0 {
			out = append(out, byte(u8()))
			continue
		}
		token := u8() | u8()<<8
		n := token & 7
		if n == 7 {
			if half < 0 {
				half = pos
				n += u8() & 15
			} else {
				n += int(in[half]) >> 4
				half = -1
			}
			if n == 22 {
				if n += u8(); n == 22+255 {
					if n = u8() | u8()<<8; n == 0 {
						n = u8() | u8()<<8 | u8()<<16 | u8()<<24
					}
				}
			}
		}
		for range n + 3 {
			out = append(out, out[len(out)-token>>3-1])
		}
	}
	if len(out) != 4096 {
		return nil, errDamaged
	}
	return out, nil
}
