package memimage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"memlens/memimage/format"
	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/reason"
)

// A raw file may be of a machine that has a hole below 4 GiB, and leave the hole out. Then the memory above 4 GiB is
// not where the page tables say, and no header shows it. The usual divisions are tried; one is taken only when a kernel is
// found and verified under it, and under no other.

// dividedError says that a raw file may be divided, and how.
type dividedError struct {
	err   error
	to    paging.Phys // where page tables lead above 4 GiB; 0: not known
	size  uint64      // of the raw file in bytes
	in    string      // the containers around it, which a memory map cannot look into; empty: none
	tried []format.Division
	works []format.Division // more than one
}

func (e *dividedError) Unwrap() error { return e.err }

func (e *dividedError) Error() string { return e.err.Error() + "; " + e.advice() }

// ReasonCode implements [reason.Coded].
func (e *dividedError) ReasonCode() reason.Code { return reason.LeftOutMemory }

// advice says what is known about the division and how to name it.
func (e *dividedError) advice() string {
	s := ""
	if e.to > 0 {
		s += fmt.Sprintf("Page tables lead to physical address %#x, above 4 GiB: ", uint64(e.to))
	} else {
		s += "What looks like the page directories of Windows leads to none: "
	}
	likely := e.tried
	if len(e.works) > 1 {
		s += fmt.Sprintf("the file leaves out the hole that the memory of machines has below 4 GiB, but a kernel is found under %d divisions of it, and it is not known which is right", len(e.works))
		likely = e.works
	} else {
		s += "the file may leave out the hole that the memory of machines has below 4 GiB, or be truncated, but no kernel is found under the usual divisions of it"
	}
	var lines []string
	for _, d := range likely {
		lines = append(lines, fmt.Sprintf("%q as %s has it", d.Memmap(e.size), d.Who))
	}
	unpack := ""
	if e.in != "" {
		unpack = "take the raw file out of its container (" + e.in + "), and "
	}
	return s + "; if you know where its parts lie, " + unpack + "say so with --memmap and a file of such lines: " + strings.Join(lines, ", or ")
}

// divisionSearch tries the divisions of a raw file.
type divisionSearch struct {
	im      *Image
	ctx     context.Context
	options nt.Options

	done    bool
	to      paging.Phys // as in dividedError
	kernels []*nt.Kernel
	works   []format.Division // divisions under which a kernel was found
}

// findKernel finds the kernel in memory as the container has it or, where that leads to none, as a division of a raw
// file has it.
func (im *Image) findKernel(ctx context.Context, o nt.Options) (*nt.Kernel, error) {
	s := &divisionSearch{im: im, ctx: ctx, options: o}
	if len(im.Container.Divisions()) > 0 {
		o.Lost = s.try
	}
	k, err := nt.Find(ctx, im.Container.Memory, o)
	if err == nil {
		return im.betterDivided(ctx, s.options, k)
	}
	if other := foreign(err); other != nil {
		return nil, other
	}
	if k, err = s.outcome(err); err == nil {
		return k, nil
	}
	if low := im.withoutLowHole(ctx, s.options); low != nil {
		return low, nil
	}
	return nil, err
}

// try looks for a kernel under each division, from page directories that lead to none in the file as it is. It reports
// whether one division is the right one.
func (s *divisionSearch) try(a nt.Astray) bool {
	if len(a.Roots) == 0 {
		return false
	}
	before := s.im.faults.Count()
	for _, d := range s.im.Container.Divisions() {
		k, err := s.im.kernelUnder(s.ctx, s.options, d, a.Roots)
		if s.ctx.Err() != nil {
			return true
		}
		if err == nil {
			s.kernels, s.works = append(s.kernels, k), append(s.works, d)
		}
	}
	s.to, s.done = a.To, s.im.faults.Since(before) == nil // else one may have failed for that alone
	return s.done && len(s.works) == 1
}

// outcome returns the kernel under the one division that works, or the error of the search with the facts that are
// known about the division.
func (s *divisionSearch) outcome(err error) (*nt.Kernel, error) {
	if !s.done || s.ctx.Err() != nil {
		return nil, err
	}
	divisions := s.im.Container.Divisions()
	if len(s.works) != 1 {
		container, _ := strings.CutSuffix(s.im.Container.Format, "raw")
		return nil, &dividedError{err: err, to: s.to, size: uint64(s.im.Container.Memory.Size()), in: strings.TrimSuffix(container, ": "), tried: divisions, works: s.works}
	}
	evidence := fmt.Sprintf("as the file is, its page directories lead to no kernel, and of %d usual divisions one is found under this alone", len(divisions))
	s.im.divide(s.works[0], s.kernels[0], evidence)
	return s.kernels[0], nil
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

// astray returns the page directories that lead behind the end, as an error of the search knows them.
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
