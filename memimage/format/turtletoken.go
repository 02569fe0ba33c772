package format

import (
	"bytes"
	"io"
	"strconv"
	"strings"
)

// turtleToken is a word: a bare word may be a name with a prefix, the others are IRIs and literals.
type turtleToken struct {
	text    string
	bare    bool
	literal bool
	kind    string // of a literal: its type
}

// expand returns the term that a token stands for.
func (p *turtleParser) expand(t turtleToken) term {
	switch {
	case t.literal:
		return term{t.text, t.kind}
	case !t.bare:
		return term{text: p.resolve(t.text)}
	}
	if prefix, name, ok := strings.Cut(t.text, ":"); ok {
		if iri, ok := p.prefixes[prefix]; ok {
			return term{text: iri + name}
		}
	}
	return term{text: t.text}
}

// resolve makes an IRI that is relative to the base, such as </PhysicalMemory>, absolute. The scheme of a base ends
// with "://", as the scheme of every AFF4 volume does.
func (p *turtleParser) resolve(iri string) string {
	scheme, rest, ok := strings.Cut(p.base, "://")
	if !ok || strings.Contains(iri, "://") || strings.HasPrefix(iri, "urn:") {
		return iri
	}
	authority, path, _ := strings.Cut(rest, "/")
	switch root := scheme + "://" + authority; {
	case iri == "":
		return p.base
	case strings.HasPrefix(iri, "/"):
		return root + iri
	default:
		return root + "/" + path[:strings.LastIndexByte(path, '/')+1] + iri
	}
}

// token returns the next word; io.EOF at the end.
func (p *turtleParser) token() (turtleToken, error) {
	c, err := p.skip()
	if err != nil {
		return turtleToken{}, err
	}
	switch c {
	case '<':
		s, err := p.until('>', false)
		return turtleToken{text: s}, err
	case '"':
		return p.literal()
	case ';', ',', '.':
		return turtleToken{text: string(c), bare: true}, nil
	}
	return p.word(c)
}

// skip returns the first byte behind blanks and comments.
func (p *turtleParser) skip() (byte, error) {
	for {
		c, err := p.in.ReadByte()
		if err != nil {
			return 0, err
		}
		if c == '#' {
			if _, err := p.in.ReadString('\n'); err != nil {
				return 0, err
			}
		} else if c > ' ' {
			return c, nil
		}
	}
}

// until reads up to a byte.
func (p *turtleParser) until(end byte, escapes bool) (string, error) {
	var b bytes.Buffer
	for {
		c, err := p.in.ReadByte()
		if err != nil {
			return "", io.ErrUnexpectedEOF
		}
		if c == end {
			return b.String(), nil
		}
		if c != '\\' || !escapes {
			b.WriteByte(c)
			continue
		}
		s, err := p.escaped()
		if err != nil {
			return "", err
		}
		b.WriteString(s)
	}
}

// escaped reads the characters behind a backslash and returns the text that they stand for.
func (p *turtleParser) escaped() (string, error) {
	c, err := p.in.ReadByte()
	if err != nil {
		return "", io.ErrUnexpectedEOF
	}
	digits := map[byte]int{'u': 4, 'U': 8}[c]
	if digits == 0 {
		if i := strings.IndexByte("tnrbf", c); i >= 0 {
			c = "\t\n\r\b\f"[i]
		}
		return string([]byte{c}), nil
	}
	hex, _ := p.in.Peek(digits)
	n, err := strconv.ParseUint(string(hex), 16, 32)
	if err != nil {
		return string([]byte{c}), nil
	}
	_, _ = p.in.Discard(len(hex))
	return string(rune(n)), nil
}

// literal reads a string, a short or a long one, with its type; a language is dropped.
func (p *turtleParser) literal() (turtleToken, error) {
	out := turtleToken{literal: true}
	var err error
	if long, _ := p.in.Peek(2); string(long) == `""` {
		_, _ = p.in.Discard(2)
		out.text, err = p.long()
	} else {
		out.text, err = p.until('"', true)
	}
	if err != nil {
		return turtleToken{}, err
	}
	switch mark, _ := p.in.Peek(2); {
	case string(mark) == "^^":
		_, _ = p.in.Discard(2)
		kind, err := p.token()
		if err != nil {
			return turtleToken{}, err
		}
		out.kind = p.expand(kind).text
	case len(mark) > 0 && mark[0] == '@':
		if _, err := p.token(); err != nil {
			return turtleToken{}, err
		}
	}
	return out, nil
}

// long reads a string up to three quotes.
func (p *turtleParser) long() (string, error) {
	var b bytes.Buffer
	for !bytes.HasSuffix(b.Bytes(), []byte(`"""`)) {
		c, err := p.in.ReadByte()
		if err != nil {
			return "", io.ErrUnexpectedEOF
		}
		b.WriteByte(c)
	}
	return strings.TrimSuffix(b.String(), `"""`), nil
}

// word reads a name. A dot in it is part of it unless a blank follows.
func (p *turtleParser) word(c byte) (turtleToken, error) {
	b := []byte{c}
	for {
		next, _ := p.in.Peek(2)
		if len(next) == 0 || next[0] <= ' ' || strings.IndexByte(";,<\"", next[0]) >= 0 || next[0] == '.' && (len(next) < 2 || next[1] <= ' ') {
			return turtleToken{text: string(b), bare: true}, nil
		}
		b = append(b, next[0])
		_, _ = p.in.Discard(1)
	}
}
