package format

import (
	"archive/zip"
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"memlens/memimage/sparse"
)

const (
	aff4Schema   = "http://aff4.org/Schema#"
	aff4Entry    = 28 // bytes of an entry of a map
	maxAFF4Chunk = 4 << 20
	maxAFF4Bevy  = 1 << 20 // chunks in a bevy
)

// aff4File is an AFF4 volume on its way to an image: a zip archive with a Turtle document that describes streams of
// chunks and maps over them.
type aff4File struct {
	*input
	files  map[string]*zip.File
	volume string
	facts  graph
	zstd   *zstd.Decoder
}

// openAFF4 opens the physical memory in an AFF4 volume, as WinPmem, Rekall and others write it.
func openAFF4(in *input) (*Image, error) {
	head, err := in.head(4)
	if err != nil {
		return nil, err
	}
	if !head.has(0, "PK\x03\x04") {
		return nil, ErrFormat
	}
	archive, err := readZip(in)
	if err != nil {
		return nil, ErrFormat // the row of zip says what is wrong
	}
	a := &aff4File{input: in, files: map[string]*zip.File{}}
	for _, f := range archive.File {
		a.files[strings.TrimPrefix(f.Name, "/")] = f
	}
	turtle, ok := a.files["information.turtle"]
	if !ok {
		return nil, ErrFormat
	}
	if err := a.describe(turtle, archive.Comment); err != nil {
		return nil, err
	}
	return a.open()
}

// describe reads the description of the volume.
func (a *aff4File) describe(turtle *zip.File, comment string) error {
	r, err := turtle.Open()
	if err != nil {
		return fmt.Errorf("format: %s: information.turtle: %w", a.Name(), err)
	}
	defer r.Close()
	if a.facts, err = parseTurtle(r); err != nil {
		a.note("The description of the AFF4 volume is damaged (%v); what came before is used.", err)
	}
	a.volume = strings.TrimRight(comment, "\x00/ \r\n")
	if f, ok := a.files["container.description"]; ok {
		if b, err := readEntry(f, 4096); err == nil {
			a.volume = strings.TrimRight(string(b), "\x00/ \r\n")
		}
	}
	a.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxAFF4Chunk))
	return err
}

// readEntry reads a small file of the archive.
func readEntry(f *zip.File, most int) ([]byte, error) {
	if f.UncompressedSize64 > uint64(most) {
		return nil, fmt.Errorf("format: %q has %d bytes, more than %d", f.Name, f.UncompressedSize64, most)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return readAtMost(r, most)
}

// entry returns the file of the archive that holds a resource: named by its URN relative to the volume, or by the URN
// as a whole, with what is no letter in it escaped.
func (a *aff4File) entry(urn string) *zip.File {
	relative := strings.TrimPrefix(strings.TrimPrefix(urn, a.volume), "/")
	for _, name := range []string{relative, escapeURN(urn), urn, strings.TrimPrefix(urn, "aff4://"), strings.ReplaceAll(urn, "://", "%3A%2F%2F")} {
		if f, ok := a.files[name]; ok {
			return f
		}
	}
	return nil
}

// escapeURN escapes the scheme of a URN as AFF4 tools do.
func escapeURN(urn string) string {
	rest, ok := strings.CutPrefix(urn, "aff4://")
	if !ok {
		return urn
	}
	authority, path, _ := strings.Cut(rest, "/")
	if path != "" {
		path = "/" + path
	}
	return "aff4%3A%2F%2F" + authority + path
}

func (a *aff4File) fact(urn string, names ...string) string {
	for _, name := range names {
		if v := a.facts[urn][aff4Schema+name]; len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

func (a *aff4File) number(urn string, names ...string) int64 {
	n, err := strconv.ParseInt(a.fact(urn, names...), 10, 64)
	if err != nil || n < 0 || n > maxPhysical {
		return 0
	}
	return n
}

func (a *aff4File) is(urn, class string) bool {
	return slices.ContainsFunc(a.facts[urn][turtleType], func(t string) bool { return strings.EqualFold(t, aff4Schema+class) })
}

// open finds the memory: an image of physical memory and the map that it names, or the only map, or the only stream.
func (a *aff4File) open() (*Image, error) {
	var found []string
	for _, class := range []string{"PhysicalMemoryImage", "MemoryImage", "Map", "ImageStream", "Image", "DiskImage"} {
		for _, urn := range slices.Sorted(maps.Keys(a.facts)) {
			if a.is(urn, class) && a.target(urn) != "" && !slices.Contains(found, a.target(urn)) {
				found = append(found, a.target(urn))
			}
		}
		if len(found) > 0 {
			break
		}
	}
	if len(found) == 0 {
		return nil, &NotMemoryError{Name: a.Name(), What: "an AFF4 volume without an image in it", Do: "its description names neither a map nor a stream; the image may be in another volume"}
	}
	if len(found) > 1 {
		a.note("The AFF4 volume holds %d images; the first, %s, is opened.", len(found), found[0])
	}
	if a.entry(found[0]+"/map") != nil {
		return a.openMap(found[0])
	}
	content, err := a.stream(found[0])
	if err != nil {
		return nil, err
	}
	return a.nested("AFF4", &inner{Source: content, name: a.Name()})
}

// target follows an image to the map or stream that holds its data.
func (a *aff4File) target(urn string) string {
	for range 4 {
		if a.entry(urn+"/map") != nil || a.number(urn, "chunkSize", "chunk_size") > 0 {
			return urn
		}
		if urn = a.fact(urn, "dataStream"); urn == "" {
			return ""
		}
	}
	return ""
}

// openMap lays memory out by a map: entries with an offset in it, a length, an offset in a stream and the number of
// the stream in the list "idx".
func (a *aff4File) openMap(urn string) (*Image, error) {
	entries, err := readEntry(a.entry(urn+"/map"), maxExtents*aff4Entry)
	if err != nil {
		return nil, fmt.Errorf("format: %s: the map: %w", a.Name(), err)
	}
	idx := a.entry(urn + "/idx")
	if idx == nil {
		return nil, fmt.Errorf("format: %s is an AFF4 volume whose map has no list of streams (idx)", a.Name())
	}
	list, err := readEntry(idx, 1<<20)
	if err != nil {
		return nil, fmt.Errorf("format: %s: the list of streams: %w", a.Name(), err)
	}
	targets := strings.Split(strings.TrimSpace(string(list)), "\n")
	streams := make([]*aff4Target, len(targets))
	l := newLayout(a.Source, a.Size())
	l.what, l.by = "a stream of the AFF4 volume", "the map names"
	for at := 0; at+aff4Entry <= len(entries); at += aff4Entry {
		e := fields(entries[at : at+aff4Entry])
		n := e.u32(24)
		if int64(n) >= int64(len(targets)) {
			a.note("An entry of the AFF4 map names stream %d of %d and is left out.", n, len(targets))
			continue
		}
		if streams[n] == nil {
			streams[n] = a.targetStream(strings.TrimSpace(targets[n]))
		}
		if s := streams[n]; s.src != nil {
			l.addFrom(s.src, uint64(s.size), e.u64(0), e.u64(8), e.u64(16))
		}
	}
	mem, err := l.reader(a.input)
	if err != nil {
		return nil, err
	}
	return &Image{Format: "AFF4", Memory: mem}, nil
}

// aff4Target is a stream that a map names; without a source it is a hole.
type aff4Target struct {
	src  sparse.Source
	size int64
}

// targetStream opens a stream that a map names.
func (a *aff4File) targetStream(urn string) *aff4Target {
	switch strings.TrimPrefix(urn, aff4Schema) {
	case "Zero":
		return &aff4Target{fill(0), maxPhysical}
	case "UnknownData", "UnreadableData":
		a.note("The acquisition tool could not read parts of the memory (%s): they are holes.", urn)
		return &aff4Target{}
	}
	src, err := a.stream(urn)
	if err != nil {
		a.note("A stream of the AFF4 map cannot be read and is missing: %v.", err)
		return &aff4Target{}
	}
	return &aff4Target{src, src.Size()}
}

// stream opens a stream of chunks, or a file of the archive as it is.
func (a *aff4File) stream(urn string) (sparse.Source, error) {
	chunk := a.number(urn, "chunkSize", "chunk_size")
	if f := a.entry(urn); chunk == 0 && f != nil {
		return a.plain(f)
	}
	s := &aff4Stream{aff4File: a, urn: urn, chunk: chunk, size: a.number(urn, "size"),
		bevy: a.number(urn, "chunksInSegment", "chunks_per_segment"), method: a.fact(urn, "compressionMethod", "compression")}
	if chunk <= 0 || chunk > maxAFF4Chunk || s.bevy <= 0 || s.bevy > maxAFF4Bevy || s.size <= 0 {
		return nil, fmt.Errorf("format: the AFF4 stream %q is not in the volume, or its description is damaged", urn)
	}
	s.indices, _ = lru.New[int64, []Range](8) // fails for sizes below 1 only
	a.medium.excuse(func() { s.checkEnd(int((s.size - 1) / chunk)) })
	return a.watch("AFF4 chunks", a.newBlocks(uniform{chunk, s.size}, chunk, s.load)), nil
}

// plain opens a file of the archive that is not compressed.
func (a *aff4File) plain(f *zip.File) (sparse.Source, error) {
	at, err := f.DataOffset()
	if err != nil || f.Method != zip.Store || at > a.Size() || int64(min(f.UncompressedSize64, maxPhysical)) > a.Size()-at {
		return nil, fmt.Errorf("format: %q in the AFF4 volume is damaged, or compressed as a whole: %w", f.Name, err)
	}
	return sparse.Section(a, at, int64(f.UncompressedSize64)), nil
}

// aff4Stream is a stream of chunks of one size, of which so many at a time are in a file of the archive, a bevy.
type aff4Stream struct {
	*aff4File
	urn               string
	chunk, size, bevy int64
	method            string
	indices           *lru.Cache[int64, []Range] // by bevy: where its chunks are in it
}

// checkEnd looks at the last chunk: it tells whether the volume is all there.
func (s *aff4Stream) checkEnd(last int) {
	switch _, err := s.load(last); {
	case err == nil:
	case sparse.Failed(err):
		s.note("The last chunk of the AFF4 stream %q could not be read: %v.", s.urn, err)
	default:
		s.note("The last chunk of the AFF4 stream %q is missing: the acquisition was interrupted, or the volume is damaged.", s.urn)
	}
}

// load reads and unpacks a chunk.
func (s *aff4Stream) load(i int) ([]byte, error) {
	n := int64(i) / s.bevy
	name := fmt.Sprintf("%s/%08d", s.urn, n)
	f := s.entry(name)
	if f == nil {
		return nil, fmt.Errorf("format: AFF4 bevy %q is missing", name)
	}
	index, err := s.index(name, n, f)
	if err != nil {
		return nil, err
	}
	k := int64(i) % s.bevy
	bevy, err := s.plain(f)
	if err != nil {
		return nil, err
	}
	if k >= int64(len(index)) || index[k].Len > uint64(2*s.chunk) || index[k].Off+index[k].Len > uint64(bevy.Size()) {
		return nil, fmt.Errorf("format: chunk %d of AFF4 bevy %q is missing", k, name)
	}
	data, err := readUpTo(bevy, int64(index[k].Off), int(index[k].Len))
	if err != nil {
		return nil, err
	}
	want := min(s.chunk, s.size-int64(i)*s.chunk)
	out, err := s.unpack(data)
	if err != nil || int64(len(out)) < want {
		return nil, fmt.Errorf("format: chunk %d of AFF4 bevy %q is damaged: %w", k, name, err)
	}
	return out[:want], nil
}

// index returns where the chunks of a bevy are: pairs of an offset of 8 and a length of 4 bytes or, before the
// standard, ends of 4 bytes.
func (s *aff4Stream) index(name string, n int64, bevy *zip.File) ([]Range, error) {
	if index, ok := s.indices.Get(n); ok {
		return index, nil
	}
	var index []Range
	if f := s.entry(name + ".index"); f != nil {
		b, err := readEntry(f, int(s.bevy)*12)
		if err != nil {
			return nil, err
		}
		for at := 0; at+12 <= len(b); at += 12 {
			index = append(index, Range{Off: fields(b).u64(at), Len: uint64(fields(b).u32(at + 8))})
		}
	} else if f := s.entry(name + "/index"); f != nil {
		b, err := readEntry(f, int(s.bevy)*4+4)
		if err != nil {
			return nil, err
		}
		index = offsetsToRanges(b, bevy.UncompressedSize64)
	} else {
		return nil, fmt.Errorf("format: the index of AFF4 bevy %q is missing", name)
	}
	for i, r := range index { // so that sums cannot overflow
		index[i].Off = min(r.Off, maxPhysical)
	}
	s.indices.Add(n, index)
	return index, nil
}

// offsetsToRanges reads an index of offsets of 4 bytes; a chunk ends where the next one begins.
func offsetsToRanges(b fields, size uint64) []Range {
	var index []Range
	for at := 0; at+4 <= len(b); at += 4 {
		off, end := uint64(b.u32(at)), size
		if at+8 <= len(b) {
			end = uint64(b.u32(at + 4))
		}
		if end < off {
			break
		}
		index = append(index, Range{Off: off, Len: end - off})
	}
	return index
}

// unpack unpacks a chunk; one that is as long as a chunk is stored as it is.
func (s *aff4Stream) unpack(data []byte) ([]byte, error) {
	if int64(len(data)) == s.chunk {
		return data, nil
	}
	method := strings.ToLower(s.method)
	switch {
	case method == "", strings.HasSuffix(method, "nullcompressor"), strings.HasSuffix(method, "stored"):
		return data, nil
	case strings.Contains(method, "rfc1950"), strings.HasSuffix(method, "zlib"):
		return inflateZlib(data, int(s.chunk))
	case strings.Contains(method, "rfc1951"), strings.HasSuffix(method, "deflate"):
		return readAtMost(flate.NewReader(bytes.NewReader(data)), int(s.chunk))
	case strings.Contains(method, "snappy"):
		if n, err := snappy.DecodedLen(data); err != nil || int64(n) > s.chunk {
			return nil, errPacked
		}
		return snappy.Decode(nil, data)
	case strings.Contains(method, "lz4"):
		out := make([]byte, s.chunk)
		n, err := lz4.UncompressBlock(data, out)
		return out[:max(n, 0)], err
	case strings.Contains(method, "zstd"):
		return s.zstd.DecodeAll(data, make([]byte, 0, s.chunk))
	}
	return nil, fmt.Errorf("the compression %q is not known", s.method)
}
