package format

import (
	"cmp"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
)

// maxAFF4Siblings bounds the files of the folder that are looked at.
const maxAFF4Siblings = 64

// aff4Name matches the names of volumes: host.aff4, and host.aff4.A01 for the next part.
var aff4Name = regexp.MustCompile(`(?i)\.(aff4|af4|a\d\d)$`)

// lookAround searches the folder for volumes with data that the description names and that the open volumes lack. It
// does so once: data that this search did not find are not in the folder.
func (a *aff4File) lookAround() {
	if a.looked {
		return
	}
	a.looked = true
	names, err := a.Names()
	if err != nil {
		a.note("The folder could not be searched for further AFF4 volumes: %v.", err)
		return
	}
	left := maxAFF4Siblings
	for _, name := range names {
		if name == a.Name() || !aff4Name.MatchString(name) {
			continue
		}
		if left--; left < 0 {
			a.note("The folder has more than %d AFF4 volumes: only the first were searched for the missing data.", maxAFF4Siblings)
			return
		}
		before := a.medium.failures()
		a.medium.excuse(func() {
			a.join(name)
			if failed := a.medium.since(before); failed != nil {
				a.broken = &FaultError{name, failed}
			}
		})
	}
}

// faultBeside returns the error of a file beside that could not be read, if missing data may be in that file: then it
// is not certain that they are nowhere. If nothing is missing, the error did no harm.
func (a *aff4File) faultBeside() error {
	if a.broken == nil || !a.lacks {
		return nil
	}
	return a.broken
}

// join opens a file beside the volume and keeps it if it is a volume that is of use.
func (a *aff4File) join(name string) {
	src, err := a.Beside(name)
	if err != nil {
		a.note("%s, which may be a volume of the image, cannot be opened: %v.", name, err)
		return
	}
	v, err := a.sibling(src)
	if err == nil && a.wants(v) {
		a.volumes, a.over = append(a.volumes, v), nil
		a.note("%s is a further volume of the image: %s.", name, v.urn)
		a.keep(src)
		return
	}
	if other := a.further(v); err == nil && other != "" {
		a.doubt("%s says that it is the same volume as %s, which is used: if they differ, nothing tells which is of this image. Put the right one into a folder with %s alone.", name, other, a.Name())
	}
	if err != nil && !errors.Is(err, ErrFormat) {
		a.note("%s, which may be a volume of the image, cannot be read: %s.", name, sentence(err))
	}
	if c, ok := src.(io.Closer); ok {
		_ = c.Close() // it was only read
	}
}

// sibling reads the directory and the description of another volume.
func (a *aff4File) sibling(src Source) (*aff4Volume, error) {
	in := &input{Source: src, opts: a.opts, depth: a.depth, medium: a.medium}
	if head, err := in.head(4); err != nil || !head.has(0, "PK\x03\x04") {
		return nil, cmp.Or(err, ErrFormat)
	}
	archive, err := readZip(in)
	if err != nil {
		return nil, err
	}
	return a.newVolume(in, archive)
}

// keep makes the image close a file when it is closed itself.
func (a *aff4File) keep(src Source) {
	if c, ok := src.(io.Closer); ok {
		a.closers = append(a.closers, c)
	}
}

// wants reports whether a volume is useful. It must not be open yet. It must hold bytes of a resource that the open
// volumes name, or say how long the chunks of such a resource are: only the last of several volumes has the whole
// description.
func (a *aff4File) wants(v *aff4Volume) bool {
	if a.isOpen(v.urn) {
		return false
	}
	for _, urn := range a.subjects() {
		if strings.Contains(urn, "://") && urn != v.urn && (v.holds(urn) || v.describes(urn)) {
			return true
		}
	}
	return false
}

// further returns the name of a further volume that is open, not the first, and has the URN of v; "" when there is none.
func (a *aff4File) further(v *aff4Volume) string {
	for _, o := range a.volumes[1:] {
		if v != nil && v.urn != "" && o.urn == v.urn {
			return o.Name()
		}
	}
	return ""
}

// isOpen reports whether the volume with that URN is open.
func (a *aff4File) isOpen(urn string) bool {
	return slices.ContainsFunc(a.volumes, func(v *aff4Volume) bool { return v.urn == strings.TrimRight(urn, "/") })
}

// missingVolumes returns the URNs of volumes that hold data and are not open, of a few at most.
func (a *aff4File) missingVolumes() []string {
	var out []string
	for _, urn := range a.subjects() {
		for _, t := range a.terms(urn, "stored") {
			if len(out) < maxLabels && strings.HasPrefix(t.text, "aff4://") && !a.isOpen(t.text) && !slices.Contains(out, t.text) {
				out = append(out, t.text)
			}
		}
	}
	return out
}

// elsewhere says which volume holds a resource that is in no open volume.
func (a *aff4File) elsewhere(urn string) string {
	for _, t := range a.terms(urn, "stored") {
		if !a.isOpen(t.text) {
			return "it is stored in the volume " + t.text + ", which is not beside " + a.Name()
		}
	}
	return "it is not in the volume, or its description is damaged"
}
