package fs

import (
	"cmp"
	"context"
	iofs "io/fs"
	"sort"
	"strings"

	"memlens/render"
	"memlens/render/figure"
)

// The folder of small pictures, and the end of each picture's name.
const (
	thumbnailsName = "gallery"
	thumbnailExt   = ".bmp"
)

const thumbnailsDoc = "a small picture per process whose executable was recovered, called by its directory, for the thumbnails of a file manager: colorized.bmp as a square of 256 × 256 dots, hatched where the file is missing; a process without colorized.bmp has none"

// thumbnailsDir is the folder of small pictures of processes. A listing only finds out whether there is a picture.
type thumbnailsDir struct {
	place
	fs    *FS
	table func(ctx context.Context) (*processTable, error)
}

func (d *thumbnailsDir) list(ctx context.Context) ([]listed, error) {
	t, err := d.table(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]listed, 0, len(t.names))
	for _, name := range t.names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if isThere(d.fs.process(place{}, t.byName[name]).lacksThumbnail()) {
			out = append(out, listed{name + thumbnailExt, false})
		}
	}
	return out, t.failed
}

func (d *thumbnailsDir) lookup(ctx context.Context, name string) (node, error) {
	dir, ok := strings.CutSuffix(name, thumbnailExt)
	if !ok || dir == "" || dir[0] < '0' || dir[0] > '9' {
		return nil, iofs.ErrNotExist // no process's: not worth a scan
	}
	t, err := d.table(ctx)
	if err != nil {
		return nil, err
	}
	p, ok := t.byName[dir]
	if !ok {
		return nil, cmp.Or(t.failed, iofs.ErrNotExist)
	}
	made := d.fs.process(d.child(name), p)
	if err := made.lacksThumbnail(); err != nil {
		return nil, absent(err)
	}
	return &fileNode{place: made.at, open: func(context.Context) (*body, error) { return made.thumbnail(made.at.name) }}, nil
}

// lacksThumbnail says why there is no small picture of a process.
func (p *process) lacksThumbnail() error { return lacksPicture(formFile)(p.exe) }

// thumbnail is the small picture of a process's executable. It is drawn when it is first read, and kept under key.
func (p *process) thumbnail(key string) (*body, error) {
	return &body{Content: p.fs.later(key, render.ThumbnailSize, func(ctx context.Context) ([]byte, error) {
		b, err := formFile.open(p.exe)
		if err != nil {
			return nil, err
		}
		defer b.Close()
		gaps, err := missing(b)
		if err != nil {
			return nil, err
		}
		return render.Thumbnail(b.within(ctx), b.Size(), p.fs.geometry, within(gaps))
	})}, nil
}

// A process's directory has its small picture as an icon where a file manager asks for one: the file managers of KDE
// open .directory by its name, and read a path in it that begins with ./ as a path beside it. Neither file is listed: a
// copy of the tree has no use for them.
const (
	folderHint = ".directory"
	folderIcon = ".icon" + thumbnailExt
)

func (p *process) folderHint() (*body, error) {
	return &body{Content: strings.NewReader("[Desktop Entry]\nIcon=./" + folderIcon + "\n")}, nil
}

func (p *process) folderIcon() (*body, error) { return p.thumbnail(p.at.child(folderIcon).name) }

// within reports whether an offset lies in one of the spans, which are in order.
func within(spans []figure.Span) func(off int64) bool {
	return func(off int64) bool {
		i := sort.Search(len(spans), func(i int) bool { return spans[i].Off+spans[i].Len > off })
		return i < len(spans) && spans[i].Off <= off
	}
}
