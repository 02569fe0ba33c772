package mdmp

import "time"

// The types of streams (MINIDUMP_STREAM_TYPE).
const (
	threadList     = 3
	moduleList     = 4
	systemInfo     = 7
	memory64List   = 9
	commentA       = 10
	commentW       = 11
	miscInfo       = 15
	memoryInfoList = 16
)

// MINIDUMP_HEADER and MINIDUMP_DIRECTORY.
const (
	signature      = 0x504d444d // "MDMP"
	version        = 0xa793     // MINIDUMP_VERSION; the upper half is the writer's own
	headerSize     = 32
	directoryEntry = 12

	withFullMemory     = 0x2   // MiniDumpWithFullMemory
	withFullMemoryInfo = 0x800 // MiniDumpWithFullMemoryInfo
)

// stream is an entry of the directory: its type, and a function that writes it and returns its place and size.
type stream struct {
	kind  uint32
	write func(w *writer, d *Dump) (at, size int)
}

// streams are all streams in their order in the file. The memory follows the last one.
var streams = [...]stream{
	{systemInfo, (*writer).system},
	{miscInfo, (*writer).misc},
	{moduleList, (*writer).modules},
	{threadList, (*writer).threads},
	{memoryInfoList, (*writer).regions},
	{commentA, (*writer).commentA},
	{commentW, (*writer).commentW},
	{memory64List, (*writer).memory},
}

// front returns the file up to the memory.
func (d *Dump) front() ([]byte, error) {
	w := &writer{make([]byte, 0, d.about())}
	at := w.room(headerSize)
	directory := w.room(len(streams) * directoryEntry)
	w.u32s(at, signature, version, uint32(len(streams)), uint32(directory), 0, unix(d.Time))
	w.u64(at+24, withFullMemory|withFullMemoryInfo)
	for i, s := range streams {
		at, size := s.write(w, d)
		if err := w.check(); err != nil {
			return nil, err
		}
		w.u32s(directory+i*directoryEntry, s.kind, uint32(size), uint32(at))
	}
	return w.b, nil
}

// about estimates how many bytes front makes, so that its buffer need not grow often.
func (d *Dump) about() int {
	const fixed, text = 1 << 10, 1 << 8
	n := fixed + 3*len(d.Comment) + len(d.Memory)*rangeSize + len(d.Regions)*regionSize + len(d.Modules)*(moduleSize+text) + len(d.Threads)*threadSize
	for _, t := range d.Threads {
		n += len(t.Context) + alignment
	}
	return n
}

// unix returns a time as a time_t of 32 bits; 0 for a time that is not known or does not fit.
func unix(t time.Time) uint32 {
	if s := t.Unix(); !t.IsZero() && s > 0 && s < 1<<32 {
		return uint32(s)
	}
	return 0
}

// commentA writes the comment in ASCII; other characters become question marks.
func (w *writer) commentA(d *Dump) (at, size int) {
	text := make([]byte, 0, len(d.Comment))
	for _, r := range d.Comment {
		if r > '~' {
			r = '?'
		}
		text = append(text, byte(r))
	}
	at = w.room(len(text) + 1)
	copy(w.b[at:], text)
	return at, len(text) + 1
}

// commentW writes the comment in UTF-16.
func (w *writer) commentW(d *Dump) (at, size int) {
	text := utf16Bytes(d.Comment)
	at = w.room(len(text))
	copy(w.b[at:], text)
	return at, len(text)
}
