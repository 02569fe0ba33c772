package figure

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Sizes knows how large figures are that are like one that was measured before.
// Figures are as large as each other if their subjects differ but in digits of
// their titles: the digits of all fonts are as wide as each other. So it is with
// a DLL in a thousand processes. It is safe for concurrent use.
type Sizes struct {
	known *lru.Cache[[sha256.Size]byte, int64]
}

// NewSizes returns one that knows so many sizes at most.
func NewSizes(most int) *Sizes {
	known, _ := lru.New[[sha256.Size]byte, int64](max(most, 1)) // fails for a negative size only
	return &Sizes{known}
}

// Map returns the size of the figure of [NewMap].
func (z *Sizes) Map(s Subject) (int64, error) {
	return z.of("map", func() (*Figure, error) { return NewMap(s) }, s)
}

// Blink returns the size of the figure of [NewBlink].
func (z *Sizes) Blink(a, b Subject) (int64, error) {
	return z.of("blink", func() (*Figure, error) { return NewBlink(a, b) }, a, b)
}

// Changes returns the size of the figure of [NewChanges], which does not depend
// on the changes.
func (z *Sizes) Changes(s Subject) (int64, error) {
	return z.of("changes", func() (*Figure, error) { return NewChanges(s, Changes{}) }, s)
}

// of returns the size of a figure of a kind.
func (z *Sizes) of(kind string, measure func() (*Figure, error), subjects ...Subject) (int64, error) {
	var room [1 << 10]byte // of most likenesses
	text := likenessOf(room[:0], kind)
	for i := range subjects {
		text = subjects[i].likeness(text)
	}
	key := sha256.Sum256(text)
	if n, ok := z.known.Get(key); ok {
		return n, nil
	}
	f, err := measure()
	if err != nil {
		return 0, err
	}
	z.known.Add(key, f.Size())
	return f.Size(), nil
}

// likeness appends what the size of a figure depends on.
func (s *Subject) likeness(out []byte) []byte {
	out = binary.AppendVarint(out, s.Size)
	lines := 0
	if s.Digest != "" {
		lines = 1 + strings.Count(s.Digest, "\n")
	}
	out = binary.AppendVarint(out, int64(lines))
	out = likenessOf(likenessOf(out, s.Title), s.Subtitle)
	out = binary.AppendVarint(out, int64(len(s.Marks)))
	for _, m := range s.Marks {
		out = binary.AppendVarint(binary.AppendVarint(out, m.Off), m.Len)
		out = likenessOf(out, m.Label)
	}
	return out
}

// likenessOf appends a text, its digits all alike.
func likenessOf(out []byte, text string) []byte {
	out = binary.AppendVarint(out, int64(len(text)))
	for i := range len(text) {
		c := text[i]
		if c >= '0' && c <= '9' {
			c = '0'
		}
		out = append(out, c)
	}
	return out
}
