package restore

// Certainty says how sure it is that a byte or a value is as in the file. The same three words are used everywhere.
type Certainty uint8

const (
	Exact   Certainty = iota // proved by the bytes themselves
	Assumed                  // follows from an assumption, which is named beside it
	Left                     // changed in memory, or perhaps changed, and left as it was found
)

// String returns the word that tables and pages use.
func (c Certainty) String() string {
	return [...]string{"exact", "assumed", "left"}[c]
}

// Certainty says how sure the row's bytes are. It means nothing for a row of missing bytes.
func (r *Row) Certainty() Certainty {
	switch {
	case r.Written || r.RelocationsLeft != 0 || r.ImportsLeft != 0 || r.SlotsLeft != 0 || r.Kind == Zero:
		return Left
	case r.Note != "":
		return Assumed
	}
	return Exact
}

// Exact reports whether the row's bytes are present and proved to be the file's.
func (r *Row) Exact() bool { return r.Kind != Missing && r.Certainty() == Exact }
