package fs

import (
	"context"
	"html/template"

	"memlens/memimage/report"
	"memlens/memimage/sparse"
)

// maxNoticeText is how long a sentence below a picture may be on a page, in bytes.
const maxNoticeText = 280

// noted is the sentence of a picture on a page; without whole, room for it. The error is from a source that fails.
func noted(ctx context.Context, whole bool, sentence func(context.Context) (string, error)) (template.HTML, error) {
	if !whole {
		return longest(maxNoticeText), nil
	}
	text, err := sentence(ctx)
	if err != nil {
		if ctx.Err() != nil || sparse.Failed(err) {
			return "", err
		}
		return "", nil // there is no picture either
	}
	return bounded(text, maxNoticeText), nil
}

// pictureNotices are the sentences of the pictures of an executable image.
var pictureNotices = map[string]func(*module, context.Context) (string, error){
	"colorized.bmp":             (*module).fileNotice,
	"colorized-procmemdump.bmp": (*module).memoryNotice,
	"colorized-restored.bmp":    (*module).restoredNotice,
	"map.png":                   (*module).fileNotice,
	"blink.gif":                 (*module).movedSentence,
	layoutPicture:               (*module).surveyNotice,
	modifiedPicture:             (*module).changedNotice,
}

// notice is the sentence below one of these pictures.
func (m *module) notice(ctx context.Context, whole bool, picture string) (template.HTML, error) {
	return noted(ctx, whole, func(ctx context.Context) (string, error) { return pictureNotices[picture](m, ctx) })
}

func (m *module) fileNotice(ctx context.Context) (string, error) { return m.gapNotice(ctx, formFile) }
func (m *module) memoryNotice(ctx context.Context) (string, error) {
	return m.gapNotice(ctx, formMemory)
}

// gapNotice says which bytes are missing from the image's file in a form.
func (m *module) gapNotice(ctx context.Context, f *form) (string, error) {
	b, err := f.open(m)
	if err != nil {
		return "", err
	}
	defer b.Close()
	gone, err := missing(b.within(ctx))
	return gapSentence(m.file(f), b.Size(), gone, marks(b, f.memory)), err
}

// restoredNotice says how sure the bytes of the restored file are.
func (m *module) restoredNotice(context.Context) (string, error) {
	r, err := m.Restored()
	if err != nil {
		return "", err
	}
	return restoredSentence(report.RestorationOf(m.Module, r)), nil
}

// surveyNotice is the sentence of the picture of the layouts.
func (m *module) surveyNotice(ctx context.Context) (string, error) {
	d, err := m.diagram(false)
	if err != nil {
		return "", err
	}
	s, err := m.survey(ctx, d)
	if err != nil {
		return "", err
	}
	return s.Notice, nil
}

// notedPicture is a picture with its sentence.
type notedPicture struct {
	Name   string
	Notice template.HTML
}

// addNotices adds the sentences of the pictures that the page shows.
func (out *processPage) addNotices(ctx context.Context, p *process, data *viewer, whole bool) error {
	for _, v := range data.Views {
		name := pictureName(v.Picture)
		if pictureNotices[name] == nil {
			continue // a reference
		}
		text, err := p.exe.notice(ctx, whole, name)
		if err != nil {
			return err
		}
		out.Pictures = append(out.Pictures, notedPicture{name, text})
	}
	for _, n := range []struct {
		is   bool
		name string
		to   *template.HTML
	}{{out.Map, "map.png", &out.MapNotice}, {out.Blink, "blink.gif", &out.BlinkNotice}, {out.Layout, layoutPicture, &out.LayoutNotice},
		{out.ModifiedPicture, modifiedPicture, &out.ModifiedNotice}} {
		if n.is {
			var err error
			if *n.to, err = p.exe.notice(ctx, whole, n.name); err != nil {
				return err
			}
		}
	}
	return nil
}

// pictureName is the name of a picture that a page leads to.
func pictureName(address string) string { return address[len("./"):] }
