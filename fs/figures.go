package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"memlens/memimage"
	"memlens/memimage/digest"
	"memlens/memimage/pedump"
	"memlens/memimage/reference"
	"memlens/memimage/report"
	"memlens/memimage/sparse"
	"memlens/render/figure"
)

// headersOf reads the headers of an executable. What is missing of them is missing, and not zeros.
func headersOf(b *body) (*pedump.Image, error) {
	if b.headers != nil {
		return b.headers()
	}
	return pedump.Parse(b.source())
}

// recoveredFile is one of the files in which an executable image is recovered.
type recoveredFile struct {
	module *memimage.Module
	form   int // its index
}

// keptHeaders is of how many files the headers are kept: a page and the figures of a process ask for those of its three files
// many times.
const keptHeaders = 64

// headersIn returns the headers of one of the image's files, as they stand in it. They are kept unless reading failed, or
// they claim so many sections that it is no program's.
func (m *module) headersIn(form int, src sparse.Source) (*pedump.Image, error) {
	key := recoveredFile{m.Module, form}
	if h, ok := m.fs.headers.Get(key); ok {
		return h, nil
	}
	before := m.fs.image.Faults().Count()
	h, err := pedump.Parse(src)
	if err == nil && len(h.Sections) <= maxMarks && m.fs.image.Faults().Count() == before {
		m.fs.headers.Add(key, h)
	}
	return h, err
}

// subject says of a recovered executable what a figure of it shows: all of it, or, unless drawing, what its size
// depends on. The file must stay open while it is drawn.
func (m *module) subject(f *form, b *body, drawing bool) (figure.Subject, error) {
	if m.failed != nil {
		return figure.Subject{}, m.failed
	}
	s := figure.Subject{
		Title: m.title() + ": " + m.file(f), Subtitle: m.origin(f),
		Size: b.Size(), Data: b, Marks: marks(b, f.memory), Digest: new(sums).lines(),
	}
	if !drawing {
		return s, nil
	}
	sums, err := m.fs.sums(m.place(f).name, b)
	if err != nil {
		return s, err
	}
	s.Digest = sums.lines()
	s.Missing, err = missing(b)
	return s, err
}

// title names the image for people.
func (m *module) title() string {
	if m.Owner != nil {
		return fmt.Sprintf("%s, process %d", m.Name(), m.Owner.PID)
	}
	return m.Name()
}

// origin says in a line where a recovered executable comes from.
func (m *module) origin(f *form) string { return m.provenance(" " + f.doc) }

// provenance says in a line where the image is from, and in what form.
func (m *module) provenance(form string) string {
	path := m.Path()
	if path == "" {
		path = "an executable of unknown path"
	}
	return fmt.Sprintf("%s%s, from %s as of %s", shortPath(path), form, m.fs.image.Name(), stampText(m.fs.image.Time()))
}

// maxPathInLine is how many bytes of a path a line under a title has: the image's name stands behind it.
const maxPathInLine = 48

// shortPath leaves out the first folders of a path that is too long for a line.
func shortPath(path string) string {
	short := path
	for len(short) > maxPathInLine {
		_, rest, ok := strings.Cut(strings.TrimLeft(short, `\`), `\`)
		if !ok {
			break
		}
		short = `\` + rest
	}
	if short == path {
		return path
	}
	return "…" + short
}

// missing returns what of a file was not recovered. The error says that reading the image failed.
func missing(b *body) ([]figure.Span, error) {
	if b.strict == nil {
		return nil, nil
	}
	missing, err := digest.Missing(b.strict)
	if err != nil {
		return nil, err
	}
	var out []figure.Span
	for _, m := range missing {
		out = append(out, figure.Span(m))
	}
	return out, nil
}

// maxMarks is how many sections of a file are named. The header of a damaged file may claim 65,535.
const maxMarks = 256

// marks returns the pieces of an executable: its headers, sections, and what follows them. There are none in a file
// that is no executable.
func marks(b *body, memory bool) []figure.Mark {
	h, err := headersOf(b)
	if err != nil {
		return nil
	}
	if !memory {
		return diskMarks(h, b.Size())
	}
	out, _ := sectionMarks(h, true)
	return out
}

// diskMarks are the pieces of a file of so many bytes that has these headers.
func diskMarks(h *pedump.Image, size int64) []figure.Mark {
	out, end := sectionMarks(h, false)
	if whole := len(h.Sections) == int(h.NumberOfSections); whole && end < size {
		out = append(out, figure.Mark{Off: end, Len: size - end, Label: "overlay"})
	}
	return out
}

// sectionMarks are the pieces that the headers tell of, and where the last of them ends.
func sectionMarks(h *pedump.Image, memory bool) (out []figure.Mark, end int64) {
	out, end = []figure.Mark{{Off: 0, Len: int64(h.SizeOfHeaders), Label: "headers"}}, int64(h.SizeOfHeaders)
	for i := range h.Sections[:min(len(h.Sections), maxMarks)] {
		s := &h.Sections[i]
		m := figure.Mark{Off: int64(s.PointerToRawData), Len: int64(s.SizeOfRawData), Label: report.Latin1([]byte(s.Name()))}
		if memory {
			m.Off, m.Len = int64(s.VirtualAddress), int64(s.MappedSize())
		}
		if m.Len == 0 {
			continue
		}
		out, end = append(out, m), max(end, m.Off+m.Len)
	}
	return out, end
}

// figurePlan is how a figure of open files is measured, and how it is made to be drawn.
type figurePlan struct {
	size func() (int64, error)
	draw func(ctx context.Context) (*figure.Figure, error)
}

// keptFigureSizes is of how many figures that are not alike the size is kept.
const keptFigureSizes = 1 << 12

// drawing returns the file of a figure: measured now, drawn when it is first read, and kept under key. The files that
// it is drawn of are closed with it.
func (f *FS) drawing(key string, plan figurePlan, files ...io.Closer) (*body, error) {
	return f.drawn(key, plan.size, func(ctx context.Context) ([]byte, error) {
		figure, err := plan.draw(ctx)
		if err != nil {
			return nil, err
		}
		return figure.Encode()
	}, files...)
}

// drawn is drawing for a figure that draw makes as the bytes of a file.
func (f *FS) drawn(key string, measure func() (int64, error), draw func(ctx context.Context) ([]byte, error), files ...io.Closer) (*body, error) {
	closeAll := closer(files)
	size, err := f.measured(context.Background(), key, measure)
	if err != nil {
		return nil, errors.Join(absent(fmt.Errorf("the figure cannot be drawn: %w", err)), closeAll())
	}
	return &body{Content: f.later(key, size, draw), close: closeAll}, nil
}

// lacksFigure returns a function that says why there is no figure of forms: because there is no file of one, or because a
// figure of so many bytes cannot be drawn.
func lacksFigure(forms ...*form) func(*module) error {
	return func(m *module) error {
		for _, f := range forms {
			n, err := f.size(m)
			if err != nil {
				return err
			}
			if err := figure.CheckSize(n); err != nil {
				return err
			}
		}
		return nil
	}
}

// mapPNG is the file map.png.
func (m *module) mapPNG() (*body, error) {
	b, err := formFile.open(m)
	if err != nil {
		return nil, err
	}
	return m.fs.drawing(m.at.child("map.png").name, figurePlan{
		func() (int64, error) {
			s, err := m.subject(formFile, b, false)
			if err != nil {
				return 0, err
			}
			s.Notice = notYet
			return m.fs.figureSizes.Map(s)
		},
		func(ctx context.Context) (*figure.Figure, error) {
			s, err := m.subject(formFile, b.within(ctx), true)
			if err != nil {
				return nil, err
			}
			s.Notice = gapSentence(m.file(formFile), s.Size, s.Missing, s.Marks)
			return figure.NewMap(s)
		},
	}, b)
}

// originOf says where a reference is from.
func originOf(ref reference.File) string {
	if isGiven(ref) {
		return "as it was given to compare with"
	}
	return fmt.Sprintf("the file of the %s: %s", ref.Match, report.Printable(ref.Path))
}

// referenceSubject is subject for a reference in a state.
func (f *FS) referenceSubject(ref reference.File, b *body, state string, drawing bool) (figure.Subject, error) {
	before := b.faults.Count()
	s := figure.Subject{
		Title: ref.Name + ": the reference", Subtitle: originOf(ref), Digest: new(sums).lines(),
		Size: b.Size(), Data: whole{b}, Marks: marks(b, false),
	}
	if failed := b.faults.Since(before); failed != nil { // its sections are not known, by which the figure is measured
		return s, failed
	}
	if !drawing {
		return s, nil
	}
	sums, err := f.sums(state, b)
	if err != nil {
		return s, err
	}
	s.Digest = sums.lines()
	s.Missing, err = missing(b)
	return s, err
}

// lines writes digests for the foot of a figure.
func (s *sums) lines() string {
	short, long := s.texts()
	return fmt.Sprintf("MD5      %s\nSHA-256  %s", short, long)
}

// beside writes the digests of a pair of files for the foot of a figure.
func beside(reference, recovered *sums) string {
	short, long := reference.texts()
	ourShort, ourLong := recovered.texts()
	return fmt.Sprintf("reference  MD5      %s\n           SHA-256  %s\nrecovered  MD5      %s\n           SHA-256  %s", short, long, ourShort, ourLong)
}
