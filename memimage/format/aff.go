package format

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// AFF is the older Advanced Forensic Format, the format of AFFLIB: segments one behind the other, each with a name, a
// number and data. The image is in the segments page0, page1 and so on, which are all of one size. Numbers are
// big-endian.

const (
	affMagic       = "AFF10\r\n\x00"
	affHead        = 16 // of a segment: mark, length of its name, length of its data, number
	affTail        = 8  // behind it: mark, length of the whole segment
	affName        = 64 // AFFLIB allows no longer names
	affMaxPage     = 16 << 20
	affMaxSegments = 2 * maxBlocks
	affMaxDigests  = 8
)

// affPage is a page as it is stored.
type affPage struct {
	at, size int64
	flags    uint32
}

// affFile holds the facts that the segments of a file state.
type affFile struct {
	in       *input
	pages    map[int64]affPage
	last     int64 // number of the last page in the file
	twice    int   // pages that are in the file more than once
	pageSize int64
	size     int64    // of the image; -1: not said
	bad      uint64   // sectors that could not be read at acquisition
	kind     string   // AFF, AFD or AFM; empty: not said
	digests  []Digest // of the image, without its bytes
	locked   bool     // segments are encrypted
}

// openAFF opens the image in an AFF file.
func openAFF(in *input) (*Image, error) {
	head, err := in.head(len(affMagic))
	if err != nil {
		return nil, err
	}
	if !head.has(0, affMagic) {
		return nil, ErrFormat
	}
	a := &affFile{in: in, pages: map[int64]affPage{}, last: -1, size: -1}
	if err := a.readSegments(); err != nil {
		return nil, err
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	content, err := a.content()
	if err != nil {
		return nil, err
	}
	a.tell()
	im, err := in.nested("AFF", &inner{Source: content, name: unpackedName(in.Name())})
	if err != nil {
		return nil, err
	}
	for _, d := range a.digests {
		d.Bytes = content
		im.Digests = append(im.Digests, d)
	}
	return im, nil
}

// readSegments goes through the segments to the end of the file, or to where one is damaged.
func (a *affFile) readSegments() error {
	at := int64(len(affMagic))
	for n := 0; at < a.in.Size() && n < affMaxSegments; n++ {
		next, err := a.readSegment(at)
		if ended(err) {
			a.in.cutWithin("within a segment")
			return nil
		}
		if err != nil || next == 0 {
			return err
		}
		at = next
	}
	return nil
}

// readSegment takes the segment at that offset and returns where the next one begins; 0 when the segment is damaged,
// and the segments behind it cannot be found.
func (a *affFile) readSegment(at int64) (next int64, err error) {
	f, err := readUpTo(a.in, at, affHead+affName)
	if err != nil {
		return 0, err
	}
	if len(f) < affHead {
		return 0, ends("")
	}
	number := func(off int) uint32 { return binary.BigEndian.Uint32(f[off:]) }
	nameLen, dataLen, arg := int64(number(4)), int64(number(8)), number(12)
	data := at + affHead + nameLen
	if !f.has(0, "AFF\x00") || nameLen > affName {
		a.damaged(at)
		return 0, nil
	}
	tail, err := readUpTo(a.in, data+dataLen, affTail)
	if err != nil {
		return 0, err
	}
	if len(tail) < affTail {
		return 0, ends("")
	}
	next = data + dataLen + affTail
	if !tail.has(0, "ATT\x00") || int64(binary.BigEndian.Uint32(tail[4:])) != next-at {
		a.damaged(at)
		return 0, nil
	}
	return next, a.take(string(f[affHead:affHead+nameLen]), arg, data, dataLen)
}

// damaged notes that nothing behind an offset can be found.
func (a *affFile) damaged(at int64) {
	a.in.note("The segment at %#x of the AFF file is damaged: the segments behind it cannot be found, and are missing.", at)
}

// take remembers the content of a segment.
func (a *affFile) take(name string, arg uint32, at, size int64) error {
	if n, ok := affPageNumber(name); ok {
		if _, there := a.pages[n]; there {
			a.twice++
			return nil
		}
		a.pages[n] = affPage{at, size, arg}
		a.last = max(a.last, n)
		return nil
	}
	a.locked = a.locked || strings.HasSuffix(name, "/aes256") || strings.HasPrefix(name, "affkey_")
	const most = 32
	data, err := readUpTo(a.in, at, int(min(size, most)))
	if err != nil {
		return err
	}
	switch name {
	case "pagesize", "segsize":
		a.pageSize = int64(arg)
	case "imagesize":
		a.size = int64(min(affQuad(data), maxPhysical))
	case "badsectors":
		a.bad = affQuad(data)
	case "aff_file_type":
		a.kind = string(data)
	case "md5", "sha1", "sha256":
		a.takeDigest(name, data)
	}
	return nil
}

// takeDigest remembers a digest of the image.
func (a *affFile) takeDigest(name string, data []byte) {
	algorithm := map[string]string{"md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256"}[name]
	same := func(d Digest) bool { return d.Algorithm == algorithm && bytes.Equal(d.Value, data) }
	if len(data) == digestSizes()[algorithm] && len(a.digests) < affMaxDigests && !slices.ContainsFunc(a.digests, same) {
		a.digests = append(a.digests, Digest{Algorithm: algorithm, Value: slices.Clone(data), Of: "the image in the AFF file"})
	}
}

// affPageNumber returns the number of a page from the name of its segment, which was seg0 in old files.
func affPageNumber(name string) (int64, bool) {
	digits, ok := strings.CutPrefix(name, "page")
	if !ok {
		digits, ok = strings.CutPrefix(name, "seg")
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	return int64(n), ok && err == nil
}

// affQuad reads a number of 8 bytes: its low half, then its high half, each big-endian.
func affQuad(b []byte) uint64 {
	if len(b) < 8 {
		return 0
	}
	return uint64(binary.BigEndian.Uint32(b)) | uint64(binary.BigEndian.Uint32(b[4:]))<<32
}

// check fails for files that hold no image, or an image that cannot be read.
func (a *affFile) check() error {
	name := a.in.Name()
	refuse := func(what, do string) error { return &NotMemoryError{Name: name, What: what, Do: do} }
	switch {
	case a.locked:
		return refuse("an encrypted AFF file", "decrypt it with AFFLIB: AFFLIB_PASSPHRASE=... affcat FILE > OUT.raw")
	case a.kind == "AFM":
		return refuse("the metadata of a raw image (AFM)", "open the raw image of the same name, with the extension 000 or 001")
	case a.kind == "AFD":
		return refuse("one of the files of an image in a folder (AFD)", "put them together with AFFLIB: affcat FOLDER.afd > OUT.raw")
	case len(a.pages) == 0 && len(a.in.truncated) > 0:
		return ends("format: %s is an AFF file that is truncated before its first page", name)
	case len(a.pages) == 0:
		return refuse("an AFF file without an image in it", "")
	case a.pageSize <= 0 || a.pageSize > affMaxPage:
		return fmt.Errorf("format: %s is an AFF file with pages of %d bytes: it is damaged", name, a.pageSize)
	}
	if a.size < 0 {
		a.size = (a.last + 1) * a.pageSize
		a.in.note("The AFF file does not say how large its image is: it is taken to end with the last page that is there.")
	}
	if a.size == 0 || (a.size-1)/a.pageSize >= maxBlocks {
		return fmt.Errorf("format: %s is an AFF file with an image of %d bytes in pages of %d: it is damaged", name, a.size, a.pageSize)
	}
	return nil
}

// tell notes which parts of the image are not as they were acquired.
func (a *affFile) tell() {
	if n := a.missing(); n > 0 {
		a.in.note("%s of the image are not in the AFF file: their bytes are missing. If the file is one of several in a folder (AFD), put them together with AFFLIB: affcat FOLDER.afd > OUT.raw.", count(n, "page", "pages"))
	}
	if n := a.behind(); n > 0 {
		a.in.note("%s behind the end of the image, by the size that the AFF file says (%s), and left out.", count(n, "page lies", "pages lie"), sizeText(uint64(a.size)))
	}
	if n := a.misfits(); n > 0 {
		a.in.doubt("%s of the AFF file not as long as its pages should be (%s): one of the numbers is damaged, and pages may be misplaced.", count(n, "page is", "pages are"), sizeText(uint64(a.pageSize)))
	}
	if a.twice > 0 {
		a.in.note("%s in the AFF file more than once: the first of each is served.", count(a.twice, "page is", "pages are"))
	}
	if a.bad > 0 {
		a.in.doubt("%s could not be read at acquisition. In their place the image has a mark that begins with BAD SECTOR, and is no memory.", count(int(min(a.bad, 1<<31)), "sector", "sectors"))
	}
}

// behind returns how many pages lie behind the end of the image.
func (a *affFile) behind() int { return len(a.pages) - len(a.numbers()) }

// misfits returns how many pages that are stored as they are, but for the last, have another size than a page.
func (a *affFile) misfits() (n int) {
	for i, p := range a.pages {
		if p.flags&affCompressed == 0 && (p.size > a.pageSize || p.size < a.pageSize && i < a.last) {
			n++
		}
	}
	return n
}

// missing returns how many pages of the image are not in the file.
func (a *affFile) missing() int {
	total := (a.size + a.pageSize - 1) / a.pageSize
	there := 0
	for n := range a.pages {
		if n < total {
			there++
		}
	}
	return int(total) - there
}
