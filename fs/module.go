package fs

import (
	"context"
	"errors"
	"fmt"
	"io"

	"memlens/memimage"
	"memlens/memimage/pedump"
	"memlens/memimage/sparse"
	"memlens/render"
)

// module is an executable image and the data from which its files are made.
type module struct {
	*memimage.Module
	fs   *FS
	at   place // of the directory that they are in
	kind *moduleKind
	// facts adds the other facts about the image; nil for a process's own image, which the process describes.
	facts func(*moduleDescription)
	// failed is a read that failed while the image was looked for: its name and path may then be wrong.
	failed error
}

// moduleKind is how the files of an executable image are named.
type moduleKind struct {
	names [formCount]string // of the image in each form
	rows  []row[*module]    // of a directory for it alone; nil: it has none
}

// file returns the name of the image's file in a form.
func (m *module) file(f *form) string { return m.kind.names[f.index] }

// place returns where that file is.
func (m *module) place(f *form) place { return m.at.child(m.file(f)) }

// form is one of the files in which an executable image is recovered.
type form struct {
	index  int
	doc    string
	memory bool // laid out as in memory, not as on disk
	lacks  func(*module) error
	size   func(*module) (int64, error) // of the file, without its bytes
	open   func(*module) (*body, error)
}

// The forms of an executable image.
var (
	formMemory   = &form{inMemory, "as it lay in memory", true, (*module).lacksMemoryDump, (*module).MemorySize, (*module).memoryDump}
	formFile     = &form{onDisk, "realigned to its layout on disk", false, (*module).lacksFileDump, (*module).FileSize, (*module).fileDump}
	formRestored = &form{restoredAgain, "restored from every source", false, (*module).lacksRestored, (*module).RestoredSize, (*module).restored}
)

// The indices of the forms.
const (
	inMemory = iota
	onDisk
	restoredAgain
	formCount
)

// allForms are the forms in their order.
func allForms() [formCount]*form { return [...]*form{formMemory, formFile, formRestored} }

func (m *module) lacksMemoryDump() error {
	_, err := m.MemorySize()
	return err
}

func (m *module) lacksFileDump() error {
	_, err := m.FileSize()
	return err
}

func (m *module) lacksRestored() error {
	_, err := m.RestoredSize()
	return err
}

func (m *module) lacksPages() error {
	if m.PageCount() == 0 {
		return errors.New("where the executable lies is not known")
	}
	return nil
}

func (m *module) memoryDump() (*body, error) {
	exe, err := m.MemoryDump()
	return m.executable(inMemory, exe, err)
}

func (m *module) fileDump() (*body, error) {
	exe, err := m.FileDump()
	return m.executable(onDisk, exe, err)
}

// executable makes a file of a recovered executable.
func (m *module) executable(form int, e *memimage.Executable, err error) (*body, error) {
	if err != nil {
		return nil, absent(err)
	}
	return &body{
		Content: sized{sparse.ZeroFill(e.Reader, nil), e.Reader.Size()},
		strict:  measured{e.Reader, e.Present},
		xattrs:  func() []xattr { return m.executableXattrs(e) },
		headers: func() (*pedump.Image, error) { return m.headersIn(form, e.Reader) },
	}, nil
}

// measured is a reader that knows how much of it is present.
type measured struct {
	*sparse.Reader
	present func() (int64, error)
}

func (m measured) Present() (int64, error) { return m.present() }

// restored is the restored file.
func (m *module) restored() (*body, error) {
	r, err := m.Restored()
	if err != nil {
		return nil, absent(err)
	}
	return &body{
		Content: sized{sparse.ZeroFill(r.Reader, nil), r.Reader.Size()},
		strict:  r.Reader,
		xattrs:  func() []xattr { return m.restoredXattrs(r) },
		headers: func() (*pedump.Image, error) { return m.headersIn(restoredAgain, r.Reader) },
		late:    &lateXattr{xattrPrefix + "authentihash", m.authentihashXattr},
	}, nil
}

// text makes a generated file that describes the image. It is the same in each directory that has the image.
func (m *module) text(name string, make func() ([]byte, error)) (*body, error) {
	return m.fs.kept(context.Background(), imageText{m.Module, name}, make)
}

// imageText is the key of a generated file that describes an image.
type imageText struct {
	of   *memimage.Module
	name string
}

// lacksPicture returns a function that says why there is no picture of a form: because there is no file of it, or because a
// picture of so many bytes cannot be drawn.
func lacksPicture(f *form) func(*module) error {
	return func(m *module) error {
		n, err := f.size(m)
		if err != nil {
			return err
		}
		return m.fs.geometry.Check(n)
	}
}

// pictureOf returns the opener of the picture of a form.
func pictureOf(f *form) func(*module) (*body, error) {
	return func(m *module) (*body, error) {
		data, err := f.open(m)
		if err != nil {
			return nil, err
		}
		picture, err := m.fs.pictures.Colorize(data, data.Size(), m.fs.geometry)
		return drawn(picture, err, data)
	}
}

// drawn makes a file of a picture of data, which is closed with it.
func drawn(picture *render.BMP, err error, data ...io.Closer) (*body, error) {
	closeAll := closer(data)
	if err != nil {
		return nil, errors.Join(absent(fmt.Errorf("the picture cannot be drawn: %w", err)), closeAll())
	}
	return &body{Content: picture, close: closeAll}, nil
}
