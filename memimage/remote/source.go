package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"memlens/memimage/format"
	"memlens/memimage/sparse"
)

// Source is a remote file. It implements [format.Source].
type Source struct {
	sparse.Source
	object *object
	owner  bool // of the pool
	folder *folder
}

// Stats counts the requests to servers, and the bytes from them, for a source and the files beside it.
type Stats struct{ Requests, Bytes int64 }

// folder holds facts about the folder of a source.
type folder struct {
	mu     sync.Mutex
	opened map[string]*Source // by name; nil: there is no such file
	names  func() ([]string, error)
	notes  []string
}

func newSource(o *object) *Source {
	s := &Source{Source: sparse.Whole(&reader{object: o}, o.pin.size), object: o}
	s.folder = &folder{opened: map[string]*Source{o.name(): s}, names: sparse.KeptOnceFound(o.list)}
	if doubt := o.pin.doubt(); doubt != "" && o.pin.size > 0 {
		if o.pool.disk != nil {
			doubt += " So nothing of it is kept for the next run."
		}
		s.folder.note(doubt)
	}
	return s
}

// Name implements [format.Source].
func (s *Source) Name() string { return s.object.name() }

// WillNeed implements [sparse.Late].
func (s *Source) WillNeed(off, n int64) bool { return sparse.WillNeed(s.Source, off, n) }

// URL returns the URL without its secret parts.
func (s *Source) URL() string { return s.object.String() }

// Version returns a text that changes when the bytes of the file change, if the server reports changes; see IsPinned.
func (s *Source) Version() string {
	p := s.object.pin
	return fmt.Sprintf("%s\x00%s\x00%s\x00%d", p.etag, p.modified, p.encoding, p.size)
}

// IsPinned reports whether the ETag stands for the exact bytes of the file.
func (s *Source) IsPinned() bool { return s.object.pin.strong() }

// ModTime returns when the server says that the file was last modified; zero if it does not say.
func (s *Source) ModTime() time.Time {
	t, _ := http.ParseTime(s.object.pin.modified)
	return t
}

// Stats returns how many requests were made, and how many bytes came, for this source and all files beside it.
func (s *Source) Stats() Stats {
	p := s.object.pool
	return Stats{p.requests.Load(), p.bytes.Load()}
}

// Notes says in sentences what was assumed about the file and the files beside it.
func (s *Source) Notes() []string {
	s.folder.mu.Lock()
	defer s.folder.mu.Unlock()
	return slices.Clone(s.folder.notes)
}

// Close ends all requests, if [Open] returned this source.
func (s *Source) Close() error {
	if s.owner {
		s.object.pool.close()
	}
	return nil
}

// list lists the folder, trying again as for a block.
func (o *object) list() (names []string, err error) {
	err = o.persist(o.pool.ctx, func() (bool, error) {
		names, err = o.names(o.pool.ctx)
		if errors.Is(err, errors.ErrUnsupported) {
			err = &unlisted{err}
		}
		return false, err
	})
	return names, err
}

// unlisted is the error of a folder that cannot be listed in any way.
type unlisted struct{ error }

// Unwrap returns the server's error, together with an error that is not tried again.
func (u *unlisted) Unwrap() []error { return []error{u.error, &AnswerError{u.Error()}} }

// Names implements [format.Source]. The error is [errors.ErrUnsupported] if the server lists no folders, or not for
// this user.
func (s *Source) Names() ([]string, error) {
	if why := s.object.alone(); why != "" {
		s.folder.noteOnce(why)
		return []string{s.Name()}, nil
	}
	names, err := s.folder.names()
	var status *StatusError
	if errors.As(err, &status) {
		return nil, fmt.Errorf("remote: listing the folder of %s: %w (%w)", s.URL(), err, errors.ErrUnsupported)
	}
	if err != nil {
		return nil, fmt.Errorf("remote: listing the folder of %s: %w", s.URL(), err)
	}
	return names, nil
}

// Beside implements [format.Source]. If the folder cannot be listed, the name is tried as it is, and in upper case if
// the source's own name is in upper case.
func (s *Source) Beside(name string) (format.Source, error) {
	names, err := s.Names()
	switch {
	case err == nil:
		return s.listed(name, names)
	case !errors.Is(err, errors.ErrUnsupported):
		return nil, err
	}
	other, err := s.sibling(name)
	if upper := strings.ToUpper(name); errors.Is(err, fs.ErrNotExist) && s.Name() == strings.ToUpper(s.Name()) && upper != name {
		other, err = s.sibling(upper)
	}
	if err != nil {
		return nil, err
	}
	return other, nil
}

// listed opens the file of that name in a list, or a file whose name differs only in upper and lower case.
func (s *Source) listed(name string, names []string) (format.Source, error) {
	found := name
	if !slices.Contains(names, name) {
		i := slices.IndexFunc(names, func(other string) bool { return strings.EqualFold(other, name) })
		if i < 0 {
			return nil, notBeside(name, s)
		}
		found = names[i]
	}
	other, err := s.sibling(found)
	if err != nil {
		return nil, err
	}
	return other, nil
}

func notBeside(name string, s *Source) error {
	return fmt.Errorf("remote: %s beside %s: %w", name, s.URL(), fs.ErrNotExist)
}

// sibling opens the file of that name once. A server that refuses it does not say whether the file exists.
func (s *Source) sibling(name string) (*Source, error) {
	if name == "" || name != path.Base(name) {
		return nil, notBeside(name, s)
	}
	s.folder.mu.Lock()
	defer s.folder.mu.Unlock()
	if other, known := s.folder.opened[name]; known {
		if other == nil {
			return nil, notBeside(name, s)
		}
		return other, nil
	}
	other, err := s.object.pool.open(s.object.beside(name), 1)
	var status *StatusError
	refused := errors.As(err, &status) && status.refused()
	if refused {
		s.folder.refuse(name)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), refused:
		s.folder.opened[name] = nil
		return nil, notBeside(name, s)
	case err != nil:
		return nil, err
	}
	other.folder = s.folder
	s.folder.opened[name] = other
	return other, nil
}

// refuse notes, for the first file, that the server does not say whether it exists.
func (f *folder) refuse(name string) {
	const what = "The server refuses to say whether there are other files beside this one"
	if !slices.ContainsFunc(f.notes, func(n string) bool { return strings.HasPrefix(n, what) }) {
		f.note(what + " (" + name + " was the first that was asked for): they are taken not to be there.")
	}
}

func (f *folder) note(s string) { f.notes = append(f.notes, s) }

func (f *folder) noteOnce(s string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.notes, s) {
		f.note(s)
	}
}
