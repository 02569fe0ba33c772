// Package restore rebuilds an executable file from its pages in a memory image: page by page from the best source,
// with the loader's changes undone. Base relocations are reversed, the import address table is put back from the
// import lookup table, resolved delay imports from their stubs, and ImageBase is put back.
//
// It never invents a byte. A missing byte is a hole. A change that cannot be undone is left as found. Bytes that
// follow from an assumption name it. All of that is listed: a byte of the result that differs from the file's lies in
// a row that says so. A row is exact only if the bytes themselves prove it: a page that a process may have written to
// proves nothing.
//
// Below it is package sparse; above it is package memimage, which finds the pages. It knows nothing
// of Windows' kernel structures: pages come as an Input of functions.
package restore

import (
	"memlens/memimage/sparse"
)

const pageSize = 0x1000

// Kind says where a page comes from, and with that how the loader may have changed it.
type Kind int

const (
	FileBytes Kind = iota // bytes of the file as on disk: file cache, data section
	Mapped                // an image section's own page: perhaps relocated by the kernel, never written by a process
	Private               // the process's own page: relocated, imports bound, perhaps written
	PageFile              // the process's own page in a page file: relocated, imports bound, perhaps written
	Store                 // the process's own page in the compressed store: relocated, imports bound, perhaps written
	Zero                  // zeros by definition
	Missing               // not available; Label says why
)

var kindNames = [...]string{"file cache", "image section", "process", "page file", "compressed store", "zero by definition", "missing"}

// String returns the kind as restored.csv shows it where a page has no label.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return "unknown"
	}
	return kindNames[k]
}

// private reports whether a process may have written to a page of this kind.
func (k Kind) private() bool { return k == Private || k == PageFile || k == Store }

// Page is a candidate for a page of the image or of the file: 4096 bytes at Off of Src.
type Page struct {
	Kind     Kind
	Label    string // "file cache", "page file 0" …; for Missing the reason; "" is Kind's name
	Src      sparse.Source
	Off      int64
	Phys     int64  // physical address, or -1
	Base     uint64 // the address that the page's bytes are relocated to; 0 when not known
	Modified bool   // the page is dirty: it may have been written although its kind is not
	Unproved bool   // of the process's own page: nothing shows that it is a copy, so that the process need not have written to it
	Assumed  string // an assumption about its bytes, such as that a page file is of the same moment; empty: none
	Gap      int64  // of Missing: bytes from this page on that are all missing for this reason; 0 where only this page is known to be missing
}

func (p *Page) label() string {
	if p.Label == "" {
		return p.Kind.String()
	}
	return p.Label
}

// Input holds the facts about an image. Its functions must be safe for concurrent use and pure.
type Input struct {
	// PageCount is the number of pages of the image in the address space; 0 where it is not known. Then pages are
	// looked for up to the largest size of an image.
	PageCount int
	// ByRVA returns the candidates for the page at an RVA (a multiple of 4096), the best first.
	ByRVA func(rva uint32) []Page
	// ByFileOffset returns the candidates for the page of the file at an offset (a multiple of
	// 4096), unmodified and the best first. It may be nil.
	ByFileOffset func(off int64) []Page
	// LoadBase is the address at which the process has the image.
	LoadBase uint64
	// KernelRelocates says that image sections are relocated by the kernel, which also writes their address to the
	// header's ImageBase: Windows Vista and later. Earlier, each process relocates its own pages, and the header
	// stays unchanged.
	KernelRelocates bool
	// Unbacked says that no file is mapped there: programs have laid the image out by hand, so that
	// any of its bytes may have been written, whatever its sections say.
	Unbacked bool
	// Doubt says why no byte of any page is sure, such as a damaged container. Then every row says it, and none is
	// exact. Empty: there is no such doubt.
	Doubt string
	// FileSize is the size of the file in bytes where that is exact, or 0.
	FileSize int64
	// MappedEnd is the file offset up to which the kernel's section maps the file, 0 where that is not known. For an
	// image that is mapped as its file, it is the end of the file or SizeOfImage.
	MappedEnd int64
	// MappedWhole says that the kernel's section is in one piece from the file's beginning.
	MappedWhole bool
	// Module returns the facts about a DLL in the process, by the name of its file in any case. It may be nil.
	Module func(name string) (Module, bool)
}

// Result is a restored file.
type Result struct {
	// Reader is the file. A missing byte is in a hole, with the reason where there is one.
	Reader *sparse.Reader
	// Rows say for each piece of the file, in order and without a gap, where it comes from.
	Rows []Row
	// ImageBase is the base that the file was linked for, when that is known.
	ImageBase uint64
	// Proof says how ImageBase is known, or why it is not; then nothing is relocated back. Where ImageBase is
	// assumed, the rows that depend on it say so.
	Proof string
	// BaseCertainty says how sure ImageBase is; Left when it is not known.
	BaseCertainty Certainty
	// SizeProof says how the file's size is known, and SizeCertainty how sure it is: Exact or Assumed.
	SizeProof     string
	SizeCertainty Certainty
	// HeadersAssumed says that the headers that lay the file out are assumed for another reason than their ImageBase:
	// a process may have written to them, or no byte is sure.
	HeadersAssumed bool
	// Notes name the claims of the headers about the file's size that are not believed, and the unknowns of the size.
	Notes []string
	// BaseEvidence says how ImageBase is known, and OtherBases how many other bases the evidence does not rule out.
	BaseEvidence Evidence
	OtherBases   uint64
}

// Row is a piece of the restored file that lies in one page and has one source. Only a run of
// missing pages makes one longer row.
type Row struct {
	FileOffset int64
	Length     int64
	RVA        int64  // where the image has the piece in memory, -1: nowhere
	Section    string // name as in the header; "" for the headers, gaps and the overlay
	Kind       Kind
	Source     string // the page's label
	Phys       int64  // physical address of the piece, -1 when it has none

	RelocationsUndone int
	RelocationsLeft   int // could not be undone; -1 when the number is not known
	ImportsUndone     int
	ImportsLeft       int // could not be undone; -1 when the number is not known
	SlotsLeft         int // guard pointers, security cookie, TLS index and handles that the loader set: as found

	// Written says that the process may have written to the page: it is as found.
	Written bool
	// Note names the changes that were left as found, an assumption behind the bytes, or why the piece is missing. A
	// row with a note is not exact.
	Note string
	// Info says how ImageBase is known, in the row that holds it, where ImageBase is exact.
	Info string
}

// Summary counts the bytes of a restored file.
type Summary struct {
	Bytes   [Missing + 1]int64 // by kind
	Exact   int64              // in rows that are exact
	Assumed int64              // in rows that follow from an assumption
	Changed int64              // in rows that are changed, or perhaps changed, and left as found
	Written int64              // in rows that a process may have written to
	Undone  int                // relocations and imports undone
	Left    int                // relocations, imports and slots known and left as found
}

// Summary sums the rows up.
func (r *Result) Summary() Summary {
	var s Summary
	for i := range r.Rows {
		row := &r.Rows[i]
		s.Bytes[row.Kind] += row.Length
		s.Undone += row.RelocationsUndone + row.ImportsUndone
		s.Left += max(0, row.RelocationsLeft) + max(0, row.ImportsLeft) + row.SlotsLeft
		switch c := row.Certainty(); {
		case row.Kind == Missing:
		case c == Exact:
			s.Exact += row.Length
		case c == Assumed:
			s.Assumed += row.Length
		default:
			s.Changed += row.Length
		}
		if row.Written {
			s.Written += row.Length
		}
	}
	return s
}

// Complete reports whether the file is exactly the original: its size, and every byte. Where it is not, Summary and
// SizeCertainty show the assumptions.
func (r *Result) Complete() bool { return r.SizeCertainty == Exact && r.AllExact() }

// AllExact reports whether every byte is present and exact. Whether the file ends with the last of these bytes is
// another question: SizeCertainty.
func (r *Result) AllExact() bool {
	for i := range r.Rows {
		if !r.Rows[i].Exact() {
			return false
		}
	}
	return true
}

// Size returns the size that Restore's file would have. It reads headers and the debug directory only. Its errors are
// the errors of Restore.
func Size(in Input) (int64, error) {
	w := newWork(in)
	err := w.readHeader()
	if w.err != nil {
		return 0, w.err
	}
	if err != nil {
		return 0, err
	}
	return w.extent.size, nil
}

// Restore plans the restoration of a file: it reads the headers, the relocation and import tables, and the pages that
// have relocations. The Reader reads the bytes again. The error is a *HeaderError where there are no usable headers,
// or comes from a failing source.
func Restore(in Input) (*Result, error) {
	w := newWork(in)
	r, err := w.restore()
	if w.err != nil { // data whose read failed may have been taken for missing
		return nil, w.err
	}
	return r, err
}

func (w *work) restore() (*Result, error) {
	if err := w.readHeader(); err != nil {
		return nil, err
	}
	w.headerTouched = w.touched(0, w.headersEnd())
	w.readRelocations()
	w.proveEnd()
	w.findBase()
	w.readImports()
	w.readSlots()
	r, err := w.result()
	if err != nil {
		return nil, err
	}
	if r, err = w.checkBase(r); err != nil {
		return nil, err
	}
	return w.undoDelays(r)
}

// headersEnd returns the file offset behind the headers that lay the file out.
func (w *work) headersEnd() int64 {
	const optional = 240 // bytes from ImageBase to the section table, at most
	return w.h.imageBaseAt + optional + int64(len(w.h.sections))*sectionHeaderSize
}
