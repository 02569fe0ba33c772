package format

import "memlens/memimage/xpress"

const (
	xpressMagic  = "\x81\x81xpress"
	xpressHeader = 0x20
	// xpressGap is how far a block is looked for behind the place where it should be, in bytes.
	xpressGap = 16 << 10
)

// xpressBlock is a block of pages in a hibernation file of Windows XP to 7.
type xpressBlock struct {
	at, size int64  // of the data
	pages    uint64 // as its header has it
	next     int64  // where the next block should be
}

// end returns where the data ends.
func (b xpressBlock) end() int64 { return b.at + b.size }

// counting is how many pages a block has.
type counting int

const (
	byHeader  counting = iota // as many as its header says
	bySixteen                 // 16, and the last block of a table the pages that are left
)

// count returns how many pages the block has; left is how many pages of its table are left.
func (b xpressBlock) count(how counting, left uint64) uint64 {
	if how == byHeader {
		return b.pages
	}
	return min(left, hiberPages)
}

// xpressBlock reads the header of the block at that offset or a little behind it: of the 32 bits behind the magic,
// the upper 22 are its packed size less one, and the lower 10 its number of pages less one. The boot loader of
// Windows and Hibr2Bin read it so; volatility takes it that every block has 16 pages. The boot loader refuses blocks
// that are larger packed than unpacked, or have more than 16 pages.
func (h *hiberFile) xpressBlock(at int64) (xpressBlock, bool) {
	f, err := readUpTo(h, at, 12)
	if err != nil {
		return xpressBlock{}, false
	}
	for skipped := 0; !f.has(0, xpressMagic); skipped += 8 {
		if len(f) < 12 || skipped > xpressGap {
			return xpressBlock{}, false
		}
		at += 8
		if f, err = readUpTo(h, at, 12); err != nil {
			return xpressBlock{}, false
		}
	}
	size := int64(f.u32(8)>>10) + 1
	b := xpressBlock{at: at + xpressHeader, size: size, pages: uint64(f.u32(8)&0x3ff) + 1, next: at + xpressHeader + (size+7)&^7}
	return b, size <= hiberBlock
}

// unpackLZ77 unpacks a block of exactly size bytes. The rest of data is padding.
func unpackLZ77(data []byte, size int) ([]byte, error) {
	out := make([]byte, size)
	if _, err := xpress.LZ77(out, data); err != nil {
		return nil, err
	}
	return out, nil
}
