package format

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"memlens/memimage/sparse"
)

const (
	// maxSegmentFiles bounds the files of a segmented image; each stays open.
	maxSegmentFiles = 1000
	// alikeLeast and alikeMost are how many bytes at the beginnings of files are compared, to tell pieces of one
	// image from separate images: more bytes are compared when the first ones are all the same.
	alikeLeast, alikeMost = 8, 64
)

// splitFile is a file that was cut into pieces; the user opens the first piece.
type splitFile struct {
	*input
	names   []string // of the pieces, as far as the folder has them; empty: a piece that is missing
	missing []string // names of the missing pieces
	sure    bool     // only tools that cut files give such names
	whole   string   // name of the file that was split
}

// openSplit opens a file of any format that was cut into pieces, by their names: .000 or .001 and so on, the names that
// split gives (xaa, x00, image.aa), or mem.raw, mem.raw.1 and so on.
func openSplit(in *input) (*Image, error) {
	if in.depth > 0 {
		return nil, ErrFormat
	}
	s := &splitFile{input: in}
	if err := s.find(); err != nil || len(s.names) < 2 {
		return nil, ErrFormat // a folder that cannot be listed is no reason not to open the file itself
	}
	pieces, err := s.open()
	if err != nil {
		return nil, err
	}
	if other := s.ownImage(pieces); other != "" {
		in.note("%s lies beside this file as if it were the next piece of it, but begins as an image of its own: each is taken for an image.", other)
		return nil, ErrFormat
	}
	content, err := s.concat(pieces)
	if err != nil {
		return nil, fmt.Errorf("format: %s: %w", in.Name(), err)
	}
	s.say()
	return in.nested("split", &inner{Source: content, name: s.whole, outer: in.Source})
}

// find looks for the pieces in the folder.
func (s *splitFile) find() error {
	all, err := s.Names()
	if errors.Is(err, errors.ErrUnsupported) {
		all, err = s.tried()
	}
	if err != nil {
		return err
	}
	there := folder{}
	for _, name := range all {
		there[strings.ToLower(name)] = name
	}
	best, later := pieceRow{}, func() {}
	for _, kind := range pieceNames() {
		row, i, ok := kind(strings.ToLower(s.Name()))
		present := row.present(there)
		switch {
		case !ok || len(present) < 2:
		case i == 0 || i == 1 && present[0] == 1:
			if row.first = i; len(present) > best.count {
				best, best.count = row, len(present)
			}
		case present[0] < i:
			later = func() { s.laterPiece(row.at(there, present[0])) }
		}
	}
	if best.count > 0 {
		end := len(strings.ToLower(s.Name())) - len(best.stem)
		s.sure, s.whole = true, strings.TrimRight(s.Name()[:max(0, len(s.Name())-end)], "._-")
		s.take(best, there)
		return nil
	}
	s.whole = s.Name()
	if row := numberedPieces(s.Name()); row.at(there, 1) != "" || row.at(there, 2) != "" {
		s.take(row, there)
		return nil
	}
	later()
	return nil
}

// laterPiece notes that the file is not the first of its row.
func (s *splitFile) laterPiece(first string) {
	s.note("The name of %s is that of a piece behind others of a file that was split: if it is one, open the first, %s.", s.Name(), first)
}

// folder are the names of the files in a folder, by their small letters.
type folder map[string]string

// hasSeveral reports whether several names begin with stem, in small letters: most images have no such files beside
// them, and then the search for rows of names is not needed.
func (f folder) hasSeveral(stem string) bool {
	n := 0
	for name := range f {
		if strings.HasPrefix(name, stem) {
			n++
		}
	}
	return n > 1
}

// at returns the name of the i-th piece in a folder, or "".
func (r pieceRow) at(there folder, i int) string {
	for _, name := range r.name(i) {
		if found, ok := there[strings.ToLower(name)]; ok {
			return found
		}
	}
	return ""
}

// present returns the numbers of the pieces that a folder has.
func (r pieceRow) present(there folder) []int {
	if r.name == nil || !there.hasSeveral(r.stem) {
		return nil
	}
	var out []int
	for i := range maxSegmentFiles + 2 {
		if r.at(there, i) != "" {
			out = append(out, i)
		}
	}
	return out
}

// take takes the pieces of a row, from the first to the last one in the folder.
func (s *splitFile) take(row pieceRow, there folder) {
	for i := row.first; i < row.first+maxSegmentFiles+1; i++ {
		s.names = append(s.names, row.at(there, i))
	}
	s.names = trimMissing(s.names)
	if gap := slices.Index(s.names, ""); gap > 0 && 2*countMissing(s.names) > len(s.names) {
		s.note("%s is missing, and so are most of the pieces before %s: the pieces behind the gap are left out.", row.names(gap)[0], s.names[len(s.names)-1])
		s.names = s.names[:gap]
	}
	for i, name := range s.names {
		if name == "" {
			s.missing = append(s.missing, row.names(i)[0])
		}
	}
}

// trimMissing returns names without the missing names at its end.
func trimMissing(names []string) []string {
	for len(names) > 0 && names[len(names)-1] == "" {
		names = names[:len(names)-1]
	}
	return names
}

func countMissing(names []string) (n int) {
	for _, name := range names {
		if name == "" {
			n++
		}
	}
	return n
}

// open opens the pieces; a missing piece is nil.
func (s *splitFile) open() ([]Source, error) {
	if len(s.names) > maxSegmentFiles {
		return nil, fmt.Errorf("format: %s is in more than %d files", s.Name(), maxSegmentFiles)
	}
	pieces := []Source{s.Source}
	for _, name := range s.names[1:] {
		if name == "" {
			pieces = append(pieces, nil)
			continue
		}
		src, err := s.beside(name)
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, src)
	}
	return pieces, nil
}

// ownImage returns the name of a later piece that begins as the first one does, with bytes that are not all the same.
// Such files are not pieces, but copies of an image, or images of a format with a header.
func (s *splitFile) ownImage(pieces []Source) string {
	head, err := s.head(alikeMost)
	if err != nil || len(head) < alikeMost {
		return ""
	}
	if n := alikeLeast; !uniformBytes(head[:n]) {
		head = head[:n]
	}
	off := int64(0)
	if uniformBytes(head) {
		if s.sure {
			return ""
		}
		if off, head = s.firstContent(); head == nil {
			return ""
		}
	}
	for _, p := range pieces[1:] {
		if p == nil {
			continue
		}
		if b, err := readUpTo(p, off, len(head)); err == nil && bytes.Equal(b, head) {
			return p.Name()
		}
	}
	return ""
}

// firstContent returns the first page of the file whose bytes are not all the same, and its offset; nil when the first
// MiB has none.
func (s *splitFile) firstContent() (int64, []byte) {
	for off := int64(0); off < oneMiB; off += pageSize {
		page, err := readUpTo(s, off, pageSize)
		if err != nil || len(page) < pageSize {
			break
		}
		if !uniformBytes(page) {
			return off, page
		}
	}
	return 0, nil
}

// uniformBytes reports whether all bytes of b are the same.
func uniformBytes(b []byte) bool { return bytes.Count(b, b[:1]) == len(b) }

// say notes which files were joined.
func (s *splitFile) say() {
	last := s.names[len(s.names)-1]
	if s.sure {
		s.note("The image is in %d files, %s to %s.", len(s.names)-len(s.missing), s.Name(), last)
		return
	}
	s.note("That the files %s to %s are the pieces of one image is assumed, from their names alone: if the first is an image by itself, put it into a folder of its own.", s.Name(), last)
}

// concat returns the bytes of pieces one behind the other. Every piece but the last counts as long as the longest
// piece. A missing piece, or the missing end of a shorter one, is a hole: without the hole, all bytes behind it would
// be in the wrong place.
func (s *splitFile) concat(pieces []Source) (*sparse.Reader, error) {
	if inParts(pieces) {
		return joined(pieces)
	}
	size := longest(pieces[:len(pieces)-1])
	if last := pieces[len(pieces)-1]; last.Size() > size {
		s.cut(Truncation{What: s.Name(), Have: uint64(s.Size()), Promised: uint64(last.Size()), By: "the last piece has", AtLeast: true})
		s.note("%s, the last piece, is longer than those before it, which are truncated then: how long they were is not known, so that it cannot be placed and is left out.", last.Name())
		pieces = pieces[:len(pieces)-1]
	}
	var extents []sparse.Extent
	for i, p := range pieces {
		if p == nil {
			continue
		}
		extents = append(extents, sparse.Extent{Off: int64(i) * size, Len: p.Size(), Src: p})
		if lack := size - p.Size(); lack > 0 && i < len(pieces)-1 {
			s.cut(Truncation{What: p.Name(), Have: uint64(p.Size()), Promised: uint64(size), By: "the other pieces have"})
			s.note("%s is shorter than the other pieces: its last %s are missing.", p.Name(), sizeText(uint64(lack)))
		}
	}
	end := extents[len(extents)-1].End()
	s.sayMissing(pieces, size, end)
	return sparse.NewReader(end, extents...)
}

// inParts reports whether the pieces are the parts of a file that was cut into a number of parts (split -n). Such
// parts have equal sizes, but for one byte, or the last part has all bytes that are left over.
func inParts(pieces []Source) bool {
	if slices.Contains(pieces, nil) {
		return false
	}
	bySize := func(a, b Source) int { return cmp.Compare(b.Size(), a.Size()) }
	first, before, last := pieces[0].Size(), pieces[len(pieces)-2].Size(), pieces[len(pieces)-1].Size()
	if slices.IsSortedFunc(pieces, bySize) {
		return first-last <= 1
	}
	front := pieces[:len(pieces)-1]
	return slices.IsSortedFunc(front, bySize) && first == before && last-first < int64(len(pieces))
}

// joined returns the bytes of pieces one behind the other.
func joined(pieces []Source) (*sparse.Reader, error) {
	var extents []sparse.Extent
	end := int64(0)
	for _, p := range pieces {
		extents = append(extents, sparse.Extent{Off: end, Len: p.Size(), Src: p})
		end += p.Size()
	}
	return sparse.NewReader(end, extents...)
}

// longest returns the size of the longest piece.
func longest(pieces []Source) (size int64) {
	for _, p := range pieces {
		if p != nil {
			size = max(size, p.Size())
		}
	}
	return size
}

// sayMissing says which pieces are missing, of an image that ends at end. Each of them but the last is of this size.
func (s *splitFile) sayMissing(pieces []Source, size, end int64) {
	const most = 8
	if len(s.missing) == 0 {
		return
	}
	names := strings.Join(s.missing[:min(most, len(s.missing))], ", ")
	if more := len(s.missing) - most; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	have := int64(0)
	for _, p := range pieces {
		if p != nil {
			have += p.Size()
		}
	}
	is, what := "is", "The piece "+names+" of the image is missing, with the bytes in it. It is"
	if len(s.missing) > 1 {
		is, what = "are", "The pieces "+names+" of the image are missing, with the bytes in them. Each is"
	}
	s.cut(Truncation{What: "the split image", Have: uint64(have), Promised: uint64(end), By: fmt.Sprintf("its pieces have by their names, of which %s %s missing", names, is)})
	s.note("%s assumed to be as long as the longest, %s.", what, sizeText(uint64(size)))
}
