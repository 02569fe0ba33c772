package fs

import (
	"context"
	"errors"

	"memlens/memimage/pedump"
	"memlens/memimage/report"
	"memlens/memimage/sparse"
	"memlens/render/figure"
)

// The names of the pictures of an executable's three layouts.
const (
	layoutPicture = "layout.png"
	layoutVector  = "layout.svg"
)

// layoutDoc says what such a picture shows of a recovered file.
func layoutDoc(file string) string {
	return "the layouts of the executable side by side: on disk, in memory, and " + file + "; sections joined by bands, what alignment added, what is missing, what was changed"
}

// lacksLayout says why there is no such picture.
var lacksLayout = lacksFigure(formFile, formMemory)

// layoutPNG is the file layout.png. Its size follows from the headers.
func (m *module) layoutPNG() (*body, error) {
	return m.fs.drawing(m.at.child(layoutPicture).name, figurePlan{
		func() (int64, error) {
			d, err := m.diagram(false)
			if err != nil {
				return 0, err
			}
			return m.fs.figureSizes.Diagram(d)
		},
		func(ctx context.Context) (*figure.Figure, error) {
			d, err := m.diagram(true)
			if err != nil {
				return nil, err
			}
			return figure.NewDiagram(d, func() (*figure.Survey, error) { return m.survey(ctx, d) })
		},
	})
}

// layoutSVG is the file layout.svg. Its size, too, follows from the headers: spaces at its end make up for the facts
// that are not known yet.
func (m *module) layoutSVG() (*body, error) {
	return m.fs.drawn(m.at.child(layoutVector).name, func() (int64, error) {
		d, err := m.diagram(false)
		if err != nil {
			return 0, err
		}
		return m.fs.figureSizes.DiagramSVG(d)
	}, func(ctx context.Context) ([]byte, error) {
		d, err := m.diagram(true)
		if err != nil {
			return nil, err
		}
		found, err := m.survey(ctx, d)
		if err != nil {
			return nil, err
		}
		return figure.DiagramSVG(d, found)
	})
}

// diagram returns the image's layouts as its headers give them; for drawing, with the digests of the recovered file.
func (m *module) diagram(drawing bool) (figure.Diagram, error) {
	if m.failed != nil {
		return figure.Diagram{}, m.failed
	}
	file, err := m.FileDump()
	if err != nil {
		return figure.Diagram{}, err
	}
	memory, err := m.MemoryDump()
	if err != nil {
		return figure.Diagram{}, err
	}
	h := file.Header
	d := figure.Diagram{
		Title: m.title() + ": on disk, in memory, recovered", Subtitle: m.provenance(""), File: m.file(formFile), Digest: new(sums).lines(),
		Headers: int64(h.SizeOfHeaders), Alignment: int64(h.SectionAlignment), LeftOut: int(h.NumberOfSections),
		Sizes: [...]int64{figure.InMemory: memory.Reader.Size(), figure.Recovered: file.Reader.Size()},
	}
	for i := range h.Sections[:min(len(h.Sections), figure.MaxSections)] {
		d.Sections = append(d.Sections, layoutSection(h, &h.Sections[i]))
	}
	d.LeftOut -= len(d.Sections)
	if err := m.addDisk(&d, h); err != nil || !drawing {
		return d, err
	}
	d.Digest, err = m.digestLines(formFile)
	return d, err
}

// digestLines are the digests of the image's file in a form, for the foot of a figure.
func (m *module) digestLines(f *form) (string, error) {
	b, err := f.open(m)
	if err != nil {
		return "", err
	}
	defer b.Close()
	sums, err := m.fs.sums(m.place(f).name, b)
	if err != nil {
		return "", err
	}
	return sums.lines(), nil
}

// layoutSection is where a section is in each layout. An image whose sections are aligned to less than a page is mapped
// exactly as the file is.
func layoutSection(h *pedump.Image, s *pedump.Section) figure.Section {
	out := figure.Section{
		Name:   report.Latin1([]byte(s.Name())),
		Memory: figure.Span{Off: int64(s.VirtualAddress), Len: int64(s.MappedSize())},
	}
	raw := int64(s.SizeOfRawData)
	if h.FileAlignment > 0 {
		out.Recovered = figure.Span{Off: int64(s.PointerToRawData - s.PointerToRawData%h.FileAlignment), Len: raw}
	}
	if s.PointerToRawData == 0 {
		return out
	}
	out.Disk = figure.Span{Off: int64(s.PointerToRawData), Len: raw}
	out.Mapped = raw
	if h.SectionAlignment >= pageSize {
		out.Mapped = min(raw, pagesOf(out.Memory.Len)*pageSize)
	}
	return out
}

// certificates is the number of the directory of certificates, whose address is an offset in the file
// (IMAGE_DIRECTORY_ENTRY_SECURITY).
const certificates = 4

// addDisk adds the length of the file on disk: up to the end of its sections, and as its restoration knows.
func (m *module) addDisk(d *figure.Diagram, h *pedump.Image) error {
	end := d.Headers
	for i := range h.Sections {
		if s := &h.Sections[i]; s.PointerToRawData > 0 {
			end = max(end, int64(s.PointerToRawData)+int64(s.SizeOfRawData))
		}
	}
	size, err := m.RestoredSize()
	if sparse.Failed(err) {
		return err
	}
	d.Sizes[figure.OnDisk], d.Tail = min(max(end, size), figure.MaxSize), "overlay"
	if len(h.Directories) > certificates && h.Directories[certificates].Size > 0 && int64(h.Directories[certificates].VirtualAddress) >= end {
		d.Tail = "certificates"
	}
	return nil
}

// survey finds the facts about the image's bytes. It is kept for the other picture, and for the page.
func (m *module) survey(ctx context.Context, d figure.Diagram) (*figure.Survey, error) {
	return keptAsJSON(ctx, m.fs.texts, "survey\x00"+m.at.child(layoutPicture).name, func() (*figure.Survey, error) {
		s, err := d.Survey()
		if err != nil {
			return nil, err
		}
		f, err := d.Fill(s)
		if err != nil {
			return nil, err
		}
		gone, err := m.addGaps(ctx, f)
		if err != nil {
			return nil, err
		}
		whole, compared, err := m.addChanges(ctx, f)
		if err != nil {
			return nil, err
		}
		s.Notice = m.layoutNotice(&d, s, gone, whole, compared)
		return s, ctx.Err()
	})
}

// addGaps adds the missing bytes of each layout, and returns the missing bytes of memory.
func (m *module) addGaps(ctx context.Context, f *figure.Surveyor) ([]figure.Span, error) {
	var of [figure.Layouts][]figure.Span
	for layout, form := range map[int]*form{figure.InMemory: formMemory, figure.Recovered: formFile} {
		b, err := form.open(m)
		if err != nil {
			return nil, err
		}
		of[layout], err = missing(b.within(ctx))
		if err = errors.Join(err, b.Close()); err != nil {
			return nil, err
		}
		f.Miss(layout, of[layout])
	}
	return of[figure.InMemory], nil
}

// addChanges adds the changed bytes: the loader's changes, as restored.exe undoes them, and the other changes, as the
// mapped file shows them. whole says that restored.exe shows the loader's changes, and compared is how many pages were
// compared with the file.
func (m *module) addChanges(ctx context.Context, f *figure.Surveyor) (whole bool, compared int64, err error) {
	c, err := report.ComparisonOf(m.Module)
	switch {
	case err != nil:
		return false, 0, err
	case c.IsForeign():
		return false, 0, m.eachForeign(ctx, f.Change)
	case !c.Compared:
		f.Unknown = c.VerdictText
	case c.PagesCompared == 0:
		f.Unknown = "no page could be compared with the file"
	}
	whole, err = m.addUndone(ctx, f)
	if err != nil || f.Unknown != "" {
		return whole, 0, err
	}
	_, err = m.EachChange(witness(func(class figure.Class, rva, n int64) {
		if class > figure.LoaderBytes || !whole && class >= figure.MovedBytes {
			f.Change(class, rva, n)
		}
	}))
	return whole, c.PagesCompared, err
}

// addUndone adds the loader's changes, as far as restoring the file undoes them; false: there is no restored file.
func (m *module) addUndone(ctx context.Context, f *figure.Surveyor) (bool, error) {
	if err := formRestored.lacks(m); err != nil {
		return false, sparse.OnlyFailed(err)
	}
	c, err := m.undone()
	if err != nil {
		return false, err
	}
	defer c.Close()
	classes, err := c.within(ctx).classes(nil)
	if err != nil {
		return false, err
	}
	if classes.Missing, err = missing(c.recovered.within(ctx)); err != nil {
		return false, err
	}
	return true, f.Undone(&classes)
}

// undone is the recovered file beside the file with the loader's work undone.
func (m *module) undone() (*comparison, error) {
	recovered, err := formFile.open(m)
	if err != nil {
		return nil, err
	}
	restored, err := formRestored.open(m)
	if err != nil {
		return nil, errors.Join(err, recovered.Close())
	}
	return &comparison{module: m, form: formFile, recovered: recovered, reference: restored}, nil
}
