package synth

// State is how a page of an image stands in the process's page table, and
// where that leads. The names are those of the project's truth files.
type State uint8

// Private states: the page-table entry says it all.
const (
	Valid      State = iota // the PTE is valid
	Transition              // the PTE is in transition: the frame still holds the page
	PageFile                // the page is in the page file
	DemandZero              // a page of zeros that has not been touched
	None                    // no such page: the PTE is zero and the prototype too
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
	LookupValid State = iota + 11
	LookupTransition
	LookupDisk
	LookupZero
	LookupPageFile
	VadValid State = iota + 14
	VadTransition
	VadDisk
	VadZero
	VadPageFile
)

// Under is the state of a section's prototype PTE.
type Under uint8

// The states of a prototype PTE.
const (
	UnderValid      Under = iota // in memory and mapped somewhere
	UnderTransition              // in memory
	UnderDisk                    // in the file only: a subsection PTE
	UnderZero                    // demand zero
	UnderPageFile
)

var privateNames = [...]string{"valid", "transition", "pagefile", "demandzero", "none"}
var wayNames = [...]string{"proto-", "lookup-", "vad-"}
var underNames = [...]string{"valid", "transition", "disk", "zero", "pagefile"}

// way is how a shared page leads to its prototype.
type way uint8

const (
	wayProto way = iota
	wayLookup
	wayVAD
)

// shared splits a shared state; it is not ok for a private one.
func (s State) shared() (w way, u Under, ok bool) {
	if s < ProtoValid || (s-ProtoValid)%8 > 4 || s > VadPageFile {
		return 0, 0, false
	}
	return way((s - ProtoValid) / 8), Under((s - ProtoValid) % 8), true
}

// sharedState is the inverse of shared.
func sharedState(w way, u Under) State { return ProtoValid + State(w)*8 + State(u) }

// String is the state as the truth files name it.
func (s State) String() string {
	if w, u, ok := s.shared(); ok {
		return wayNames[w] + underNames[u]
	}
	return privateNames[min(int(s), len(privateNames)-1)]
}

// String names the state.
func (u Under) String() string { return underNames[min(int(u), len(underNames)-1)] }
