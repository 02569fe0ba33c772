package fs

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"memlens/memimage/sparse"
)

// References are files to compare recovered executables with: some given one by one, others in folders.
type References struct {
	files   []Reference
	folders []*referenceFolder
}

// Reference is a file to compare with.
type Reference struct {
	Name string // base name, unique among those given one by one
	Path string
}

// maxReference is how many bytes a reference may have: 1 GiB, more than the executables of any system. A larger one is not
// read: similar.csv names it and says so.
const maxReference = 1 << 30

// errTooLarge says that a reference is larger than that.
var errTooLarge = errors.New("larger than 1 GiB")

// check says why a reference is not compared with.
func (r Reference) check() error {
	info, err := os.Stat(r.Path)
	if err == nil && info.Size() > maxReference {
		err = errTooLarge
	}
	return err
}

// TooLarge returns those of the files given one by one that are not compared with, because they are too large.
func (r *References) TooLarge() []Reference {
	var out []Reference
	for _, f := range r.files {
		if f.check() == errTooLarge {
			out = append(out, f)
		}
	}
	return out
}

// OpenReferences takes files and folders; all must exist. What is in a folder is read when it is first needed.
func OpenReferences(paths []string) (*References, error) {
	r := new(References)
	seen := map[string]bool{}
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, fmt.Errorf("fs: reference: %w", err)
		case info.IsDir():
			folder := &referenceFolder{path: path}
			folder.index = sync.OnceValues(folder.read)
			r.folders = append(r.folders, folder)
		case !info.Mode().IsRegular():
			return nil, fmt.Errorf("fs: reference %s is neither a file nor a folder", path)
		default:
			name := filepath.Base(path)
			for base, n := name, 2; seen[name]; n++ {
				name = fmt.Sprintf("%s~%d", base, n)
			}
			seen[name] = true
			r.files = append(r.files, Reference{name, path})
		}
	}
	return r, nil
}

// Empty reports whether there is nothing to compare with.
func (r *References) Empty() bool { return len(r.files) == 0 && len(r.folders) == 0 }

// Listed returns the references to show for an executable of the given names: those given one by one, and of those in
// folders the ones with such a name, whatever their case. The error is of folders that cannot be read.
func (r *References) Listed(names ...string) ([]Reference, error) {
	out := append([]Reference(nil), r.files...)
	seen := map[string]bool{}
	for _, f := range out {
		seen[f.Name] = true
	}
	var errs []error
	for _, folder := range r.folders {
		index, err := folder.index()
		errs = append(errs, err)
		for _, name := range names {
			for _, found := range index[strings.ToLower(name)] {
				if !seen[found] {
					seen[found] = true
					out = append(out, Reference{found, filepath.Join(folder.path, found)})
				}
			}
		}
	}
	return out, errors.Join(errs...)
}

// All returns every reference: those given one by one, then those in folders, by name. What cannot be listed is left out.
func (r *References) All() []Reference {
	out := slices.Clone(r.files)
	for _, folder := range r.folders {
		index, _ := folder.index()
		var names []string
		for _, found := range index {
			names = append(names, found...)
		}
		slices.Sort(names)
		for _, name := range names {
			out = append(out, Reference{name, filepath.Join(folder.path, name)})
		}
	}
	return out
}

// Lookup finds a reference by its name, listed or not.
func (r *References) Lookup(name string) (Reference, error) {
	for _, f := range r.files {
		if f.Name == name && f.check() != errTooLarge {
			return f, nil
		}
	}
	for _, folder := range r.folders {
		if name != filepath.Base(name) || name == "." || name == ".." {
			continue
		}
		path := filepath.Join(folder.path, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Size() <= maxReference {
			return Reference{name, path}, nil
		}
	}
	return Reference{}, iofs.ErrNotExist
}

// referenceFolder is a folder of references, perhaps of tens of thousands.
type referenceFolder struct {
	path  string
	index func() (map[string][]string, error) // names by their lower case
}

func (f *referenceFolder) read() (map[string][]string, error) {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return nil, fmt.Errorf("fs: references: %w", err)
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

// open opens the reference; one that shrinks while it is read is damaged.
func (r Reference) open() (*body, error) {
	f, err := os.Open(r.Path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, iofs.ErrNotExist, f.Close())
	}
	if info.Size() > maxReference {
		return nil, errors.Join(errTooLarge, f.Close())
	}
	return &body{Content: referenceFile{f, info.Size()}, close: f.Close}, nil
}

// referenceFile is an open reference. Its holes are zeros that need not be read.
type referenceFile struct {
	*os.File
	size int64
}

// Size implements [Content].
func (f referenceFile) Size() int64 { return f.size }

// Zeros implements [sparse.Zeroer].
func (f referenceFile) Zeros(off int64) int64 { return sparse.FileZeros(f.File, off, f.size) }
