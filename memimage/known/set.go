package known

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/semaphore"
)

// Options say how the index of a set is made.
type Options struct {
	// CacheDir is a folder in which indexes are kept from run to run. If it is empty, or the folder cannot be written
	// to, an index is a temporary file of at most 4 GiB, which is enough for some 100 million files.
	CacheDir string
	// Progress is called with the kind of work, and its progress in bytes. May be nil.
	Progress func(what string, done, total int64)
	// Opened is called when the index is first used, with the counts from reading the set, in this run or an earlier
	// one. May be nil.
	Opened func(s *Set, stats Stats)
}

// Set is a set of the hashes of known files. It is safe for concurrent use.
type Set struct {
	path    string
	options Options
	making  *semaphore.Weighted // held while the index is opened, made or dropped
	index   *index              // nil: not opened yet
	failed  error               // why there is no index, and since when
	since   time.Time
	rebuilt bool // the index was damaged once: then no kept index is used, and damage is an error the next time
}

// Open opens a set: a file with hashes near its beginning. The whole set is read when a digest is first looked up.
func Open(path string, o Options) (*Set, error) {
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	s := &Set{path: path, options: o, making: semaphore.NewWeighted(1)}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("known: %s: %w", path, withoutPath(err))
	}
	return s, nil
}

// Name is the name of the file.
func (s *Set) Name() string { return filepath.Base(s.path) }

// withoutPath is an error of the file that does not repeat its path.
func withoutPath(err error) error {
	if at := new(os.PathError); errors.As(err, &at) {
		return at.Err
	}
	return err
}

// maxChecked is the number of bytes at the beginning of the text in which there must be a hash.
const maxChecked = 1 << 20

// errFound ends a search.
var errFound = errors.New("found")

// check looks for the first hash.
func (s *Set) check() error {
	err := s.beginning(maxChecked, func(text io.Reader) error {
		_, err := parse(text, func(*record) error { return errFound })
		return err
	})
	switch {
	case err == errFound:
		return nil
	case err != nil:
		return err
	}
	return s.nothingFound()
}

// nothingFound returns an error that says that there is no hash, with the first text that there is.
func (s *Set) nothingFound() error {
	number, first := int64(0), ""
	err := s.beginning(maxLine, func(text io.Reader) error {
		return eachLine(text, func(line []byte) error {
			if number++; len(line) > 0 {
				first = string(line)
				return errFound
			}
			return nil
		})
	})
	if err != nil && err != errFound {
		return err
	}
	if first == "" && number == 0 {
		return errors.New("it is empty")
	}
	return noRecord(number, first)
}

// beginning calls f with the beginning of the text of the set.
func (s *Set) beginning(most int64, f func(text io.Reader) error) error {
	file, _, err := s.open()
	if err != nil {
		return err
	}
	defer file.Close()
	text, err := textOf(file)
	if err != nil {
		return err
	}
	return f(io.LimitReader(text, most))
}

// open opens the file of the set.
func (s *Set) open() (*os.File, os.FileInfo, error) {
	info, err := os.Stat(s.path) // before it is opened: opening a pipe would wait
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.New("it is not a file")
	}
	f, err := os.Open(s.path)
	if err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// Match is a digest that is in a set.
type Match struct {
	Digest int    // its index among the digests that were looked up
	Name   string // the name beside it, unchanged; "": none
}

// Lookup looks digests up, in their order, and returns the first one that is in the set; false: none is. If there is
// no index, it is made first; a damaged index is made anew. The error is about the set, or about the place of the
// index.
func (s *Set) Lookup(ctx context.Context, digests ...[]byte) (m Match, found bool, err error) {
	for {
		x, err := s.opened(ctx)
		if err != nil {
			return Match{}, false, err
		}
		m, found, err := x.first(digests)
		if !errors.Is(err, errDamaged) {
			return m, found, err
		}
		if err := s.drop(ctx, x, err); err != nil {
			return Match{}, false, err
		}
	}
}

// first looks for the first digest that the index has.
func (x *index) first(digests [][]byte) (Match, bool, error) {
	for i, d := range digests {
		name, found, err := x.lookup(d)
		if err != nil || found {
			return Match{i, string(name)}, found, err
		}
	}
	return Match{}, false, nil
}

// Stats returns the counts from reading the set. If there is no index, it is made first.
func (s *Set) Stats(ctx context.Context) (Stats, error) {
	x, err := s.opened(ctx)
	if err != nil {
		return Stats{}, err
	}
	return x.footer.Stats, nil
}

// patience is how long the program waits before it tries again to make an index: without it, looking up many files
// would wait for each.
const patience = time.Minute

// opened returns the index.
func (s *Set) opened(ctx context.Context) (*index, error) {
	if err := s.making.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer s.making.Release(1)
	if s.index != nil {
		return s.index, nil
	}
	if s.failed != nil && time.Since(s.since) < patience {
		return nil, s.failed
	}
	var err error
	if !s.rebuilt {
		s.index, err = s.kept()
	}
	if s.index == nil && err == nil {
		s.index, err = s.build(ctx)
	}
	if err != nil {
		if err = withoutPath(err); ctx.Err() == nil {
			s.failed, s.since = err, time.Now()
		}
		return nil, err
	}
	if s.options.Opened != nil && !s.rebuilt {
		s.options.Opened(s, s.index.footer.Stats)
	}
	return s.index, nil
}

// drop removes an index that is damaged for the given reason, so that a new one takes its place. If the index was
// just made, the disk must be the cause: then drop returns an error. The file stays open for its readers.
func (s *Set) drop(ctx context.Context, x *index, reason error) error {
	if err := s.making.Acquire(ctx, 1); err != nil {
		return err
	}
	defer s.making.Release(1)
	if s.index != x {
		return nil
	}
	if s.rebuilt {
		return reason
	}
	s.rebuilt, s.index = true, nil
	return nil
}

// changedWhile returns an error if the set has changed while it was read.
func changedWhile(f *os.File, before os.FileInfo) error {
	after, err := f.Stat()
	if err != nil {
		return err
	}
	if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return fmt.Errorf("it changed while it was read, at %s", after.ModTime().Format(time.RFC3339))
	}
	return nil
}
