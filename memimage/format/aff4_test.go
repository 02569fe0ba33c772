package format

import (
	"bytes"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

func TestAFF4MissingBevyIsAGap(t *testing.T) {
	corpus.Long(t)
	runs := testMemory()
	data := content(t, aff4Form{method: "http://code.google.com/p/snappy/"}.write(t, runs))
	data = bytes.ReplaceAll(data, []byte("data/00000002"), []byte("data/0000000x"))
	im, err := Open(newMemSource("a.aff4", data), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !noteWith(im, "Of the AFF4 stream PhysicalMemory/data, 1 bevy is, from number 2 on") {
		t.Errorf("what is missing is not named: %q", im.Notes)
	}
	if got := checkSubset(t, im, flat(runs)); got != testMemorySize-5*8192 {
		t.Errorf("%#x bytes, want %#x", got, testMemorySize-5*8192)
	}
}

func TestTurtle(t *testing.T) {
	const text = `@prefix a: <http://a#> . @base <http://b/> .
PREFIX x: <http://x#>
<s> a a:T , a:U ; a:p "1.5 \"q\""^^x:int , """long "text" """@en ; # comment
  x:q 12 .
x:s a:p <o>.
`
	g, err := parseTurtle(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ subject, predicate, want string }{
		{"http://b/s", turtleType, "http://a#T|http://a#U"},
		{"http://b/s", "http://a#p", `1.5 "q"|long "text" `},
		{"http://b/s", "http://x#q", "12"},
		{"http://x#s", "http://a#p", "http://b/o"},
	} {
		var terms []string
		for _, t := range g[c.subject][c.predicate] {
			terms = append(terms, t.text)
		}
		if got := strings.Join(terms, "|"); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.subject, c.predicate, got, c.want)
		}
	}
	if _, err := parseTurtle(strings.NewReader("<s> <p> <o> <x> .")); err == nil {
		t.Error("no error for a statement that does not end")
	}
}

func FuzzTurtle(f *testing.F) {
	f.Add(`@prefix a: <b> . <s> a a:c ; a:d "e"^^a:f, """g""" .`)
	f.Fuzz(func(t *testing.T, text string) {
		if g, _ := parseTurtle(strings.NewReader(text)); len(g) > len(text)+1 {
			t.Error("more subjects than bytes")
		}
	})
}

func FuzzAFF4(f *testing.F) {
	runs := []run{{0x1000, testPages(0x1000, 5)}}
	for _, form := range aff4Forms() {
		f.Add(content(f, form.write(f, runs)))
	}
	fuzzOpener(f, openAFF4)
}
