package format

import (
	"fmt"
	"io/fs"

	"memlens/memimage/sparse"
)

// inner is the content of a container, as a source of its own.
type inner struct {
	sparse.Source
	name  string
	outer Source // the file beside which siblings are looked for; nil: nowhere
}

func (s *inner) Name() string { return s.name }

// WillNeed implements [sparse.Late] as far as the content does.
func (s *inner) WillNeed(off, n int64) bool { return sparse.WillNeed(s.Source, off, n) }

// Beside implements [Source].
func (s *inner) Beside(name string) (Source, error) {
	if s.outer == nil {
		return nil, fmt.Errorf("format: %s beside %s: %w", name, s.name, fs.ErrNotExist)
	}
	return s.outer.Beside(name)
}

// Names implements [Source].
func (s *inner) Names() ([]string, error) {
	if s.outer == nil {
		return []string{s.name}, nil
	}
	return s.outer.Names()
}

// nested opens the content of in, which is a container of the kind wrapper, as an image. Siblings that were opened
// for the content are closed with the image.
func (in *input) nested(wrapper string, content *inner) (*Image, error) {
	if in.depth >= maxNesting {
		return nil, fmt.Errorf("format: %s has more than %d containers inside each other", in.Name(), maxNesting)
	}
	in.bound(content)
	below := &input{Source: content, opts: in.opts, depth: in.depth + 1, medium: in.medium}
	im, err := below.open()
	in.closers = append(in.closers, below.closers...)
	if err != nil {
		return nil, fmt.Errorf("in %s: %w", wrapper, err)
	}
	im.Format = wrapper + ": " + im.Format
	return im, nil
}

// bound limits the size of a content, for a few bytes in a container can claim petabytes. A content as long as the
// container itself is always allowed.
func (in *input) bound(content *inner) {
	if most := max(maxMissing, in.Size()); content.Size() > most {
		in.note("The content %q would have %s, which cannot be true: everything behind offset %#x of it is left out. The container is damaged.",
			content.name, sizeText(uint64(content.Size())), most)
		content.Source = sparse.Section(content.Source, 0, most)
	}
}
