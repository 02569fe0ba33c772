package format

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxMemmap bounds the text of a memory map in bytes.
const maxMemmap = 64 << 20

// ParseMemmap reads a map of physical memory over a raw file: one range per line as "start end offset", separated by
// blanks, tabs, commas, dashes or arrows. start and end are physical addresses; end is the address of the last byte
// or, if both are multiples of 4096, of the first byte behind the range. offset is the place of start in the file.
// Without the third number the ranges follow each other in the file, the first at offset 0. Empty lines, and text
// behind a #, are skipped.
//
// Numbers that begin with 0x are hexadecimal. The others are decimal, unless any number in the map has a letter in
// it: then all are hexadecimal.
func ParseMemmap(r io.Reader) ([]Range, error) {
	lines, base, err := memmapLines(r)
	if err != nil {
		return nil, err
	}
	var ranges []Range
	var next uint64
	for _, l := range lines {
		rng, err := parseMemmapRange(l.words, base, next)
		if err != nil {
			return nil, fmt.Errorf("format: memory map, line %d: %w", l.number, err)
		}
		ranges = append(ranges, rng)
		next = rng.Off + rng.Len
	}
	if len(ranges) == 0 {
		return nil, fmt.Errorf("format: memory map has no ranges; a line is: start end offset")
	}
	return ranges, nil
}

type memmapLine struct {
	number int
	words  []string
}

// memmapLines returns the lines that are not empty and the base of the numbers in them that have no prefix.
func memmapLines(r io.Reader) ([]memmapLine, int, error) {
	var lines []memmapLine
	base := 10
	in := bufio.NewScanner(io.LimitReader(r, maxMemmap))
	for n := 1; in.Scan(); n++ {
		line, _, _ := strings.Cut(in.Text(), "#")
		words := strings.FieldsFunc(strings.ToLower(line), func(c rune) bool { return strings.ContainsRune(" ,\t\r->", c) })
		if len(words) == 0 {
			continue
		}
		if len(lines) == maxExtents {
			return nil, 0, fmt.Errorf("format: memory map has more than %d ranges", maxExtents)
		}
		lines = append(lines, memmapLine{n, words})
		for _, w := range words {
			if !strings.HasPrefix(w, "0x") && strings.ContainsAny(w, "abcdef") {
				base = 16
			}
		}
	}
	if err := in.Err(); err != nil {
		return nil, 0, fmt.Errorf("format: memory map: %w", err)
	}
	return lines, base, nil
}

func parseMemmapRange(words []string, base int, off uint64) (Range, error) {
	if len(words) < 2 || len(words) > 3 {
		return Range{}, fmt.Errorf("%q is not: start end offset", strings.Join(words, " "))
	}
	nums := [3]uint64{2: off}
	for i, w := range words {
		n, err := parseMemmapNumber(w, base)
		if err != nil {
			return Range{}, err
		}
		nums[i] = n
	}
	start, end := nums[0], nums[1]
	if start%pageSize != 0 || end%pageSize != 0 || start == end {
		end++
	}
	if end <= start || end > maxPhysical || nums[2] > maxPhysical {
		return Range{}, fmt.Errorf("%q is no range of physical memory", strings.Join(words, " "))
	}
	return Range{Addr: start, Len: end - start, Off: nums[2]}, nil
}

func parseMemmapNumber(w string, base int) (uint64, error) {
	digits, hex := strings.CutPrefix(w, "0x")
	if hex {
		base = 16
	}
	n, err := strconv.ParseUint(digits, base, 63)
	if err != nil {
		return 0, fmt.Errorf("%q is no number", w)
	}
	return n, nil
}

// openMapped opens a raw file by the map in the options.
func openMapped(in *input) (*Image, error) {
	if len(in.opts.Memmap) == 0 {
		return nil, ErrFormat
	}
	l := in.newLayout()
	l.by = "the memory map names"
	for _, r := range in.opts.Memmap {
		l.add(r.Addr, r.Len, r.Off)
	}
	mem, err := l.reader(in)
	if err != nil {
		return nil, err
	}
	return &Image{Format: "raw with a memory map", Memory: mem}, nil
}
