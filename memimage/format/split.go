package format

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"memlens/memimage/sparse"
)

// maxSegmentFiles bounds the files of a segmented image; each stays open.
const maxSegmentFiles = 1000

// openSplit opens a file that was cut into pieces with numbers for extensions: .000 or .001, .002 and so on, of any
// format. The first of them is the one that is opened.
func openSplit(in *input) (*Image, error) {
	ext := filepath.Ext(in.Name())
	first, err := strconv.Atoi(trimDot(ext))
	if err != nil || first > 1 || first < 0 || len(ext) < 3 || in.depth > 0 {
		return nil, ErrFormat
	}
	pieces, err := in.pieces(func(i int) string { return fmt.Sprintf(".%0*d", len(ext)-1, first+i) })
	if err != nil {
		return nil, err
	}
	if len(pieces) == 1 {
		return nil, ErrFormat
	}
	content, err := in.concat(pieces)
	if err != nil {
		return nil, fmt.Errorf("format: %s: %w", in.Name(), err)
	}
	in.note("The image is in %d files, %s to %s.", len(pieces), in.Name(), pieces[len(pieces)-1].Name())
	return in.nested("split", &inner{Source: content, name: in.Name(), outer: in.Source})
}

func trimDot(ext string) string {
	if ext == "" {
		return ""
	}
	return ext[1:]
}

// pieces opens the files beside in that follow it, by the extension of the i-th, up to the first that is not there.
func (in *input) pieces(ext func(i int) string) ([]Source, error) {
	pieces := []Source{in.Source}
	for i := 1; ; i++ {
		src, err := in.sibling(ext(i))
		if errors.Is(err, fs.ErrNotExist) {
			if after, err := in.sibling(ext(i + 1)); err == nil {
				in.note("The file *%s is missing while %s is there: what is in it and behind it is left out.", ext(i), after.Name())
			}
			return pieces, nil
		}
		if err != nil {
			return nil, err
		}
		if i == maxSegmentFiles {
			return nil, fmt.Errorf("format: %s is in more than %d files", in.Name(), maxSegmentFiles)
		}
		pieces = append(pieces, src)
	}
}

// concat returns the bytes of pieces one behind the other. All but the last are as long as the longest: what a shorter
// one lacks is a hole, for to move up what follows would put it all in the wrong place.
func (in *input) concat(pieces []Source) (*sparse.Reader, error) {
	var whole int64
	for _, p := range pieces {
		whole = max(whole, p.Size())
	}
	var extents []sparse.Extent
	for i, p := range pieces {
		extents = append(extents, sparse.Extent{Off: int64(i) * whole, Len: p.Size(), Src: p})
		if lack := whole - p.Size(); lack > 0 && i < len(pieces)-1 {
			in.cut(Truncation{What: p.Name(), Have: uint64(p.Size()), Promised: uint64(whole), By: "the other pieces have"})
			in.note("%s is shorter than the other pieces: its last %s are missing.", p.Name(), sizeText(uint64(lack)))
		}
	}
	return sparse.NewReader(int64(len(pieces)-1)*whole+pieces[len(pieces)-1].Size(), extents...)
}
