package format

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
)

// graph is what a Turtle document says: for each subject its predicates, and for each of them the objects in order.
// IRIs are written out; literals are without their type.
type graph map[string]map[string][]string

const (
	// maxTurtle bounds a document in bytes.
	maxTurtle  = 8 << 20
	turtleType = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
)

// parseTurtle reads the part of Turtle that AFF4 tools write: prefixes, triples with ";" and "," and literals. What is
// beyond it is an error; what came before is returned.
func parseTurtle(r io.Reader) (graph, error) {
	p := turtleParser{in: bufio.NewReader(io.LimitReader(r, maxTurtle)), prefixes: map[string]string{}, g: graph{}}
	err := p.document()
	return p.g, err
}

type turtleParser struct {
	in       *bufio.Reader
	prefixes map[string]string
	g        graph
}

// document reads statements to the end.
func (p *turtleParser) document() error {
	for {
		t, err := p.token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if lower := strings.ToLower(t.text); t.bare && (lower == "@prefix" || lower == "prefix" || lower == "@base" || lower == "base") {
			err = p.directive(lower)
		} else {
			err = p.triples(p.expand(t))
		}
		if err != nil {
			return fmt.Errorf("format: turtle: %w", err)
		}
	}
}

// directive reads a prefix; a base is skipped.
func (p *turtleParser) directive(kind string) error {
	var words []string
	want := 2
	if strings.HasSuffix(kind, "base") {
		want = 1
	}
	for range want {
		t, err := p.token()
		if err != nil {
			return err
		}
		words = append(words, t.text)
	}
	if want == 2 {
		p.prefixes[strings.TrimSuffix(words[0], ":")] = words[1]
	}
	if !strings.HasPrefix(kind, "@") {
		return nil
	}
	return p.expect(".")
}

func (p *turtleParser) expect(s string) error {
	t, err := p.token()
	if err == nil && t.text != s {
		err = fmt.Errorf("%q in place of %q", t.text, s)
	}
	return err
}

// triples reads the predicates and objects of a subject.
func (p *turtleParser) triples(subject string) error {
	if p.g[subject] == nil {
		p.g[subject] = map[string][]string{}
	}
	for {
		t, err := p.token()
		if err != nil {
			return err
		}
		if t.bare && t.text == "." {
			return nil
		}
		predicate := p.expand(t)
		if t.bare && t.text == "a" {
			predicate = turtleType
		}
		end, err := p.objects(subject, predicate)
		if err != nil || end == "." {
			return err
		}
	}
}

// objects reads the objects of a predicate and returns what ends them.
func (p *turtleParser) objects(subject, predicate string) (end string, err error) {
	for {
		t, err := p.token()
		if err != nil {
			return "", err
		}
		p.g[subject][predicate] = append(p.g[subject][predicate], p.expand(t))
		if t, err = p.token(); err != nil {
			return "", err
		}
		switch {
		case t.bare && t.text == ",":
		case t.bare && (t.text == ";" || t.text == "."):
			return t.text, nil
		default:
			return "", fmt.Errorf("%q in place of the end of a statement", t.text)
		}
	}
}

// turtleToken is a word: bare ones may be names with a prefix, the others are IRIs and literals.
type turtleToken struct {
	text string
	bare bool
}

// expand returns what a token stands for.
func (p *turtleParser) expand(t turtleToken) string {
	if prefix, name, ok := strings.Cut(t.text, ":"); t.bare && ok {
		if iri, ok := p.prefixes[prefix]; ok {
			return iri + name
		}
	}
	return t.text
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
		return turtleToken{string(c), true}, nil
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
		if c == '\\' && escapes {
			if c, err = p.in.ReadByte(); err != nil {
				return "", io.ErrUnexpectedEOF
			}
		}
		b.WriteByte(c)
	}
}

// literal reads a string, a short or a long one, and drops its type or language.
func (p *turtleParser) literal() (turtleToken, error) {
	s := ""
	var err error
	if long, _ := p.in.Peek(2); string(long) == `""` {
		_, _ = p.in.Discard(2)
		s, err = p.long()
	} else {
		s, err = p.until('"', true)
	}
	if err != nil {
		return turtleToken{}, err
	}
	if mark, _ := p.in.Peek(2); string(mark) == "^^" || len(mark) > 0 && mark[0] == '@' {
		if mark[0] == '^' {
			_, _ = p.in.Discard(2)
		}
		if _, err := p.token(); err != nil {
			return turtleToken{}, err
		}
	}
	return turtleToken{text: s}, nil
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
			return turtleToken{string(b), true}, nil
		}
		b = append(b, next[0])
		_, _ = p.in.Discard(1)
	}
}
