package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"memlens/memimage/sparse"
)

// Compression of a page in a kdump file, the flags of its page_desc.
const (
	kdumpZlib   = 1
	kdumpLZO    = 2
	kdumpSnappy = 4
	kdumpZstd   = 0x20
)

// kdumpFile is a kdump-compressed file: disk_dump_header in block 0, kdump_sub_header behind it, two bitmaps of pages
// (the second says which pages are in the file), and a page_desc for each page in the file.
type kdumpFile struct {
	*input
	block    int64 // bytes of a block, which is a page
	descs    int64 // offset of the first page_desc
	zstdCode *zstd.Decoder
}

// openKdump opens the kdump-compressed files of QEMU's dump-guest-memory -z, -l and -s, and of makedumpfile.
func openKdump(in *input) (*Image, error) {
	head, err := in.head(0x2000)
	if err != nil {
		return nil, err
	}
	if !head.has(0, "KDUMP   ") && !head.has(0, "DISKDUMP") {
		return nil, ErrFormat
	}
	if len(head) < 2*pageSize {
		return nil, in.shortHeader("a kdump file")
	}
	at := kdumpNumbers(head)
	if at < 0 {
		return nil, in.strangeKdump(head)
	}
	sub, bitmap, pages := int64(head.u32(at+4)), int64(head.u32(at+8)), uint64(head.u32(at+12))
	if wide := head.u64(pageSize + 0x60); head.u32(8) >= 6 && wide > 0 {
		pages = wide
	}
	k := &kdumpFile{input: in, block: pageSize}
	k.descs = (1 + sub + bitmap) * k.block
	if k.zstdCode, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(cacheBytes)); err != nil {
		return nil, fmt.Errorf("format: %w", err)
	}
	dumped := pageBitmap{at: uint64(1+sub+bitmap/2) * pageSize, bits: min(pages, uint64(bitmap/2)*pageSize*8)}
	return k.open(dumped, head)
}

// strangeKdump is the error for a kdump file whose header has no page size of 4096 bytes. Linux has larger pages on
// other processors, and QEMU writes 64 KiB for every ARM64 machine, even if its system has smaller pages.
func (in *input) strangeKdump(head fields) error {
	for _, at := range kdumpBlockSizes() {
		size := head.u32(at)
		if size > pageSize && size <= 1<<20 && size&(size-1) == 0 && head.u32(at+4) > 0 {
			return &NotMemoryError{Name: in.Name(),
				What: fmt.Sprintf("a kdump file with pages of %s, as of an ARM64 or POWER machine", sizeText(uint64(size))),
				Do:   "dump the memory as ELF: dump-guest-memory OUT.elf, or virsh dump --memory-only --format elf"}
		}
	}
	return fmt.Errorf("format: %s is a kdump file with a damaged header: no page size in it", in.Name())
}

// kdumpBlockSizes returns where block_size can be in the header: structures of 64-bit and 32-bit systems differ before it.
func kdumpBlockSizes() []int { return []int{428, 416} }

// kdumpNumbers returns the offset of block_size in the header when it holds the size of a page, else -1.
func kdumpNumbers(head fields) int {
	for _, at := range kdumpBlockSizes() {
		if head.u32(at) == pageSize && head.u32(at+4) > 0 {
			return at
		}
	}
	return -1
}

func (k *kdumpFile) open(b pageBitmap, head fields) (*Image, error) {
	var err error
	if b.bits > maxBitmapBits {
		return nil, fmt.Errorf("format: %s is a kdump file with a bitmap of %d pages: its header is damaged", k.Name(), b.bits)
	}
	if b.pages, err = b.count(k); err != nil {
		return nil, err
	}
	total := int64(b.pages) * k.block
	stream := k.watch("kdump pages", k.newBlocks(uniform{k.block, total}, k.block, k.load))
	l := newLayout(stream, total)
	l.claimed = true
	if err := b.place(k.input, l); err != nil {
		return nil, err
	}
	if end := k.descs + int64(b.pages)*24; end > k.Size() {
		k.cutBefore(uint64(end), "within its page descriptors")
		k.note("The file ends within its page descriptors: pages behind them are missing.")
	} else {
		k.medium.excuse(func() { k.checkEnd(int64(b.pages)) })
	}
	mem, err := l.reader(k.input)
	if err != nil {
		return nil, err
	}
	return &Image{Format: "kdump-compressed", Memory: mem, Hints: k.hints(head)}, nil
}

// checkEnd looks at the last page that has data of its own: this shows whether the file is truncated.
func (k *kdumpFile) checkEnd(pages int64) {
	if pages == 0 {
		return
	}
	switch _, err := k.load(int(pages - 1)); {
	case err == nil:
	case sparse.Failed(err):
		k.note("The last page of the dump could not be read: %s.", sentence(err))
	default:
		if ended(err) {
			k.cutWithin("within its last pages")
		}
		k.note("The last page of the dump cannot be read (%s): the file is truncated or damaged, and pages are missing.", sentence(err))
	}
}

// hints reads the processor notes that QEMU leaves behind the sub-header.
func (k *kdumpFile) hints(head fields) Hints {
	e := &elfFile{input: k.input, order: binary.LittleEndian, wide: true}
	if head.u32(8) >= 4 {
		_ = e.notes(elfSegment{off: head.u64(pageSize + 0x30), filesz: head.u64(pageSize + 0x38)}) // hints only
	}
	e.hints.Machine = machineNamed(head)
	return e.hints
}

// machineNamed returns IMAGE_FILE_MACHINE_* for the name of the processor in the header (utsname), 0 for other names.
func machineNamed(head fields) uint16 {
	const utsname, machine, size = 12, 4, 65 // offset, index of the member, bytes of each
	name, _, _ := strings.Cut(string(head.at(utsname+machine*size, size)), "\x00")
	return map[string]uint16{"i386": 0x14c, "i686": 0x14c, "x86_64": 0x8664, "aarch64": 0xaa64, "armv7l": 0x1c4, "ppc64le": 0x1f0, "riscv64": 0x5064}[name]
}

var errLZO = errors.New("format: the page is compressed with LZO, which is not supported: make the dump with -z (zlib) or -s (snappy)")

// load unpacks the page of the i-th descriptor.
func (k *kdumpFile) load(i int) ([]byte, error) {
	d, err := readUpTo(k, k.descs+int64(i)*24, 24)
	if err != nil {
		return nil, err
	}
	off, size, flags := d.u64(0), d.u32(8), d.u32(12)
	if len(d) < 24 || off == 0 || off > maxPhysical || int64(size) > 2*k.block {
		return nil, fmt.Errorf("format: page descriptor %d is missing or damaged", i)
	}
	data, err := readUpTo(k, int64(off), int(size))
	if err != nil {
		return nil, err
	}
	if len(data) < int(size) {
		return nil, ends("format: page at offset %#x is truncated", off)
	}
	return k.unpack(data, flags)
}

func (k *kdumpFile) unpack(data []byte, flags uint32) ([]byte, error) {
	switch {
	case flags&kdumpZlib != 0:
		return inflateZlib(data, int(k.block))
	case flags&kdumpSnappy != 0:
		if n, err := snappy.DecodedLen(data); err != nil || int64(n) > k.block {
			return nil, fmt.Errorf("format: damaged snappy page")
		}
		return snappy.Decode(nil, data)
	case flags&kdumpZstd != 0:
		return k.zstdCode.DecodeAll(data, make([]byte, 0, k.block))
	case flags&kdumpLZO != 0:
		return nil, errLZO
	}
	return data, nil
}

// inflateZlib unpacks zlib data that becomes at most n bytes.
func inflateZlib(data []byte, n int) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("format: zlib: %w", err)
	}
	out, err := readAtMost(r, n)
	if err != nil {
		return nil, fmt.Errorf("format: zlib: %w", err)
	}
	return out, nil
}

// openFlattened opens the form that makedumpfile -F and QEMU write to a pipe: blocks of a file, each behind its
// offset and size in big-endian order. The blocks are put together.
func openFlattened(in *input) (*Image, error) {
	head, err := in.head(32)
	if err != nil {
		return nil, err
	}
	if !head.has(0, "makedumpfile\x00\x00\x00\x00") {
		return nil, ErrFormat
	}
	extents, size, err := flattenedBlocks(in)
	if err != nil {
		return nil, err
	}
	// The gaps between the blocks were never written. They read as zeros, as in the file that the blocks would make.
	extents = append([]sparse.Extent{{Len: size, Src: fill(0)}}, extents...)
	content, err := sparse.NewReader(size, sparse.Overlay(extents...)...)
	if err != nil {
		return nil, fmt.Errorf("format: %s: %w", in.Name(), err)
	}
	return in.nested("makedumpfile flattened", &inner{Source: content, name: in.Name()})
}

// flattenedBlocks returns the blocks, later ones over earlier ones, and the size of the file that they make.
func flattenedBlocks(in *input) (extents []sparse.Extent, size int64, err error) {
	for at := int64(pageSize); ; {
		h, err := readUpTo(in, at, 16)
		if err != nil {
			return nil, 0, err
		}
		if len(h) < 16 {
			in.cutWithin("without the mark of its end")
			in.note("The flattened file has no end mark.")
			return extents, size, nil
		}
		off, n := int64(binary.BigEndian.Uint64(h)), int64(binary.BigEndian.Uint64(h[8:]))
		if off == -1 {
			return extents, size, nil
		}
		at += 16
		if off < 0 || n <= 0 || off > maxPhysical || n > maxPhysical || len(extents) == maxExtents {
			in.note("The block at offset %#x of the flattened file is damaged; the rest is left out.", at)
			return extents, size, nil
		}
		have := min(n, in.Size()-at)
		if have < n {
			in.cutBefore(uint64(at+n), "within a block")
		}
		extents = append(extents, sparse.Extent{Off: off, Len: have, Src: in.Source, SrcOff: at})
		size = max(size, off+have)
		at += n
	}
}
