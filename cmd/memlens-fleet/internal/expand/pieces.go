package expand

import (
	"regexp"
	"strings"
)

// later are the forms of the names of further pieces of an image, with the names of the first piece. $1 is the common
// part of all pieces. Memlens joins these pieces when it opens the first one.
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

// lettered returns the names of the first segment, for segments with letters (these come when the numbers have run
// out).
func lettered(stem, _ string) []string { return []string{stem + "E01", stem + "e01"} }

func counted(stem, end string) []string {
	zeros := strings.Repeat("0", len(end)-1)
	return []string{stem + zeros + "0", stem + zeros + "1"}
}

func alphabetical(stem, end string) []string {
	return []string{stem + strings.Repeat("a", len(end)), stem + strings.Repeat("A", len(end))}
}

func behindTheWhole(stem, _ string) []string { return []string{stem} }

// withoutPieces separates the names of further pieces from the names of images: a name is a piece if the first piece
// is there, too.
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

// isLater reports whether a name is the name of a further piece whose first piece is there.
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
