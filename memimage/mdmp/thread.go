package mdmp

// Thread is a thread. Its stack is in the memory, and in no list of its own.
type Thread struct {
	ID      uint32
	TEB     uint64
	Stack   uint64 // lowest address of the stack, or of the part in use
	Context []byte // as Windows lays it out for the architecture (CONTEXT); nil: not known
}

const threadSize = 48 // MINIDUMP_THREAD

// threads writes MINIDUMP_THREAD_LIST, which debuggers need even when it is empty.
func (w *writer) threads(d *Dump) (at, size int) {
	size = 4 + len(d.Threads)*threadSize
	at = w.room(size)
	w.u32(at, uint32(len(d.Threads)))
	for i, t := range d.Threads {
		row := at + 4 + i*threadSize
		w.u32(row, t.ID)
		w.u64(row+16, t.TEB)
		w.u64(row+24, t.Stack)
		w.bytes(row+40, t.Context)
	}
	return at, size
}
