package memimage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"memlens/memimage/format"
	"memlens/memimage/nt"
)

// openError is an error of opening an image, with all that is known about the image.
type openError struct {
	text string
	err  error
}

func (e *openError) Error() string { return e.text }
func (e *openError) Unwrap() error { return e.err }

// explain adds to an error of the search for a kernel the facts that are known about the image: first that its file is
// truncated, then the findings, and last the container's notes.
func (im *Image) explain(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	var missing *nt.NotFoundError
	var unfit *nt.ProfileError
	var divided *dividedError
	text := strings.TrimPrefix(err.Error(), "nt: ")
	what := ""
	switch {
	case errors.As(err, &missing):
		what = im.Container.Describe()
		text = im.nothingFound(what) + ". The search: " + strings.Join(missing.Tried, "; ") + "."
	case errors.As(err, &unfit):
		text += "."
	default:
		return im.afterTruncation(err.Error(), err)
	}
	switch {
	case errors.As(err, &divided):
		text += " " + divided.advice() + "."
	case astray(err).Behind > 0 && len(im.Container.Truncated) == 0 && im.Container.IsRaw():
		text += " Page tables lead behind the end of the file: it may be truncated."
	case what == format.Unknown && len(im.Container.LowDivisions()) > 0:
		text += " " + memmapAdvice
	}
	if known := im.containerSays(); len(known) > 0 {
		text += " Known of the file: " + strings.Join(known, " ")
	}
	if len(im.Container.Truncated) > 0 {
		text += " Copy the whole file, or acquire the memory again."
	}
	return im.afterTruncation(strings.TrimSuffix(text, "."), err)
}

// memmapAdvice is for raw files that may hold memory, in which no kernel is found.
const memmapAdvice = "If it is the memory of Windows, the file may leave out ranges that are not memory, so that its parts do not lie where they should (the usual hole below 1 MiB was tried): say where they lie with --memmap. " +
	`The machine has them in its registry while it runs: HKLM\HARDWARE\RESOURCEMAP\System Resources\Physical Memory, .Translated.`

// nothingFound says that there is no Windows, and what the image seems to be.
func (im *Image) nothingFound(what string) string {
	where := "this image"
	switch {
	case im.faults.Count() > 0:
		where = "what could be read of this image"
	case len(im.Container.Truncated) > 0:
		where = "the part that is there"
	}
	return fmt.Sprintf("no Windows system found in %s (%s), which looks like %s", where, im.sizes(), what)
}

// sizes gives the format and size of the file, and the size of its memory where that differs.
func (im *Image) sizes() string {
	mem := im.Container.Memory
	s := fmt.Sprintf("%s, %d bytes", im.Container.Format, im.Size)
	switch {
	case mem.Covered() != mem.Size():
		s += fmt.Sprintf("; its memory reaches to %d bytes, of which %d are in the file", mem.Size(), mem.Covered())
	case mem.Size() != im.Size:
		s += fmt.Sprintf("; memory of %d bytes", mem.Size())
	}
	return s
}

// containerSays are the sentences of the container: its damage, its assumptions and its gaps. A truncation is reported
// elsewhere.
func (im *Image) containerSays() []string {
	out := slices.Concat(im.verified(), im.Container.Doubts, im.Container.Damage())
	for _, note := range im.Container.Notes {
		if !isTruncation(im.Container, note) {
			out = append(out, note)
		}
	}
	return out
}

// verified are the results of checking the container's digests, as sentences.
func (im *Image) verified() []string {
	var out []string
	for _, v := range im.Verified {
		s := v.String()
		out = append(out, strings.ToUpper(s[:1])+s[1:]+".")
	}
	return out
}

func isTruncation(c *format.Image, note string) bool {
	for _, t := range c.Truncated {
		if t.Note() == note {
			return true
		}
	}
	return false
}

// afterTruncation is an error with that text. Before the text it names the reads that failed, and the truncation.
func (im *Image) afterTruncation(text string, err error) error {
	var first []string
	if n := im.faults.Count(); n > 0 {
		first = append(first, fmt.Sprintf("%d reads of the file failed, the last: %v. The disk, the network or the file system below it fails: copy the file to a sound place, for instance with ddrescue, and open the copy", n, im.faults.Last()))
	}
	if machine := (*MachineError)(nil); errors.As(err, &machine) { // a whole file would be of no use either
		first, text = append(first, text), ""
	}
	for _, t := range im.Container.Truncated {
		first = append(first, t.String())
	}
	if text == "" {
		return &openError{strings.Join(first, "; "), err}
	}
	return &openError{strings.Join(append(first, text), "; "), err}
}
