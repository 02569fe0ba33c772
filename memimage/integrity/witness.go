package integrity

// Witness is told of every byte of an image that a comparison finds: first of pages, then of what differs in them. Where
// hostile tables lie over each other, it may be told of a byte twice.
type Witness interface {
	// Compared tells of bytes of which is known whether they are as in the file.
	Compared(rva uint32, n int64)
	// NotCompared tells of bytes of which that is not known. there says that memory has them.
	NotCompared(rva uint32, n int64, there bool)
	// Differs tells of compared bytes that differ from the file.
	Differs(rva uint32, n int64, why Cause)
}

// nobody is a witness who does not listen.
type nobody struct{}

func (nobody) Compared(uint32, int64)          {}
func (nobody) NotCompared(uint32, int64, bool) {}
func (nobody) Differs(uint32, int64, Cause)    {}

// stretch is bytes that differ, one after the other.
type stretch struct {
	rva uint32
	n   int64
}

// maxStretches is how many stretches wait for the end of their run. Only runs whose first bytes tell the cause are longer.
const maxStretches = 1 << 12

// note notes that the byte at rva differs.
func (l *collector) note(rva uint32) {
	if _, deaf := l.witness.(nobody); deaf {
		return
	}
	if n := len(l.differs); n > 0 && int64(l.differs[n-1].rva)+l.differs[n-1].n == int64(rva) {
		l.differs[n-1].n++
		return
	}
	if len(l.differs) == maxStretches {
		l.tell()
	}
	l.differs = append(l.differs, stretch{rva, 1})
}

// tell tells the witness what differs in the last run.
func (l *collector) tell() {
	for _, s := range l.differs {
		l.witness.Differs(s.rva, s.n, l.last.Cause)
	}
	l.differs = l.differs[:0]
}
