package reference

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"

	"memlens/memimage/volume"
)

// disk is the machine's own disk, or one of its volumes.
type disk struct {
	byPath
	volumes *volume.Volumes
	name    string
	found   *lru.Cache[lookupKey, []File]
}

// keptLookups is the number of modules whose files are kept.
const keptLookups = 4096

func newDisk(v *volume.Volumes, name string) *disk {
	found, _ := lru.New[lookupKey, []File](keptLookups) // fails only for a size of 0
	return &disk{volumes: v, name: name, found: found}
}

// lookupKey holds everything that a lookup of a module depends on.
type lookupKey struct {
	path, claimed, root, device, names string
	redirected                         bool
}

// listed implements [place]: the file with the module's own path or, if there is none, the files with its names.
func (d *disk) listed(m Module) ([]File, error) {
	key := lookupKey{m.Path, m.Claimed, m.Root, m.Device, strings.Join(m.Names, "\x00"), m.Redirected}
	if files, ok := d.found.Get(key); ok {
		return files, nil
	}
	files, err := d.lookup(m)
	if err == nil {
		d.found.Add(key, files)
	}
	return files, err
}

func (d *disk) lookup(m Module) ([]File, error) {
	ctx := context.Background()
	if p, match := m.ownPath(); p != "" {
		f, err := d.own(ctx, volume.Path{Name: p, SystemRoot: m.Root, SystemDevice: m.Device, Redirected: m.Redirected && match == ClaimedPath}, match)
		if err == nil || !errors.Is(err, volume.ErrNotFound) {
			return f, err
		}
	}
	return d.byName(ctx, m.Names)
}

// own returns the file of a path. A file that exists and cannot be read is returned, too: opening it gives the
// reason.
func (d *disk) own(ctx context.Context, p volume.Path, match Match) ([]File, error) {
	f, err := d.volumes.Lookup(ctx, p)
	unreadable := (*volume.UnreadableError)(nil)
	switch {
	case err == nil:
		return []File{d.file(f, match)}, nil
	case errors.As(err, &unreadable):
		return []File{{Name: baseName(unreadable.Path), Path: d.name + ": " + unreadable.Path, Match: match, from: unreadableFile{err}}}, nil
	}
	return nil, err
}

// byName returns files that have one of the names.
func (d *disk) byName(ctx context.Context, names []string) (out []File, err error) {
	seen := map[string]bool{"": true}
	for _, name := range names {
		if name = strings.ToLower(name); seen[name] {
			continue
		}
		seen[name] = true
		for f, failed := range d.volumes.Named(ctx, name) {
			if failed != nil {
				err = errors.Join(err, failed)
				continue
			}
			if out = append(out, d.file(f, SameName)); len(out) == maxSameName {
				return out, err
			}
		}
	}
	return out, err
}

// file makes a reference from a file of a volume.
func (d *disk) file(f *volume.File, match Match) File {
	where := d.name + ": " + f.Path
	if f.Volume != "" {
		where = fmt.Sprintf("%s, %s: %s", d.name, f.Volume, f.Path)
	}
	if f.Note != "" {
		where += " (" + f.Note + ")"
	}
	return File{Name: baseName(f.Path), Path: where, Match: match, from: volumeFile{f}}
}

// baseName returns the last part of a path of Windows.
func baseName(p string) string { return path.Base(strings.ReplaceAll(p, `\`, "/")) }

// volumeFile is a file of a volume.
type volumeFile struct{ *volume.File }

func (f volumeFile) state() (State, error) { return State{Size: f.Size, Key: f.Key}, nil }

func (f volumeFile) open() (*Content, error) {
	c, err := f.File.Open()
	if err != nil {
		return nil, err
	}
	return &Content{ReaderAt: c, size: c.Size(), close: c.Close}, nil
}

// unreadableFile is a file that exists and cannot be read.
type unreadableFile struct{ err error }

func (f unreadableFile) state() (State, error)   { return State{}, f.err }
func (f unreadableFile) open() (*Content, error) { return nil, f.err }
