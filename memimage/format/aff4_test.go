package format

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/snappy"
	"github.com/pierrec/lz4/v4"
)

const aff4Volume = "aff4://685e15cc-d0fb-4dbc-ba47-48117fc77044"

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

// writeAFF4 writes a volume with a map of physical memory over one stream; old is the form before the standard.
func writeAFF4(t testing.TB, method string, old bool, runs []run) []byte {
	const chunk, bevy = 8192, 5
	stream, mapURN := aff4Volume+"/PhysicalMemory/data", aff4Volume+"/PhysicalMemory"
	var data, entries []byte
	le := binary.LittleEndian
	for _, r := range runs {
		for _, v := range []uint64{r.addr, uint64(len(r.data)), uint64(len(data))} {
			entries = le.AppendUint64(entries, v)
		}
		entries = le.AppendUint32(entries, 1)
		data = append(data, r.data...)
	}
	files := []zipEntry{{"container.description", []byte(aff4Volume), zip.Store}}
	add := func(name string, b []byte) { files = append(files, zipEntry{name, b, zip.Store}) }
	for n := 0; n*chunk*bevy < len(data); n++ {
		var packed, index []byte
		for i := n * bevy; i < (n+1)*bevy && i*chunk < len(data); i++ {
			c := data[i*chunk : min((i+1)*chunk, len(data))]
			p := packAFF4(t, method, append(c, make([]byte, chunk-len(c))...))
			if len(p) >= chunk {
				p = append(c, make([]byte, chunk-len(c))...)
			}
			if old {
				index = le.AppendUint32(index, uint32(len(packed)))
			} else {
				index = le.AppendUint32(le.AppendUint64(index, uint64(len(packed))), uint32(len(p)))
			}
			packed = append(packed, p...)
		}
		name := fmt.Sprintf("PhysicalMemory/data/%08d", n)
		add(name, packed)
		add(name+map[bool]string{false: ".index", true: "/index"}[old], index)
	}
	add("PhysicalMemory/map", entries)
	add("PhysicalMemory/idx", []byte(aff4Schema+"UnknownData\n"+stream+"\n"))
	names := []string{"chunkSize", "chunksInSegment", "compressionMethod"}
	if old {
		names = []string{"chunk_size", "chunks_per_segment", "compression"}
	}
	add("information.turtle", fmt.Appendf(nil, `@prefix aff4: <%s> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> . # as WinPmem writes it
<%s> a aff4:Map, aff4:PhysicalMemoryImage ;
    aff4:dependentStream <%s> ; aff4:stored <%s> .

<%s> a aff4:ImageStream ;
    aff4:%s "%d"^^xsd:int ;
    aff4:%s %d ;
    aff4:%s <%s> ;
    aff4:size "%d"^^xsd:long .
`, aff4Schema, mapURN, stream, aff4Volume, stream, names[0], chunk, names[1], bevy, names[2], method, len(data)))
	return packZip(t, files...)
}

func aff4Wrappings() []wrapping {
	var out []wrapping
	for _, c := range []struct{ name, method string }{
		{"stored", aff4Schema + "NullCompressor"},
		{"zlib", "https://www.ietf.org/rfc/rfc1950.txt"},
		{"deflate", "https://tools.ietf.org/html/rfc1951"},
		{"snappy", "http://code.google.com/p/snappy/"},
		{"lz4", "https://github.com/lz4/lz4"},
		{"zstd", "https://github.com/facebook/zstd"},
	} {
		out = append(out, wrapping{name: "AFF4, " + c.name, format: "AFF4", write: func(t testing.TB, r []run) *memSource {
			return newMemSource("a.aff4", writeAFF4(t, c.method, false, r))
		}})
	}
	return append(out, wrapping{name: "AFF4 before the standard", format: "AFF4", write: func(t testing.TB, r []run) *memSource {
		return newMemSource("a.aff4", writeAFF4(t, "https://www.ietf.org/rfc/rfc1950.txt", true, r))
	}})
}

func TestAFF4MissingBevyIsAGap(t *testing.T) {
	runs := testMemory()
	data := writeAFF4(t, "http://code.google.com/p/snappy/", false, runs)
	data = bytes.ReplaceAll(data, []byte("data/00000002"), []byte("data/0000000x"))
	im, err := Open(newMemSource("a.aff4", data), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := checkSubset(t, im, flat(runs)); got != testMemorySize-5*8192 {
		t.Errorf("%#x bytes, want %#x", got, testMemorySize-5*8192)
	}
}

func TestTurtle(t *testing.T) {
	const text = `@prefix a: <http://a#> . @base <http://b/> .
PREFIX x: <http://x#>
<s> a a:T , a:U ; a:p "1.5 \"q\""^^x:int , """long "text" """@en ; # comment
  x:q 12 .
x:s a:p <o>.
`
	g, err := parseTurtle(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ subject, predicate, want string }{
		{"s", turtleType, "http://a#T|http://a#U"},
		{"s", "http://a#p", `1.5 "q"|long "text" `},
		{"s", "http://x#q", "12"},
		{"http://x#s", "http://a#p", "o"},
	} {
		if got := strings.Join(g[c.subject][c.predicate], "|"); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.subject, c.predicate, got, c.want)
		}
	}
	if _, err := parseTurtle(strings.NewReader("<s> <p> <o> <x> .")); err == nil {
		t.Error("no error for a statement that does not end")
	}
}

func FuzzTurtle(f *testing.F) {
	f.Add(`@prefix a: <b> . <s> a a:c ; a:d "e"^^a:f, """g""" .`)
	f.Fuzz(func(t *testing.T, text string) {
		if g, _ := parseTurtle(strings.NewReader(text)); len(g) > len(text)+1 {
			t.Error("more subjects than bytes")
		}
	})
}

func FuzzAFF4(f *testing.F) {
	f.Add(writeAFF4(f, "http://code.google.com/p/snappy/", false, []run{{0x1000, testPages(0x1000, 5)}}))
	f.Add(writeAFF4(f, "", true, []run{{0x1000, testPages(0x1000, 5)}}))
	fuzzOpener(f, openAFF4)
}
