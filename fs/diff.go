package fs

import (
	"errors"
	"io"
	iofs "io/fs"
	"strings"
)

// diffDir holds a picture for each reference.
type diffDir struct {
	place
	process *process
	file    func(*process) (*body, error)
}

const diffSuffix = ".bmp"

func (d *diffDir) list() ([]listed, error) {
	refs, err := d.process.fs.refs.Listed(d.process.LongName(), string(d.process.RawName))
	if len(refs) == 0 && err != nil {
		return nil, err
	}
	var out []listed
	for _, r := range refs {
		out = append(out, listed{r.Name + diffSuffix, false})
	}
	return out, nil
}

func (d *diffDir) lookup(name string) (node, error) {
	base, ok := strings.CutSuffix(name, diffSuffix)
	if !ok {
		return nil, iofs.ErrNotExist
	}
	ref, err := d.process.fs.refs.Lookup(base)
	if err != nil {
		return nil, err
	}
	return &fileNode{d.child(name), func() (*body, error) { return d.open(ref) }}, nil
}

func (d *diffDir) open(ref Reference) (*body, error) {
	recovered, err := d.file(d.process)
	if err != nil {
		return nil, err
	}
	original, err := ref.open()
	if err != nil {
		return nil, errors.Join(err, recovered.Close())
	}
	picture, err := d.process.fs.pictures.Difference(whole{original}, recovered, original.Size(), recovered.Size(), d.process.fs.geometry)
	return drawn(picture, err, recovered, original)
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
