package reference

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"memlens/memimage"
	"memlens/memimage/format"
	"memlens/memimage/remote"
	"memlens/memimage/sparse"
	"memlens/memimage/volume"
)

// Options say how to open the files, folders and images that are given to compare with.
type Options struct {
	// Memory says how memory images are opened; its page files, profile and container are not used, for they belong
	// to another image.
	Memory memimage.Options
}

// Check returns an error for a path that certainly cannot be opened, or that holds nothing to compare with.
func Check(paths []string) error {
	if err := exist(paths); err != nil {
		return err
	}
	for _, path := range paths {
		if remote.IsURL(path) {
			continue // what it leads to is known when it is opened
		}
		if err := holdsSomething(path); err != nil {
			return fmt.Errorf("reference: %w", err)
		}
	}
	return nil
}

// holdsSomething refuses a file without bytes, and a folder without files that is no Windows volume.
func holdsSomething(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.IsDir() && info.Size() == 0:
		return fmt.Errorf("%s is empty", path)
	case !info.IsDir():
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Type().IsRegular() || e.Type()&os.ModeSymlink != 0 }) {
		return nil
	}
	v, err := volume.OpenFolder(path)
	switch {
	case err == nil:
		return v.Close()
	case !errors.Is(err, volume.ErrNoWindows):
		return err
	case len(entries) > 0:
		return fmt.Errorf("there is no file in the folder %s, which is no Windows volume either; folders in it are not looked into", path)
	}
	return fmt.Errorf("there is no file in the folder %s", path)
}

// exist refuses what is not there, and what is neither a file nor a folder.
func exist(paths []string) error {
	for _, path := range paths {
		if remote.IsURL(path) {
			continue // it is known only when it is opened
		}
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("reference: %w", err)
		}
		if !info.IsDir() && !info.Mode().IsRegular() {
			return fmt.Errorf("reference: %s is neither a file nor a folder", path)
		}
	}
	return nil
}

// Open takes files, folders of files, and memory images; all must exist. Their content is read when it is first
// needed.
func Open(ctx context.Context, paths []string, o Options) (*Set, error) {
	if err := exist(paths); err != nil {
		return nil, err
	}
	s := new(Set)
	names := unique{}
	for i, path := range paths {
		if slices.ContainsFunc(paths[:i], func(before string) bool { return sameOnHost(path, before) }) && holds(path) {
			continue // it is in the set already
		}
		if err := s.add(ctx, path, names, o); err != nil {
			return nil, errors.Join(fmt.Errorf("reference: %w", err), s.Close())
		}
	}
	return s, nil
}

// sameOnHost reports whether two paths are of one file or folder.
func sameOnHost(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// holds reports whether a path may hold other files: it is not a file that is itself compared with.
func holds(path string) bool {
	info, err := os.Stat(path)
	return err == nil && (info.IsDir() || mayHoldFiles(path, info.Size()))
}

// noteAsOne notes that a file is itself compared with, although the user may have meant it as an image.
func (s *Set) noteAsOne(path, why string) {
	if info, err := os.Stat(path); err == nil && info.Size() > MaxSize {
		return // it is left out, and that is told
	}
	s.Notes = append(s.Notes, fmt.Sprintf("%s is compared with every executable as it is, as one file, for nothing in it can be read: %s", path, why))
}

// tellApart uses the path as the name of the place that was added last, if another place has the same name.
func (s *Set) tellApart(path string) {
	name := ""
	switch p := s.places[len(s.places)-1].(type) {
	case *disk:
		name = p.name
		if s.labels[name] {
			p.name = path
		}
	case *memory:
		name = p.label
		if s.labels[name] {
			p.label = path
		}
	}
	if s.labels == nil {
		s.labels = map[string]bool{}
	}
	s.labels[name] = true
}

// add adds the file, folder or image at a path.
func (s *Set) add(ctx context.Context, path string, names unique, o Options) error {
	if remote.IsURL(path) {
		return s.addRemote(ctx, path, names, o)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return s.addFolder(path)
	}
	if mayHoldFiles(path, info.Size()) {
		p, c, why, err := openHolder(ctx, path, o)
		if err != nil {
			return err
		}
		if p != nil {
			s.addPlace(p, c)
			s.describe(path, p)
			return nil
		}
		s.noteAsOne(path, why)
	}
	s.files = append(s.files, OnHost(names.name(filepath.Base(path)), path))
	return nil
}

func (s *Set) addPlace(p place, c io.Closer) {
	s.places, s.open = append(s.places, p), append(s.open, c)
}

// describe notes the kind of references that the file at a path holds.
func (s *Set) describe(path string, p place) {
	s.tellApart(path)
	switch p := p.(type) {
	case *memory:
		s.Notes = append(s.Notes, fmt.Sprintf("Modules are compared with the files that are restored from the memory image %s: %s.", path, describeSystem(p.image)))
	case *disk:
		s.note(path, "a disk image", p.volumes)
	}
}

// describeSystem returns the version of Windows in a memory image, and the time of the image: another version has
// other files.
func describeSystem(im *memimage.Image) string {
	k := im.Kernel
	return fmt.Sprintf("%s, build %d, as of %s", k.Version.OS(k.Profile.Arch()), k.Version.Build, im.Time().UTC().Format("2006-01-02 15:04:05 UTC"))
}

// note notes that modules are compared with the files of volumes, with the notes on these.
func (s *Set) note(path, what string, v *volume.Volumes) {
	s.Notes = append(s.Notes, fmt.Sprintf("Modules are compared with their own files on %s, which is %s.", path, what))
	s.Notes = append(s.Notes, v.Notes...)
}

// addFolder adds a folder of files, or a folder that is a Windows volume.
func (s *Set) addFolder(path string) error {
	v, err := volume.OpenFolder(path)
	switch {
	case err == nil:
		s.addPlace(newDisk(v, filepath.Base(path)), v)
		s.tellApart(path)
		s.note(path, "a Windows volume", v)
	case errors.Is(err, volume.ErrNoWindows):
		s.places = append(s.places, newFolder(path))
	default:
		return err
	}
	return nil
}

// minHolder is the least size in bytes of a file that holds other files, even if it is compressed.
const minHolder = 1 << 14

// mayHoldFiles reports whether a file may be a memory image or a disk image: it is no program, and large enough.
func mayHoldFiles(path string, size int64) bool {
	if size < minHolder {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return true // opening it reports the error
	}
	defer f.Close()
	var magic [2]byte
	_, err = io.ReadFull(f, magic[:])
	return err != nil || string(magic[:]) != "MZ"
}

// openHolder opens a file that holds other files. For a file that does not, it returns nil and the reason: such a
// file is itself compared with.
func openHolder(ctx context.Context, path string, o Options) (p place, c io.Closer, why string, err error) {
	m := o.Memory
	m.Profile, m.PageFiles, m.AllPages, m.Verify = "", nil, false, false
	m.Container = format.Options{Progress: m.Container.Progress, Spool: m.Container.Spool, SpoolDir: m.Container.SpoolDir}
	im, err := memimage.Open(ctx, path, m)
	switch {
	case err == nil:
		return newMemory(im), im, "", nil
	case ctx.Err() != nil || sparse.Failed(err):
		return nil, nil, "", err
	case !errors.As(err, new(*format.NotMemoryError)):
		return nil, nil, inShort(err), nil
	}
	why = inShort(err)
	if remote.IsURL(path) {
		p, c, err = openRemoteDisk(ctx, path, m)
	} else {
		p, c, err = openDisk(ctx, path, m.Container)
	}
	return p, c, why, err
}

// maxWhy bounds the text, in bytes, on why a file holds no other files.
const maxWhy = 300

// inShort returns the text of an error, cut off if it is long.
func inShort(err error) string {
	text := strings.TrimSpace(err.Error())
	if len(text) > maxWhy {
		text = strings.ToValidUTF8(text[:maxWhy], "") + "…"
	}
	return text
}

// openDisk opens a disk image, or an image of one volume. It returns nil for other files.
func openDisk(ctx context.Context, path string, o format.Options) (place, io.Closer, error) {
	o.Disks = true
	im, err := format.OpenFile(path, o)
	if err != nil {
		return nil, nil, sparse.OnlyFailed(err)
	}
	return newDiskOf(ctx, im, filepath.Base(path), stateOf(path), im)
}

// newDiskOf opens the disk in an image, which c closes. It returns nil if there is no disk.
func newDiskOf(ctx context.Context, im *format.Image, name, state string, c io.Closer) (place, io.Closer, error) {
	if !im.IsDisk() {
		return nil, nil, c.Close()
	}
	v, err := volume.OpenDisk(ctx, im.Memory, im.Memory.Size(), state)
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	return newDisk(v, name), closers{v, c}, nil
}

// stateOf returns a text that names the present state of the file at a path.
func stateOf(path string) string {
	s, err := hostFile(path).state()
	if err != nil {
		return path
	}
	return s.Key
}

// closers are closed one after the other.
type closers []io.Closer

func (c closers) Close() error {
	var errs []error
	for _, of := range c {
		errs = append(errs, of.Close())
	}
	return errors.Join(errs...)
}
