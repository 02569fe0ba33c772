package minidump

import "time"

// Thread is a MINIDUMP_THREAD, with its data from the ThreadInfoListStream and the ThreadNamesStream.
type Thread struct {
	ID        uint32
	Suspended uint32
	Class     uint32 // of its priority
	Priority  uint32
	TEB       uint64
	Stack     uint64 // its memory's first address; 0: not said
	StackSize uint64
	Name      string
	// Start is the address at which the thread began; HasInfo says that this and the times are known.
	Start           uint64
	Created, Exited time.Time
	HasInfo         bool
}

const (
	threadSize   = 48
	threadExSize = 64
	maxThreads   = 1 << 16
)

func (r *reader) threads(d *Dump, s Stream) {
	if len(d.Threads) > 0 {
		return // the first of the two lists counts
	}
	size := threadSize
	if s.Type == ThreadExListStream {
		size = threadExSize
	}
	r.counted(s, size, maxThreads, func(b fields) {
		d.Threads = append(d.Threads, Thread{
			ID: b.u32(0), Suspended: b.u32(4), Class: b.u32(8), Priority: b.u32(12), TEB: b.u64(16), Stack: b.u64(24), StackSize: uint64(b.u32(32)),
		})
	})
}

// threadInfo is the content of a MINIDUMP_THREAD_INFO.
type threadInfo struct {
	start           uint64
	created, exited time.Time
}

func (r *reader) threadInfos(_ *Dump, s Stream) {
	const header, size = 12, 64
	r.infos = map[uint32]threadInfo{}
	r.sized(s, header, size, maxThreads, func(b fields) {
		r.infos[b.u32(0)] = threadInfo{b.u64(48), fileTime(b.u64(16)), fileTime(b.u64(24))}
	})
}

func (r *reader) threadNames(_ *Dump, s Stream) {
	const size = 12
	r.names = map[uint32]string{}
	r.counted(s, size, maxThreads, func(b fields) {
		if rva := b.u64(4); rva < r.size {
			r.names[b.u32(0)] = r.string(rva)
		}
	})
}

// describeThreads adds the data about the threads from other streams.
func (r *reader) describeThreads(d *Dump) {
	for i := range d.Threads {
		t := &d.Threads[i]
		t.Name = r.names[t.ID]
		if info, ok := r.infos[t.ID]; ok {
			t.Start, t.Created, t.Exited, t.HasInfo = info.start, info.created, info.exited, true
		}
	}
}

// fileTime converts 100 ns units since 1601 (FILETIME) to UTC; zero for none.
func fileTime(v uint64) time.Time {
	const unixEpoch = 116444736000000000
	if v <= unixEpoch || v > 1<<62 {
		return time.Time{}
	}
	v -= unixEpoch
	return time.Unix(int64(v/1e7), int64(v%1e7)*100).UTC()
}

// Fault is the ExceptionStream: the reason why the dump was written.
type Fault struct {
	Thread  uint32
	Code    uint32 // such as STATUS_ACCESS_VIOLATION
	Address uint64
}

func (r *reader) exception(d *Dump, s Stream) {
	const size = 32
	if b := r.at(s.Off, size); len(b) == size && s.Size >= size {
		d.Fault = &Fault{b.u32(0), b.u32(8), b.u64(24)}
	}
}

// Handle is a MINIDUMP_HANDLE_DESCRIPTOR.
type Handle struct {
	Value      uint64
	Type, Name string // may be empty
	Access     uint32 // GrantedAccess
}

// maxHandles bounds the handles that are taken.
const maxHandles = 1 << 18

func (r *reader) handles(d *Dump, s Stream) {
	const header, size = 16, 32
	r.sized(s, header, size, maxHandles, func(b fields) {
		d.Handles = append(d.Handles, Handle{b.u64(0), r.string(uint64(b.u32(8))), r.string(uint64(b.u32(12))), b.u32(20)})
	})
}
