package format

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"memlens/memimage/sparse"
)

const (
	// maxZipDirectory bounds the directory of an archive in bytes.
	maxZipDirectory = 16 << 20
	zipEnd          = 22 // bytes of the end record without its comment
	zipLocal        = 30 // bytes of a local header without its names
	zipEncrypted    = 1  // flag of a file
	zipDescriptor   = 8  // flag of a file: its size and checksum follow it
)

// openZip opens the largest file in a zip archive. A stored file is read in place; a packed file is unpacked.
func openZip(in *input) (*Image, error) {
	head, err := in.head(4)
	if err != nil {
		return nil, err
	}
	if head.has(0, "PK\x05\x06") {
		return nil, &NotMemoryError{Name: in.Name(), What: "an empty zip archive"}
	}
	if !head.has(0, "PK\x03\x04") {
		return nil, ErrFormat
	}
	archive, err := readZip(in)
	if err != nil {
		return openZipWithoutDirectory(in, err)
	}
	entry := largestEntry(in, archive)
	if entry == nil {
		return nil, &NotMemoryError{Name: in.Name(), What: "a zip archive without a file in it"}
	}
	content, err := zipContent(in, archive, entry)
	if err != nil {
		return nil, err
	}
	im, err := in.nested("zip", content)
	if err == nil && entry.Method == zip.Store {
		im.Digests = append(im.Digests, Digest{Algorithm: "CRC-32", Value: binary.BigEndian.AppendUint32(nil, entry.CRC32),
			Of: fmt.Sprintf("%q in the zip archive", entry.Name), Bytes: content})
	}
	return im, err
}

// readZip reads the directory of an archive, after a check of its size.
func readZip(in *input) (*zip.Reader, error) {
	n, err := zipDirectorySize(in)
	if err != nil {
		return nil, err
	}
	if n > maxZipDirectory {
		return nil, fmt.Errorf("format: %s has a zip directory of %s: this is no archive of an image", in.Name(), sizeText(n))
	}
	archive, err := zip.NewReader(zipBytes{in}, in.Size())
	if err != nil {
		return nil, fmt.Errorf("format: %s: %w", in.Name(), err)
	}
	for _, f := range archive.File {
		f.Flags &^= zipDescriptor // libaff4 and pyaff4 set it and write no descriptor; its numbers are in the directory
	}
	archive.RegisterDecompressor(zip.Deflate, flate.NewReader)
	archive.RegisterDecompressor(zstd.ZipMethodWinZip, zstd.ZipDecompressor(zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow)))
	return archive, nil
}

// zipBytes are the bytes of an archive. A damaged directory has files that begin before the archive does: a failed
// read there is not a fault of the disk.
type zipBytes struct{ *input }

// ReadAt implements [io.ReaderAt].
func (z zipBytes) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("format: the directory of the archive is damaged: a file would lie before the archive, at %d", off)
	}
	return z.input.ReadAt(p, off)
}

// zipDirectorySize returns the size of the directory from the end record, or from the end record of ZIP64.
func zipDirectorySize(in *input) (uint64, error) {
	const most = zipEnd + 1<<16 + 20
	from := max(in.Size()-most, 0)
	tail, err := readUpTo(in, from, int(in.Size()-from))
	if err != nil {
		return 0, err
	}
	at := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if at < 0 {
		return 0, fmt.Errorf("format: %s is a zip archive without its directory: it is truncated", in.Name())
	}
	if locator := at - 20; locator >= 0 && tail.has(locator, "PK\x06\x07") && tail.u64(locator+8) < maxPhysical {
		if end, err := readUpTo(in, int64(tail.u64(locator+8)), 56); err == nil && end.has(0, "PK\x06\x06") {
			return end.u64(40), nil
		}
	}
	return uint64(tail.u32(at + 12)), nil
}

// largestEntry chooses the file to open, and notes which files were left out.
func largestEntry(in *input, archive *zip.Reader) *zip.File {
	var best *zip.File
	files := 0
	for _, f := range archive.File {
		if f.FileInfo().IsDir() {
			continue
		}
		files++
		if best == nil || f.UncompressedSize64 > best.UncompressedSize64 {
			best = f
		}
	}
	if files > 1 {
		in.note("The zip archive holds %d files; the largest, %q, is opened.", files, best.Name)
	}
	return best
}

// zipContent returns a file of an archive as a source whose siblings are in the archive too.
func zipContent(in *input, archive *zip.Reader, f *zip.File) (*inner, error) {
	if f.Flags&zipEncrypted != 0 {
		return nil, fmt.Errorf("format: %q in %s is encrypted: unpack it with its password first", f.Name, in.Name())
	}
	name := path.Base(f.Name)
	outer := &zipSiblings{in, archive, f}
	if f.Method == zip.Store {
		at, err := f.DataOffset()
		if err != nil {
			return nil, fmt.Errorf("format: %q in %s: %w", f.Name, in.Name(), err)
		}
		if at < 0 || at > in.Size() || f.UncompressedSize64 > uint64(in.Size()-at) {
			return nil, fmt.Errorf("format: %q in %s is damaged: it would lie outside of the archive", f.Name, in.Name())
		}
		in.note("%q is stored in the zip archive as it is and read in place: its checksum there is not checked when it is read.", f.Name)
		return &inner{Source: sparse.Section(in, at, int64(f.UncompressedSize64)), name: name, outer: outer}, nil
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("format: %q in %s (compression method %d): %w", f.Name, in.Name(), f.Method, err)
	}
	counted := &countingReader{src: in, inside: true}
	content, err := in.spool("zip", countInto{r, counted, f}, counted, int64(min(f.UncompressedSize64, maxPhysical)))
	_ = r.Close() // it repeats the error of the last read, which was noted
	if err != nil {
		return nil, err
	}
	content.name, content.outer = name, outer
	return content, nil
}

// countInto reports progress by the unpacked bytes, since an archive may hold other files.
type countInto struct {
	io.Reader
	counted *countingReader
	f       *zip.File
}

func (c countInto) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.counted.n += int64(float64(n) * float64(c.f.CompressedSize64) / float64(max(c.f.UncompressedSize64, 1)))
	return n, err
}

// zipSiblings finds the siblings of a file in its archive.
type zipSiblings struct {
	*input
	archive *zip.Reader
	file    *zip.File
}

// Beside implements [Source].
func (z *zipSiblings) Beside(name string) (Source, error) {
	want := path.Join(path.Dir(z.file.Name), name)
	for _, f := range z.archive.File {
		if strings.EqualFold(path.Clean(f.Name), want) {
			return zipContent(z.input, z.archive, f)
		}
	}
	return nil, fmt.Errorf("format: %s in %s: %w", want, z.Name(), fs.ErrNotExist)
}

// Names implements [Source].
func (z *zipSiblings) Names() ([]string, error) {
	var names []string
	for _, f := range z.archive.File {
		if path.Dir(f.Name) == path.Dir(z.file.Name) {
			names = append(names, path.Base(f.Name))
		}
	}
	slices.Sort(names)
	return names, nil
}

// localFile is a file of an archive, as its local header describes it.
type localFile struct {
	name   string
	flags  uint16
	method uint16
	sum    uint32 // CRC-32; 0 if it is in a descriptor behind the data
	data   int64  // offset of its first byte
	aff4   bool   // it, or a file before it, belongs to an AFF4 volume
}

// openZipWithoutDirectory serves the present part of the last file of a truncated archive, which is the file that was
// cut.
func openZipWithoutDirectory(in *input, why error) (*Image, error) {
	f, err := lastLocalFile(in)
	if err != nil {
		return nil, err
	}
	if f.aff4 {
		return nil, fmt.Errorf("format: %s is an AFF4 volume without its directory: it is truncated; repair it with zip -FF %s --out FIXED.aff4: %w", in.Name(), in.Name(), why)
	}
	if f.flags&zipEncrypted != 0 || f.data >= in.Size() {
		return nil, why
	}
	in.cutWithin("before the directory of the archive")
	in.note("The zip archive has no directory. What is there of its last file, %q, is served.", f.name)
	body := sparse.Section(in, f.data, in.Size()-f.data)
	counted := &countingReader{src: body}
	var r io.Reader
	switch f.method {
	case zip.Store:
		return in.nested("zip", &inner{Source: body, name: f.name})
	case zip.Deflate:
		r = flate.NewReader(counted)
	case zstd.ZipMethodWinZip:
		if r, err = openZstdStream(counted); err != nil {
			return nil, why
		}
	default:
		return nil, why
	}
	sum, doubts := crc32.NewIEEE(), len(in.doubts)
	content, err := in.spool("zip", io.TeeReader(r, sum), counted, 0)
	if err != nil {
		return nil, err
	}
	if len(in.doubts) == doubts && !f.hasSum(body, counted.n, sum.Sum32()) {
		in.doubt("The data of %q in the zip archive come to their end, but their checksum is wrong, or not there: no byte of them is sure.", f.name)
	}
	content.name = f.name
	return in.nested("zip", content)
}

// hasSum reports whether the archive has that checksum for the file: in its local header, or in the descriptor behind
// its data. The decoder has read n bytes; these may include some bytes behind the data.
func (f localFile) hasSum(body io.ReaderAt, n int64, sum uint32) bool {
	if f.flags&zipDescriptor == 0 {
		return f.sum == sum
	}
	const ahead = 1 << 16
	from := max(n-ahead, 0)
	b, err := readUpTo(body, from, int(n-from)+16)
	return err == nil && bytes.Contains(b, binary.LittleEndian.AppendUint32([]byte("PK\x07\x08"), sum))
}

// lastLocalFile follows the local headers of an archive to the last.
func lastLocalFile(in *input) (localFile, error) {
	var last localFile
	for at := int64(0); ; {
		h, err := readUpTo(in, at, zipLocal+1<<9)
		if err != nil {
			return last, err
		}
		if !h.has(0, "PK\x03\x04") {
			return last, nil
		}
		names := int(h.u16(26))
		f := localFile{flags: h.u16(6), method: h.u16(8), sum: h.u32(14), data: at + zipLocal + int64(names) + int64(h.u16(28))}
		f.name = path.Base(string(h.at(zipLocal, min(names, 1<<9))))
		f.aff4 = last.aff4 || f.name == "container.description" || f.name == "information.turtle"
		last = f
		at = f.data + int64(h.u32(18))
		if f.flags&zipDescriptor != 0 { // the size follows the data
			if at = endOfLocalFile(in, f.data); at < 0 {
				return last, nil
			}
		}
	}
}

// endOfLocalFile looks for the descriptor behind a small file whose size is not in its local header, and returns
// where the next header is, or -1. Only files before the image must be skipped, and these are small.
func endOfLocalFile(in *input, from int64) int64 {
	b, err := readUpTo(in, from, 1<<20)
	if err != nil {
		return -1
	}
	for at := 0; ; at += 4 {
		i := bytes.Index(b[at:], []byte("PK\x07\x08"))
		if i < 0 {
			return -1
		}
		at += i
		for _, size := range []int{16, 24} {
			if b.has(at+size, "PK\x03\x04") {
				return from + int64(at+size)
			}
		}
	}
}
