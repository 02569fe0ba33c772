package fs

import (
	"context"
	"errors"
	"fmt"
	"io"

	"memlens/memimage"
	"memlens/memimage/pedump"
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

// executableFile is one of the files in which a process's executable is recovered.
type executableFile struct {
	process *memimage.Process
	file    string
}

// keptHeaders is of how many files the headers are kept: a page and the figures of a process ask for those of its three files
// many times.
const keptHeaders = 64

// headersIn returns the headers of one of the files of the process, as they stand in it. They are kept unless reading failed,
// or they claim so many sections that it is no program's.
func (p *process) headersIn(file string, src sparse.Source) (*pedump.Image, error) {
	key := executableFile{p.Process, file}
	if h, ok := p.fs.headers.Get(key); ok {
		return h, nil
	}
	before := p.fs.image.Faults().Count()
	h, err := pedump.Parse(src)
	if err == nil && len(h.Sections) <= maxMarks && p.fs.image.Faults().Count() == before {
		p.fs.headers.Add(key, h)
	}
	return h, err
}

// form is one of the files in which an executable is recovered.
type form struct {
	file   string // its name
	doc    string
	memory bool // laid out as in memory, not as on disk
	lacks  func(*process) error
	open   func(*process) (*body, error)
}

// The forms of an executable.
var (
	formMemory   = form{"procmemdump.exe", "as it lay in memory", true, (*process).lacksMemoryDump, (*process).memoryDump}
	formFile     = form{"procexedump.exe", "as it lay on disk", false, (*process).lacksFileDump, (*process).fileDump}
	formRestored = form{"restored.exe", "restored from every source", false, (*process).lacksRestored, (*process).restored}
)

// subject says of a recovered executable what a figure of it shows: all of it, or, unless drawing, what its size
// depends on. The file must stay open while it is drawn.
func (p *process) subject(f form, b *body, drawing bool) (figure.Subject, error) {
	s := figure.Subject{
		Title: fmt.Sprintf("%s, process %d: %s", p.LongName(), p.PID, f.file), Subtitle: p.origin(f),
		Size: b.Size(), Data: b, Marks: marks(b, f.memory), Digest: new(sums).lines(),
	}
	if !drawing {
		return s, nil
	}
	sums, err := p.fs.sums(p.at.child(f.file).name, b)
	if err != nil {
		return s, err
	}
	s.Digest = sums.lines()
	s.Missing, err = missing(b)
	return s, err
}

// origin says in a line where a recovered executable comes from.
func (p *process) origin(f form) string {
	path := p.ExecutablePath()
	if path == "" {
		path = "an executable of unknown path"
	}
	return fmt.Sprintf("%s %s, from %s as of %s", path, f.doc, p.fs.image.Name(), stampText(p.fs.image.Time()))
}

// missing returns what of a file was not recovered. The error says that reading the image failed.
func missing(b *body) ([]figure.Span, error) {
	if b.strict == nil {
		return nil, nil
	}
	var out []figure.Span
	for run, err := range sparse.Runs(b.strict) {
		if err != nil {
			return nil, err
		}
		if last := len(out) - 1; run.Err != nil && last >= 0 && out[last].Off+out[last].Len == run.Off {
			out[last].Len += run.Len // missing for another reason
		} else if run.Err != nil {
			out = append(out, figure.Span{Off: run.Off, Len: run.Len})
		}
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
	out := []figure.Mark{{Off: 0, Len: int64(h.SizeOfHeaders), Label: "headers"}}
	end := int64(h.SizeOfHeaders)
	for i := range h.Sections[:min(len(h.Sections), maxMarks)] {
		s := &h.Sections[i]
		m := figure.Mark{Off: int64(s.PointerToRawData), Len: int64(s.SizeOfRawData), Label: latin1([]byte(s.Name()))}
		if memory {
			m.Off, m.Len = int64(s.VirtualAddress), int64(s.MappedSize())
		}
		if m.Len == 0 {
			continue
		}
		out, end = append(out, m), max(end, m.Off+m.Len)
	}
	if whole := len(h.Sections) == int(h.NumberOfSections); !memory && whole && end < b.Size() {
		out = append(out, figure.Mark{Off: end, Len: b.Size() - end, Label: "overlay"})
	}
	return out
}

// plan makes a figure of open files: one that can be drawn or, unless drawing, one that can be measured.
type plan func(ctx context.Context, drawing bool) (*figure.Figure, error)

// drawing returns the file of a figure: measured now, drawn when it is first read, and kept under key. The files that
// it is drawn of are closed with it.
func (f *FS) drawing(key string, plan plan, files ...io.Closer) (*body, error) {
	closeAll := closer(files)
	size, err := f.measured(key, func() (int64, error) {
		measured, err := plan(context.Background(), false)
		if err != nil {
			return 0, err
		}
		return measured.Size(), nil
	})
	if err != nil {
		return nil, errors.Join(absent(fmt.Errorf("the figure cannot be drawn: %w", err)), closeAll())
	}
	return &body{Content: f.later(key, size, func(ctx context.Context) ([]byte, error) {
		figure, err := plan(ctx, true)
		if err != nil {
			return nil, err
		}
		return figure.Encode()
	}), close: closeAll}, nil
}

// mapPNG is the file map.png.
func (p *process) mapPNG() (*body, error) {
	b, err := formFile.open(p)
	if err != nil {
		return nil, err
	}
	return p.fs.drawing(p.at.child("map.png").name, func(ctx context.Context, drawing bool) (*figure.Figure, error) {
		s, err := p.subject(formFile, b.within(ctx), drawing)
		if err != nil {
			return nil, err
		}
		return figure.NewMap(s)
	}, b)
}

// blinkGIF is the file blink.gif.
func (p *process) blinkGIF() (*body, error) {
	file, err := formFile.open(p)
	if err != nil {
		return nil, err
	}
	memory, err := formMemory.open(p)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return p.fs.drawing(p.at.child("blink.gif").name, func(ctx context.Context, drawing bool) (*figure.Figure, error) {
		a, err1 := p.subject(formFile, file.within(ctx), drawing)
		b, err2 := p.subject(formMemory, memory.within(ctx), drawing)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return figure.NewBlink(a, b)
	}, file, memory)
}

// referenceSubject is subject for a reference.
func referenceSubject(ref Reference, b *body, sums *sums) figure.Subject {
	return figure.Subject{
		Title: ref.Name + ": the reference", Subtitle: "as it was given to compare with", Digest: sums.lines(),
		Size: b.Size(), Data: whole{b}, Marks: marks(b, false),
	}
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
