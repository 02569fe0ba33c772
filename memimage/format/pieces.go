package format

import (
	"fmt"
	"strconv"
	"strings"
)

// pieceNames are the ways in which tools name the pieces of a file that they cut. Each function takes a name in small
// letters and returns its row and its number in the row; false: the name is of another kind.
func pieceNames() []func(name string) (row pieceRow, i int, ok bool) {
	return []func(string) (pieceRow, int, bool){decimalPieces, hexPieces, letterPieces}
}

// pieceRow is the row of names that the pieces of a file have.
type pieceRow struct {
	stem  string // the beginning of all names
	first int    // number of the first piece
	count int    // number of pieces
	name  func(i int) []string
}

// names returns the names that the i-th piece, counted from 0, may have.
func (r pieceRow) names(i int) []string { return r.name(r.first + i) }

// suffix cuts the last characters off a name, as long as they are in set. One of "._-" must stand before them, or
// only "x", as in the names that split gives: other names end in such characters by chance.
func suffix(name, set string) (stem, end string, ok bool) {
	stem = strings.TrimRight(name, set)
	end = name[len(stem):]
	return stem, end, end != "" && (stem == "x" || stem != "" && strings.Contains("._-", stem[len(stem)-1:]))
}

// decimalPieces are .000 or .001, .002 and so on, and x00, x01 of split -d.
func decimalPieces(name string) (pieceRow, int, bool) {
	stem, end, ok := suffix(name, "0123456789")
	i, err := strconv.Atoi(end)
	if !ok || err != nil {
		return pieceRow{}, 0, false
	}
	width := len(end)
	row := pieceRow{stem: stem, name: func(i int) []string {
		return []string{fmt.Sprintf("%s%0*d", stem, width, i), stem + widening(i, 10, width)}
	}}
	return row, i, true
}

// hexPieces are x00 to x0f and so on, of split -x.
func hexPieces(name string) (pieceRow, int, bool) {
	stem, end, ok := suffix(name, "0123456789abcdef")
	i, err := strconv.ParseInt(end, 16, 32)
	if !ok || err != nil || len(end) < 2 {
		return pieceRow{}, 0, false
	}
	width := len(end)
	row := pieceRow{stem: stem, name: func(i int) []string {
		return []string{fmt.Sprintf("%s%0*x", stem, width, i), stem + widening(i, 16, width)}
	}}
	return row, int(i), true
}

// letterPieces are xaa, xab and so on of split, and with any name in front, if one of "._-" stands between.
func letterPieces(name string) (pieceRow, int, bool) {
	stem, end, ok := suffix(name, "abcdefghijklmnopqrstuvwxyz")
	if stem == "" && strings.HasPrefix(end, "x") { // the name is all letters
		stem, end, ok = "x", end[1:], true
	}
	if !ok || len(end) < 2 || len(end) > 4 {
		return pieceRow{}, 0, false
	}
	width := len(end)
	row := pieceRow{stem: stem, name: func(i int) []string {
		names := []string{stem + widening(i, 26, width)}
		if plain := letters(i, width); letterValue(plain) == i {
			names = append(names, stem+plain)
		}
		return names
	}}
	return row, letterValue(end), true
}

// letterValue is the number that letters stand for.
func letterValue(s string) (i int) {
	for _, c := range s {
		i = i*26 + int(c-'a')
	}
	return i
}

// letters writes i in width letters.
func letters(i, width int) string {
	b := make([]byte, width)
	for k := width - 1; k >= 0; k, i = k-1, i/26 {
		b[k] = 'a' + byte(i%26)
	}
	return string(b)
}

// widening writes the i-th suffix as GNU split does. Split makes suffixes longer before it runs out of short ones, so
// that names stay in order: 9000 comes after 89, zaaa comes after yz.
func widening(i, base, width int) string {
	digit := func(i int) string {
		if base == 26 {
			return letters(i, 1)
		}
		return strconv.FormatInt(int64(i), base)
	}
	front := ""
	for {
		most := base - 1
		for range width - 1 {
			most *= base
		}
		if i < most || len(front) > 8 {
			break
		}
		i -= most
		front += digit(base - 1)
		width++
	}
	out := ""
	for range width {
		out = digit(i%base) + out
		i /= base
	}
	return front + out
}

// numberedPieces are the pieces behind a first piece without a number: mem.raw, mem.raw.1 and so on.
func numberedPieces(name string) pieceRow {
	return pieceRow{stem: name + ".", name: func(i int) []string {
		if i == 0 {
			return []string{name}
		}
		return []string{fmt.Sprintf("%s.%d", name, i)}
	}}
}
