package expand

import (
	"regexp"
	"strings"
)

// later are the names of further pieces of an image, and of the piece that is first. $1 is what all pieces have in common. The
// pieces are those that memlens joins when it opens the first.
var later = []struct {
	name  *regexp.Regexp
	first func(stem, end string) []string
}{
	{regexp.MustCompile(`^(.*\.(?i:[a-z]x?))(\d\d)$`), segment},                  // .E02 behind .E01
	{regexp.MustCompile(`^(.*\.)(?i:([e-z][a-z]{2}))$`), lettered},               // .EAA behind .E99
	{regexp.MustCompile(`^(.*\.)(\d{3,})$`), counted},                            // .002 behind .001 or .000
	{regexp.MustCompile(`^(.*[._-]|(?:.*/)?x)((?i:[a-z]{2,4}))$`), alphabetical}, // .ab behind .aa, xab behind xaa
	{regexp.MustCompile(`^(.*)(\.\d{1,2})$`), behindTheWhole},                    // mem.raw.1 behind mem.raw
}

func segment(stem, _ string) []string { return []string{stem + "01"} }

// lettered returns the first of the segments that have run out of numbers.
func lettered(stem, _ string) []string { return []string{stem + "E01", stem + "e01"} }

func counted(stem, end string) []string {
	zeros := strings.Repeat("0", len(end)-1)
	return []string{stem + zeros + "0", stem + zeros + "1"}
}

func alphabetical(stem, end string) []string {
	return []string{stem + strings.Repeat("a", len(end)), stem + strings.Repeat("A", len(end))}
}

func behindTheWhole(stem, _ string) []string { return []string{stem} }

// withoutPieces parts the names of further pieces from those of images: a piece is one whose first piece is there.
func withoutPieces(names []string) (images, pieces []string) {
	there := make(map[string]bool, len(names))
	for _, name := range names {
		there[name] = true
	}
	for _, name := range names {
		if isLater(name, there) {
			pieces = append(pieces, name)
		} else {
			images = append(images, name)
		}
	}
	return images, pieces
}

// isLater reports whether a name is that of a piece behind one that is there.
func isLater(name string, there map[string]bool) bool {
	for _, kind := range later {
		m := kind.name.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		for _, first := range kind.first(m[1], m[2]) {
			if there[first] && first < name {
				return true
			}
		}
	}
	return false
}
