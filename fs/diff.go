package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"slices"
	"strings"

	"memlens/memimage/reference"
	"memlens/memimage/restore"
	"memlens/memimage/sparse"
	"memlens/render/figure"
)

// diffDir holds comparisons of a recovered executable with references: for each, a file of every kind.
type diffDir struct {
	place
	module *module
	form   *form
}

// comparisons are the diffDirs of an executable.
var comparisons = []struct {
	name, doc string
	form      *form // the recovered file to compare
}{
	{"diff-vs", "procexedump.exe against each reference; only with --reference", formFile},
	{"diff-vs-restored", "the same of restored.exe; only with --reference", formRestored},
}

// diffRow returns the row of a diffDir.
func diffRow(name, doc string, f *form) row[*module] {
	return row[*module]{
		name: name, doc: doc,
		lacks: func(m *module) error {
			if m.fs.refs.Empty() {
				return errNoReferences
			}
			return f.lacks(m)
		},
		dir: func(m *module, at place) (dirNode, error) { return &diffDir{at, m, f}, nil },
	}
}

// errNoReferences says why nothing is compared.
var errNoReferences = errors.New("no references were given")

// diffKind is a kind of file in a diffDir: its name is the reference's with a suffix.
type diffKind struct {
	suffix, doc string
	open        func(c *comparison, at place) (*body, error)
}

// diffKinds are the kinds. Of two readings of a name, as a reference's and a suffix, the earlier kind's counts.
var diffKinds = []diffKind{
	{".bmp", "the two byte by byte: green where equal, red where different, white past the end, as filecompare and colorize draw it", (*comparison).classic},
	{".png", "a figure of the same, with sections and a legend: what differs by relocation, by import binding, in slots that the loader sets (guard pointers, security cookie, TLS index), and otherwise; and what is missing", (*comparison).figure},
	{".gif", "the reference, memory, and the recovered file in turn", (*comparison).blink},
	{".json", "sizes, bytes by cause of difference, digests, and similarity scores", (*comparison).numbers},
	{".original.bmp", "the reference itself, as colorize draws it", (*comparison).original},
}

func (d *diffDir) list(context.Context) ([]listed, error) {
	refs, err := d.module.listedReferences()
	if err != nil && (len(refs) == 0 || sparse.Failed(err)) {
		return nil, err
	}
	var out []listed
	seen := map[string]bool{}
	for _, r := range refs {
		for _, kind := range d.kinds(r) {
			name := r.Name + kind.suffix
			ref, found, err := d.parse(name)
			if err == nil && !seen[name] && found.suffix == kind.suffix && ref.Name == r.Name {
				seen[name] = true
				out = append(out, listed{name, false})
			}
		}
	}
	return out, nil
}

// kinds are the kinds of comparison with a reference that can be made. It opens each comparison, which measures it
// without drawing it. A file that cannot be opened does not remove a kind: opening the comparison then says what is
// wrong.
func (d *diffDir) kinds(ref reference.File) (out []diffKind) {
	c, err := d.compare(ref)
	if err != nil {
		return diffKinds
	}
	defer c.Close()
	for _, kind := range diffKinds {
		b, err := kind.open(c.lent(), d.child(ref.Name+kind.suffix))
		if err == nil {
			err = b.Close()
		}
		if isThere(err) {
			out = append(out, kind)
		}
	}
	return out
}

// parse reads a name as a reference's and the suffix of a kind.
func (d *diffDir) parse(name string) (reference.File, diffKind, error) {
	for _, kind := range diffKinds {
		base, ok := strings.CutSuffix(name, kind.suffix)
		if !ok {
			continue
		}
		ref, err := d.module.fs.refs.Lookup(d.module.asked(), base)
		switch {
		case err == nil:
			return ref, kind, nil
		case sparse.Failed(err):
			return reference.File{}, diffKind{}, err
		}
	}
	return reference.File{}, diffKind{}, iofs.ErrNotExist
}

func (d *diffDir) lookup(_ context.Context, name string) (node, error) {
	ref, kind, err := d.parse(name)
	if err != nil {
		return nil, err
	}
	at := d.child(name)
	return &fileNode{place: at, open: func(context.Context) (*body, error) {
		c, err := d.compare(ref)
		if err != nil {
			return nil, err
		}
		return kind.open(c, at)
	}}, nil
}

// comparison is a recovered executable beside a reference, both open.
type comparison struct {
	*module
	form      *form
	ref       reference.File
	recovered *body
	reference *body
	state     string // of the reference's file: it changes when the file does
}

// compare opens the two files.
func (d *diffDir) compare(ref reference.File) (*comparison, error) {
	recovered, err := d.form.open(d.module)
	if err != nil {
		return nil, err
	}
	reference, err := openReference(ref)
	if err != nil {
		return nil, errors.Join(err, recovered.Close())
	}
	state, err := ref.State()
	if err != nil {
		return nil, errors.Join(err, recovered.Close(), reference.Close())
	}
	return &comparison{d.module, d.form, ref, recovered, reference, "\x00" + state.Key}, nil
}

// within returns the comparison for work that is to end with ctx.
func (c *comparison) within(ctx context.Context) *comparison {
	out := *c
	out.recovered, out.reference = c.recovered.within(ctx), c.reference.within(ctx)
	return &out
}

// lent returns the comparison for a file that does not close the two when it is closed.
func (c *comparison) lent() *comparison {
	out, recovered, reference := *c, *c.recovered, *c.reference
	recovered.close, reference.close = nil, nil
	out.recovered, out.reference = &recovered, &reference
	return &out
}

// Close closes both files.
func (c *comparison) Close() error { return errors.Join(c.recovered.Close(), c.reference.Close()) }

func (c *comparison) classic(place) (*body, error) {
	if err := c.lacksClassic(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	picture, err := c.fs.pictures.Difference(whole{c.reference}, c.recovered, c.reference.Size(), c.recovered.Size(), c.fs.geometry)
	return drawn(picture, err, c.recovered, c.reference)
}

// lacksClassic says why there is no classic picture: the picture has no colour for bytes that are missing in a
// reference, and must not show them as different.
func (c *comparison) lacksClassic() error {
	gaps, err := missing(c.reference)
	if err != nil || len(gaps) == 0 {
		return err
	}
	return absent(fmt.Errorf("%d bytes of the reference are missing", total(gaps)))
}

func (c *comparison) original(place) (*body, error) {
	picture, err := c.fs.pictures.Colorize(whole{c.reference}, c.reference.Size(), c.fs.geometry)
	return drawn(picture, err, c.recovered, c.reference)
}

func (c *comparison) figure(at place) (*body, error) {
	return c.drawing(at.name+c.state, func(ctx context.Context, drawing bool) (*figure.Figure, error) {
		c := c.within(ctx)
		reference, recovered, err := c.subjects(drawing)
		if err != nil {
			return nil, err
		}
		s := recovered
		s.Title = fmt.Sprintf("%s against %s", recovered.Title, c.ref.Name)
		if !isGiven(c.ref) {
			s.Subtitle = originOf(c.ref)
		}
		if len(s.Marks) == 0 {
			s.Marks = reference.Marks
		}
		s.Digest, s.Notice = beside(new(sums), new(sums)), notYet
		if !drawing {
			return figure.NewDifference(s, c.sizes())
		}
		sums, err := c.sums()
		if err != nil {
			return nil, err
		}
		s.Digest = beside(sums[0], sums[1])
		classes, err := c.classes(recovered.Missing)
		if err != nil {
			return nil, err
		}
		classes.Notice = differenceSentence
		return figure.NewDifference(s, classes)
	})
}

// blink shows the reference, memory if that can be drawn, and the recovered file in turn.
func (c *comparison) blink(at place) (*body, error) {
	return c.drawing(at.name+c.state, func(ctx context.Context, drawing bool) (*figure.Figure, error) {
		c := c.within(ctx)
		reference, recovered, err := c.subjects(drawing)
		if err != nil {
			return nil, err
		}
		reference.Frame, recovered.Frame = frameReference, frameRecovered
		frames := []figure.Subject{reference, recovered}
		switch lacks := lacksFigure(formMemory)(c.module); {
		case sparse.Failed(lacks):
			return nil, lacks
		case lacks == nil:
			memory, err := c.frame(formMemory, frameMemory)(ctx, drawing)
			if err != nil {
				return nil, err
			}
			frames = slices.Insert(frames, 1, memory)
		}
		notice := notYet
		if drawing {
			if notice, err = c.sentence(recovered.Missing); err != nil {
				return nil, err
			}
		}
		for i := range frames {
			frames[i].Notice = notice
		}
		return figure.NewBlink(frames...)
	})
}

// sentence says which differences to notice. gaps are the bytes that were not recovered.
func (c *comparison) sentence(gaps []figure.Span) (string, error) {
	classes, err := c.classes(gaps)
	if err != nil {
		return "", err
	}
	n, err := classes.Count()
	return differenceSentence(n), err
}

// sentence says what to notice in the pictures of a reference.
func (d *diffDir) sentence(ctx context.Context, ref reference.File) (string, error) {
	c, err := d.compare(ref)
	if err != nil {
		return "", err
	}
	defer c.Close()
	n, _, err := c.within(ctx).count()
	return differenceSentence(n), err
}

// drawing is the file of a figure of the comparison, made to be drawn or, unless drawing, to be measured.
func (c *comparison) drawing(key string, make func(ctx context.Context, drawing bool) (*figure.Figure, error)) (*body, error) {
	return c.fs.drawing(key, figurePlan{
		func() (int64, error) {
			f, err := make(context.Background(), false)
			if err != nil {
				return 0, err
			}
			return f.Size(), nil
		},
		func(ctx context.Context) (*figure.Figure, error) { return make(ctx, true) },
	}, c)
}

// subjects describes the two files for a figure, as subject does.
func (c *comparison) subjects(drawing bool) (reference, recovered figure.Subject, err error) {
	if reference, err = c.fs.referenceSubject(c.ref, c.reference, c.state, drawing); err != nil {
		return reference, recovered, err
	}
	recovered, err = c.subject(c.form, c.recovered, drawing)
	return reference, recovered, err
}

// sums are the digests of the reference and of the recovered file.
func (c *comparison) sums() (out [2]*sums, err error) {
	if out[0], err = c.fs.sums(c.state, c.reference); err != nil {
		return out, err
	}
	out[1], err = c.fs.sums(c.place(c.form).name, c.recovered)
	return out, err
}

// classes says which bytes differ, and why; gaps are the bytes that were not recovered. The error is from a file that
// cannot be read.
func (c *comparison) classes(gaps []figure.Span) (figure.Comparison, error) {
	out := c.sizes()
	causes, err := restore.LoaderCauses(c.reference.source(), c.recovered.source(), uint64(c.ImageBase()))
	if err != nil {
		return out, fmt.Errorf("fs: comparing with %s: %w", c.ref.Name, err)
	}
	out.Relocated, out.Bound, out.Slots, out.Missing = spans(causes.Relocated), spans(causes.Bound), spans(causes.Slots), gaps
	out.MissingInReference, err = missing(c.reference)
	return out, err
}

// sizes are the files of a comparison, without any facts about their bytes.
func (c *comparison) sizes() figure.Comparison {
	return figure.Comparison{
		Reference: whole{c.reference}, ReferenceSize: c.reference.Size(), Recovered: c.recovered, RecoveredSize: c.recovered.Size(),
	}
}

func spans(ranges []restore.Range) []figure.Span {
	out := make([]figure.Span, len(ranges))
	for i, r := range ranges {
		out[i] = figure.Span(r)
	}
	return out
}

// whole is a file that must be as long as it was when it was opened.
type whole struct{ *body }

func (w whole) ReadAt(p []byte, off int64) (int, error) {
	n, err := w.body.ReadAt(p, off)
	if n < len(p) && off+int64(n) < w.Size() && (err == nil || err == io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
