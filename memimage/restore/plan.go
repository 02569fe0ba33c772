package restore

import (
	"fmt"

	"memlens/memimage/sparse"
)

const (
	maxPages = 1 << 17 // pages that are looked at one by one: files of 512 MiB

	noteUnmapped = "never mapped: behind or between the sections' pages"
	noteNamed    = ": never mapped, so not in memory"
	noteBeyond   = "beyond the pages of the image"
	noteTooBig   = "not looked for: the file claims to be too big"
)

// mostAhead bounds the rows for which room is made in advance: a header may claim any size.
const mostAhead = 1 << 8

// plan lists the pieces of the file in order.
type plan struct {
	w       *work
	rows    []Row
	extents []sparse.Extent
	fixed   map[uint32]*fixed
	pages   int // looked at so far
}

// result lays the file out.
func (w *work) result() (*Result, error) {
	size, end := w.extent.size, int64(0)
	about := min(int(size/pageSize)+2*len(w.pieces), mostAhead)
	p := &plan{w: w, fixed: map[uint32]*fixed{}, rows: make([]Row, 0, about), extents: make([]sparse.Extent, 0, about)}
	for _, piece := range w.pieces {
		if piece.off >= size {
			break
		}
		piece.n = min(piece.n, size-piece.off)
		p.unmapped(end, piece.off)
		if err := p.mapped(piece); err != nil {
			return nil, err
		}
		end = piece.off + piece.n
	}
	p.unmapped(end, size)
	w.nameBase(p.rows)
	r, err := sparse.NewReader(size, p.extents...)
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	return &Result{
		Reader: r, Rows: p.rows, ImageBase: w.base, Proof: w.proof, BaseCertainty: w.baseCertainty(), BaseEvidence: w.evidence, OtherBases: w.others,
		SizeProof: w.extent.proof, SizeCertainty: w.extent.certainty, HeadersAssumed: w.headerTouched || w.in.Doubt != "", Notes: w.extent.notes,
	}, nil
}

// mapped adds a piece that memory has, page by page of memory and, within these, of the file.
func (p *plan) mapped(piece piece) error {
	for piece.n > 0 {
		n := min(piece.n, max(p.gap(piece.rva), pageSize-piece.rva%pageSize))
		if c := p.w.extent.least; piece.off < c {
			n = min(n, c-piece.off)
		}
		switch p.pages++; {
		case piece.rva >= p.w.mappedEnd():
			p.missing(piece.off, piece.n, piece.rva, noteBeyond)
			return nil
		case p.pages > maxPages:
			p.missing(piece.off, piece.n, piece.rva, noteTooBig)
			return nil
		}
		if err := p.page(piece.off, n, piece.rva); err != nil {
			return err
		}
		piece = piece.from(piece.off + n)
	}
	return nil
}

// gap returns how many bytes of memory from rva on are missing for one reason, as far as that is known without a look
// at each page. It is 0 where a page is present, or where the file's own pages may have bytes that memory lacks.
func (p *plan) gap(rva int64) int64 {
	if p.w.in.ByFileOffset != nil || rva >= p.w.mappedEnd() {
		return 0
	}
	page := p.w.memoryPage(uint32(rva))
	return min(page.Gap-rva%pageSize, p.w.mappedEnd()-rva)
}

// missing adds a hole.
func (p *plan) missing(off, n, rva int64, why string) {
	p.add(Row{FileOffset: off, Length: n, RVA: rva, Kind: Missing, Phys: -1, Note: why}, nil, 0)
}

// page adds n bytes that lie in one page of memory.
func (p *plan) page(off, n, rva int64) error {
	first := true
	for n > 0 {
		run := p.fileRun(off, n)
		if file := p.w.filePage(off); file.Kind != Missing {
			p.fromFile(off, run, rva, &file)
		} else if err := p.fromMemory(off, run, rva, first); err != nil {
			return err
		} else {
			first = false
		}
		off, rva, n = off+run, rva+run, n-run
	}
	return nil
}

// fileRun returns how many of n bytes have the same kind of source: one page of the file, or none.
func (p *plan) fileRun(off, n int64) int64 {
	if p.w.in.ByFileOffset == nil {
		return n
	}
	run := min(n, pageSize-off%pageSize)
	if p.w.filePage(off).Kind != Missing {
		return run
	}
	for run < n && p.w.filePage(off+run).Kind == Missing {
		run = min(n, run+pageSize)
	}
	return run
}

// fromFile adds bytes of a page of the file; rva is -1 when memory does not have them.
func (p *plan) fromFile(off, n, rva int64, file *Page) {
	row := Row{FileOffset: off, Length: n, RVA: rva, Kind: file.Kind, Source: file.label(), Phys: phys(file, off%pageSize)}
	if file.Modified {
		row.Written = true
	}
	p.add(row, file, off%pageSize)
}

// fromMemory adds bytes of a page of memory with the loader's changes undone. first is false for a second run from
// the same page: the undone changes are counted once.
func (p *plan) fromMemory(off, n, rva int64, first bool) error {
	at := rva % pageSize
	f, err := p.fix(uint32(rva - at))
	if err != nil {
		return err
	}
	row := f.row
	row.FileOffset, row.Length, row.RVA, row.Phys = off, n, rva, phys(&f.page, at)
	if !first {
		row.RelocationsUndone, row.ImportsUndone = 0, 0
	}
	if f.page.Kind == Missing {
		p.missing(off, n, rva, f.page.Label)
		return nil
	}
	if len(f.diff) == 0 {
		p.add(row, &f.page, at)
		return nil
	}
	p.add(row, &Page{Src: &patched{f.page, f.diff}, Assumed: f.page.Assumed}, at)
	return nil
}

func (p *plan) fix(rva uint32) (*fixed, error) {
	if f := p.fixed[rva]; f != nil {
		return f, nil
	}
	f, err := p.w.fix(rva)
	if err == nil {
		p.fixed[rva] = f
	}
	return f, err
}

func phys(page *Page, at int64) int64 {
	if page.Phys < 0 {
		return -1
	}
	return page.Phys + at
}

// unmapped adds the bytes from off to end, which only the file's own pages can have: a gap between sections, raw data
// behind a section's pages, data that the data directories name, or the overlay.
func (p *plan) unmapped(off, end int64) {
	for off < end {
		name, n := p.w.unmappedName(off, end)
		why := noteUnmapped
		if name != "" {
			why = name + noteNamed
		}
		file := Page{Kind: Missing}
		if p.pages++; p.w.in.ByFileOffset != nil && p.pages <= maxPages {
			n = min(n, pageSize-off%pageSize)
			file = p.w.filePage(off)
		}
		if file.Kind == Missing {
			p.missing(off, n, -1, why)
		} else {
			p.fromFile(off, n, -1, &file)
		}
		off += n
	}
}

// add appends a row and its extent: at an offset of the page, or a hole when page is nil.
func (p *plan) add(row Row, page *Page, at int64) {
	if page != nil && row.FileOffset >= p.w.extent.least {
		row.note(noteEnd)
	}
	if row.Written && row.Note == "" {
		row.note(noteWritten)
	}
	if page != nil && page.Assumed != "" {
		row.note(page.Assumed)
	}
	if page != nil && p.w.in.Doubt != "" {
		row.note(p.w.in.Doubt)
	}
	if row.RVA >= 0 && row.RVA < 1<<32 {
		if i := p.w.h.sectionAt(uint32(row.RVA)); i >= 0 {
			row.Section = p.w.h.sections[i].name
		}
	}
	if page != nil {
		p.extents = append(p.extents, sparse.Extent{Off: row.FileOffset, Len: row.Length, Src: page.Src, SrcOff: page.Off + at})
		p.rows = append(p.rows, row)
		return
	}
	row.Source = Missing.String()
	if row.Note != "" {
		p.extents = append(p.extents, sparse.Extent{Off: row.FileOffset, Len: row.Length, Src: hole(row.Note), SrcOff: row.FileOffset})
	}
	if last := len(p.rows) - 1; last >= 0 && p.rows[last].continuedBy(&row) {
		p.rows[last].Length += row.Length
		return
	}
	p.rows = append(p.rows, row)
}

// continuedBy reports whether next, a missing row, only makes r longer.
func (r *Row) continuedBy(next *Row) bool {
	adjoins := r.RVA < 0 && next.RVA < 0 || r.RVA >= 0 && next.RVA == r.RVA+r.Length
	return r.Kind == Missing && adjoins && r.Section == next.Section && r.Note == next.Note
}

// note adds to the row's note.
func (r *Row) note(s string) {
	if r.Note != "" {
		s = r.Note + "; " + s
	}
	r.Note = s
}
