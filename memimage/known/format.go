package known

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
)

// An index is a file:
//
//	magic
//	the names, each: its length in two bytes, the bytes, a checksum
//	for each size of digests: the entries in order, each a whole digest and the place of a name, in blocks with a checksum
//	for each size of digests: the first digest of each block
//	a footer in JSON, its length and its checksum in four bytes each, magic
//
// Numbers are stored with the highest byte first. Only bytes under a checksum are believed.
const (
	magic        = "memlens known 1\n"
	blockEntries = 512
	tailSize     = 4 + 4 + len(magic)
	maxFooter    = 64 << 10
	maxName      = 512 // longest kept part of a name, in bytes
)

// table has the place of the entries of one size.
type table struct {
	Size    int    `json:"size"` // of a digest
	Count   int64  `json:"count"`
	Off     int64  `json:"offset"`
	Firsts  int64  `json:"firsts"` // place of the first digests of the blocks
	FirstCS uint32 `json:"firsts_checksum"`
}

// footer describes an index.
type footer struct {
	Tables []table `json:"tables"`
	Stats  Stats   `json:"stats"`
}

// width is how many bytes an entry has.
func (t *table) width() int64 { return int64(t.Size) + refSize }

// blocks is how many blocks there are.
func (t *table) blocks() int64 { return (t.Count + blockEntries - 1) / blockEntries }

// block returns the place of a block, and its length without its checksum.
func (t *table) block(i int64) (off, size int64) {
	n := min(t.Count-i*blockEntries, blockEntries)
	return t.Off + i*(blockEntries*t.width()+crc32.Size), n * t.width()
}

// end returns the end of the entries.
func (t *table) end() int64 {
	return t.Off + t.Count*t.width() + t.blocks()*crc32.Size
}

// errDamaged says that an index is not as it was written.
var errDamaged = errors.New("the index is damaged")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(format, args...))
}

// maxCount bounds the entries of a size, and keeps the arithmetic of offsets from overflowing.
const maxCount = 1 << 33

// parseFooter reads the footer of an index; the parts that it describes must end at limit.
func parseFooter(raw []byte, limit int64) (*footer, error) {
	f := new(footer)
	if err := json.Unmarshal(raw, f); err != nil || len(f.Tables) != len(sizes) {
		return nil, damaged("its footer cannot be read")
	}
	for i := range f.Tables {
		t := &f.Tables[i]
		if t.Size != sizes[i] || t.Count < 0 || t.Count > maxCount || t.Off < int64(len(magic)) || t.Off > limit || t.end() > limit ||
			t.Firsts < 0 || t.Firsts > limit || t.Firsts+t.blocks()*int64(t.Size) > limit {
			return nil, damaged("its footer tells of more than there is")
		}
	}
	return f, nil
}

// checksum is the checksum that all parts of an index have.
func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
