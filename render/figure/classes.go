package figure

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"memlens/memimage/sparse"
)

// Class says how a byte of a recovered file compares with its reference. A
// dot of several bytes shows the greatest class among them.
type Class uint8

// The classes, the gravest last.
const (
	Equal          Class = iota // as in the reference
	Beyond                      // past the end of one of the files
	Relocated                   // differs where the loader relocates
	Bound                       // differs where the loader binds imports
	Slot                        // differs where the loader sets a pointer or number of its own
	NotRecovered                // missing: the file's zeros there mean nothing
	NotInReference              // missing in the reference, likewise
	Changed                     // differs otherwise
	classes
)

// mostClasses is how many classes a [scheme] may have.
const mostClasses = 16

// String returns the class as it is called in a legend.
func (c Class) String() string {
	if c < classes {
		return differences.looks[c].name
	}
	return fmt.Sprintf("Class(%d)", uint8(c))
}

// Comparison is a recovered file beside its reference. Each byte up to the end of the longer file has one class. Past
// the end of the shorter file it is Beyond; else NotRecovered where it is in Missing; else NotInReference where it is
// in MissingInReference; else Equal where the files agree; else the cause that Relocated, Bound or Slots give; else
// Changed.
type Comparison struct {
	Reference, Recovered         io.ReaderAt // free of holes
	ReferenceSize, RecoveredSize int64       // in bytes
	Relocated, Bound, Slots      []Span      // of the recovered file, by the changes that the loader made there
	Missing                      []Span      // of it, too
	MissingInReference           []Span      // of the reference
	// Notice says what to notice in a figure whose subject leaves room for it; nil: the subject says it.
	Notice func(Counts) string
}

// Counts is how many bytes are of each class.
type Counts [mostClasses]int64

// Total returns the number of all bytes.
func (c *Counts) Total() (n int64) {
	for _, m := range c {
		n += m
	}
	return n
}

func (c *Counts) add(n *Counts) {
	for i := range c {
		c[i] += n[i]
	}
}

// count returns how many of each class there are.
func count(p []Class) (n Counts) {
	for _, c := range p {
		n[c]++
	}
	return n
}

// Count returns how many bytes of the files are of each class. An error is from reading one of the files.
func (c *Comparison) Count() (Counts, error) {
	var counts Counts
	err := c.each(&counts)
	return counts, err
}

// taker takes the classes of bytes in order: piece by piece, or as a run of n
// of one class.
type taker interface {
	take(p []Class, off int64)
	takeRun(class Class, off, n int64)
}

func (c *Counts) take(p []Class, _ int64) {
	n := count(p)
	c.add(&n)
}

func (c *Counts) takeRun(class Class, _, n int64) { c[class] += n }

func (c *Comparison) size() int64 { return max(c.ReferenceSize, c.RecoveredSize) }

func (c *Comparison) check() error {
	if err := CheckSize(c.ReferenceSize); err != nil {
		return err
	}
	return CheckSize(c.RecoveredSize)
}

// minRun is how long a run of zeros must be in both files to be passed over.
const minRun = 1 << 12

// each gives t the classes of the files' bytes. It does not read bytes that are missing in either file, nor bytes that
// are known to be zeros in both files.
func (c *Comparison) each(t taker) error {
	if err := c.check(); err != nil {
		return err
	}
	end := min(c.ReferenceSize, c.RecoveredSize)
	missing := c.gaps(end)
	r := newClassReader(c, end)
	for off := int64(0); off < end; {
		stop := end
		if len(missing) > 0 {
			if stop = missing[0].Off; stop == off {
				t.takeRun(missing[0].class, off, missing[0].Len)
				off, missing = missing[0].end(), missing[1:]
				continue
			}
		}
		n, err := r.next(t, off, stop-off)
		if err != nil {
			return err
		}
		off += n
	}
	if n := c.size() - end; n > 0 {
		t.takeRun(Beyond, end, n)
	}
	return nil
}

// gap is a piece that is missing in one of the files.
type gap struct {
	Span
	class Class
}

// gaps returns the missing parts of the first size bytes, in order. Bytes that both files lack are NotRecovered.
func (c *Comparison) gaps(size int64) (out []gap) {
	ours := normalize(c.Missing, size)
	for _, s := range ours {
		out = append(out, gap{s, NotRecovered})
	}
	for _, s := range normalize(c.MissingInReference, size) {
		at := s.Off
		within(ours, s.Off, s.Len, func(both Span) {
			out = append(out, gap{Span{at, both.Off - at}, NotInReference})
			at = both.end()
		})
		out = append(out, gap{Span{at, s.end() - at}, NotInReference})
	}
	out = slices.DeleteFunc(out, func(g gap) bool { return g.Len == 0 })
	slices.SortFunc(out, func(a, b gap) int { return cmp.Compare(a.Off, b.Off) })
	return out
}

// classReader compares the bytes that were recovered.
type classReader struct {
	*Comparison
	causes []cause
	a, b   []byte
	p      []Class
}

func newClassReader(c *Comparison, size int64) *classReader {
	n := min(chunkSize, size)
	return &classReader{c, c.causes(size), make([]byte, n), make([]byte, n), make([]Class, n)}
}

// next gives t the classes of some of the next n bytes, and returns of how many.
func (r *classReader) next(t taker, off, n int64) (int64, error) {
	if zeros := min(sparse.ZeroRun(r.Reference, off, n), sparse.ZeroRun(r.Recovered, off, n)); zeros >= minRun {
		t.takeRun(Equal, off, zeros)
		return zeros, nil
	}
	n = min(n, chunkSize)
	if err := readFull(r.Reference, r.a[:n], off); err != nil {
		return 0, err
	}
	if err := readFull(r.Recovered, r.b[:n], off); err != nil {
		return 0, err
	}
	differ(r.p[:n], r.a, r.b)
	for _, cause := range r.causes {
		cause.apply(r.p[:n], off)
	}
	t.take(r.p[:n], off)
	return n, nil
}

// differ sets p to Equal or Changed.
func differ(p []Class, a, b []byte) {
	a, b = a[:len(p)], b[:len(p)]
	for i := range p {
		p[i] = 0
		if a[i] != b[i] {
			p[i] = Changed
		}
	}
}

// cause turns the classes of changed bytes in its spans.
type cause struct {
	class Class
	spans []Span
}

// causes returns the possible causes of differences in the first size bytes, the deciding ones first.
func (c *Comparison) causes(size int64) []cause {
	return []cause{
		{Relocated, normalize(c.Relocated, size)},
		{Bound, normalize(c.Bound, size)},
		{Slot, normalize(c.Slots, size)},
	}
}

func (c *cause) apply(p []Class, off int64) {
	within(c.spans, off, int64(len(p)), func(s Span) {
		q := p[s.Off-off : s.end()-off]
		for i := range q {
			if q[i] == Changed {
				q[i] = c.class
			}
		}
	})
}
