package format

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"memlens/memimage/sparse"
)

// PageFileChoice says which page file to open if a container holds several.
type PageFileChoice struct {
	Member string // its name in the container, such as "C:/pagefile.sys"; empty: not said
	Number int    // the number of the page file in the system
}

// PageFile is a page file, by itself or in a container.
type PageFile struct {
	sparse.Source
	Name    string // its name: "pagefile.sys", or "C:/pagefile.sys in host.aff4"
	Volume  string // the name of the container; empty: not in a container
	Notes   []string
	closers []io.Closer
}

// Close closes the files that were opened for the page file.
func (p *PageFile) Close() error { return (&input{closers: p.closers}).closeAll() }

// OpenPageFile opens the page file in src: a page file in an AFF4 volume, or src as it is. The caller keeps src, and
// must not close it before the page file is closed.
func OpenPageFile(src Source, want PageFileChoice, o Options) (*PageFile, error) {
	in := newInput(src, o)
	p, err := in.openPageFile(want)
	if err != nil {
		return nil, errors.Join(err, in.closeAll())
	}
	p.closers, p.Notes = in.closers, in.notes
	return p, nil
}

func (in *input) openPageFile(want PageFileChoice) (*PageFile, error) {
	head, err := in.head(8)
	if err != nil { // a later read reports the error
		return in.plainPageFile(want)
	}
	if !head.has(0, "PK\x03\x04") {
		if kind := packedKind(head); kind != "" {
			return nil, fmt.Errorf("format: %s is no page file, but one that is packed (%s): unpack it first", in.Name(), kind)
		}
		return in.plainPageFile(want)
	}
	before := in.medium.failures()
	a, err := newAFF4(in)
	if failed := in.medium.since(before); failed != nil {
		return nil, &FaultError{in.Name(), failed}
	}
	switch {
	case err == nil:
		p, err := a.pageFile(want)
		if fault := a.faultBeside(); fault != nil {
			return nil, fault
		}
		return p, err
	case errors.Is(err, ErrFormat):
		return nil, fmt.Errorf("format: %s is a zip archive, and no AFF4 volume that can be read: if a page file is in it, unpack it first; if it is a volume, it is truncated or damaged", in.Name())
	}
	return nil, err
}

// packedKind returns the name of the packer of a file that begins with head; "" when it is not packed. The magic is
// safe to judge by: a page file begins with a page that Windows does not use.
func packedKind(head fields) string {
	for _, p := range packers() {
		if p.magic != "" && p.known == nil && head.has(0, p.magic) {
			return p.name
		}
	}
	if head.has(0, ewfMagic) {
		return "EWF"
	}
	return ""
}

// plainPageFile returns the input as it is.
func (in *input) plainPageFile(want PageFileChoice) (*PageFile, error) {
	if want.Member != "" {
		return nil, fmt.Errorf("format: %s is no AFF4 volume: there is no %s in it", in.Name(), want.Member)
	}
	switch size := in.Size(); {
	case size < pageFilePage:
		return nil, fmt.Errorf("format: %s is no page file: it has %d bytes, less than a page", in.Name(), size)
	case size%pageFilePage != 0:
		in.note("The page file %s has %d bytes, which are not whole pages of %d: it is truncated, or no page file.", in.Name(), size, pageFilePage)
	}
	return &PageFile{Source: in.Source, Name: in.Name()}, nil
}

// pageFilePage is the unit of page files, in bytes.
const pageFilePage = 4096

// OpenPageFileAt opens the page file at path; see [OpenPageFile]. If it is one of several in a container, its name
// there may follow, as in "host.aff4/C:/pagefile.sys".
func OpenPageFileAt(path string, number int, o Options) (*PageFile, error) {
	file, member, err := splitMember(path)
	if err != nil {
		return nil, err
	}
	src, err := openFileSource(file)
	if err != nil {
		return nil, err
	}
	p, err := OpenPageFile(src, PageFileChoice{Member: member, Number: number}, o)
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	p.closers = append([]io.Closer{src}, p.closers...)
	return p, nil
}

// splitMember splits a path into the path of a file and the rest behind it.
func splitMember(path string) (file, member string, err error) {
	_, err = os.Stat(path)
	if err == nil {
		return path, "", nil
	}
	for i := len(path) - 1; i > 0; i-- {
		if !os.IsPathSeparator(path[i]) {
			continue
		}
		if info, err := os.Stat(path[:i]); err == nil && info.Mode().IsRegular() {
			return path[:i], path[i+1:], nil
		} else if err == nil {
			break
		}
	}
	var of *fs.PathError
	if errors.As(err, &of) {
		err = of.Err
	}
	return "", "", &fs.PathError{Op: "open", Path: path, Err: err}
}
