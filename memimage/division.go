package memimage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"memlens/memimage/format"
	"memlens/memimage/nt"
	"memlens/memimage/paging"
)

// A raw file may be of a machine that has a hole below 4 GiB, and leave the hole out. Then what lies above 4 GiB is not
// where the page tables say, and no header tells. The usual divisions are tried; one is taken only when a kernel is
// found and verified under it, and under no other.

// dividedError says that a raw file may be divided, and how.
type dividedError struct {
	err   error
	to    paging.Phys // where page tables lead above 4 GiB; 0: not known
	size  uint64      // of the file in bytes
	tried []format.Division
	works []format.Division // more than one
}

func (e *dividedError) Unwrap() error { return e.err }

func (e *dividedError) Error() string { return e.err.Error() + "; " + e.advice() }

// advice says what is known of the division and how to name it.
func (e *dividedError) advice() string {
	s := ""
	if e.to > 0 {
		s += fmt.Sprintf("Page tables lead to physical address %#x, above 4 GiB: ", uint64(e.to))
	} else {
		s += "What looks like the page directories of Windows leads to none: "
	}
	likely := e.tried
	if len(e.works) > 1 {
		s += fmt.Sprintf("the file leaves out the hole that the memory of machines has below 4 GiB, but a kernel is found under %d divisions of it, and nothing tells which is right", len(e.works))
		likely = e.works
	} else {
		s += "the file may leave out the hole that the memory of machines has below 4 GiB, or be truncated, but no kernel is found under the usual divisions of it"
	}
	var lines []string
	for _, d := range likely {
		lines = append(lines, fmt.Sprintf("%q as %s has it", d.Memmap(e.size), d.Who))
	}
	return s + "; if you know where its parts lie, say so with --memmap and a file of such lines: " + strings.Join(lines, ", or ")
}

// findDivided tries the divisions of a raw file where the search ended with an error, and found page directories. The
// error is the one given when the file cannot be divided.
func (im *Image) findDivided(ctx context.Context, o nt.Options, err error) (*nt.Kernel, error) {
	a := astray(err)
	divisions := im.Container.Divisions()
	if len(a.Roots) == 0 || len(divisions) == 0 {
		return nil, err
	}
	before := im.faults.Count()
	var kernels []*nt.Kernel
	var works []format.Division
	for _, d := range divisions {
		k, kerr := im.kernelUnder(ctx, o, d, a.Roots)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if kerr == nil {
			kernels, works = append(kernels, k), append(works, d)
		}
	}
	if im.faults.Since(before) != nil { // a division may have failed for that alone
		return nil, err
	}
	if len(works) != 1 {
		return nil, &dividedError{err: err, to: a.To, size: uint64(im.Size), tried: divisions, works: works}
	}
	evidence := fmt.Sprintf("as the file is, its page directories lead to no kernel, and of %d usual divisions one is found under this alone", len(divisions))
	im.divide(works[0], kernels[0], evidence)
	return kernels[0], nil
}

// kernelUnder finds the kernel in memory as a division has it, from page directories.
func (im *Image) kernelUnder(ctx context.Context, o nt.Options, d format.Division, roots []paging.Phys) (*nt.Kernel, error) {
	mem, err := im.Container.DividedMemory(d)
	if err != nil {
		return nil, err
	}
	o.HintsOnly, o.Hints.DTBs, o.Hints.From = true, roots, "the search of the file as it is"
	return nt.Find(ctx, mem, o)
}

// divide takes a division for the image, and the memory in which the kernel was found under it.
func (im *Image) divide(d format.Division, k *nt.Kernel, evidence string) {
	im.Container = im.Container.Divided(d, k.Memory(), evidence)
}

// astray returns what an error of the search knows of page directories that lead behind the end.
func astray(err error) nt.Astray {
	var missing *nt.NotFoundError
	var unfit *nt.ProfileError
	switch {
	case errors.As(err, &missing):
		return missing.Astray
	case errors.As(err, &unfit):
		return unfit.Astray
	}
	return nt.Astray{}
}
