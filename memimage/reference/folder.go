package reference

import (
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"memlens/memimage/sparse"
)

// folder is a folder of references, perhaps of tens of thousands.
type folder struct {
	path  string
	index func() (map[string][]string, error) // the names by their lower case
}

func newFolder(path string) *folder {
	f := &folder{path: path}
	f.index = sparse.KeptOnceFound(f.read)
	return f
}

func (f *folder) read() (map[string][]string, error) {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return nil, fmt.Errorf("reference: %w", sparse.FileError(err))
	}
	index := make(map[string][]string, len(entries))
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		key := strings.ToLower(e.Name())
		index[key] = append(index[key], e.Name())
	}
	return index, nil
}

func (f *folder) file(name string) File { return OnHost(name, filepath.Join(f.path, name)) }

// listed implements [place]: the files that have one of the module's names, in upper or lower case.
func (f *folder) listed(m Module) (out []File, err error) {
	index, err := f.index()
	for _, name := range m.Names {
		for _, found := range index[strings.ToLower(name)] {
			out = append(out, f.file(found))
		}
	}
	return out, err
}

// all implements [place].
func (f *folder) all() (out []File, err error) {
	index, err := f.index()
	var names []string
	for _, found := range index {
		names = append(names, found...)
	}
	slices.Sort(names)
	for _, name := range names {
		out = append(out, f.file(name))
	}
	return out, err
}

// named implements [place].
func (f *folder) named(name string) (File, error) {
	if name != filepath.Base(name) || name == "." || name == ".." {
		return File{}, iofs.ErrNotExist
	}
	path := filepath.Join(f.path, name)
	info, err := os.Stat(path)
	if err = sparse.FileError(err); sparse.Failed(err) {
		return File{}, err
	}
	if err != nil || !info.Mode().IsRegular() || info.Size() > MaxSize {
		return File{}, iofs.ErrNotExist
	}
	return f.file(name), nil
}
