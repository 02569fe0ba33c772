package volume

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/diskfs/go-diskfs/partition/mbr"

	"memlens/memimage/rescue"
	"memlens/memimage/sparse"
)

const (
	// maxPartitions is how many partitions of a disk are looked at. Windows makes at most 128.
	maxPartitions = 256
	// maxTable is the largest table of a GPT that is read, in bytes: 128 entries have 16 KiB.
	maxTable = 1 << 20
)

// partition is a range of a disk.
type partition struct {
	number int    // number in the table
	off    int64  // bytes
	size   int64  // bytes
	kind   string // the kind by the table, for kinds that only the table names: "a part of a dynamic disk"
}

// diskFile gives a disk the interface that the libraries need.
type diskFile struct{ *io.SectionReader }

func (diskFile) Close() error               { return nil }
func (diskFile) Stat() (fs.FileInfo, error) { return nil, errors.ErrUnsupported }

func section(disk sparse.Source, off int64) diskFile {
	return diskFile{io.NewSectionReader(disk, off, disk.Size()-off)}
}

// readGPT returns the partitions of a GPT with sectors of that size; nil: no such table.
func readGPT(disk sparse.Source, sector int64) ([]partition, string, error) {
	first, err := gptHeader(disk, sector, sector)
	if err != nil {
		return nil, "", err
	}
	last, err := gptHeader(disk, disk.Size()/sector*sector-sector, sector)
	if err != nil {
		return nil, "", err
	}
	if first == nil && last == nil || sector*4 > disk.Size() {
		return nil, "", nil
	}
	for _, header := range [][]byte{first, last} {
		if err := checkHeader(header, disk, sector); err != nil {
			return nil, "", err
		}
	}
	var table *gpt.Table
	err = rescue.Call(func() (err error) {
		table, err = gpt.Read(section(disk, 0), int(sector), int(sector))
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("volume: the partition table (GPT) is damaged: %w", err)
	}
	var out []partition
	for _, p := range table.Partitions {
		if p.Start > p.End || p.End >= uint64(1<<62/sector) {
			return nil, "", damaged("partition %d is from sector %d to %d", p.Index, p.Start, p.End)
		}
		out = append(out, partition{p.Index, int64(p.Start) * sector, int64(p.End-p.Start+1) * sector, gptKinds[string(p.Type)]})
	}
	note := ""
	if table.RecoveredFromBackup {
		note = "the partition table (GPT) is damaged: its copy at the end of the disk is used"
	}
	return out, note, nil
}

// gptKinds are the types of partitions that cannot be read by themselves.
var gptKinds = map[string]string{
	"E3C9E316-0B5C-4DB8-817D-F92DF00215AE": "reserved by Windows",
	"5808C8AA-7E8F-42E0-85D2-E1E90434CFB3": "a part of a dynamic disk",
	"AF9B60A0-1431-4F62-BC68-3311714A69AD": "a part of a dynamic disk",
	"E75CAF8F-F680-4CEE-AFA3-B001E56EFC2D": "a part of Storage Spaces",
}

// gptHeader returns the header of a GPT at off, or nil.
func gptHeader(disk sparse.Source, off, sector int64) ([]byte, error) {
	if off < 0 || off+sector > disk.Size() {
		return nil, nil
	}
	b, err := read(disk, off, sector)
	switch {
	case sparse.Failed(err):
		return nil, err
	case err != nil || !bytes.HasPrefix(b, []byte("EFI PART")):
		return nil, nil
	}
	return b, nil
}

// checkHeader checks the numbers of a header by which the library allocates and loops.
func checkHeader(b []byte, disk sparse.Source, sector int64) error {
	if b == nil {
		return nil
	}
	if sum := binary.LittleEndian.Uint32(b[16:]); sum != headerSum(b) {
		return nil // the library notices that, and takes the other header
	}
	at, n, size := binary.LittleEndian.Uint64(b[72:]), binary.LittleEndian.Uint32(b[80:]), binary.LittleEndian.Uint32(b[84:])
	if size != gpt.PartitionEntrySize || n == 0 || int64(n)*int64(size) > maxTable {
		return damaged("the partition table (GPT) has %d entries of %d bytes", n, size)
	}
	if at > uint64(disk.Size()/sector) {
		return damaged("the partition table (GPT) begins at sector %d", at)
	}
	return nil
}

func headerSum(b []byte) uint32 {
	c := bytes.Clone(b[:92])
	clear(c[16:20])
	return crc32.ChecksumIEEE(c)
}

// readMBR returns the partitions of an MBR, with their places in sectors of one byte; nil: no such table.
func readMBR(disk sparse.Source) ([]partition, error) {
	table, err := tableAt(disk, 0)
	if err != nil || table == nil {
		return nil, err
	}
	var out []partition
	for _, p := range table.Partitions {
		if p.Size != 0 && !isExtended(p) {
			out = append(out, partition{p.Index, int64(p.Start), int64(p.Size), mbrKind(p)})
		}
	}
	return out, nil
}

// readExtended returns the partitions in the extended partitions of an MBR, with sectors of that size: a chain of
// tables, each with a partition and the place of the next table.
func readExtended(disk sparse.Source, sector int64) ([]partition, error) {
	table, err := tableAt(disk, 0)
	if err != nil || table == nil {
		return nil, err
	}
	var out []partition
	for _, p := range table.Partitions {
		if !isExtended(p) {
			continue
		}
		if out, err = readChain(out, disk, int64(p.Start), sector); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func readChain(out []partition, disk sparse.Source, begin, sector int64) ([]partition, error) {
	const firstLogical = 5
	at := begin
	for range maxPartitions {
		table, err := tableAt(disk, at*sector)
		if err != nil {
			return nil, err
		}
		if table == nil {
			return nil, damaged("the table of an extended partition at sector %d is not there", at)
		}
		next := int64(-1)
		for _, p := range table.Partitions[:2] {
			switch {
			case p.Size == 0:
			case isExtended(p):
				next = begin + int64(p.Start)
			default:
				out = append(out, partition{len(out) + firstLogical, (at + int64(p.Start)) * sector, int64(p.Size) * sector, mbrKind(p)})
			}
		}
		if next < 0 {
			return out, nil
		}
		at = next
	}
	return nil, damaged("an extended partition has more than %d in it", maxPartitions)
}

// tableAt returns the MBR at off, or nil.
func tableAt(disk sparse.Source, off int64) (*mbr.Table, error) {
	const size = 512
	if off < 0 || off > disk.Size()-size {
		return nil, nil
	}
	b, err := read(disk, off, size)
	if err != nil {
		return nil, err
	}
	var table *mbr.Table
	err = rescue.Call(func() (err error) {
		table, err = mbr.Read(diskFile{io.NewSectionReader(bytes.NewReader(b), 0, size)}, size, size)
		return err
	})
	if err != nil || len(table.Partitions) < 2 {
		return nil, nil // some other sector
	}
	return table, nil
}

func isExtended(p *mbr.Partition) bool {
	const chs, lba, linux = 0x05, 0x0f, 0x85
	return p.Size != 0 && (p.Type == chs || p.Type == lba || p.Type == linux)
}

// mbrKind returns a description, by its type, of a partition that cannot be read by itself.
func mbrKind(p *mbr.Partition) string {
	const dynamic, gpt = 0x42, 0xee
	switch p.Type {
	case dynamic:
		return "a part of a dynamic disk"
	case gpt:
		return "what stands for the partitions of a GPT, whose table is not there or damaged"
	}
	return ""
}
