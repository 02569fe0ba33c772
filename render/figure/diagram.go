package figure

import "fmt"

// Diagram is an executable in its three layouts side by side: as the file is on disk, as Windows laid it out in memory,
// and as it was recovered from there. Everything in it follows from headers, which may claim anything; the facts about
// the bytes are in a [Survey].
type Diagram struct {
	Title, Subtitle string
	Digest          string // at the foot, as in a [Subject]
	File            string // the name of the recovered file

	Headers   int64     // bytes of the headers, in each layout
	Sections  []Section // in the order of the section table
	LeftOut   int       // sections that the header claims and that are not among them
	Alignment int64     // of sections in memory, in bytes
	Sizes     [Layouts]int64
	Tail      string // the name of the bytes after the sections on disk, such as "overlay"
}

// Section is a piece of an executable in each of its layouts.
type Section struct {
	Name      string
	Disk      Span  // of the file
	Memory    Span  // by RVA, without the bytes that fill its last page
	Mapped    int64 // bytes of Disk that are in memory, from its beginning on
	Recovered Span  // of the recovered file
}

// The layouts of a [Diagram].
const (
	OnDisk = iota
	InMemory
	Recovered
	Layouts
)

// MaxSections is how many sections a diagram shows. A header may claim 65,535.
const MaxSections = 64

// partKind is the kind of bytes in a piece of a layout.
type partKind uint8

const (
	fileBytes     partKind = iota // of the headers or a section, in each layout
	zeroBytes                     // of a section, in memory only
	alignedBytes                  // between sections in memory, because they begin at whole pages
	unmappedBytes                 // of a section, on disk only
	tailBytes                     // behind the sections, on disk only
	noBytes                       // of no section
	partKinds
)

// part is a piece of a layout.
type part struct {
	Span
	kind    partKind
	section int // number of the section, from 1 on; 0: the headers; none: of no section
}

// none is the number of no section.
const none = -1

// column is a layout, cut into parts in their order.
type column struct {
	size  int64
	parts []part
	odd   int // sections that overlap others, or go on behind the end: they are cut
}

// check says why an executable cannot be drawn.
func (d *Diagram) check() error {
	for _, size := range d.Sizes {
		if err := CheckSize(size); err != nil {
			return err
		}
	}
	return nil
}

// shown are the sections that are drawn, and how many are not.
func (d *Diagram) shown() ([]Section, int) {
	n := min(len(d.Sections), MaxSections)
	return d.Sections[:n], len(d.Sections) - n + max(d.LeftOut, 0)
}

// columns cuts the layouts into parts.
func (d *Diagram) columns() [Layouts]column {
	sections, _ := d.shown()
	return [Layouts]column{d.onDisk(sections), d.inMemory(sections), d.recovered(sections)}
}

func (d *Diagram) onDisk(sections []Section) column {
	s := sweep{size: d.Sizes[OnDisk]}
	s.add(fileBytes, 0, Span{0, d.Headers})
	for _, i := range inOrder(sections, func(s *Section) Span { return s.Disk }) {
		of := &sections[i]
		mapped := min(max(of.Mapped, 0), of.Disk.Len)
		s.skip(of.Disk.Off, 1)
		s.add(fileBytes, i+1, Span{of.Disk.Off, mapped})
		s.add(unmappedBytes, i+1, Span{of.Disk.Off + mapped, of.Disk.Len - mapped})
	}
	s.add(tailBytes, none, Span{s.at, s.size - s.at})
	return s.column()
}

func (d *Diagram) inMemory(sections []Section) column {
	s := sweep{size: d.Sizes[InMemory]}
	align := max(d.Alignment, 1)
	s.add(fileBytes, 0, Span{0, d.Headers})
	for _, i := range inOrder(sections, func(s *Section) Span { return Span{s.Memory.Off, max(s.Memory.Len, s.Mapped)} }) {
		of := &sections[i]
		mapped := max(of.Mapped, 0)
		s.skip(of.Memory.Off, align)
		s.add(fileBytes, i+1, Span{of.Memory.Off, mapped})
		s.add(zeroBytes, i+1, Span{of.Memory.Off + mapped, of.Memory.Len - mapped})
	}
	s.skip(s.size, align)
	return s.column()
}

func (d *Diagram) recovered(sections []Section) column {
	s := sweep{size: d.Sizes[Recovered]}
	s.add(fileBytes, 0, Span{0, d.Headers})
	for _, i := range inOrder(sections, func(s *Section) Span { return s.Recovered }) {
		s.skip(sections[i].Recovered.Off, 1)
		s.add(fileBytes, i+1, sections[i].Recovered)
	}
	s.skip(s.size, 1)
	return s.column()
}

// sums are how many bytes of a layout are of each kind.
func (c *column) sums() (n [partKinds]int64) {
	for _, p := range c.parts {
		n[p.kind] += p.Len
	}
	return n
}

// oddNote says which claims of the headers a diagram does not show; empty: it shows all.
func (d *Diagram) oddNote(columns *[Layouts]column) string {
	_, leftOut := d.shown()
	text := ""
	if leftOut > 0 {
		text = fmt.Sprintf("No room for %s.  ", plural(int64(leftOut), "section"))
	}
	for i := range columns {
		if n := columns[i].odd; n > 0 {
			text += fmt.Sprintf("%s: %s cut, as others are there or the end is.  ", layoutNames[i], plural(int64(n), "section"))
		}
	}
	return text
}

// layoutNames are the heads of the columns.
var layoutNames = [Layouts]string{"On disk", "In memory", "Recovered"}

// Added returns how many bytes alignment added in memory, and in how many places.
func (d *Diagram) Added() (n, places int64) {
	sections, _ := d.shown()
	for _, p := range d.inMemory(sections).parts {
		if p.kind == alignedBytes {
			n, places = n+p.Len, places+1
		}
	}
	return n, places
}
