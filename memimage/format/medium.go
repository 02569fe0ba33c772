package format

import (
	"fmt"
	"io"

	"memlens/memimage/sparse"
)

// FaultError says that a file could not be opened because reading it failed. The content of the file is not known
// then, so no result of the opener counts.
type FaultError struct {
	Name string // of the file
	Err  error  // a *[sparse.ReadError]
}

func (e *FaultError) Error() string {
	return fmt.Sprintf("format: %s cannot be read: %v. The disk, the network or the file system below it fails: copy the file to a sound place, for instance with ddrescue, and open the copy", e.Name, e.Err)
}

// Unwrap returns the error of the read.
func (e *FaultError) Unwrap() error { return e.Err }

// medium is the storage that all files of an image lie on. It counts the reads that failed.
type medium struct {
	faults  sparse.Faults
	excused int64 // failed reads that did no harm
}

// failures returns how many reads have failed that are not excused.
func (m *medium) failures() int64 { return m.faults.Count() - m.excused }

// since returns the error of a read that has failed since failures returned n, or nil.
func (m *medium) since(n int64) error {
	if m.failures() == n {
		return nil
	}
	return m.faults.Last()
}

// excuse calls f, in which reads may fail without harm: f looks only for a note or a hint.
func (m *medium) excuse(f func()) {
	before := m.faults.Count()
	f()
	m.excused += m.faults.Count() - before
}

// watch returns a file, and its siblings, with their failed reads counted.
func (m *medium) watch(src Source) Source {
	return &watchedFile{Source: m.faults.Watch(src), file: src, medium: m}
}

// watchedFile is a file whose failed reads are counted.
type watchedFile struct {
	sparse.Source
	file   Source
	medium *medium
}

// Name implements [Source].
func (w *watchedFile) Name() string { return w.file.Name() }

// Beside implements [Source].
func (w *watchedFile) Beside(name string) (Source, error) {
	src, err := w.file.Beside(name)
	if err != nil {
		return nil, err
	}
	return w.medium.watch(src), nil
}

// Names implements [Source].
func (w *watchedFile) Names() ([]string, error) { return w.file.Names() }

// Zeros implements [sparse.Zeroer].
func (w *watchedFile) Zeros(off int64) int64 { return sparse.Zeros(w.Source, off) }

// WillNeed implements [sparse.Late].
func (w *watchedFile) WillNeed(off, n int64) bool { return sparse.WillNeed(w.Source, off, n) }

// Close closes the file, if it can be closed.
func (w *watchedFile) Close() error {
	if c, ok := w.file.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
