package format

import (
	"archive/zip"
	"bytes"
	"fmt"
	"strings"
	"testing"
)

const (
	aff4URN  = "aff4://685e15cc-d0fb-4dbc-ba47-48117fc77044" // the volume
	aff4URN2 = "aff4://0f7c1dcb-7b33-4b0c-8f0f-3a3a5d9c1e11" // the second of two striped volumes
)

// aff4Form is a way in which tools write memory into AFF4 volumes.
type aff4Form struct {
	name     string
	method   string // of compression
	words    string // "" as in the standard, "scudette" as Rekall, "evimetry" as Evimetry before the standard
	symbolic bool   // stretches of one byte are in no stream
	size     uint64 // of the map; 0: not said
	gap      string // the stream that the map names for gaps
	striped  bool   // every other chunk is in a volume of its own
	parts    bool   // the volume was full after the first bevy, and the rest is in the next
	elf      uint16 // 1 + the method of zip by which an ELF core is a file of the archive, in place of a map
	others   bool   // a file and a page file are beside the memory, which has a category
	libaff4  bool   // relative names and no data descriptors, as libaff4 writes them
}

// aff4Forms lists the ways.
func aff4Forms() []aff4Form {
	const zlib = "https://www.ietf.org/rfc/rfc1950.txt"
	return []aff4Form{
		{name: "stored", method: aff4Schema + "NullCompressor"},
		{name: "zlib", method: zlib},
		{name: "deflate", method: "https://tools.ietf.org/html/rfc1951"},
		{name: "snappy", method: "http://code.google.com/p/snappy/"},
		{name: "lz4", method: "https://github.com/lz4/lz4"},
		{name: "zstd", method: "https://github.com/facebook/zstd"},
		{name: "of Rekall", method: "https://github.com/google/snappy", words: "scudette"},
		{name: "before the standard", method: "http://code.google.com/p/snappy/", words: "evimetry", symbolic: true},
		{name: "symbolic", method: zlib, symbolic: true, gap: aff4Schema + "UnknownData", size: 0x8000000},
		{name: "striped", method: zlib, striped: true},
		{name: "in parts", method: zlib, parts: true},
		{name: "an ELF core", elf: 1 + zip.Store},
		{name: "a packed ELF core", elf: 1 + zip.Deflate},
		{name: "of libaff4 beside files", method: zlib, others: true, libaff4: true},
	}
}

func aff4Wrappings() []wrapping {
	var out []wrapping
	for _, f := range aff4Forms() {
		out = append(out, wrapping{name: "AFF4, " + f.name, format: "AFF4", write: f.write})
	}
	return out
}

// aff4Piece is a stretch of memory that a map has an entry for: its bytes lie in a stream, or all are one byte.
type aff4Piece struct {
	addr   uint64
	data   []byte
	stream int // the number in the list of streams
}

// pieces cuts runs into the stretches that the entries of a map describe.
func (f aff4Form) pieces(runs []run) []aff4Piece {
	var out []aff4Piece
	for _, r := range runs {
		step := len(r.data)
		if f.symbolic {
			step = 64
		} else if f.striped {
			step = 4 * pageSize
		}
		for at := 0; at < len(r.data); at += step {
			p := aff4Piece{addr: r.addr + uint64(at), data: r.data[at:min(at+step, len(r.data))]}
			switch {
			case f.symbolic && bytes.Count(p.data, p.data[:1]) == len(p.data):
				p.stream = 2 + int(p.data[0])
			case f.striped && at/step%2 == 1:
				p.stream = 1
			}
			out = append(out, p)
		}
	}
	return out
}

// symbols are the names of the symbolic streams of all bytes.
func (f aff4Form) symbols() []string {
	names := make([]string, 256)
	for b := range names {
		names[b] = fmt.Sprintf("%sSymbolicStream%02X", f.schema(), b)
	}
	if f.words == "evimetry" {
		names[0xcc] = "http://afflib.org/2012/SymbolicStream#CC"
		names[0xff] = aff4Legacy + "FF"
	}
	names[0] = f.schema() + "Zero"
	return names
}

func (f aff4Form) schema() string {
	if f.words == "evimetry" {
		return aff4Legacy
	}
	return aff4Schema
}

// write writes a volume, or two.
func (f aff4Form) write(t testing.TB, runs []run) *memSource {
	t.Helper()
	mem := aff4URN + "/PhysicalMemory"
	v := &aff4Writer{form: f, t: t, urn: aff4URN}
	v.add("container.description", []byte(aff4URN))
	if f.elf > 0 {
		v.files = append(v.files, zipEntry{"PhysicalMemory", writeQEMU(runs), f.elf - 1})
		v.say(mem, "aff4:category memory:physical ; aff4:stored <%s>", v.urn)
		return newMemSource("a.aff4", v.bytes())
	}
	streams := []string{mem + "/data", "aff4://c215ba20-5648-4209-a793-1f918c723610"}
	var content [2][]byte
	var entries []byte
	for _, p := range f.pieces(runs) {
		off := uint64(0)
		if p.stream < 2 {
			off = uint64(len(content[p.stream]))
			content[p.stream] = append(content[p.stream], p.data...)
		}
		entries = append(entries, mapEntry(p.addr, uint64(len(p.data)), off, uint32(p.stream))...)
	}
	if f.parts {
		return v.parts(mem, streams, content[0], entries)
	}
	v.add("PhysicalMemory/map", entries)
	v.add("PhysicalMemory/idx", []byte(strings.Join(append(streams, f.symbols()...), "\n")+"\n"))
	v.sayMap(mem, streams)
	v.stream(streams[0], content[0])
	if f.others {
		v.stream(aff4URN+"/C:/Windows/SysNative/ntoskrnl.exe", append([]byte("MZ"), make([]byte, 9000)...))
		v.stream(aff4URN+"/C:/pagefile.sys", testPages(0x7000000, 3))
		v.say(aff4URN+"/C:/pagefile.sys", `aff4:category <%spagefile> ; <%spagefile_number> "0"^^xsd:integer`, aff4Memory, aff4Memory)
	}
	if !f.striped {
		return newMemSource("a_1.aff4", v.bytes())
	}
	v.say(streams[1], "a aff4:ImageStream ; aff4:stored <%s>", aff4URN2)
	second := &aff4Writer{form: f, t: t, urn: aff4URN2}
	second.add("container.description", []byte(aff4URN2))
	second.stream(streams[1], content[1])
	src := newMemSource("a_1.aff4", v.bytes())
	src.siblings = map[string][]byte{"a_2.aff4": second.bytes(), "b.aff4": {}}
	return src
}
