package reference

import (
	"errors"
	"fmt"
	"strings"

	"memlens/memimage"
	"memlens/memimage/sparse"
	"memlens/memimage/volume"
)

// memory is another memory image, such as an image of a clean machine of the same build, or of the same machine on
// another day. Its references are the files that are restored from it, each with its holes.
type memory struct {
	byPath
	image *memimage.Image
	label string // its name in messages
	root  string // the folder of Windows there
	index func() *memoryIndex
}

func newMemory(im *memimage.Image) *memory {
	m := &memory{image: im, label: im.Name(), root: im.Kernel.Root}
	m.index = sparse.Kept(im.Faults(), m.read)
	return m
}

// memoryIndex finds the executable images of a memory image. It keeps the first images of each path: images of one
// path were mapped from one file.
type memoryIndex struct {
	failed error    // set if reading the image failed, so that there may be more images
	damage []string // damaged lists of mapped images, which may lack some images

	byPath    map[string][]*remembered
	byProgram map[[2]string][]*remembered // the program's path, then the image's
	byName    map[string][]*remembered
}

// remembered is an executable image of a memory image.
type remembered struct {
	*memimage.Module
	key  string // of its path
	from string // in words
}

// sameFile is how many images of one file are kept: perhaps the file cannot be restored from the first one.
const sameFile = 4

func (m *memory) read() *memoryIndex {
	out := &memoryIndex{byPath: map[string][]*remembered{}, byProgram: map[[2]string][]*remembered{}, byName: map[string][]*remembered{}}
	before := m.image.Faults().Count()
	if !m.image.IsDump() { // the dump of a process has no drivers
		drivers, damage := m.image.Drivers()
		out.lacks("the list of drivers", damage)
		for _, d := range drivers {
			out.add(&remembered{d.Module, m.keyOf(d.Module), "a driver"}, "")
		}
	}
	processes, damage := m.image.Processes()
	out.lacks("the list of processes", damage)
	for _, p := range processes {
		program := m.keyOf(p.Module)
		from := fmt.Sprintf("process %d", p.PID)
		out.add(&remembered{p.Module, program, from}, program)
		modules, damage := p.Modules()
		out.lacks("the list of modules of "+from, damage)
		for _, f := range modules {
			if f.Module != p.Module {
				out.add(&remembered{f.Module, m.keyOf(f.Module), from}, program)
			}
		}
	}
	out.failed = m.image.Faults().Since(before)
	return out
}

// keyOf returns the path of an image as the kernel has it, or else as its process has it. The process's path is good
// enough for an image that is given to compare with, and it is the only path in the dump of a process.
func (m *memory) keyOf(of *memimage.Module) string {
	if p := of.Path(); p != "" {
		return memimage.PathKey(withoutARC(p), m.root)
	}
	p, redirected := of.ClaimedPath()
	if redirected {
		p = volume.WoW64(p, m.root)
	}
	return memimage.PathKey(p, m.root)
}

// maxLacks is how many damaged lists are named.
const maxLacks = 3

// lacks notes that a list is damaged.
func (x *memoryIndex) lacks(what string, damage []error) {
	if len(damage) > 0 && len(x.damage) < maxLacks {
		x.damage = append(x.damage, fmt.Sprintf("%s is damaged (%v)", what, damage[0]))
	}
}

// mayHaveMore returns an error if the image may have more files than were found.
func (m *memory) mayHaveMore(x *memoryIndex) error {
	switch {
	case x.failed != nil:
		return fmt.Errorf("reference: %s: %w", m.label, x.failed)
	case len(x.damage) > 0:
		return fmt.Errorf("reference: %s has no such file as far as its lists go: %s", m.label, strings.Join(x.damage, "; "))
	}
	return nil
}

func (x *memoryIndex) add(r *remembered, program string) {
	if r.key == "" {
		return // an image that is mapped from no file is no file to compare with
	}
	if of := x.byPath[r.key]; len(of) == 0 {
		name := r.key[strings.LastIndexByte(r.key, '\\')+1:]
		x.byName[name] = append(x.byName[name], r)
	}
	if of := x.byPath[r.key]; len(of) < sameFile {
		x.byPath[r.key] = append(of, r)
	}
	key := [2]string{program, r.key}
	if of := x.byProgram[key]; len(of) < sameFile {
		x.byProgram[key] = append(of, r)
	}
}

// maxSameName is how many files with a module's name, but another path, are shown.
const maxSameName = 8

// listed implements [place].
func (m *memory) listed(of Module) ([]File, error) {
	x := m.index()
	p, match := of.ownPath()
	if match == ClaimedPath && of.Redirected {
		p = volume.WoW64(p, of.Root)
	}
	key := memimage.PathKey(p, of.Root)
	own := append(append([]*remembered(nil), x.byProgram[[2]string{memimage.PathKey(of.Program, of.Root), key}]...), x.byPath[key]...)
	f, found, err := m.first(own, match)
	if err != nil {
		return nil, err
	}
	var out []File
	if found {
		out = append(out, f)
	} else if key != "" || strings.Join(of.Names, "") != "" {
		err = m.mayHaveMore(x)
	}
	n := 0
	seen := map[string]bool{key: true}
	for _, name := range of.Names {
		for _, r := range x.byName[strings.ToLower(name)] {
			if seen[r.key] || n == maxSameName {
				continue
			}
			seen[r.key] = true
			f, found, failed := m.first(x.byPath[r.key], SameName)
			if err = errors.Join(err, failed); found {
				out = append(out, f)
				n++
			}
		}
	}
	return out, err
}

// first returns the first of some images whose file can be restored. The error is about an image that cannot be read,
// which may be the right one.
func (m *memory) first(of []*remembered, match Match) (f File, found bool, err error) {
	for _, r := range of {
		before := m.image.Faults().Count()
		if _, err := r.RestoredSize(); err != nil {
			if failed := m.image.Faults().Since(before); failed != nil {
				return File{}, false, fmt.Errorf("reference: %s: %w", m.label, failed)
			}
			continue
		}
		path := fmt.Sprintf("%s: %s (restored, %s)", m.label, r.Path(), r.from)
		return File{Name: r.Name(), Path: path, Match: match, from: restoredFile{m.image, r.Module}}, true, nil
	}
	return File{}, false, nil
}

// restoredFile is a file that was restored from a memory image.
type restoredFile struct {
	image  *memimage.Image
	module *memimage.Module
}

func (f restoredFile) state() (State, error) {
	size, err := f.module.RestoredSize()
	owner := uint64(0)
	if f.module.Owner != nil {
		owner = f.module.Owner.PID
	}
	key := fmt.Sprintf("%s\x00%d\x00%d\x00%d\x00%#x", f.image.Path, f.image.Size, f.image.ModTime.UnixNano(), owner, uint64(f.module.ImageBase()))
	return State{Size: size, Key: key, Derived: true}, err
}

func (f restoredFile) open() (*Content, error) {
	r, err := f.module.Restored()
	if err != nil {
		return nil, err
	}
	return &Content{ReaderAt: sparse.ZeroFill(r.Reader, nil), Strict: r.Reader, size: r.Reader.Size(), close: func() error { return nil }}, nil
}
