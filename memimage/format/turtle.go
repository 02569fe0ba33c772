package format

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// graph holds the statements of a Turtle document: for each subject its predicates, and for each predicate the
// objects in order. IRIs are written out.
type graph map[string]map[string][]term

// term is an object: an IRI, or a literal with its type, such as "xsd:long" written out.
type term struct {
	text string
	kind string // of a literal that has a type; else empty
}

const (
	// maxTurtle bounds a document in bytes.
	maxTurtle  = 8 << 20
	turtleType = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
)

// parseTurtle reads the part of Turtle that AFF4 tools write: prefixes, triples with ";" and "," and literals. Other
// syntax is an error; the statements before it are returned.
func parseTurtle(r io.Reader) (graph, error) {
	p := turtleParser{in: bufio.NewReader(io.LimitReader(r, maxTurtle)), prefixes: map[string]string{}, g: graph{}}
	err := p.document()
	return p.g, err
}

type turtleParser struct {
	in       *bufio.Reader
	prefixes map[string]string
	base     string
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
			err = p.triples(p.expand(t).text)
		}
		if err != nil {
			return fmt.Errorf("format: turtle: %w", err)
		}
	}
}

// directive reads a prefix, or the base of relative IRIs.
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
		p.prefixes[strings.TrimSuffix(words[0], ":")] = p.resolve(words[1])
	} else {
		p.base = p.resolve(words[0])
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
		p.g[subject] = map[string][]term{}
	}
	for {
		t, err := p.token()
		if err != nil {
			return err
		}
		if t.bare && t.text == "." {
			return nil
		}
		predicate := p.expand(t).text
		if t.bare && t.text == "a" {
			predicate = turtleType
		}
		end, err := p.objects(subject, predicate)
		if err != nil || end == "." {
			return err
		}
	}
}

// objects reads the objects of a predicate and returns the mark that ends them.
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
