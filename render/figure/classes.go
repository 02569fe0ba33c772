package figure

import (
	"fmt"
	"io"
)

// Class says how a byte of a recovered file compares with its reference. A
// dot of several bytes shows the greatest class among them.
type Class uint8

// The classes, the gravest last.
const (
	Equal        Class = iota // as in the reference
	Beyond                    // past the end of one of the files
	Relocated                 // differs where the loader relocates
	Bound                     // differs where the loader binds imports
	Slot                      // differs where the loader sets a pointer or number of its own
	NotRecovered              // missing: what the file holds there says nothing
	Changed                   // differs otherwise
	classes
)

// String returns the class as it is called in a legend.
func (c Class) String() string {
	names := [...]string{"equal", "beyond the end", "changed by relocation",
		"changed by import binding", "changed in a loader's slot", "not recovered", "otherwise changed"}
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("Class(%d)", uint8(c))
}

// Comparison is a recovered file beside its reference. Each byte up to the
// end of the longer has one class: Beyond past the end of the shorter, else
// NotRecovered where Missing says so, else Equal where the files agree, else
// what Relocated, Bound or Slots says is the cause, else Changed.
type Comparison struct {
	Reference, Recovered         io.ReaderAt // free of holes
	ReferenceSize, RecoveredSize int64       // in bytes
	Relocated, Bound, Slots      []Span      // of the recovered file, by what the loader did there
	Missing                      []Span      // of it, too
}

// Counts is how many bytes are of each class.
type Counts [classes]int64

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

// Count returns how many bytes of the files are of each class. An error is
// that of reading one of them.
func (c *Comparison) Count() (Counts, error) {
	var counts Counts
	err := c.each(func(p []Class, _ int64) {
		n := count(p)
		counts.add(&n)
	})
	return counts, err
}

func (c *Comparison) size() int64 { return max(c.ReferenceSize, c.RecoveredSize) }

func (c *Comparison) check() error {
	if err := checkSize(c.ReferenceSize); err != nil {
		return err
	}
	return checkSize(c.RecoveredSize)
}

// each calls f with the classes of the files' bytes, piece by piece.
func (c *Comparison) each(f func(p []Class, off int64)) error {
	if err := c.check(); err != nil {
		return err
	}
	end := min(c.ReferenceSize, c.RecoveredSize)
	causes := c.causes(end)
	a, b, p := make([]byte, chunkSize), make([]byte, chunkSize), make([]Class, chunkSize)
	for off := int64(0); off < end; off += chunkSize {
		n := min(chunkSize, end-off)
		if err := readFull(c.Reference, a[:n], off); err != nil {
			return err
		}
		if err := readFull(c.Recovered, b[:n], off); err != nil {
			return err
		}
		differ(p[:n], a, b)
		for _, cause := range causes {
			cause.apply(p[:n], off)
		}
		f(p[:n], off)
	}
	for i := range p {
		p[i] = Beyond
	}
	for off := end; off < c.size(); off += chunkSize {
		f(p[:min(chunkSize, c.size()-off)], off)
	}
	return nil
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

// cause turns the classes of bytes in its spans: changes, or any.
type cause struct {
	class Class
	spans []Span
	any   bool
}

// causes returns what decides on the class of the first size bytes, in the
// order in which it does.
func (c *Comparison) causes(size int64) []cause {
	return []cause{
		{Relocated, normalize(c.Relocated, size), false},
		{Bound, normalize(c.Bound, size), false},
		{Slot, normalize(c.Slots, size), false},
		{NotRecovered, normalize(c.Missing, size), true},
	}
}

func (c *cause) apply(p []Class, off int64) {
	within(c.spans, off, int64(len(p)), func(s Span) {
		q := p[s.Off-off : s.end()-off]
		for i := range q {
			if c.any || q[i] == Changed {
				q[i] = c.class
			}
		}
	})
}
