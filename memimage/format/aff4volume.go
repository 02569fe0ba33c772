package format

import (
	"archive/zip"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"memlens/memimage/sparse"
)

// aff4Volume is a zip archive with a description.
type aff4Volume struct {
	*input
	archive *zip.Reader
	urn     string
	facts   graph
	files   map[string]*zip.File // by their names as stored, and by their names with nothing escaped
	folders map[string]bool      // with nothing escaped: "PhysicalMemory/data" where there is "PhysicalMemory/data/00000000"
}

// newVolume reads the description of a volume; the error is ErrFormat when there is none.
func (a *aff4File) newVolume(in *input, archive *zip.Reader) (*aff4Volume, error) {
	v := &aff4Volume{input: in, archive: archive, files: map[string]*zip.File{}, folders: map[string]bool{}}
	twice := 0
	for _, f := range archive.File {
		name := strings.TrimPrefix(f.Name, "/")
		if v.files[name] != nil {
			twice++
		}
		v.files[name] = f
		name = unescape(name)
		v.folders[name[:max(strings.LastIndexByte(name, '/'), 0)]] = true
	}
	for _, f := range archive.File {
		if name := unescape(strings.TrimPrefix(f.Name, "/")); v.files[name] == nil {
			v.files[name] = f
		}
	}
	turtle := v.files["information.turtle"]
	if turtle == nil {
		return nil, ErrFormat
	}
	r, err := turtle.Open()
	if err != nil {
		return nil, fmt.Errorf("format: %s: information.turtle: %w", in.Name(), err)
	}
	defer r.Close()
	switch v.facts, err = parseTurtle(r); {
	case sparse.Failed(err):
		return nil, err
	case errors.Is(err, zip.ErrChecksum):
		a.doubt("The description of the AFF4 volume %s is not as it was written, says the checksum of it in the archive. It is used, and nothing tells what in it is wrong: sizes, places, or which stream is the memory.", in.Name())
	case err != nil:
		a.note("The description of the AFF4 volume %s is damaged (%s); what came before is used.", in.Name(), sentence(err))
	}
	v.urn = v.name()
	if twice > 0 {
		a.note("%s in the archive of the AFF4 volume %s more than once: the last file of each is used.", count(twice, "name is", "names are"), in.Name())
	}
	return v, nil
}

// name returns the URN of the volume, which is in one of two places. If it is in neither, it is the URN that the
// description gives as the place where resources are stored.
func (v *aff4Volume) name() string {
	urn := v.archive.Comment
	if f := v.files["container.description"]; f != nil {
		if b, err := readEntry(f, 4096); err == nil {
			urn = string(b)
		}
	}
	if urn = strings.TrimRight(urn, "\x00/ \r\n"); urn != "" {
		return urn
	}
	for _, subject := range slices.Sorted(maps.Keys(v.facts)) {
		for _, schema := range aff4Schemas {
			for _, t := range v.facts[subject][schema+"stored"] {
				return strings.TrimRight(t.text, "/")
			}
		}
	}
	return ""
}

// readEntry reads a small file of the archive.
func readEntry(f *zip.File, most int) ([]byte, error) {
	if f.Flags&zipEncrypted != 0 {
		return nil, fmt.Errorf("format: %q is encrypted", f.Name)
	}
	if f.UncompressedSize64 > uint64(most) {
		return nil, fmt.Errorf("format: %q has %d bytes, more than %d", f.Name, f.UncompressedSize64, most)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return readAtMost(r, int(f.UncompressedSize64))
}

// path returns the name that the file of a resource has in the archive, with nothing escaped: relative to the volume,
// or the URN as a whole.
func (v *aff4Volume) path(urn string) string {
	if rest, ok := strings.CutPrefix(urn, v.urn+"/"); ok && v.urn != "" {
		return strings.TrimPrefix(rest, "/")
	}
	return strings.TrimPrefix(urn, "/")
}

// entry returns the file of the archive that holds a resource, or nil. Writers escape the names of files in their own
// ways, and some say which file it is.
func (v *aff4Volume) entry(urn string) *zip.File {
	for _, name := range []string{v.path(urn), unescape(v.path(urn))} {
		if f := v.files[name]; f != nil {
			return f
		}
	}
	for _, schema := range aff4Schemas {
		for _, name := range v.facts[urn][schema+"fileName"] {
			return v.files[name.text]
		}
	}
	return nil
}

// holds reports whether the volume has bytes of a resource: its file, or a folder of files.
func (v *aff4Volume) holds(urn string) bool {
	return v.entry(urn) != nil || v.folders[v.path(urn)] || v.folders[unescape(v.path(urn))]
}

// describes reports whether the volume says how long the chunks of a stream are.
func (v *aff4Volume) describes(urn string) bool {
	for _, schema := range aff4Schemas {
		if len(v.facts[urn][schema+"chunkSize"]) > 0 {
			return true
		}
	}
	return false
}

// unescape replaces escapes such as "%3A" by the characters that they stand for.
func unescape(name string) string {
	if plain, err := url.PathUnescape(name); err == nil {
		return plain
	}
	return name
}

// plain opens a file of the archive that is not compressed.
func (s aff4Segment) plain() (sparse.Source, error) {
	if s.file.Flags&zipEncrypted != 0 {
		return nil, fmt.Errorf("format: %q in the AFF4 volume is encrypted", s.file.Name)
	}
	at, err := s.file.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("format: %q in the AFF4 volume is damaged: %w", s.file.Name, err)
	}
	if s.file.Method != zip.Store || at < 0 || at > s.volume.Size() || int64(min(s.file.UncompressedSize64, maxPhysical)) > s.volume.Size()-at {
		return nil, fmt.Errorf("format: %q in the AFF4 volume is damaged, or compressed as a whole", s.file.Name)
	}
	return sparse.Section(s.volume.input, at, int64(s.file.UncompressedSize64)), nil
}
