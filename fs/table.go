package fs

import (
	"cmp"
	"context"
	iofs "io/fs"
	"time"

	"memlens/memimage/sparse"
)

// row is an entry of a directory that is made from a T: a file or a directory. lacks says why it cannot be made; then
// it is not there. nil: it can always be made.
type row[T any] struct {
	name, doc string
	lacks     func(of T) error
	open      func(ctx context.Context, of T) (*body, error) // nil for a directory
	dir       func(of T, at place) (dirNode, error)          // nil for a file
	late      bool                                           // see fileNode
	unlisted  bool                                           // it opens by its name, and is in no listing
}

// as returns a row for another kind of directory, which has the data that the row needs.
func as[T, U any](r row[T], of func(U) T) row[U] {
	out := row[U]{name: r.name, doc: r.doc, late: r.late, unlisted: r.unlisted}
	if r.lacks != nil {
		out.lacks = func(u U) error { return r.lacks(of(u)) }
	}
	if r.open != nil {
		out.open = func(ctx context.Context, u U) (*body, error) { return r.open(ctx, of(u)) }
	}
	if r.dir != nil {
		out.dir = func(u U, at place) (dirNode, error) { return r.dir(of(u), at) }
	}
	return out
}

// failedOf returns the first error that says that reading the image failed, or nil. The things that were found
// meanwhile can be listed, but not described: the description may be wrong.
func failedOf(errs []error) error {
	for _, err := range errs {
		if sparse.Failed(err) {
			return err
		}
	}
	return nil
}

// atOnce makes an opener of a function that does not wait for long.
func atOnce[T any](open func(T) (*body, error)) func(context.Context, T) (*body, error) {
	return func(_ context.Context, of T) (*body, error) { return open(of) }
}

// isThere reports whether a file that cannot be made for the reason given is listed all the same: when reading the image
// failed, nobody knows that it is not there, and opening it says what is wrong.
func isThere(lacks error) bool { return lacks == nil || sparse.Failed(lacks) }

// tableDir is a directory whose entries stand in a table.
type tableDir[T any] struct {
	at   place
	fs   *FS
	of   T
	key  any // the key under which the reasons of missing entries are kept: the thing that the directory describes
	rows []row[T]
}

func (d *tableDir[T]) path() string     { return d.at.path() }
func (d *tableDir[T]) stamp() time.Time { return d.at.stamp() }

func (d *tableDir[T]) list(context.Context) ([]listed, error) {
	out := make([]listed, 0, len(d.rows))
	for i, err := range d.allReasons() {
		if isThere(err) && !d.rows[i].unlisted {
			out = append(out, listed{d.rows[i].name, d.rows[i].dir != nil})
		}
	}
	return out, nil
}

func (d *tableDir[T]) lookup(_ context.Context, name string) (node, error) {
	for i := range d.rows {
		r := &d.rows[i]
		if r.name != name {
			continue
		}
		if err := d.reason(i); err != nil {
			return nil, absent(err)
		}
		if r.dir != nil {
			return r.dir(d.of, d.at.child(name))
		}
		return &fileNode{place: d.at.child(name), open: func(ctx context.Context) (*body, error) { return r.open(ctx, d.of) }, late: r.late}, nil
	}
	return nil, iofs.ErrNotExist
}

// keptReasons is for how many directories the reasons of missing entries are kept: a directory that was listed is
// looked into next.
const keptReasons = 64

// reason says why the entry of that number cannot be made; nil: it can.
func (d *tableDir[T]) reason(number int) error {
	if known, ok := d.fs.reasons.Get(d.key); ok {
		return known[number]
	}
	return d.lacking(number)
}

// lacking asks why the entry cannot be made. If a read failed meanwhile, nobody knows that it cannot be made.
func (d *tableDir[T]) lacking(number int) error {
	lacks := d.rows[number].lacks
	if lacks == nil {
		return nil
	}
	before := d.fs.image.Faults().Count()
	err := lacks(d.of)
	if err != nil && !sparse.Failed(err) {
		err = cmp.Or(d.fs.image.Faults().Since(before), err)
	}
	return err
}

// allReasons returns the result of reason for each entry. It is kept unless a read of the image failed meanwhile.
func (d *tableDir[T]) allReasons() []error {
	if known, ok := d.fs.reasons.Get(d.key); ok {
		return known
	}
	before := d.fs.image.Faults().Count()
	out := make([]error, len(d.rows))
	for i := range d.rows {
		out[i] = d.lacking(i)
	}
	if d.fs.image.Faults().Count() == before {
		d.fs.reasons.Add(d.key, out)
	}
	return out
}
