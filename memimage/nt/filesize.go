package nt

import (
	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// fileSize holds the size of a cached file by different places, in bytes; 0 where a place does not have it.
//
// The cache manager's map and the file system's header hold the size itself. A data section ends where the file does when
// it was made for a program that maps the file. When the cache manager made it, its end is rounded up to 256 KiB (its
// VACB_MAPPING_GRANULARITY), and to 1 MiB for a file that was opened to be written (DEFAULT_CREATE_MODULO).
type fileSize struct {
	cacheMap int64 // _SHARED_CACHE_MAP.FileSize
	header   fcbHeader
	data     int64 // end of the data section
	cached   int64 // where the data section's bytes in memory end, without the zeros at their end
	least    int64 // the file has at least so many bytes: the end of the raw data of the image that is mapped from it
}

// fcbHeader is the part of _FSRTL_COMMON_FCB_HEADER with the file's size; zero where it is not credible.
type fcbHeader struct{ allocation, size int64 }

// maxFile bounds the size of a file that is accepted: 16 GiB.
const maxFile = maxPtes * pageSize

// createModulo is the most by which the cache manager rounds up the end of a data section.
const createModulo = 1 << 20

// decide returns the size where it is exact, and a bound where there is one.
func (f *fileSize) decide() (size, bound int64) {
	if size = f.exact(); size != 0 {
		return size, size
	}
	if f.enough(f.data) && f.data >= max(f.cacheMap, f.header.size) {
		return 0, f.data
	}
	return 0, 0
}

// exact returns the size that one place has and that no other place contradicts, or 0.
func (f *fileSize) exact() int64 {
	size := int64(0)
	for _, v := range []int64{f.cacheMap, f.header.size, f.exactEnd()} {
		switch {
		case v == 0:
		case size == 0:
			size = v
		case size != v: // it is not known which of two places is right
			return 0
		}
	}
	if size == 0 || !f.agrees(size) {
		return 0
	}
	return size
}

// exactEnd returns the end of the data section where it is not rounded, and otherwise 0.
func (f *fileSize) exactEnd() int64 {
	if f.data%pageSize == 0 {
		return 0
	}
	return f.data
}

// agrees reports whether the file can have the size: it holds all of the image's raw data and all cached pages, and its
// data section would end where this one ends.
func (f *fileSize) agrees(size int64) bool {
	if !f.enough(size) || f.cached > size {
		return false
	}
	switch f.data {
	case 0, size, roundUp(size, pageSize):
		return true
	}
	most := roundUp(max(size, f.header.allocation), createModulo)
	return f.data%viewSize == 0 && f.data >= size && f.data <= most && f.data-size <= tail
}

// enough reports whether a file of the size holds the image's raw data. The last sector may be counted as full and not
// be full.
func (f *fileSize) enough(size int64) bool { return size > f.least-pageSize }

func roundUp(v, unit int64) int64 { return (v + unit - 1) / unit * unit }

// tail is how much at the end of a data section is looked at: more than the cache manager adds.
const tail = 2 * createModulo

// contentEnd returns the end of the data section's bytes in memory, without the zeros at their end. It looks near the
// section's end only; 0 when there are none. Behind the end of the file there are zeros.
func (c *CachedFile) contentEnd(end int64) int64 {
	var buf [pageSize]byte
	for off := roundUp(end, pageSize) - pageSize; off >= max(0, end-tail); off -= pageSize {
		page, ok := c.dataPage(off)
		if !ok {
			continue
		}
		if _, err := page.ReadAt(buf[:], 0); err != nil {
			continue
		}
		for n := len(buf); n > 0; n-- {
			if buf[n-1] != 0 {
				return off + int64(n)
			}
		}
	}
	return 0
}

// Offsets in _FSRTL_COMMON_FCB_HEADER (ntifs.h), with which every file system's record of an open file begins, on 32 and
// 64 bits. It is the same in all versions; later members of _FSRTL_ADVANCED_FCB_HEADER follow.
const (
	fcbNodeByteSize = 2
	fcbAllocation32 = 0x10
	fcbAllocation64 = 0x18
	fcbFileSize     = 8  // behind AllocationSize
	fcbValidData    = 16 // behind AllocationSize
	fileObjectType  = 5  // _FILE_OBJECT.Type (IO_TYPE_FILE)
)

// noValidData is the value of ValidDataLength when the file system does not keep count.
const noValidData = 1<<63 - 1

// fcbHeader reads the file system's header of a file; false when there is none, or when it is not sound.
func (k *Kernel) fcbHeader(file paging.Virt) (fcbHeader, bool) {
	l := &k.layout.Section
	if !l.FileContext.Present() {
		return fcbHeader{}, false
	}
	if object, err := k.kernel.record(file, 2); err != nil || object.u16(0) != fileObjectType {
		return fcbHeader{}, false
	}
	context, err := k.kernel.ptr(file + paging.Virt(l.FileContext))
	if err != nil || context == 0 || !k.inKernelSpace(context) {
		return fcbHeader{}, false
	}
	at := profile.Offset(fcbAllocation32)
	if k.kernel.pointer == 8 {
		at = fcbAllocation64
	}
	r, err := k.kernel.record(context, int(at)+fcbValidData+8)
	if err != nil {
		return fcbHeader{}, false
	}
	return soundHeader(r, at)
}

// soundHeader reads a header whose sizes fit together. AllocationSize lies at offset at.
func soundHeader(r record, at profile.Offset) (fcbHeader, bool) {
	integer := func(off profile.Offset) int64 { return int64(r.u(at+off, 8)) }
	allocation, size, valid := integer(0), integer(fcbFileSize), integer(fcbValidData)
	switch {
	case r.u16(0) == 0 || int(r.u16(fcbNodeByteSize)) < int(at)+fcbValidData+8:
		return fcbHeader{}, false
	case size <= 0 || size > maxFile || allocation < size || allocation > maxFile:
		return fcbHeader{}, false
	case valid < 0 || valid > size && valid != noValidData:
		return fcbHeader{}, false
	}
	return fcbHeader{allocation, size}, true
}
