package format

import (
	"fmt"
	"hash/crc32"
)

const (
	zdmpHeader   = 0x1000
	zdmpBlock    = 12 // bytes of the header of a block
	maxZdmpBlock = 16 << 20
)

// zdmpFile is a .zdmp file while it is opened: blocks of LZNT1 data in a chain.
type zdmpFile struct {
	*input
	blockSize int64
	index     uniform
	parts     []packedBlock
	cutShort  bool // the file ends within its blocks
}

// openZdmp opens the compressed files of DumpIt. Behind a page of header ("ZDMP", the unpacked size at 8, the size of
// a block at 0x10) come blocks: "ZBLK", the packed size, the CRC-32, and the data. The content is a crash dump.
func openZdmp(in *input) (*Image, error) {
	head, err := in.head(0x18)
	if err != nil {
		return nil, err
	}
	if !head.has(0, "ZDMP") || len(head) < 0x18 {
		return nil, ErrFormat
	}
	z := &zdmpFile{input: in, blockSize: int64(head.u32(0x10))}
	if kind, method := head.u16(0x14), head.u16(0x16); kind != 1 || method != 2 {
		return nil, fmt.Errorf("format: %s is a .zdmp file of data type %d, compression %d; only 1 and 2 (LZNT1) are known: convert it with Z2Dmp of the Comae toolkit", in.Name(), kind, method)
	}
	if z.blockSize < pageSize || z.blockSize > maxZdmpBlock {
		return nil, fmt.Errorf("format: %s is a .zdmp file with blocks of %#x bytes: its header is damaged", in.Name(), z.blockSize)
	}
	total := int64(min(head.u64(8), maxPhysical))
	if err := z.blocks(total); err != nil {
		return nil, err
	}
	z.index = uniform{z.blockSize, min(total, int64(len(z.parts))*z.blockSize)}
	if z.index.total < total {
		if z.cutShort {
			in.cut(Truncation{What: "the content of the .zdmp file", Have: uint64(z.index.total), Promised: uint64(total)})
		}
		in.note("The .zdmp file has %s of %s: it is truncated or damaged, and the rest is missing.", sizeText(uint64(z.index.total)), sizeText(uint64(total)))
	}
	content := z.watch(".zdmp blocks", z.newBlocks(z.index, z.blockSize, z.load))
	return in.nested("DumpIt .zdmp", &inner{Source: content, name: unpackedName(in.Name())})
}

// blocks follows the chain of blocks.
func (z *zdmpFile) blocks(total int64) error {
	at := int64(zdmpHeader)
	for done := int64(0); done < total && len(z.parts) < maxBlocks; done += z.blockSize {
		h, err := readUpTo(z, at, zdmpBlock)
		if err != nil {
			return err
		}
		size := int64(h.u32(4))
		if !h.has(0, "ZBLK") || len(h) < zdmpBlock || size == 0 || size > z.blockSize || size > z.Size()-at-zdmpBlock {
			z.cutShort = len(h) < zdmpBlock || h.has(0, "ZBLK") && size > z.Size()-at-zdmpBlock
			return nil
		}
		z.parts = append(z.parts, packedBlock{at: at + zdmpBlock, size: uint32(size), kind: h.u32(8)})
		at += zdmpBlock + size
	}
	return nil
}

// load unpacks a block. Data that are as large as a block are not compressed, and a block that unpacks to less ends
// in zeros.
func (z *zdmpFile) load(i int) ([]byte, error) {
	p := z.parts[i]
	data, err := readUpTo(z, p.at, int(p.size))
	if err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(data) != p.kind {
		return nil, fmt.Errorf("format: the .zdmp block at %#x has a wrong checksum", p.at)
	}
	if int64(p.size) < z.blockSize {
		if data, err = lznt1(data, int(z.blockSize)); err != nil {
			return nil, fmt.Errorf("format: the .zdmp block at %#x: %w", p.at, err)
		}
	}
	_, _, size := z.index.find(int64(i) * z.blockSize)
	return append(data, make([]byte, max(size-int64(len(data)), 0))...)[:size], nil
}
