package integrity

// Witness gets every byte of an image that a comparison finds: first pages, then the differences in them. Where hostile
// tables overlap, it may get a byte twice.
type Witness interface {
	// Compared reports bytes that are known to be as in the file or not.
	Compared(rva uint32, n int64)
	// NotCompared reports bytes for which that is not known. there says that memory has them.
	NotCompared(rva uint32, n int64, there bool)
	// Differs reports compared bytes that differ from the file.
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

// maxStretches is how many stretches wait for the end of their run. Only runs with a cause known from their first bytes
// are longer.
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

// tell reports the differences in the last run to the witness.
func (l *collector) tell() {
	for _, s := range l.differs {
		l.witness.Differs(s.rva, s.n, l.last.Cause)
	}
	l.differs = l.differs[:0]
}
