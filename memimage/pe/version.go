package pe

import (
	"encoding/binary"
	"fmt"
)

const (
	resourceVersion = 16 // RT_VERSION
	maxResources    = 1 << 10
	subdirectory    = 1 << 31 // of an offset in IMAGE_RESOURCE_DIRECTORY_ENTRY: it leads to another directory
)

// FixedVersion returns the VS_FIXEDFILEINFO of the executable's first version resource, as it is: 52 bytes that begin with
// the signature 0xfeef04bd. It is nil where there is none. The error is of bytes that cannot be read.
func (f *File) FixedVersion() ([]byte, error) {
	d := f.Directory(dirRes)
	if d.Address == 0 {
		return nil, nil
	}
	at := uint32(subdirectory) // in the directory; types, then names, then languages
	for _, id := range []uint32{resourceVersion, anyResource, anyResource} {
		next, ok, err := f.resource(d.Address, at, id)
		if err != nil || !ok {
			return nil, err
		}
		at = next
	}
	if at&subdirectory != 0 {
		return nil, nil
	}
	var entry [8]byte // IMAGE_RESOURCE_DATA_ENTRY: RVA, size
	if err := f.readRVA(entry[:], int64(d.Address)+int64(at)); err != nil {
		return nil, fmt.Errorf("pe: the version resource cannot be read: %w", err)
	}
	return f.fixedVersion(binary.LittleEndian.Uint32(entry[:]))
}

// anyResource stands for the first entry, with any name.
const anyResource = ^uint32(0)

// resource returns where an entry of the resource directory at an offset leads; false when there is no such entry.
func (f *File) resource(base, at, id uint32) (uint32, bool, error) {
	const header, entry = 16, 8 // sizeof(_IMAGE_RESOURCE_DIRECTORY), sizeof(_IMAGE_RESOURCE_DIRECTORY_ENTRY)
	if at&subdirectory == 0 {
		return 0, false, nil
	}
	off := int64(base) + int64(at&^subdirectory)
	var head [header]byte
	if err := f.readRVA(head[:], off); err != nil {
		return 0, false, fmt.Errorf("pe: the resource directory cannot be read: %w", err)
	}
	n := min(int(binary.LittleEndian.Uint16(head[12:]))+int(binary.LittleEndian.Uint16(head[14:])), maxResources)
	if id == anyResource {
		n = min(n, 1)
	}
	rows := make([]byte, n*entry)
	if err := f.readRVA(rows, off+header); err != nil {
		return 0, false, fmt.Errorf("pe: the resource directory cannot be read: %w", err)
	}
	for ; len(rows) > 0; rows = rows[entry:] {
		if id == anyResource || binary.LittleEndian.Uint32(rows) == id {
			return binary.LittleEndian.Uint32(rows[4:]), true, nil
		}
	}
	return 0, false, nil
}

// fixedVersion reads VS_VERSIONINFO at an RVA.
func (f *File) fixedVersion(at uint32) ([]byte, error) {
	const key, signature = "V\x00S\x00_\x00V\x00E\x00R\x00S\x00I\x00O\x00N\x00_\x00I\x00N\x00F\x00O\x00\x00\x00", 0xfeef04bd
	const value, size = 40, 52 // behind the head, the key and its padding
	var b [value + size]byte
	if err := f.readRVA(b[:], int64(at)); err != nil {
		return nil, fmt.Errorf("pe: the version resource cannot be read: %w", err)
	}
	if string(b[6:6+len(key)]) != key || binary.LittleEndian.Uint32(b[value:]) != signature {
		return nil, nil
	}
	return b[value:], nil
}
