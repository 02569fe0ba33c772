package known

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"sort"
)

// index is a file of digests in order. It is safe for concurrent use.
type index struct {
	file   io.ReaderAt
	footer *footer
	firsts [len(sizes)][]byte // the first digest of each block
	names  int64              // end of the names
}

// openFile opens the index in a file; it closes the file if there is no valid index.
func openFile(file *os.File) (*index, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	x, err := openIndex(file, info.Size())
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return x, nil
}

// openIndex opens an index of so many bytes. Damage is errDamaged; other errors are failed reads.
func openIndex(file io.ReaderAt, size int64) (*index, error) {
	x := &index{file: file}
	if err := x.readFooter(size); err != nil {
		return nil, err
	}
	x.names = x.footer.Tables[0].Off
	for i := range x.footer.Tables {
		t := &x.footer.Tables[i]
		x.firsts[i] = make([]byte, t.blocks()*int64(t.Size))
		if err := x.read(x.firsts[i], t.Firsts); err != nil {
			return nil, err
		}
		if checksum(x.firsts[i]) != t.FirstCS {
			return nil, damaged("its top")
		}
	}
	return x, nil
}

// read fills p. A file that ends too early is damaged.
func (x *index) read(p []byte, off int64) error {
	_, err := x.file.ReadAt(p, off)
	if err == io.EOF {
		return damaged("it ends at %d", off)
	}
	return err
}

func (x *index) readFooter(size int64) error {
	if size < int64(len(magic)+tailSize) {
		return damaged("it is too short")
	}
	tail := make([]byte, tailSize)
	if err := x.read(tail, size-int64(tailSize)); err != nil {
		return err
	}
	length := int64(binary.BigEndian.Uint32(tail))
	if string(tail[8:]) != magic || length > min(maxFooter, size-int64(len(magic)+tailSize)) {
		return damaged("its end")
	}
	raw, at := make([]byte, length), size-int64(tailSize)-length
	if err := x.read(raw, at); err != nil {
		return err
	}
	if checksum(raw) != binary.BigEndian.Uint32(tail[4:]) {
		return damaged("its footer")
	}
	var err error
	x.footer, err = parseFooter(raw, at)
	return err
}

// lookup finds a digest of one of the sizes and returns the name beside it.
func (x *index) lookup(digest []byte) (name []byte, found bool, err error) {
	for i := range x.footer.Tables {
		if t := &x.footer.Tables[i]; t.Size == len(digest) {
			return x.find(t, x.firsts[i], digest)
		}
	}
	return nil, false, nil
}

// find finds a digest in a table.
func (x *index) find(t *table, firsts, digest []byte) (name []byte, found bool, err error) {
	size, width := t.Size, int(t.width())
	number := sort.Search(len(firsts)/size, func(i int) bool { return bytes.Compare(firsts[i*size:][:size], digest) > 0 }) - 1
	if number < 0 {
		return nil, false, nil
	}
	block, err := x.block(t, int64(number))
	if err != nil {
		return nil, false, err
	}
	at := sort.Search(len(block)/width, func(i int) bool { return bytes.Compare(block[i*width:][:size], digest) >= 0 }) * width
	if at == len(block) || !bytes.Equal(block[at:][:size], digest) {
		return nil, false, nil
	}
	var ref [8]byte
	copy(ref[8-refSize:], block[at+size:][:refSize])
	name, err = x.name(int64(binary.BigEndian.Uint64(ref[:])))
	return name, err == nil, err
}

// block reads a block.
func (x *index) block(t *table, number int64) ([]byte, error) {
	off, size := t.block(number)
	raw := make([]byte, size+crc32.Size)
	if err := x.read(raw, off); err != nil {
		return nil, err
	}
	if checksum(raw[:size]) != binary.BigEndian.Uint32(raw[size:]) {
		return nil, damaged("the entries at %d", off)
	}
	return raw[:size], nil
}

// name reads a name.
func (x *index) name(ref int64) ([]byte, error) {
	if ref == 0 {
		return nil, nil
	}
	var length [2]byte
	if ref < int64(len(magic)) || ref+2 > x.names {
		return nil, damaged("a name lies at %d", ref)
	}
	if err := x.read(length[:], ref); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint16(length[:]))
	if n > maxName || ref+2+n+crc32.Size > x.names {
		return nil, damaged("the name at %d", ref)
	}
	raw := make([]byte, n+crc32.Size)
	if err := x.read(raw, ref+2); err != nil {
		return nil, err
	}
	if checksum(raw[:n]) != binary.BigEndian.Uint32(raw[n:]) {
		return nil, damaged("the name at %d", ref)
	}
	return raw[:n], nil
}
