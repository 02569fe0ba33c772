package synth

// State is the state of a page of an image in the process's page table, with the place that its entry leads to. The
// names are from the project's truth files. The states of pages in the compression store have a StoreKind in the
// upper byte.
type State uint16

// Private states: the page-table entry alone decides.
const (
	Valid      State = iota // the PTE is valid
	Transition              // the PTE is in transition: the frame still holds the page
	PageFile                // the page is in the page file
	DemandZero              // a page of zeros that has not been touched
	None                    // no such page: the PTE is zero and the prototype too
	Compressed              // the page is in the compression store
)

// Shared states: the PTE is a prototype PTE with the address of the section's
// (Proto), or says "see the VAD" (Lookup), or is zero and only the VAD leads to
// the section (Vad).
const (
	ProtoValid State = iota + 8
	ProtoTransition
	ProtoDisk
	ProtoZero
	ProtoPageFile
	ProtoCompressed
	LookupValid State = iota + 10
	LookupTransition
	LookupDisk
	LookupZero
	LookupPageFile
	LookupCompressed
	VadValid State = iota + 12
	VadTransition
	VadDisk
	VadZero
	VadPageFile
	VadCompressed
)

// Under is the state of a section's prototype PTE, with a StoreKind in the upper byte if the page is in the
// compression store.
type Under uint16

// The states of a prototype PTE.
const (
	UnderValid      Under = iota // in memory and mapped somewhere
	UnderTransition              // in memory
	UnderDisk                    // in the file only: a subsection PTE
	UnderZero                    // demand zero
	UnderPageFile
	UnderCompressed // in the compression store
)

var privateNames = [...]string{"valid", "transition", "pagefile", "demandzero", "none", "compressed"}
var wayNames = [...]string{"proto-", "lookup-", "vad-"}
var underNames = [...]string{"valid", "transition", "disk", "zero", "pagefile", "compressed"}

// kindShift is the place of the StoreKind in a state, above the state in the page table.
const kindShift = 8

// As is a state of the compression store with the kind of its page there.
func (s State) As(k StoreKind) State { return s.plain() | State(k)<<kindShift }

// As is a prototype's state of the compression store with the kind of its page there.
func (u Under) As(k StoreKind) Under { return u.plain() | Under(k)<<kindShift }

// Kind is the kind of a page in the compression store.
func (s State) Kind() StoreKind { return StoreKind(s >> kindShift) }

// Kind is the kind of a page in the compression store.
func (u Under) Kind() StoreKind { return StoreKind(u >> kindShift) }

func (s State) plain() State { return s & (1<<kindShift - 1) }
func (u Under) plain() Under { return u & (1<<kindShift - 1) }

// stored says whether the page's own entry leads to the compression store.
func (s State) stored() bool { return s.plain() == Compressed }

// way is how a shared page leads to its prototype.
type way uint8

const (
	wayProto way = iota
	wayLookup
	wayVAD
)

// shared splits a shared state; it is not ok for a private one.
func (s State) shared() (w way, u Under, ok bool) {
	p := s.plain()
	if p < ProtoValid || (p-ProtoValid)%8 > 5 || p > VadCompressed {
		return 0, 0, false
	}
	return way((p - ProtoValid) / 8), Under((p - ProtoValid) % 8).As(s.Kind()), true
}

// sharedState is the inverse of shared.
func sharedState(w way, u Under) State {
	return (ProtoValid + State(w)*8 + State(u.plain())).As(u.Kind())
}

// String is the state as the truth files name it.
func (s State) String() string {
	if w, u, ok := s.shared(); ok {
		return wayNames[w] + u.String()
	}
	return privateNames[min(int(s.plain()), len(privateNames)-1)] + s.Kind().fate().suffix()
}

// String names the state.
func (u Under) String() string {
	return underNames[min(int(u.plain()), len(underNames)-1)] + u.Kind().fate().suffix()
}
