package restore

import (
	"encoding/binary"
	"fmt"

	"memlens/memimage/sparse"
)

const (
	symbolSize     = 18 // sizeof(IMAGE_SYMBOL)
	debugEntrySize = 28 // sizeof(IMAGE_DEBUG_DIRECTORY)
	maxDebug       = 64 // entries of a debug directory that are looked at

	maxClaimed = 64 << 20 // bytes of file that are believed by the header alone
	maxLooked  = 1 << 17  // pages that are looked at to learn how far a file reaches
)

// Names of the parts that a file has besides its headers and sections.
const (
	nameCertificate = "certificate table"
	nameSymbols     = "COFF symbol table"
	nameStrings     = "COFF string table"
	nameDebug       = "debug data"
	nameOverlay     = "overlay behind all that the headers name"
)

// Notes on the size of a file.
const (
	proofFileSize = "the kernel knows the size of the file"
	proofSection  = "the section that maps all of the file knows its end"
	proofHeaders  = "assumed: as far as headers and data directories reach; an overlay would not show"
	proofLow      = "assumed: as far as an image that is mapped as its file has more than zeros; an overlay would not show"
	noteEnd       = "the file may end before: alignments, SizeOfImage or a data directory alone say that it reaches here"
)

// claim is a range of the file that the headers name.
type claim struct {
	name   string
	off, n int64
	raw    bool // it is raw data of a section
}

func (c claim) end() int64 { return c.off + c.n }

// extent is how far the file reaches.
type extent struct {
	size      int64
	least     int64  // the file has at least so many bytes: that is exact
	proof     string // how the size is known
	certainty Certainty
	claims    []claim
	index     sparse.Index // of claims, by file offset
	named     int64        // where the last of pieces and claims ends
	notes     []string
}

// measure finds out how far the file reaches, from headers, and the debug directory alone where it
// can. It must come after pieces.
func (w *work) measure() {
	e := &w.extent
	*e = extent{}
	w.findClaims()
	switch {
	case w.in.FileSize >= w.h.tableEnd:
		e.setExact(w.in.FileSize, proofFileSize)
	case w.endsWithSection():
		e.setExact(w.in.MappedEnd, proofSection)
	default:
		w.trimTail()
		w.assumeSize()
	}
	if w.in.FileSize > 0 && w.in.FileSize < w.h.tableEnd {
		e.note("the kernel says that the file has %d bytes, but its headers alone have %d", w.in.FileSize, w.h.tableEnd)
	}
	e.index = sparse.NewIndex(len(e.claims), func(i int) (int64, int64) { return e.claims[i].off, e.claims[i].n })
}

// endsWithSection reports whether the section ends where the file does: the section maps the whole file as it is, and
// SizeOfImage does not cut it. The headers must be the section's own, and not the headers of a program that was put
// in its place.
func (w *work) endsWithSection() bool {
	end := w.in.MappedEnd
	if !w.h.mappedAsFile() || !w.in.MappedWhole || end < w.h.tableEnd || end == int64(w.h.sizeOfImage) {
		return false
	}
	return w.pristine(0) || w.memoryPage(0).Kind == Mapped
}

// setExact sets a size that is exact.
func (e *extent) setExact(size int64, proof string) {
	e.size, e.least, e.proof, e.certainty = size, size, proof, Exact
}

// assumeSize takes the size of the file from headers and data directories. A size without other evidence is believed
// only within bounds: a damaged header claims gigabytes.
func (w *work) assumeSize() {
	e := &w.extent
	e.certainty, e.proof = Assumed, proofHeaders
	if w.h.mappedAsFile() {
		e.proof = proofLow
	}
	backed := w.backed()
	e.size = backed
	for _, p := range w.pieces {
		if w.h.mappedAsFile() {
			p.n = min(p.n, max(0, w.mappedEnd()))
		}
		e.believe(claim{w.pieceName(p), p.off, p.n, true}, backed)
	}
	for _, c := range e.claims {
		if c.raw {
			e.believe(c, backed)
		}
	}
	sections := e.size
	for _, c := range e.claims {
		if c.off < sections && c.end() > sections && !c.raw {
			e.note("%s: the header claims %#x bytes from %#x on, and so some that are a section's", c.name, c.n, c.off)
			continue
		}
		e.believe(c, backed)
	}
	e.least = min(e.size, w.h.rawEnd())
}

// pieceName names the owner of a piece.
func (w *work) pieceName(p piece) string {
	if p.section < 0 {
		return "headers"
	}
	return "section " + w.h.sections[p.section].name
}

// believe extends the file to the end of the claim, unless that is too far behind the backed part.
func (e *extent) believe(c claim, backed int64) {
	if c.n <= 0 || c.end() <= e.size {
		return
	}
	if c.end() > backed+maxClaimed {
		e.note("%s: the header claims %#x bytes from %#x on, which nothing confirms", c.name, c.n, c.off)
		return
	}
	e.size = c.end()
}

// maxNotes is how many notes on the size are kept: a hostile header has claims without end.
const maxNotes = 16

func (e *extent) note(format string, args ...any) {
	if len(e.notes) < maxNotes {
		e.notes = append(e.notes, fmt.Sprintf(format, args...))
	}
}

// backed returns the file offset up to which pages of memory, or the kernel's section, confirm the file: piece by
// piece, as long as each begins not far behind the one before.
func (w *work) backed() int64 {
	end := w.in.MappedEnd
	looked := 0
	for _, p := range w.pieces {
		if p.off > end+maxClaimed {
			break
		}
		if n := min(p.n, w.mappedEnd()-p.rva); n > 0 && p.off+n > end {
			end = max(end, p.off+w.present(p.rva, n, end+maxClaimed-p.off, &looked))
		}
	}
	return end
}

// present returns how much of n bytes at rva is backed by pages of the image: all of it where the number of pages is
// known. Otherwise the believed bytes are not looked at, and the last present page behind them counts.
func (w *work) present(rva, n, believed int64, looked *int) int64 {
	if w.in.PageCount > 0 {
		return n
	}
	if n <= believed {
		return 0
	}
	for at := range w.backwards(rva+believed, min(rva+n, rva+believed+maxLooked*pageSize), looked) {
		return min(n, at+pageSize-rva)
	}
	return 0
}

// rawEnd returns where the raw data of the headers and the sections ends in the file. The file must reach that far,
// or the memory manager would not have mapped it.
func (h *header) rawEnd() int64 {
	end := max(int64(h.sizeOfHeaders), h.tableEnd)
	for i := range h.sections {
		end = max(end, h.sections[i].rawEnd())
	}
	return end
}

// findClaims lists the ranges that the headers name and that are not mapped.
func (w *work) findClaims() {
	e := &w.extent
	if c := w.h.directories[dirCert]; c.rva > 0 && c.size > 0 {
		e.claims = append(e.claims, claim{nameCertificate, int64(c.rva), int64(c.size), false})
	}
	w.claimSymbols()
	w.claimDebug()
	for i := range w.h.sections {
		if s := &w.h.sections[i]; s.rawEnd() > 0 {
			e.claims = append(e.claims, claim{"raw data of " + s.name + " behind its pages", int64(s.rawPointer), int64(s.rawSize), true})
		}
	}
	for _, p := range w.pieces {
		e.named = max(e.named, p.end())
	}
	for _, c := range e.claims {
		e.named = max(e.named, c.end())
	}
}

// claimSymbols adds the COFF symbol table and the strings behind it, which begin with their length.
func (w *work) claimSymbols() {
	e := &w.extent
	if w.h.symbols == 0 || w.h.symbolCount == 0 {
		return
	}
	table := claim{nameSymbols, int64(w.h.symbols), int64(w.h.symbolCount) * symbolSize, false}
	strings := claim{nameStrings, table.end(), 4, false}
	var b [4]byte
	if w.readFile(b[:], strings.off) {
		strings.n = max(strings.n, int64(binary.LittleEndian.Uint32(b[:])))
	} else {
		e.note("the length of the %s at %#x is not in memory: the file may be longer", nameStrings, strings.off)
	}
	e.claims = append(e.claims, table, strings)
}

// readFile reads from the file's own pages, and from memory where it has the file. It reports whether all of p is
// present.
func (w *work) readFile(p []byte, off int64) bool {
	for i := range p {
		at := off + int64(i)
		page := w.filePage(at)
		if page.Kind != Missing {
			if !w.fill(p[i:i+1], &page, at%pageSize) {
				return false
			}
			continue
		}
		rva, ok := w.rvaOf(at)
		if !ok || !w.readMemory(p[i:i+1], rva) {
			return false
		}
	}
	return true
}

// rvaOf returns where memory has the byte of the file at off.
func (w *work) rvaOf(off int64) (int64, bool) {
	for _, p := range w.pieces {
		if off >= p.off && off < p.end() {
			rva := p.rva + off - p.off
			return rva, rva < 1<<32
		}
	}
	return 0, false
}

// claimDebug adds the debug data that is not mapped: data of entries without an address.
func (w *work) claimDebug() {
	e, dir := &w.extent, w.h.directories[dirDebug]
	count := min(dir.size/debugEntrySize, maxDebug)
	for i := range int64(count) {
		var b [debugEntrySize]byte
		if dir.rva == 0 || !w.read(b[:], int64(dir.rva)+i*debugEntrySize) {
			e.note("the debug directory at RVA %#x is not in memory: where it leads is not known", dir.rva)
			return
		}
		size, rva, off := binary.LittleEndian.Uint32(b[16:]), binary.LittleEndian.Uint32(b[20:]), binary.LittleEndian.Uint32(b[24:])
		if size > 0 && off > 0 && rva == 0 {
			e.claims = append(e.claims, claim{nameDebug, int64(off), int64(size), false})
		}
	}
}

// unmappedName names the bytes of the file at off, which no page of the image has, and returns how many bytes from
// there on to end have the same name.
func (w *work) unmappedName(off, end int64) (name string, n int64) {
	e := &w.extent
	i, next := e.index.Run(off)
	if end = min(end, next); i >= 0 {
		return e.claims[i].name, end - off
	}
	if off >= e.named {
		return nameOverlay, end - off
	}
	return "", end - off
}
