package minidump

import (
	"errors"
	"fmt"
	"io"
	"time"

	"memlens/memimage/sparse"
)

// Magic is the beginning of every minidump.
const Magic = "MDMP"

// ErrFormat is the error of Open for a file that is no minidump.
var ErrFormat = errors.New("minidump: not a minidump")

// Dump is a minidump. It is immutable.
type Dump struct {
	Time     time.Time // when it was written; zero when the header does not say
	Flags    uint64    // MINIDUMP_TYPE
	Streams  []Stream  // in the order of the file
	System   *System   // nil: the dump has no SystemInfoStream
	Misc     Misc
	Modules  []Module   // as the writer listed them: by convention the program first
	Unloaded []Unloaded // modules that the process had unloaded
	Threads  []Thread
	Handles  []Handle
	Fault    *Fault // the exception for which the dump was written; nil: none
	// Infos describe all addresses of the process, in order and without overlap. HasInfos says that the dump has them
	// at all.
	Infos    []MemoryInfo
	HasInfos bool
	Comments []string

	// Memory is the memory of the process as far as it is in the file; offsets are virtual addresses. Ranges is how
	// many ranges the dump lists.
	Memory *sparse.Reader
	Ranges int
	// Named is Memory with reasons for the holes where a range lies behind the end of the file.
	Named *sparse.Reader
	// Full says that the memory is in a Memory64ListStream, where dumps with full memory have it.
	Full bool
	// Missing is how many bytes of the ranges are not in the file, and Promised the size that the file should have;
	// 0: the size that it has.
	Missing, Promised uint64
	// Notes says in sentences which parts of the file are damaged or were left out.
	Notes []string
}

// Stream is a part of the file.
type Stream struct {
	Type uint32
	Size uint64
	Off  uint64
	// Cut says that the stream does not lie completely within the file.
	Cut bool
}

const (
	headerSize = 32
	entrySize  = 12      // of a MINIDUMP_DIRECTORY
	maxStreams = 1 << 12 // streams that are looked at
)

// Open reads the streams of the minidump in src. The error is [ErrFormat], or says that the header is cut off, or is
// a *[sparse.ReadError].
func Open(src sparse.Source) (*Dump, error) {
	r := &reader{src: src, size: uint64(max(src.Size(), 0))}
	head := r.at(0, headerSize)
	switch {
	case r.failed != nil:
		return nil, r.failed
	case len(head) < len(Magic) || string(head[:len(Magic)]) != Magic:
		return nil, ErrFormat
	case len(head) < headerSize:
		return nil, fmt.Errorf("minidump: the header is cut off after %d bytes: %w", len(head), io.ErrUnexpectedEOF)
	}
	d := &Dump{Flags: head.u64(24)}
	if t := head.u32(20); t != 0 {
		d.Time = time.Unix(int64(t), 0).UTC()
	}
	d.Streams = r.directory(uint64(head.u32(12)), head.u32(8))
	r.readStreams(d)
	err := r.memory(d)
	d.Notes, d.Promised = r.notes, r.promised()
	if r.failed != nil {
		return nil, r.failed
	}
	return d, err
}

// directory reads the list of streams.
func (r *reader) directory(rva uint64, count uint32) []Stream {
	n := min(count, maxStreams)
	if n < count {
		r.note("The header claims %d streams: only the first %d are looked at.", count, n)
	}
	b := r.at(rva, int(n)*entrySize)
	if have := uint32(len(b) / entrySize); have < n {
		r.reach(rva + uint64(n)*entrySize)
		r.note("The list of streams is cut off after %d of %d.", have, n)
	}
	var out []Stream
	for ; len(b) >= entrySize; b = b[entrySize:] {
		s := Stream{Type: b.u32(0), Size: uint64(b.u32(4)), Off: uint64(b.u32(8))}
		if s.Type == UnusedStream {
			continue
		}
		if s.Cut = s.Off > r.size || s.Size > r.size-s.Off; s.Cut {
			r.reach(s.Off + s.Size)
		}
		out = append(out, s)
	}
	return out
}

// readStreams reads every known stream, the first of each type.
func (r *reader) readStreams(d *Dump) {
	seen := map[uint32]bool{}
	for _, s := range d.Streams {
		read, known := readers[s.Type]
		switch {
		case !known:
		case seen[s.Type]:
			r.note("The dump has more than one %s: the first one counts.", s.Name())
		default:
			read(r, d, s)
		}
		seen[s.Type] = true
	}
	r.readInfos(d)
}

// stream returns the first stream of a type.
func (d *Dump) stream(kind uint32) (Stream, bool) {
	for _, s := range d.Streams {
		if s.Type == kind {
			return s, true
		}
	}
	return Stream{}, false
}
