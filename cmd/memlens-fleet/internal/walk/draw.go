package walk

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"memlens/cmd/memlens-fleet/internal/stack"
	"memlens/memimage"
	"memlens/memimage/paging"
	"memlens/memimage/pe"
	"memlens/memimage/remote"
	"memlens/memimage/restore"
	"memlens/memimage/sparse"
	"memlens/render/figure"
)

const (
	// maxDrawn bounds the file that is drawn, and maxPicture the picture, in bytes: a page holds many.
	maxDrawn, maxPicture = 16 << 20, 1 << 20
	// maxMarks is how many sections of a file are named.
	maxMarks = 64
)

// Picture is the map of a restored file, or the reason why there is none.
type Picture struct {
	PNG []byte `json:"png"`
	Why string `json:"why"`
}

// draw draws the restored file at a place.
func draw(im *memimage.Image, at stack.Place) *Picture {
	m, err := find(im, at)
	if err != nil {
		return &Picture{Why: err.Error()}
	}
	png, err := mapOf(im, m)
	if err != nil {
		return &Picture{Why: err.Error()}
	}
	return &Picture{PNG: png}
}

// find finds the executable at a place.
func find(im *memimage.Image, at stack.Place) (*memimage.Module, error) {
	if at.PID < 0 {
		drivers, _ := im.Drivers()
		for _, d := range drivers {
			if uint64(d.Base) == at.Base {
				return d.Module, nil
			}
		}
		return nil, fmt.Errorf("there is no driver at %#x", at.Base)
	}
	listed, _ := im.Processes()
	for _, p := range listed {
		if p.PID != uint64(at.PID) {
			continue
		}
		if p.ImageBase() == paging.Virt(at.Base) {
			return p.Module, nil
		}
		modules, _ := p.Modules()
		for _, m := range modules {
			if uint64(m.Found.Base) == at.Base {
				return m.Module, nil
			}
		}
	}
	return nil, fmt.Errorf("there is no executable at %#x of process %d", at.Base, at.PID)
}

func mapOf(im *memimage.Image, m *memimage.Module) ([]byte, error) {
	r, err := m.Restored()
	if err != nil {
		return nil, err
	}
	if n := r.Reader.Size(); n > maxDrawn {
		return nil, fmt.Errorf("the file has %d bytes: only files of at most %d MiB are drawn here", n, maxDrawn>>20)
	}
	missing, err := missing(r)
	if err != nil {
		return nil, err
	}
	png, err := figure.Map(figure.Subject{
		Title: m.Name(), Subtitle: fmt.Sprintf("%s, restored from %s", m.Path(), base(im)),
		Size: r.Reader.Size(), Data: sparse.ZeroFill(r.Reader, nil), Marks: marks(r), Missing: missing,
	})
	if err == nil && len(png) > maxPicture {
		return nil, errors.New("its picture is too large for this page")
	}
	return png, err
}

func base(im *memimage.Image) string {
	return path.Base(strings.ReplaceAll(remote.Shown(im.Path), `\`, "/"))
}

// missing returns the ranges of a file that were not recovered.
func missing(r *restore.Result) (out []figure.Span, err error) {
	for run, err := range sparse.Runs(r.Reader) {
		if err != nil {
			return nil, err
		}
		if run.Err != nil {
			out = append(out, figure.Span{Off: run.Off, Len: run.Len})
		}
	}
	return out, nil
}

// marks returns the sections of a file.
func marks(r *restore.Result) (out []figure.Mark) {
	f, err := pe.Open(r.Reader)
	if err != nil {
		return nil
	}
	for _, s := range f.Sections[:min(len(f.Sections), maxMarks)] {
		if s.SizeOfRawData > 0 {
			out = append(out, figure.Mark{Off: int64(s.PointerToRawData), Len: int64(s.SizeOfRawData), Label: s.Name})
		}
	}
	return out
}
