package reference

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"slices"
	"strings"

	"memlens/memimage/sparse"
)

// Set holds all references that were given: single files, and places with many files.
type Set struct {
	files  []File
	places []place
	open   []io.Closer
	labels map[string]bool // of the places
	// Notes say in sentences which references were found, which of their files cannot be read, and which assumptions
	// were made.
	Notes []string
}

// Module is an executable image for which files to compare with are looked for.
type Module struct {
	Names   []string // possible names of its file; some perhaps cut off or empty
	Path    string   // of its file as the kernel has it, or empty
	Claimed string   // the path as the process itself has it, which it can change; empty: none
	// Redirected says that the claimed path is the path of a 32-bit process on 64-bit Windows, for which System32 is
	// SysWOW64.
	Redirected bool
	Root       string // the folder of Windows on its machine, as "C:\Windows"; empty: not known
	Device     string // the device of its volume, as "\Device\HarddiskVolume2"; empty: not known
	Program    string // path of the executable of the process that has the module; empty: the module is the kernel's
}

// ownPath returns the path of the module's own file, and whether that path is the kernel's or the process's.
func (m Module) ownPath() (string, Match) {
	if m.Path != "" {
		return withoutARC(m.Path), SamePath
	}
	return m.Claimed, ClaimedPath
}

// withoutARC cuts off the name of a partition that the boot loader puts before the paths of the first drivers:
// "multi(0)disk(0)rdisk(0)partition(1)".
func withoutARC(p string) string {
	if i := strings.IndexByte(p, '\\'); i > 0 && p[i-1] == ')' {
		return p[i:]
	}
	return p
}

// place is a place with many references.
type place interface {
	// listed returns the references to show for a module, the best first. They are returned even with an error, which
	// is about a file or folder that cannot be read.
	listed(m Module) ([]File, error)
	// all returns the references that every executable is compared with to find the most similar one, by name: none
	// if there are too many for that. The error is about a folder that cannot be read.
	all() ([]File, error)
	// named finds a reference by its name, listed or not. The error is [iofs.ErrNotExist] if there is none.
	named(name string) (File, error)
}

// byPath is the common part of places whose files have paths on a Windows system. Files are looked up by these paths.
// There are too many files to rank them all, or to open them by a name alone.
type byPath struct{}

func (byPath) hasPaths() {}

// all implements [place].
func (byPath) all() ([]File, error) { return nil, nil }

// named implements [place].
func (byPath) named(string) (File, error) { return File{}, iofs.ErrNotExist }

// unique makes names unique.
type unique map[string]bool

// name returns base, or base~2 and so on if the name is taken.
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

// Close closes the files that the references are read from.
func (s *Set) Close() error {
	var errs []error
	for _, c := range slices.Backward(s.open) {
		errs = append(errs, c.Close())
	}
	s.open = nil
	return errors.Join(errs...)
}

// TooLarge returns the single files that are not compared with, because they are too large.
func (s *Set) TooLarge() []File {
	var out []File
	for _, f := range s.files {
		if _, err := f.State(); errors.Is(err, ErrTooLarge) {
			out = append(out, f)
		}
	}
	return out
}

// Listed returns the references to show for a module: the single files; then from each place the files with the
// module's path, then the files with one of its names, in upper or lower case. Their names are unique. The error is
// about a file or folder that cannot be read.
func (s *Set) Listed(m Module) ([]File, error) {
	names, paths := unique{}, map[string]bool{}
	var out []File
	add := func(files []File) {
		for _, f := range files {
			if !paths[f.Path] {
				paths[f.Path] = true
				f.Name = names.name(f.Name)
				out = append(out, f)
			}
		}
	}
	for _, f := range s.files {
		paths[f.Path], names[f.Name] = true, true
		out = append(out, f)
	}
	var errs []error
	for _, p := range s.places {
		found, err := p.listed(m)
		errs = append(errs, err)
		add(found)
	}
	return out, errors.Join(errs...)
}

// Best returns the reference that stands for the module's own file: the file with its path, or else a file with its
// name; false if no place has such a file. Single files do not count, for they belong to no particular module. The
// error is about a file or folder that cannot be read.
func (s *Set) Best(m Module) (best File, found bool, err error) {
	listed, err := s.Listed(m)
	for _, f := range listed[min(len(s.files), len(listed)):] {
		if f.Match == SamePath || f.Match == ClaimedPath {
			return f, true, nil
		}
		if !found {
			best, found = f, true
		}
	}
	return best, found, err
}

// HasPlaces reports whether there is more to compare with than single files.
func (s *Set) HasPlaces() bool { return len(s.places) > 0 }

// HasPaths reports whether one of the places has files by their paths on a Windows system.
func (s *Set) HasPaths() bool {
	return slices.ContainsFunc(s.places, func(p place) bool {
		_, ok := p.(interface{ hasPaths() })
		return ok
	})
}

// Ranked returns the references to rank by similarity to a module: the single files, the files in folders, and from
// the other places the files that are listed for the module. The error is about a file or folder that cannot be read:
// there may be more.
func (s *Set) Ranked(m Module) ([]File, error) {
	out, listedErr := s.Listed(m)
	paths := map[string]bool{}
	for _, f := range out {
		paths[f.Path] = true
	}
	all, err := s.All()
	for _, f := range all {
		if !paths[f.Path] {
			out = append(out, f)
		}
	}
	return out, errors.Join(listedErr, err)
}

// All returns the references that are ranked for every executable: the single files, then the files in folders, by
// name. The error is about a folder that cannot be read: there may be more.
func (s *Set) All() ([]File, error) {
	out := slices.Clone(s.files)
	var errs []error
	for _, p := range s.places {
		all, err := p.all()
		out, errs = append(out, all...), append(errs, err)
	}
	return out, errors.Join(errs...)
}

// Lookup finds a reference by its name, listed for the module or not. The error is [iofs.ErrNotExist] if there is
// none; it says that reading failed if that is not known.
func (s *Set) Lookup(m Module, name string) (File, error) {
	listed, listedErr := s.Listed(m)
	for _, f := range listed {
		if _, err := f.State(); f.Name == name && !errors.Is(err, ErrTooLarge) {
			return f, nil
		}
	}
	for _, p := range s.places {
		if f, err := p.named(name); err == nil {
			return f, nil
		} else if sparse.Failed(err) {
			return File{}, err
		}
	}
	if sparse.Failed(listedErr) {
		return File{}, listedErr // it is not known that there is none
	}
	return File{}, iofs.ErrNotExist
}
