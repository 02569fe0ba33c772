package reference

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"slices"
	"strings"
	"time"

	"memlens/memimage"
	"memlens/memimage/format"
	"memlens/memimage/remote"
	"memlens/memimage/sparse"
)

// addRemote adds the object at a URL: a file, a memory image, or a folder of a bucket, whose URL ends in a slash.
func (s *Set) addRemote(ctx context.Context, url string, names unique, o Options) error {
	if strings.HasSuffix(remote.Shown(url), "/") {
		f, err := remote.OpenFolder(ctx, url, o.Memory.Remote)
		if err == nil {
			s.addPlace(&remoteFolder{f}, f)
		}
		return err
	}
	src, err := remote.Open(ctx, url, o.Memory.Remote)
	if err != nil {
		return err
	}
	holds, err := remoteMayHoldFiles(src)
	if err == nil && holds {
		p, c, why, err := openHolder(ctx, url, o)
		if err != nil || p != nil {
			if p != nil {
				s.addPlace(p, c)
				s.describe(src.URL(), p)
			}
			return errors.Join(err, src.Close())
		}
		s.noteAsOne(src.URL(), why)
	}
	if err != nil {
		return errors.Join(err, src.Close())
	}
	s.files, s.open = append(s.files, atURL(names.name(src.Name()), src)), append(s.open, src)
	return nil
}

// remoteMayHoldFiles is [mayHoldFiles] for a file at a URL.
func remoteMayHoldFiles(src *remote.Source) (bool, error) {
	if src.Size() < minHolder {
		return false, nil
	}
	var magic [2]byte
	_, err := src.ReadAt(magic[:], 0)
	return string(magic[:]) != "MZ", err
}

// openRemoteDisk is [openDisk] for a file at a URL.
func openRemoteDisk(ctx context.Context, url string, m memimage.Options) (place, io.Closer, error) {
	src, err := remote.Open(ctx, url, m.Remote)
	if err != nil {
		return nil, nil, err
	}
	o := m.Container
	o.Disks = true
	im, err := format.Open(src, o)
	if err != nil {
		return nil, nil, errors.Join(sparse.OnlyFailed(err), src.Close())
	}
	state := src.URL() + "\x00" + src.Version()
	if !src.IsPinned() {
		state += fmt.Sprint(time.Now().UnixNano()) // results from it are not kept for another run
	}
	return newDiskOf(ctx, im, src.Name(), state, closers{im, src})
}

// remoteFile is a file at a URL, or of a folder of a bucket. It is read in place, and is open as long as the set is.
type remoteFile struct {
	src    *remote.Source // nil: it is opened when it is needed
	folder *remote.Folder
	name   string
}

func atURL(name string, src *remote.Source) File {
	return File{Name: name, Path: src.URL(), from: remoteFile{src: src}}
}

func (f remoteFile) source() (*remote.Source, error) {
	if f.src != nil {
		return f.src, nil
	}
	return f.folder.File(f.name)
}

func (f remoteFile) state() (State, error) {
	src, err := f.source()
	if err != nil {
		return State{}, err
	}
	return State{Size: src.Size(), Key: src.URL() + "\x00" + src.Version(), Derived: !src.IsPinned()}, nil
}

func (f remoteFile) open() (*Content, error) {
	src, err := f.source()
	if err != nil {
		return nil, err
	}
	return &Content{ReaderAt: src, size: src.Size(), close: func() error { return nil }}, nil
}

// remoteFolder is a folder of a bucket.
type remoteFolder struct{ *remote.Folder }

func (f *remoteFolder) file(name string) File {
	return File{Name: name, Path: f.URL() + name, from: remoteFile{folder: f.Folder, name: name}}
}

// listed implements [place], as [folder.listed] does.
func (f *remoteFolder) listed(m Module) (out []File, err error) {
	names, err := f.Names()
	for _, name := range m.Names {
		for _, found := range names {
			if strings.EqualFold(found, name) {
				out = append(out, f.file(found))
			}
		}
	}
	return out, err
}

// all implements [place].
func (f *remoteFolder) all() (out []File, err error) {
	names, err := f.Names()
	for _, name := range names {
		out = append(out, f.file(name))
	}
	return out, err
}

// named implements [place].
func (f *remoteFolder) named(name string) (File, error) {
	names, err := f.Names()
	if err == nil && slices.Contains(names, name) {
		return f.file(name), nil
	}
	return File{}, iofs.ErrNotExist
}
