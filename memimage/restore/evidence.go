package restore

import "fmt"

// Evidence says how the original's ImageBase is known. The strongest comes first.
type Evidence uint8

const (
	NoEvidence    Evidence = iota // the base is not known
	FileHeader                    // the file's own page holds the header
	KeptHeader                    // nothing has changed ImageBase in the header in memory
	BothForms                     // numbers are present both relocated and not
	NotMovable                    // the image has no relocations, and lies where its header says
	NotDynamic                    // the image was linked without DYNAMIC_BASE, and lies where its header says
	CheckSum                      // the file has the header's CheckSum with it
	LinkerDefault                 // linkers choose it by default
)

var evidenceNames = [...]string{"none", "file header", "header in memory", "relocated and not", "no relocations", "no dynamic base", "checksum",
	"linker default"}

// String returns a few words for the evidence, which info.json uses.
func (e Evidence) String() string {
	if int(e) < len(evidenceNames) {
		return evidenceNames[e]
	}
	return fmt.Sprintf("Evidence(%d)", uint8(e))
}

// finding is an image base and how it is known.
type finding struct {
	base      uint64
	evidence  Evidence
	certainty Certainty
	proof     string // the evidence in words, or why the base is not known
	others    uint64 // how many other bases the evidence does not rule out
}

// known reports whether there is a base.
func (f *finding) known() bool { return f.evidence != NoEvidence }

// exact returns a base that the bytes themselves prove.
func exact(base uint64, e Evidence, proof string) finding { return finding{base, e, Exact, proof, 0} }

// unknown says that there is no base, with the reason.
func unknown(why string) finding { return finding{certainty: Left, proof: why} }

// assumed returns a likely base, among all bases that an image can have.
func (w *work) assumed(base uint64, e Evidence, proof string) finding {
	return finding{base, e, Assumed, proof, w.possibleBases() - 1}
}

// possibleBases returns how many addresses an image can be linked for: the multiples of 64 KiB that are not 0, below
// 4 GiB or, for PE32+, in the 128 TiB of user space.
func (w *work) possibleBases() uint64 {
	if w.h.plus {
		return userSpace64/baseUnit - 1
	}
	return 1<<32/baseUnit - 1
}

const (
	baseUnit    = 1 << 16 // divides image bases
	userSpace64 = 1 << 47 // bytes
)

// noteAssumed is the note on bytes that depend on an assumed base.
func (f *finding) noteAssumed() string {
	return fmt.Sprintf("by ImageBase %#x, assumed: %s", f.base, f.proof)
}

// nameBase says in the row that holds ImageBase how it is known. Where it is assumed, a note says so already.
func (w *work) nameBase(rows []Row) {
	if !w.known() || w.certainty != Exact {
		return
	}
	for i := range rows {
		if row := &rows[i]; row.Kind != Missing && row.FileOffset <= w.h.imageBaseAt && w.h.imageBaseAt < row.FileOffset+row.Length {
			row.Info = fmt.Sprintf("ImageBase %#x: %s", w.base, w.proof)
			return
		}
	}
}
