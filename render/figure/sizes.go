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
func (z *Sizes) Blink(frames ...Subject) (int64, error) {
	return z.of("blink", func() (*Figure, error) { return NewBlink(frames...) }, frames...)
}

// Changes returns the size of the figure of [NewChanges], which does not depend
// on the changes.
func (z *Sizes) Changes(s Subject) (int64, error) {
	return z.of("changes", func() (*Figure, error) { return NewChanges(s, Changes{}) }, s)
}

// Diagram returns the size of the figure of [NewDiagram].
func (z *Sizes) Diagram(d Diagram) (int64, error) {
	return z.sized(d.likeness(likenessOf(nil, "diagram")), func() (int64, error) {
		f, err := NewDiagram(d, nil)
		if err != nil {
			return 0, err
		}
		return f.Size(), nil
	})
}

// DiagramSVG returns the result of [DiagramSVGSize].
func (z *Sizes) DiagramSVG(d Diagram) (int64, error) {
	return z.sized(d.likeness(likenessOf(nil, "diagram SVG")), func() (int64, error) { return DiagramSVGSize(d) })
}

// of returns the size of a figure of a kind.
func (z *Sizes) of(kind string, measure func() (*Figure, error), subjects ...Subject) (int64, error) {
	var room [1 << 10]byte // of most likenesses
	text := likenessOf(room[:0], kind)
	for i := range subjects {
		text = subjects[i].likeness(text)
	}
	return z.sized(text, func() (int64, error) {
		f, err := measure()
		if err != nil {
			return 0, err
		}
		return f.Size(), nil
	})
}

// sized returns a size that is known by a likeness, or that measure finds.
func (z *Sizes) sized(likeness []byte, measure func() (int64, error)) (int64, error) {
	key := sha256.Sum256(likeness)
	if n, ok := z.known.Get(key); ok {
		return n, nil
	}
	n, err := measure()
	if err == nil {
		z.known.Add(key, n)
	}
	return n, err
}

// likeness appends the facts that the size of a figure depends on.
func (s *Subject) likeness(out []byte) []byte {
	out = binary.AppendVarint(out, s.Size)
	lines := 0
	if s.Digest != "" {
		lines = 1 + strings.Count(s.Digest, "\n")
	}
	noticed := int64(min(len(s.Notice), 1))
	out = binary.AppendVarint(binary.AppendVarint(out, int64(lines)), noticed)
	out = likenessOf(likenessOf(likenessOf(out, s.Title), s.Subtitle), s.Frame)
	out = binary.AppendVarint(out, int64(len(s.Marks)))
	for _, m := range s.Marks {
		out = binary.AppendVarint(binary.AppendVarint(out, m.Off), m.Len)
		out = likenessOf(out, m.Label)
	}
	return out
}

// likeness appends the facts that the sizes of the files of a diagram depend on.
func (d *Diagram) likeness(out []byte) []byte {
	out = likenessOf(likenessOf(likenessOf(out, d.Title), d.Subtitle), d.File)
	out = likenessOf(out, d.Tail)
	for _, n := range []int64{int64(len(digestLines(d.Digest))), d.Headers, int64(d.LeftOut), d.Alignment, int64(len(d.Sections)), d.Sizes[OnDisk], d.Sizes[InMemory], d.Sizes[Recovered]} {
		out = binary.AppendVarint(out, n)
	}
	shown, _ := d.shown()
	for i := range shown {
		s := &shown[i]
		out = likenessOf(out, s.Name)
		for _, n := range []int64{s.Disk.Off, s.Disk.Len, s.Memory.Off, s.Memory.Len, s.Mapped, s.Recovered.Off, s.Recovered.Len} {
			out = binary.AppendVarint(out, n)
		}
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
