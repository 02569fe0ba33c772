package minidump

import (
	"encoding/binary"
	"unicode/utf16"
)

// writer writes minidumps for tests, with the structures of minidumpapiset.h.
type writer struct {
	streams []written
	tail    []byte // the data that streams point to
	flags   uint64
}

type written struct {
	kind uint32
	data []byte
}

var le = binary.LittleEndian

// tailAt is where the tail begins in the file, so that streams can point there before they are written.
const tailAt = 1 << 16

func (w *writer) stream(kind uint32, data []byte) { w.streams = append(w.streams, written{kind, data}) }

// put adds bytes to the tail and returns their offset in the file.
func (w *writer) put(b []byte) uint32 {
	at := tailAt + len(w.tail)
	w.tail = append(w.tail, b...)
	return uint32(at)
}

// string puts a MINIDUMP_STRING.
func (w *writer) string(s string) uint32 {
	units := utf16.Encode([]rune(s))
	b := le.AppendUint32(nil, uint32(2*len(units)))
	for _, u := range append(units, 0) {
		b = le.AppendUint16(b, u)
	}
	return w.put(b)
}

// file returns the whole file.
func (w *writer) file() []byte {
	out := append([]byte(Magic), 0x93, 0xa7, 0, 0)
	out = le.AppendUint32(out, uint32(len(w.streams)))
	out = le.AppendUint32(out, headerSize)
	out = le.AppendUint32(out, 0)
	out = le.AppendUint32(out, 1700000000)
	out = le.AppendUint64(out, w.flags)
	at := headerSize + entrySize*len(w.streams)
	for _, s := range w.streams {
		out = le.AppendUint32(out, s.kind)
		out = le.AppendUint32(out, uint32(len(s.data)))
		out = le.AppendUint32(out, uint32(at))
		at += len(s.data)
	}
	for _, s := range w.streams {
		out = append(out, s.data...)
	}
	out = append(out, make([]byte, tailAt-len(out))...)
	return append(out, w.tail...)
}

// system adds a SystemInfoStream.
func (w *writer) system(arch uint16, build uint32) {
	b := le.AppendUint16(nil, arch)
	b = append(b, 0, 0, 0, 0, 4, 1)
	for _, v := range []uint32{10, 0, build, WindowsNT, w.string("Service Pack 9")} {
		b = le.AppendUint32(b, v)
	}
	w.stream(SystemInfoStream, append(b, make([]byte, 28)...))
}

// module returns a MINIDUMP_MODULE.
func (w *writer) module(base uint64, size uint32, name string) []byte {
	b := le.AppendUint64(nil, base)
	for _, v := range []uint32{size, 0xc5, 0x5f000000, w.string(name), versionSignature, 0x10000, 10<<16 | 1, 22621<<16 | 3007} {
		b = le.AppendUint32(b, v)
	}
	return append(b, make([]byte, moduleSize-len(b))...)
}

// counted returns a list that begins with its number of entries.
func counted(entries ...[]byte) []byte {
	b := le.AppendUint32(nil, uint32(len(entries)))
	for _, e := range entries {
		b = append(b, e...)
	}
	return b
}

// sized returns a list with a header of 12 bytes.
func sized(size int, entries ...[]byte) []byte {
	b := le.AppendUint32(nil, 12)
	b = le.AppendUint32(b, uint32(size))
	b = le.AppendUint32(b, uint32(len(entries)))
	for _, e := range entries {
		b = append(b, e...)
	}
	return b
}

// numbers returns numbers of 4 bytes, and of 8 where they are uint64.
func numbers(all ...any) []byte {
	var b []byte
	for _, v := range all {
		switch v := v.(type) {
		case int:
			b = le.AppendUint32(b, uint32(v))
		case uint32:
			b = le.AppendUint32(b, v)
		case uint64:
			b = le.AppendUint64(b, v)
		}
	}
	return b
}

// memory64 adds a Memory64ListStream of ranges; their bytes follow each other.
func (w *writer) memory64(ranges map[uint64][]byte, order ...uint64) {
	base := uint64(tailAt + len(w.tail))
	b := numbers(uint64(len(order)), base)
	for _, addr := range order {
		b = append(b, numbers(addr, uint64(len(ranges[addr])))...)
		w.put(ranges[addr])
	}
	w.stream(Memory64ListStream, b)
}

// memory adds a MemoryListStream.
func (w *writer) memory(ranges map[uint64][]byte, order ...uint64) {
	var entries [][]byte
	for _, addr := range order {
		entries = append(entries, numbers(addr, len(ranges[addr]), w.put(ranges[addr])))
	}
	w.stream(MemoryListStream, counted(entries...))
}

// infos adds a MemoryInfoListStream.
func (w *writer) infos(all ...MemoryInfo) {
	b := numbers(16, 48, uint64(len(all)))
	for _, m := range all {
		b = append(b, numbers(m.Base, m.Allocation, m.Asked, 0, m.Size, m.State, m.Protect, m.Type, 0)...)
	}
	w.stream(MemoryInfoListStream, b)
}
