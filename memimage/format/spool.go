package format

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"memlens/memimage/sparse"
)

const (
	// spoolReserve is how much of a file system a spool file leaves free for other programs.
	spoolReserve = 16 << 20
	// spoolChunk is how much is unpacked between two looks at the free space, in bytes.
	spoolChunk = 1 << 20
)

// spool unpacks r, which reads from counted, to a temporary file without a name, in which zeros are holes. size is
// how large it will be, 0 when not known. If the rest cannot be unpacked, it notes that: the file has the bytes
// before that place.
func (in *input) spool(kind string, r io.Reader, counted *countingReader, size int64) (*inner, error) {
	dir := in.opts.SpoolDir
	if dir == "" {
		dir = os.TempDir()
	}
	if in.opts.Spool != nil {
		if err := in.opts.Spool(dir, size); err != nil {
			return nil, fmt.Errorf("format: %s is to be unpacked: %w", in.Name(), err)
		}
	}
	if err := checkFree(dir, true); err != nil {
		return nil, fmt.Errorf("format: unpacking %s: %w", in.Name(), err)
	}
	f, closer, err := temporaryFile(dir)
	if err != nil {
		return nil, fmt.Errorf("format: unpacking %s: %w", in.Name(), err)
	}
	in.closers = append(in.closers, closer)
	n, err := in.fillSpool(kind, f, dir, r, counted)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, fmt.Errorf("format: %s (%s) holds nothing that can be unpacked: it is truncated or damaged", in.Name(), kind)
	}
	in.note("%s allows no random access: it was unpacked to a temporary file in %s (%s, zeros take no space), which goes away by itself.", kind, dir, sizeText(uint64(n)))
	return &inner{Source: in.medium.faults.Watch(sparse.Whole(f, n)), name: unpackedName(in.Name()), outer: in.Source}, nil
}

// spoolPattern is the pattern for the names of spool files, on systems where they have a name.
const spoolPattern = "memlens-*.spool"

// fillSpool copies r to f and returns how many bytes came.
func (in *input) fillSpool(kind string, f *os.File, dir string, r io.Reader, counted *countingReader) (int64, error) {
	buf, zeros := make([]byte, spoolChunk), make([]byte, pageSize)
	var n int64
	before := in.medium.failures()
	for {
		m, err := readFull(r, buf)
		if failed := in.medium.since(before); failed != nil { // the decoder may report a failed read as damage
			return 0, failed
		}
		if n == 0 {
			if what, ok := recogniseForeign(buf[:m], int64(m)); ok {
				return 0, &NotMemoryError{Name: "the content of " + in.Name(), What: what.what, Do: what.do}
			}
		}
		if werr := writeSparse(f, buf[:m], n, zeros); werr != nil {
			return 0, fmt.Errorf("format: unpacking %s: %w", in.Name(), werr)
		}
		n += int64(m)
		if in.opts.Progress != nil {
			in.opts.Progress(counted.n, in.Size())
		}
		if err == io.EOF {
			return n, f.Truncate(n)
		}
		if err != nil {
			in.noteBroken(kind, n, counted.n, counted.inside, err)
			return n, f.Truncate(n)
		}
		if err := checkFree(dir, true); err != nil {
			return 0, fmt.Errorf("format: unpacking %s, after %s: %w", in.Name(), sizeText(uint64(n)), err)
		}
		if n > maxMissing {
			return 0, fmt.Errorf("format: %s unpacks to more than %s: this is no memory image", in.Name(), sizeText(maxMissing))
		}
	}
}

// noteBroken notes that the data could be unpacked to n bytes only; the decoder had read at most packed bytes. inside
// says that all packed data lie within the file, which is not truncated then.
func (in *input) noteBroken(kind string, n, packed int64, inside bool, err error) {
	if ended(err) && !inside {
		in.cutWithin("within its %s data, which unpack to %s so far", kind, sizeText(uint64(n)))
		in.doubt("The %s data end after %s unpacked: what followed is missing, and with it the checksum, so that no byte is sure.", kind, sizeText(uint64(n)))
		return
	}
	in.doubt("The %s data are damaged before offset %#x of the file (%s), and nothing tells where: no byte of the %s that they unpack to is sure, and the rest, if there is any, is missing.",
		kind, packed, sentence(err), sizeText(uint64(n)))
}

// readFull fills p from r. Its error is io.EOF at the end of r only; decoders return io.ErrUnexpectedEOF for a file
// that ends too early.
func readFull(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}

// writeSparse writes the pages of p that are not zeros.
func writeSparse(f io.WriterAt, p []byte, off int64, zeros []byte) error {
	for at := 0; at < len(p); at += pageSize {
		page := p[at:min(at+pageSize, len(p))]
		if bytes.Equal(page, zeros[:len(page)]) {
			continue
		}
		if _, err := f.WriteAt(page, off+int64(at)); err != nil {
			return err
		}
	}
	return nil
}

// checkFree fails when the file system of dir has nothing left but the reserve. How large the file will become does not
// count: nobody knows how much of it is zeros, which take no space. packed says that a packed file is unpacked to it.
func checkFree(dir string, packed bool) error {
	free, err := freeSpace(dir)
	if err != nil {
		return fmt.Errorf("free space of %s: %w", dir, err)
	}
	if free < spoolReserve {
		return &SpaceError{dir, free, packed}
	}
	return nil
}

// SpaceError says that there is too little room for a temporary file.
type SpaceError struct {
	Dir    string
	Free   uint64 // bytes
	Packed bool   // a packed file was to be unpacked to it
}

func (e *SpaceError) Error() string {
	s := fmt.Sprintf("%s has only %s free and the last %s are left to other programs; choose another directory", e.Dir, sizeText(e.Free), sizeText(spoolReserve))
	if e.Packed {
		s += ", or unpack the image yourself"
	}
	return s
}

// unpackedName returns the name of a packed file without the extension of the packer.
func unpackedName(name string) string {
	if base := name[:len(name)-len(filepath.Ext(name))]; base != "" {
		return base
	}
	return name
}

// countingReader reads a source from its beginning and counts the bytes.
type countingReader struct {
	src    io.ReaderAt
	n      int64
	inside bool // the data are a part of the file that lies within it
}

// Read implements [io.Reader].
func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.src.ReadAt(p, c.n)
	c.n += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}
