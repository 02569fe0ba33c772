package format

import (
	"errors"
	"io"
	"io/fs"
	"strings"
)

// triedBehind is how many names are tried behind a missing file, if a folder cannot be listed.
const triedBehind = 3

// tried returns the names of the files that may be pieces of this one, if the folder cannot be listed: it tries the
// possible names one by one.
func (s *splitFile) tried() ([]string, error) {
	names, err := s.tryRow(numberedPieces(s.Name()), 1, 1)
	if err != nil {
		return nil, err
	}
	before := []string{s.Name()}
	for _, kind := range pieceNames() {
		row, i, ok := kind(strings.ToLower(s.Name()))
		if !ok || i > 1 {
			continue
		}
		found, err := s.tryRow(row, i+1, triedBehind)
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
		if i == 1 { // the first number may be 0
			if found, err = s.tryNames(row, 0); err != nil {
				return nil, err
			}
			before = append(before, found...)
		}
	}
	if len(names) > 0 {
		s.note("The folder cannot be listed: that %s is the last of the files is assumed, since those that would follow it are not there.", names[len(names)-1])
	}
	return append(before, names...), nil
}

// tryRow returns the names of a row that files have, from the i-th name on until so many names in a row are missing.
func (s *splitFile) tryRow(row pieceRow, i, missing int) (names []string, err error) {
	for left := missing; left > 0 && len(names) <= maxSegmentFiles; i++ {
		found, err := s.tryNames(row, i)
		if err != nil {
			return nil, err
		}
		if left--; len(found) > 0 {
			names, left = append(names, found...), triedBehind
		}
	}
	return names, nil
}

// tryNames returns the name of the i-th piece if there is a file with it. A row has its names in small letters.
func (s *splitFile) tryNames(row pieceRow, i int) ([]string, error) {
	for _, name := range row.name(i) {
		if strings.HasPrefix(name, row.stem) && len(row.stem) <= len(s.Name()) {
			name = s.Name()[:len(row.stem)] + name[len(row.stem):]
		}
		src, err := s.Beside(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if c, ok := src.(io.Closer); ok {
			_ = c.Close() // it is opened again if it is a piece
		}
		return []string{name}, nil
	}
	return nil, nil
}
