package fs

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"memlens/memimage/reference"
	"memlens/memimage/sparse"
	"memlens/render/figure"
)

// The names of the frames of an animation. Only the reference of the executable's own path is called the original: a
// reference of the same name may be another program. A reference from another memory image is restored, and a restored
// file is called so.
const (
	frameOriginal  = "original"
	frameReference = "reference"
	frameRestored  = "restored"
	frameMemory    = "memory"
	frameRecovered = "recovered"
)

// notYet stands for a sentence that is not known before a figure is drawn.
const notYet = "…"

// frame describes a file for an animation: all that is drawn, or, without drawing, the facts that set the animation's
// size.
type frame func(ctx context.Context, drawing bool) (figure.Subject, error)

// animation is the frames of blink.gif, and the files that must stay open while they are drawn.
type animation struct {
	frames []frame
	files  []io.Closer
	state  string // of the reference among them; it changes when that does
}

// lacksBlink says why there is no blink.gif: there are not two files that can be drawn.
func (m *module) lacksBlink() error {
	var reasons []error
	n := 0
	for _, f := range []*form{formFile, formMemory, formRestored} {
		if err := lacksFigure(f)(m); err != nil {
			reasons = append(reasons, err)
		} else if n++; n == 2 {
			return nil
		}
	}
	return reasons[0]
}

// blinkGIF is the file blink.gif: the original, memory, and the recovered file in turn, as far as they are there. The
// reference of the file's path or name stands for the original, or else the restored file. Measuring it restores
// nothing.
func (m *module) blinkGIF() (*body, error) {
	a, err := m.animation()
	if err != nil {
		return nil, errors.Join(err, closer(a.files)())
	}
	return m.fs.drawing(m.at.child("blink.gif").name+a.state, figurePlan{
		func() (int64, error) {
			subjects, err := a.subjects(context.Background(), false)
			if err != nil {
				return 0, err
			}
			return m.fs.figureSizes.Blink(subjects...)
		},
		func(ctx context.Context) (*figure.Figure, error) {
			subjects, err := a.subjects(ctx, true)
			if err != nil {
				return nil, err
			}
			notice, err := m.movedSentence(ctx)
			if err != nil {
				return nil, err
			}
			for i := range subjects {
				subjects[i].Notice = notice
			}
			return figure.NewBlink(subjects...)
		},
	}, a.files...)
}

// subjects describe the frames for the figure.
func (a *animation) subjects(ctx context.Context, drawing bool) (out []figure.Subject, err error) {
	for _, f := range a.frames {
		s, err := f(ctx, drawing)
		if err != nil {
			return nil, err
		}
		s.Notice = notYet
		out = append(out, s)
	}
	return out, nil
}

// animation finds the frames. With an error, too, it returns the animation, with the files that are open.
func (m *module) animation() (*animation, error) {
	a := new(animation)
	if err := m.addOriginal(a); err != nil {
		return a, err
	}
	for _, f := range []struct {
		form *form
		name string
	}{{formMemory, frameMemory}, {formFile, frameRecovered}} {
		switch lacks := lacksFigure(f.form)(m); {
		case lacks == nil:
			a.frames = append(a.frames, m.frame(f.form, f.name))
		case sparse.Failed(lacks):
			return a, lacks
		}
	}
	return a, nil
}

// frame returns the frame of a form. It leaves nothing of the image open.
func (m *module) frame(f *form, name string) frame {
	return func(ctx context.Context, drawing bool) (figure.Subject, error) {
		b, err := f.open(m)
		if err != nil {
			return figure.Subject{}, err
		}
		s, err := m.subject(f, b.within(ctx), drawing)
		s.Frame = name
		return s, err
	}
}

// addOriginal adds the file that stands for the original, if there is one.
func (m *module) addOriginal(a *animation) error {
	ref, ok, err := m.originalReference()
	if err != nil {
		return err
	}
	if ok {
		if ok, err = a.addReference(m.fs, ref); ok || err != nil {
			return err
		}
	}
	switch err := lacksFigure(formRestored)(m); {
	case err == nil:
		a.frames = append(a.frames, m.restoredFrame)
	case sparse.Failed(err):
		return err
	}
	return nil
}

// restoredFrame is the restored file. It takes the sections from the headers of the other files, which are read without
// restoring anything.
func (m *module) restoredFrame(ctx context.Context, drawing bool) (s figure.Subject, err error) {
	if drawing {
		s, err = m.frame(formRestored, frameRestored)(ctx, true)
	} else if s.Size, err = m.RestoredSize(); err == nil {
		s.Title, s.Subtitle, s.Digest, s.Frame = m.title()+": "+m.file(formRestored), m.origin(formRestored), new(sums).lines(), frameRestored
	}
	if err != nil {
		return s, err
	}
	h, err := m.peHeader()
	if h == nil || err != nil {
		return s, err
	}
	s.Marks = diskMarks(h, s.Size)
	return s, nil
}

// originalReference returns the reference that stands for the image's own file: the reference with its path, or else
// one with its name. The error is from a place that cannot be read now, which may have a better one.
func (m *module) originalReference() (reference.File, bool, error) {
	if m.fs.refs.Empty() {
		return reference.File{}, false, nil
	}
	listed, err := m.listedReferences()
	if sparse.Failed(err) {
		return reference.File{}, false, err
	}
	for _, is := range []func(reference.File) bool{
		func(r reference.File) bool { return r.Match == reference.SamePath || r.Match == reference.ClaimedPath },
		func(r reference.File) bool {
			return slices.ContainsFunc(m.Names(), func(name string) bool { return name != "" && strings.EqualFold(name, r.Name) })
		},
	} {
		if i := slices.IndexFunc(listed, is); i >= 0 {
			return listed[i], true, nil
		}
	}
	return reference.File{}, false, nil
}

// addReference adds a reference; false: there is no such file any more, or it cannot be drawn, and another file stands for
// it. The error is from a read that failed.
func (a *animation) addReference(f *FS, ref reference.File) (bool, error) {
	state, err := ref.State()
	if err != nil || figure.CheckSize(state.Size) != nil {
		return false, sparse.OnlyFailed(err)
	}
	b, err := openReference(ref)
	if err != nil {
		return false, sparse.OnlyFailed(err)
	}
	a.state, a.files = "\x00"+state.Key, append(a.files, b)
	a.frames = append(a.frames, func(ctx context.Context, drawing bool) (figure.Subject, error) {
		s, err := f.referenceSubject(ref, b.within(ctx), a.state, drawing)
		s.Frame = frameReference
		if ref.Match == reference.SamePath && !state.Derived {
			s.Frame = frameOriginal
		}
		return s, err
	})
	return true, nil
}
