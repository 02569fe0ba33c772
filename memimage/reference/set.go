package reference

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Set is all that was given to compare with: files one by one, and places that have many.
type Set struct {
	files  []File
	places []place
}

// Module is an executable image that files are looked for to compare with.
type Module struct {
	Names []string // of its file; some perhaps cut off or empty
	Path  string   // of its file as the kernel has it, or empty
}

// place is where many references are.
type place interface {
	// listed returns the references to show for a module, the best first. They are returned beside the error, which is of
	// what cannot be read.
	listed(m Module) ([]File, error)
	// all returns every reference, by name. What cannot be listed is left out.
	all() []File
	// named finds a reference by its name, listed or not. The error is [iofs.ErrNotExist] where there is none.
	named(name string) (File, error)
}

// Open takes files and folders; all must exist. What is in a folder is read when it is first needed.
func Open(paths []string) (*Set, error) {
	s := new(Set)
	names := unique{}
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, fmt.Errorf("reference: %w", err)
		case info.IsDir():
			s.places = append(s.places, newFolder(path))
		case !info.Mode().IsRegular():
			return nil, fmt.Errorf("reference: %s is neither a file nor a folder", path)
		default:
			s.files = append(s.files, OnHost(names.name(filepath.Base(path)), path))
		}
	}
	return s, nil
}

// unique makes names unique.
type unique map[string]bool

// name returns base, or base~2 and so on where that is taken.
func (u unique) name(base string) string {
	name := base
	for n := 2; u[name]; n++ {
		name = fmt.Sprintf("%s~%d", base, n)
	}
	u[name] = true
	return name
}

// Empty reports whether there is nothing to compare with.
func (s *Set) Empty() bool { return len(s.files) == 0 && len(s.places) == 0 }

// TooLarge returns those of the files given one by one that are not compared with, because they are too large.
func (s *Set) TooLarge() []File {
	var out []File
	for _, f := range s.files {
		if _, err := f.State(); errors.Is(err, ErrTooLarge) {
			out = append(out, f)
		}
	}
	return out
}

// Listed returns the references to show for a module: those given one by one, and of those in folders the ones that have
// one of its names, whatever their case. The error is of folders that cannot be read.
func (s *Set) Listed(m Module) ([]File, error) {
	out := slices.Clone(s.files)
	seen := map[string]bool{}
	for _, f := range out {
		seen[f.Name] = true
	}
	var errs []error
	for _, p := range s.places {
		found, err := p.listed(m)
		errs = append(errs, err)
		for _, f := range found {
			if !seen[f.Name] {
				seen[f.Name] = true
				out = append(out, f)
			}
		}
	}
	return out, errors.Join(errs...)
}

// All returns every reference: those given one by one, then those in folders, by name. What cannot be listed is left out.
func (s *Set) All() []File {
	out := slices.Clone(s.files)
	for _, p := range s.places {
		out = append(out, p.all()...)
	}
	return out
}

// Lookup finds a reference by its name, listed or not.
func (s *Set) Lookup(name string) (File, error) {
	for _, f := range s.files {
		if _, err := f.State(); f.Name == name && !errors.Is(err, ErrTooLarge) {
			return f, nil
		}
	}
	for _, p := range s.places {
		if f, err := p.named(name); err == nil {
			return f, nil
		}
	}
	return File{}, iofs.ErrNotExist
}
