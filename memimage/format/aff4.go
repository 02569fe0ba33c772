package format

import (
	"archive/zip"
	"errors"
	"maps"
	"slices"

	"github.com/klauspost/compress/zstd"

	"memlens/memimage/sparse"
)

// aff4File is an AFF4 image while it is opened: volumes, which are zip archives. Each has a Turtle document that
// describes streams of chunks, and maps over the streams. A stream may lie in several volumes.
type aff4File struct {
	*input
	volumes []*aff4Volume // the volume that was opened, and the volumes beside it with the data that it lacks
	looked  bool          // whether the folder was searched
	lacks   bool          // something is in none of the volumes
	broken  *FaultError   // of a file beside the volume; the missing data may be in that file
	streams map[string]sparse.Source
	over    map[string][]string // for each resource that holds data: the resources whose data it holds
	all     []string            // the resources that the volumes describe
	listed  int                 // how many volumes there were when all was made
	zstd    *zstd.Decoder
}

// openAFF4 opens the physical memory in an AFF4 volume, as WinPmem, Rekall, Evimetry and others write it.
func openAFF4(in *input) (*Image, error) {
	a, err := newAFF4(in)
	if err != nil {
		return nil, err
	}
	im, err := a.image()
	if fault := a.faultBeside(); fault != nil {
		return nil, errors.Join(fault, im.Close())
	}
	return im, err
}

// image opens the memory in the volumes.
func (a *aff4File) image() (*Image, error) {
	urn, err := a.memory()
	if err != nil {
		return nil, err
	}
	im, err := a.open(urn)
	if err != nil {
		return nil, err
	}
	a.offerPageFiles()
	return im, nil
}

// newAFF4 reads the directory and the description of a volume; ErrFormat says that the file is none.
func newAFF4(in *input) (*aff4File, error) {
	head, err := in.head(4)
	if err != nil {
		return nil, err
	}
	if !head.has(0, "PK\x03\x04") {
		return nil, ErrFormat
	}
	archive, err := readZip(in)
	if err != nil {
		return nil, ErrFormat // the opener of zip files reports the error
	}
	a := &aff4File{input: in, streams: map[string]sparse.Source{}}
	v, err := a.newVolume(in, archive)
	if err != nil {
		return nil, err
	}
	a.volumes = []*aff4Volume{v}
	a.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxAFF4Chunk))
	return a, err
}

// open opens the memory in a map, a stream or a file of the archive.
func (a *aff4File) open(urn string) (*Image, error) {
	if a.isMap(urn) {
		return a.openMap(urn)
	}
	content, err := a.content(urn)
	if err != nil {
		return nil, err
	}
	im, err := a.nested("AFF4", content)
	if err != nil {
		return nil, err
	}
	im.Digests, im.BlockDigests = a.digests(urn, content.Source)
	return im, nil
}

// content returns the stream or the file that holds an image without a map.
func (a *aff4File) content(urn string) (*inner, error) {
	if s, ok := a.entry(urn); ok && !a.isStream(urn) {
		content, err := zipContent(s.volume.input, s.volume.archive, s.file)
		if in := s.volume.input; in != a.input {
			a.closers, in.closers = append(a.closers, in.closers...), nil
			a.notes, in.notes = append(a.notes, in.notes...), nil
		}
		if err != nil {
			return nil, err
		}
		return &inner{Source: content.Source, name: a.Name()}, nil
	}
	src, err := a.stream(urn)
	return &inner{Source: src, name: a.Name()}, err
}

// aff4Segment is a file of the archive of a volume.
type aff4Segment struct {
	volume *aff4Volume
	file   *zip.File
}

// entry returns the file of an archive that holds a resource.
func (a *aff4File) entry(urn string) (aff4Segment, bool) {
	for _, v := range a.volumes {
		if f := v.entry(urn); f != nil {
			return aff4Segment{v, f}, true
		}
	}
	return aff4Segment{}, false
}

// subjects returns the resources that the volumes describe, in order.
func (a *aff4File) subjects() []string {
	if a.listed != len(a.volumes) {
		a.all, a.listed = a.describedIn(), len(a.volumes)
	}
	return a.all
}

func (a *aff4File) describedIn() []string {
	all := map[string]bool{}
	for _, v := range a.volumes {
		for urn := range v.facts {
			all[urn] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
