package fs

import (
	"cmp"
	"context"
	"strings"

	"memlens/memimage"
	"memlens/memimage/integrity"
	"memlens/memimage/report"
	"memlens/render/figure"
)

const modifiedPicture = "modified.png"

// lacksModified says why the image cannot be compared with its file.
func (m *module) lacksModified() error {
	if err := m.CheckChanges(); err != nil {
		return err
	}
	return m.lacksPages()
}

// modifiedPNG is the file modified.png: it is measured without a comparison.
func (m *module) modifiedPNG() (*body, error) {
	if m.failed != nil {
		return nil, m.failed
	}
	if err := m.lacksModified(); err != nil {
		return nil, absent(err)
	}
	subject := func() figure.Subject {
		return figure.Subject{Title: m.title() + " beside its file", Subtitle: m.origin(formMemory), Size: m.PageCount() * pageSize, Marks: m.memoryMarks(), Notice: notYet}
	}
	return m.fs.drawing(m.at.child(modifiedPicture).name, figurePlan{
		func() (int64, error) { return m.fs.figureSizes.Changes(subject()) },
		func(ctx context.Context) (*figure.Figure, error) {
			c, err := m.changesFigure(ctx)
			if err != nil {
				return nil, err
			}
			s := subject()
			s.Notice, err = m.changedNotice(ctx)
			if err != nil {
				return nil, err
			}
			return figure.NewChanges(s, c)
		},
	})
}

// changedNotice says what to notice in the picture.
func (m *module) changedNotice(context.Context) (string, error) {
	c, err := report.ComparisonOf(m.Module)
	return changedSentence(&c), err
}

// memoryMarks are the pieces of the image in memory, by its best header.
func (m *module) memoryMarks() []figure.Mark {
	h, err := m.peHeader()
	if h == nil || err != nil {
		return nil
	}
	out, _ := sectionMarks(h, true)
	return out
}

// changesFigure is the comparison as a figure shows it.
func (m *module) changesFigure(ctx context.Context) (figure.Changes, error) {
	r, err := m.Changes()
	if err != nil {
		return figure.Changes{}, err
	}
	c, err := report.ComparisonOf(m.Module)
	if err != nil {
		return figure.Changes{}, err
	}
	out := figure.Changes{Verdict: sentence(c.VerdictText), Gravest: classOf(r), Plain: figure.AsFile, Each: func(tell func(figure.Class, int64, int64)) error {
		_, err := m.EachChange(witness(tell))
		return err
	}}
	if c.IsForeign() {
		out.Plain, out.Each = figure.NoFile, func(tell func(figure.Class, int64, int64)) error { return m.eachForeign(ctx, tell) }
	}
	return out, nil
}

// sentence begins a text with a capital.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// eachForeign reports all present bytes of an image that does not belong to its file: bytes that equal another file
// mean nothing.
func (m *module) eachForeign(ctx context.Context, tell func(figure.Class, int64, int64)) error {
	before := m.fs.image.Faults().Count()
	for page := range m.Pages() {
		if ctx.Err() != nil {
			break
		}
		if page.Source != memimage.FromNowhere {
			tell(figure.NoFile, page.RVA, pageSize)
		}
	}
	return cmp.Or(ctx.Err(), m.fs.image.Faults().Since(before))
}

// classOf is the class that stands for the verdict.
func classOf(r *integrity.Result) figure.Class {
	switch r.Verdict.Code {
	case integrity.Equal:
		return figure.AsFile
	case integrity.Unknown:
		return figure.NotCompared
	case integrity.CodeDiffers:
		return figure.CodeDiffers
	case integrity.OtherDiffers:
		gravest := figure.HotPatched
		for cause, n := range r.Bytes {
			if class := causeClass(integrity.Cause(cause)); n > 0 {
				gravest = max(gravest, class)
			}
		}
		return gravest
	}
	return figure.NoFile
}

// witness receives the results of a comparison for a figure.
type witness func(c figure.Class, off, n int64)

// Compared implements [integrity.Witness].
func (w witness) Compared(rva uint32, n int64) { w(figure.AsFile, int64(rva), n) }

// NotCompared implements [integrity.Witness].
func (w witness) NotCompared(rva uint32, n int64, there bool) {
	if there {
		w(figure.NotCompared, int64(rva), n)
	}
}

// Differs implements [integrity.Witness].
func (w witness) Differs(rva uint32, n int64, why integrity.Cause) { w(causeClass(why), int64(rva), n) }

// causeClass is the class of bytes that differ for a cause.
func causeClass(c integrity.Cause) figure.Class {
	switch c {
	case integrity.Relocation:
		return figure.MovedBytes
	case integrity.ImportBinding, integrity.DelayImport:
		return figure.BoundBytes
	case integrity.GuardPointer, integrity.LoaderSlot:
		return figure.LoaderBytes
	case integrity.DataSection:
		return figure.DataWritten
	case integrity.HotPatch:
		return figure.HotPatched
	case integrity.ImportChanged, integrity.ExportChanged, integrity.GuardChanged:
		return figure.TableDiffers
	case integrity.ConstantChanged:
		return figure.ConstantDiffers
	case integrity.HeaderChanged, integrity.HeaderErased:
		return figure.HeaderDiffers
	}
	return figure.CodeDiffers
}
