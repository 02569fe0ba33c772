package format

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/snappy"
	"github.com/pierrec/lz4/v4"
)

// aff4Of writes a volume; the test makes its streams and its description.
func aff4Of(t testing.TB, make func(v *aff4Writer)) *memSource {
	v := &aff4Writer{form: aff4Form{method: aff4Schema + "NullCompressor"}, t: t, urn: aff4URN}
	v.add("container.description", []byte(aff4URN))
	make(v)
	return newMemSource("a.aff4", v.bytes())
}

func openTest(t *testing.T, src Source) *Image {
	t.Helper()
	im, err := Open(src, Options{SpoolDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = im.Close() })
	return im
}

// openPath opens the image at a path for the time of the test.
func openPath(t *testing.T, path string) *Image {
	t.Helper()
	im, err := OpenFile(path, Options{SpoolDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = im.Close() })
	return im
}

// mapEntry writes an entry of a map.
func mapEntry(addr, n, off uint64, stream uint32) []byte {
	var b []byte
	for _, v := range []uint64{addr, n, off} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return binary.LittleEndian.AppendUint32(b, stream)
}

// aff4Writer writes a volume.
type aff4Writer struct {
	form  aff4Form
	t     testing.TB
	urn   string
	files []zipEntry
	facts strings.Builder
}

// add adds a file to the archive.
func (v *aff4Writer) add(name string, data []byte) {
	v.files = append(v.files, zipEntry{name, data, zip.Store})
}

// say adds a sentence to the description.
func (v *aff4Writer) say(urn, format string, args ...any) {
	if v.form.libaff4 {
		urn = strings.TrimPrefix(urn, aff4URN)
	}
	fmt.Fprintf(&v.facts, "<%s> "+format+" .\n", append([]any{urn}, args...)...)
}

// sayMap describes the map.
func (v *aff4Writer) sayMap(urn string, streams []string) {
	class := "aff4:Map, aff4:PhysicalMemoryImage"
	switch {
	case v.form.words != "":
		class = "aff4:map"
	case v.form.others:
		class = "aff4:Map ; aff4:category memory:physical"
	}
	v.say(urn, "a %s ; aff4:dependentStream <%s> ; aff4:stored <%s>", class, streams[0], v.urn)
	if v.form.size > 0 {
		v.say(urn, `aff4:size "%d"^^xsd:long`, v.form.size)
	}
	if v.form.gap != "" {
		v.say(urn, "aff4:mapGapDefaultStream <%s>", v.form.gap)
	}
}

// stream writes a stream of chunks.
func (v *aff4Writer) stream(urn string, data []byte) {
	const chunk, bevy = 8192, 5
	for n := 0; n*chunk*bevy < len(data); n++ {
		name := fmt.Sprintf("%s/%08d", v.path(urn), n)
		packed, ends := v.chunks(data[n*chunk*bevy:min((n+1)*chunk*bevy, len(data))], chunk)
		v.add(name, packed)
		suffix := "/index"
		if v.form.words == "" {
			suffix = ".index"
		}
		v.add(name+suffix, v.index(ends))
	}
	names := []string{"chunkSize", "chunksInSegment", "compressionMethod", "ImageStream"}
	switch v.form.words {
	case "scudette":
		names = []string{"chunk_size", "chunks_per_segment", "compression", "image"}
	case "evimetry":
		names = []string{"chunk_size", "chunks_in_segment", "CompressionMethod", "stream"}
	}
	v.say(urn, `a aff4:%s ; aff4:%s "%d"^^xsd:int ; aff4:%s %d ; aff4:%s <%s> ; aff4:size "%d"^^xsd:long ; aff4:stored :`,
		names[3], names[0], chunk, names[1], bevy, names[2], v.form.method, len(data))
}

// parts writes two volumes, as WinPmem does with --split: when the first volume was full, the size and the map were
// not known yet.
func (v *aff4Writer) parts(mem string, streams []string, data, entries []byte) *memSource {
	all := &aff4Writer{form: v.form, t: v.t, urn: aff4URN2}
	all.add("container.description", []byte(aff4URN2))
	all.stream(streams[0], data)
	bevy := slices.IndexFunc(all.files, func(e zipEntry) bool { return strings.HasSuffix(e.name, "/00000000") })
	for _, e := range all.files[bevy : bevy+2] {
		v.add(strings.TrimPrefix(e.name, strings.Replace(aff4URN, "://", "%3A%2F%2F", 1)+"/"), e.data)
	}
	all.files = slices.Delete(all.files, bevy, bevy+2)
	v.say(mem, "a aff4:Map ; aff4:stored <%s>", v.urn)
	v.say(streams[0], "a aff4:ImageStream ; aff4:size 0 ; aff4:stored <%s>", v.urn)
	all.add(all.path(mem)+"/map", entries)
	all.add(all.path(mem)+"/idx", []byte(streams[0]+"\n"))
	all.say(mem, "a aff4:Map ; aff4:category memory:physical ; aff4:stored <%s>", all.urn)
	src := newMemSource("a.aff4", v.bytes())
	src.siblings = map[string][]byte{"a.aff4": v.bytes(), "a.aff4.A01": all.bytes()}
	return src
}

// path returns the name of the file of a resource.
func (v *aff4Writer) path(urn string) string {
	name, relative := strings.CutPrefix(urn, v.urn+"/")
	if !relative {
		return strings.Replace(urn, "://", "%3A%2F%2F", 1)
	}
	return strings.ReplaceAll(name, ":", "%3A")
}

// chunks packs chunks and returns where each ends.
func (v *aff4Writer) chunks(data []byte, chunk int) (packed []byte, ends []int) {
	for at := 0; at < len(data); at += chunk {
		c := make([]byte, chunk)
		copy(c, data[at:])
		p := packAFF4(v.t, v.form.method, c)
		if len(p) >= chunk && v.form.words != "scudette" {
			p = c
		}
		packed = append(packed, p...)
		ends = append(ends, len(packed))
	}
	return packed, ends
}

// index writes the index of a bevy.
func (v *aff4Writer) index(ends []int) []byte {
	var index []byte
	start := 0
	for _, end := range ends {
		switch v.form.words {
		case "scudette":
			index = binary.LittleEndian.AppendUint32(index, uint32(start))
		case "evimetry":
			index = binary.LittleEndian.AppendUint32(index, uint32(end))
		default:
			index = binary.LittleEndian.AppendUint64(index, uint64(start))
			index = binary.LittleEndian.AppendUint32(index, uint32(end-start))
		}
		start = end
	}
	return index
}

// bytes returns the volume.
func (v *aff4Writer) bytes() []byte {
	head := fmt.Sprintf(`@prefix aff4: <%s> .
@prefix memory: <%s> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix : <%s> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> . # as tools write it
`, v.form.schema(), aff4Memory, v.urn)
	if v.form.libaff4 {
		head += "@base <" + v.urn + "> .\n"
	}
	turtle := zipEntry{"information.turtle", []byte(head + v.facts.String()), zip.Deflate}
	files := append(v.files, turtle)
	if v.form.libaff4 {
		return packZipRaw(v.t, files)
	}
	return packZip(v.t, files...)
}

// packZipRaw writes an archive as libaff4 does: the flag of every file says that a descriptor follows, and none does.
func packZipRaw(t testing.TB, entries []zipEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		data := e.data
		if e.method == zip.Deflate {
			data = packAFF4(t, "rfc1951", data)
		}
		h := &zip.FileHeader{Name: e.name, Method: e.method, CRC32: crc32.ChecksumIEEE(e.data), CompressedSize64: uint64(len(data)), UncompressedSize64: uint64(len(e.data))}
		f, err := w.CreateRaw(h)
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	out := b.Bytes()
	end := fields(out[len(out)-zipEnd:])
	for at := int(end.u32(16)); at < len(out)-zipEnd; {
		h := fields(out[at:])
		out[at+8] |= zipDescriptor
		out[int(h.u32(42))+6] |= zipDescriptor
		at += 46 + int(h.u16(28)) + int(h.u16(30)) + int(h.u16(32))
	}
	return out
}

func packAFF4(t testing.TB, method string, chunk []byte) []byte {
	t.Helper()
	switch {
	case strings.Contains(method, "rfc1950"):
		return pack(kdumpZlib, chunk)
	case strings.Contains(method, "rfc1951"):
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, 6)
		_, _ = w.Write(chunk)
		_ = w.Close()
		return b.Bytes()
	case strings.Contains(method, "snappy"):
		return snappy.Encode(nil, chunk)
	case strings.Contains(method, "lz4"):
		out := make([]byte, lz4.CompressBlockBound(len(chunk)))
		n, err := lz4.CompressBlock(chunk, out, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return chunk
		}
		return out[:n]
	case strings.Contains(method, "zstd"):
		return pack(kdumpZstd, chunk)
	}
	return chunk
}
