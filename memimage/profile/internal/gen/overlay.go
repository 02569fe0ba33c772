package main

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"memlens/memimage/profile/internal/layout"
)

// overlaid is a structure for the kernels of one architecture from one build to another.
type overlaid struct {
	layout.Struct
	arch        uint8 // 0: any
	first, last uint32
}

func (o overlaid) fits(h layout.Header) bool {
	return (o.arch == 0 || o.arch == h.Arch) && o.first <= h.Version[2] && h.Version[2] <= o.last
}

// applyOverlay adds the structures of an overlay file, which explains its own form, to the tables that lack them.
func applyOverlay(tables []layout.Table, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	overlay, err := parseOverlay(string(b))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for i := range tables {
		t := &tables[i]
		for _, o := range overlay {
			if o.fits(t.Header) && find(t.Structs, o.Name) == nil {
				t.Structs = append(t.Structs, o.Struct)
			}
		}
	}
	return nil
}

func parseOverlay(text string) ([]overlaid, error) {
	var out []overlaid
	for n, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		var err error
		if line[0] != '\t' {
			var o overlaid
			o, err = parseStruct(words)
			out = append(out, o)
		} else if len(out) > 0 {
			var f layout.Field
			f, err = parseField(words)
			s := &out[len(out)-1]
			s.Fields = append(s.Fields, f)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	return out, nil
}

func parseStruct(words []string) (overlaid, error) {
	if len(words) != 4 {
		return overlaid{}, fmt.Errorf("%d words instead of name, architecture, builds, size", len(words))
	}
	first, last, _ := strings.Cut(words[2], "-")
	arch, ok := map[string]uint8{"any": 0, "x86": layout.X86, "x64": layout.X64}[words[1]]
	if !ok {
		return overlaid{}, fmt.Errorf("architecture %q", words[1])
	}
	o := overlaid{arch: arch}
	o.Name = words[0]
	var err error
	o.first, err = number(first, 0, err)
	o.last, err = number(last, math.MaxUint32, err)
	o.Size, err = number(words[3], 0, err)
	return o, err
}

func parseField(words []string) (layout.Field, error) {
	if len(words) < 3 {
		return layout.Field{}, fmt.Errorf("%d words instead of offset, name, type", len(words))
	}
	var err error
	f := layout.Field{Name: words[1]}
	f.Offset, err = number(words[0], 0, err)
	if pos, bits, ok := strings.Cut(words[len(words)-1], ":"); ok {
		var p, n uint32
		p, err = number(pos, 0, err)
		n, err = number(bits, 0, err)
		f.BitPos, f.Bits = uint8(p), uint8(n)
		words = words[:len(words)-1]
	}
	f.Type = strings.Join(words[2:], " ")
	return f, err
}

// number parses s, or gives def for an empty s, unless an error came before.
func number(s string, def uint32, before error) (uint32, error) {
	if before != nil || s == "" {
		return def, before
	}
	n, err := strconv.ParseUint(s, 0, 32)
	return uint32(n), cmp.Or(before, err)
}
