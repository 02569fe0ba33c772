package fs

import (
	"context"
	"fmt"
	"strings"

	"memlens/memimage/integrity"
	"memlens/memimage/pedump"
	"memlens/memimage/report"
	"memlens/render/figure"
)

// layoutNumbers are the numbers of a picture of an executable's layouts.
type layoutNumbers struct {
	file            string // of memory
	added, places   int64  // bytes that alignment added in memory, and in how many places
	missing, pages  int64  // pages of memory
	where           string
	loader, written int64 // bytes that are changed: by the loader, and by programs in data sections
	other, code     int64 // changed otherwise, and how many of these changes are in code
	undone          bool  // the loader's changes are the bytes that restoring the file undoes
	foreign         bool  // the memory is not of the file
	unknown         bool  // whether there are other changes is not known
	compared        int64 // pages that could be compared with the file
}

// sentence describes the bytes that alignment added, the missing bytes, and the changes.
func (n layoutNumbers) sentence() string {
	parts := []string{n.addedText(), n.missingText(), n.changedText()}
	if n.foreign {
		parts[2] = "what is in memory is not of the file that is mapped there"
	}
	return sentence(strings.Join(parts, "; ") + ".")
}

func (n layoutNumbers) addedText() string {
	if n.added == 0 {
		return "alignment adds nothing in memory"
	}
	return fmt.Sprintf("alignment adds %s in memory, in %s", bytesText(n.added), countText(n.places, "place"))
}

func (n layoutNumbers) missingText() string {
	switch {
	case n.missing == 0:
		return "no page is missing from " + n.file
	case n.missing == n.pages:
		return "every page is missing from " + n.file
	}
	return fmt.Sprintf("%s of %s %s missing from %s%s", grouped(n.missing), countText(n.pages, "page"), are(n.missing), n.file, n.where)
}

func (n layoutNumbers) changedText() string {
	var parts []string
	if n.loader > 0 {
		text := fmt.Sprintf("the loader changed %s", bytesText(n.loader))
		if n.undone {
			text += ", which the restored file undoes"
		}
		parts = append(parts, text)
	}
	if n.written > 0 {
		parts = append(parts, fmt.Sprintf("%s of data sections %s written", bytesText(n.written), verb(n.written, "was", "were")))
	}
	switch {
	case n.code > 0 && n.code == n.other:
		parts = append(parts, fmt.Sprintf("%s of code %s changed", bytesText(n.code), are(n.code)))
	case n.other > 0:
		parts = append(parts, fmt.Sprintf("%s changed otherwise, %s of them in code", countAre(n.other), grouped(n.code)))
	case n.unknown && len(parts) == 0:
		return "what was changed is not known"
	case n.unknown:
		parts = append(parts, "what else was changed is not known")
	default:
		other := "no other change"
		if len(parts) == 0 {
			other = "no change"
		}
		parts = append(parts, fmt.Sprintf("%s was found in %s that could be compared", other, countText(n.compared, "page")))
	}
	return strings.Join(parts, "; ")
}

// layoutNotice says what to notice in the picture of the image's layouts. gone are the missing bytes of memory, and
// compared is how many pages were compared.
func (m *module) layoutNotice(d *figure.Diagram, s *figure.Survey, gone []figure.Span, undone bool, compared int64) string {
	n := layoutNumbers{file: m.file(formMemory), where: whereInMemory(d, gone), undone: undone, compared: compared, unknown: s.Unknown != "", foreign: s.Counts[figure.NoFile] > 0}
	n.added, n.places = d.Added()
	n.missing, n.pages = pagesOf(s.Missing[figure.InMemory]), pagesOf(d.Sizes[figure.InMemory])
	c := &s.Counts
	n.loader, n.written = c[figure.MovedBytes]+c[figure.BoundBytes]+c[figure.LoaderBytes], c[figure.DataWritten]
	n.code = c[figure.CodeDiffers]
	n.other = n.code + c[figure.HotPatched] + c[figure.HeaderDiffers] + c[figure.ConstantDiffers] + c[figure.TableDiffers]
	return n.sentence()
}

// pagesOf is how many pages so many bytes are, the last one perhaps in part.
func pagesOf(n int64) int64 { return (n + pageSize - 1) / pageSize }

// whereInMemory says in which sections pages are missing.
func whereInMemory(d *figure.Diagram, gone []figure.Span) string {
	marks := []figure.Mark{{Off: 0, Len: d.Headers, Label: "the headers"}}
	for i := range d.Sections {
		s := &d.Sections[i]
		marks = append(marks, figure.Mark{Off: s.Memory.Off, Len: pagesOf(s.Memory.Len) * pageSize, Label: s.Name})
	}
	return where(gone, marks, pageSize)
}

// changedSentence says how memory differs from the file that is mapped.
func changedSentence(c *report.Comparison) string {
	switch {
	case !c.Compared:
		return "It is not known what was changed: " + c.VerdictText + "."
	case c.IsForeign():
		return "What is there is not compared: " + c.VerdictText + "."
	}
	var all, innocent int64
	for _, cause := range integrity.Causes() {
		all += c.Bytes(cause)
		if cause.Innocent() {
			innocent += c.Bytes(cause)
		}
	}
	pages := countText(c.PagesCompared, "page")
	data := c.Bytes(integrity.DataSection)
	switch {
	case c.PagesCompared == 0:
		return "No page could be compared with the file."
	case all == 0:
		return fmt.Sprintf("Nothing differs from the file in the %s that could be compared.", pages)
	case all == innocent && data == 0:
		return fmt.Sprintf("%s where the loader writes, in %s that could be compared.", allDiffer(all), pages)
	case all == innocent:
		return fmt.Sprintf("%s in data sections (%s) or where the loader writes (%s), in %s that could be compared.", allDiffer(all), grouped(data), grouped(innocent-data), pages)
	}
	return fmt.Sprintf("Of %s that %s from the file %s %s neither the loader's work nor data, %s of them in code; %s could be compared.",
		bytesText(all), verb(all, "differs", "differ"), grouped(all-innocent), are(all-innocent), grouped(c.Bytes(integrity.CodeChanged)), pages)
}

// movedNumbers are the numbers of a picture of a file and of memory in turn.
type movedNumbers struct {
	sections, moved int64
	furthest        string // the section that moves the most
	by              int64  // how far, in bytes
	missing         int64  // bytes of memory
	noMemory        bool   // there is no file of it
	where           string
}

// sentence says which sections move between disk and memory.
func (n movedNumbers) sentence() string {
	text := "No section moves between disk and memory"
	switch {
	case n.sections == 0:
		text = "The file has no bytes in sections"
	case n.moved > 0:
		text = fmt.Sprintf("From disk to memory %s of %s %s, %s the furthest, by %s", grouped(n.moved), countText(n.sections, "section"), verb(n.moved, "moves", "move"),
			report.Printable(n.furthest), bytesText(n.by))
	}
	switch {
	case n.noMemory:
		return text + "."
	case n.missing == 0:
		return text + "; nothing is missing in memory."
	}
	return fmt.Sprintf("%s; %s missing in memory%s.", text, countAre(n.missing), n.where)
}

// movedSentence says which sections move between the image's file and its memory.
func (m *module) movedSentence(ctx context.Context) (string, error) {
	h, err := m.peHeader()
	if h == nil || err != nil {
		return "", err
	}
	n := moves(h)
	if formMemory.lacks(m) != nil {
		n.noMemory = true
		return n.sentence(), nil
	}
	b, err := formMemory.open(m)
	if err != nil {
		return "", err
	}
	defer b.Close()
	gone, err := missing(b.within(ctx))
	n.missing, n.where = total(gone), where(gone, m.memoryMarks(), 1)
	return n.sentence(), err
}

// moves counts the sections that are elsewhere in memory than in the file.
func moves(h *pedump.Image) movedNumbers {
	var n movedNumbers
	for i := range h.Sections {
		s := &h.Sections[i]
		if s.PointerToRawData == 0 || s.SizeOfRawData == 0 {
			continue // it has no bytes in the file
		}
		n.sections++
		by := max(int64(s.VirtualAddress)-int64(s.PointerToRawData), int64(s.PointerToRawData)-int64(s.VirtualAddress))
		if by > 0 {
			n.moved++
		}
		if by > n.by {
			n.by, n.furthest = by, report.Latin1([]byte(s.Name()))
		}
	}
	return n
}
