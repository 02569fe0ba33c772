package figure_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/render/figure"
)

// diagram is an executable of all kinds of pieces: a section of data and zeros, one that is cut off in memory, one of
// zeros alone, and bytes after the sections.
func diagram() figure.Diagram {
	span := func(off, n int64) figure.Span { return figure.Span{Off: off, Len: n} }
	return figure.Diagram{
		Title: "program.exe, process 1234: three layouts", Subtitle: `C:\program.exe, from image.raw`, Digest: "MD5      1\nSHA-256  2", File: "procexedump.exe",
		Headers: 0x400, Alignment: 0x1000, Tail: "certificates",
		Sizes: [...]int64{0x9800, 0xc000, 0x8e00},
		Sections: []figure.Section{
			{Name: ".text", Disk: span(0x400, 0x3600), Memory: span(0x1000, 0x3544), Mapped: 0x3600, Recovered: span(0x400, 0x3600)},
			{Name: ".data", Disk: span(0x3a00, 0x200), Memory: span(0x5000, 0x1a10), Mapped: 0x200, Recovered: span(0x3a00, 0x200)},
			{Name: ".bss", Memory: span(0x7000, 0x880)},
			{Name: ".rsrc", Disk: span(0x3c00, 0x5200), Memory: span(0x8000, 0x3400), Mapped: 0x4000, Recovered: span(0x3c00, 0x5200)},
		},
	}
}

// surveyed is the survey of the diagram's executable.
func surveyed(t testing.TB, d figure.Diagram) *figure.Survey {
	t.Helper()
	s, err := d.Survey()
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Fill(s)
	if err != nil {
		t.Fatal(err)
	}
	f.Miss(figure.InMemory, []figure.Span{{Off: 0x9000, Len: 0x1000}})
	f.Miss(figure.Recovered, []figure.Span{{Off: 0x4c00, Len: 0x1000}})
	for i := int64(0); i < 40; i++ {
		f.Change(figure.MovedBytes, 0x1200+i*0x100, 4)
	}
	f.Change(figure.CodeDiffers, 0x3000, 5)
	f.Change(figure.DataWritten, 0x5010, 0x400)
	s.Notice = "Alignment adds 8,192 bytes; 1 of 12 pages is missing, in .rsrc; 5 bytes of code are changed."
	return s
}

func drawDiagram(t testing.TB, d figure.Diagram, s *figure.Survey) []byte {
	t.Helper()
	f, err := figure.NewDiagram(d, func() (*figure.Survey, error) { return s, nil })
	return encode(t, f, err)
}

func TestDiagramIsAsItWas(t *testing.T) {
	d := diagram()
	s := surveyed(t, d)
	picture, vector := drawDiagram(t, d, s), writeDiagram(t, d, s)
	if *update {
		for name, data := range map[string][]byte{"layout.png": compress(t, picture), "layout.svg": vector} {
			if err := os.WriteFile(filepath.Join("testdata", name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	golden, err := os.ReadFile(filepath.Join("testdata", "layout.png"))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := decode(t, picture), decode(t, golden); a.Rect != b.Rect || !bytes.Equal(a.Pix, b.Pix) {
		t.Error("layout.png differs; to accept it run with -update")
	}
	if golden, err = os.ReadFile(filepath.Join("testdata", "layout.svg")); err != nil || !bytes.Equal(golden, vector) {
		t.Errorf("layout.svg differs (%v); to accept it run with -update", err)
	}
	if !bytes.Equal(drawDiagram(t, d, s), picture) {
		t.Error("another file when drawn again")
	}
}

// maxVector is how many bytes an SVG has at most.
const maxVector = 100 << 10

// writeDiagram writes an SVG and checks that it has the announced length, is well-formed, and is small.
func writeDiagram(t testing.TB, d figure.Diagram, s *figure.Survey) []byte {
	t.Helper()
	size, err := figure.DiagramSVGSize(d)
	if err != nil {
		t.Fatal(err)
	}
	out, err := figure.DiagramSVG(d, s)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(out)) != size || size > maxVector {
		t.Errorf("%d bytes, %d were announced", len(out), size)
	}
	for x := xml.NewDecoder(bytes.NewReader(out)); ; {
		token, err := x.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && !strings.Contains(" svg title desc defs pattern path rect text ", " "+e.Name.Local+" ") {
			t.Errorf("an element %s", e.Name.Local)
		}
	}
	return out
}

// TestHostileDiagrams draws diagrams of false claims in headers.
func TestHostileDiagrams(t *testing.T) {
	for name, d := range hostileDiagrams() {
		s, err := d.Survey()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		f, err := d.Fill(s)
		if err != nil {
			t.Fatal(err)
		}
		for layout, size := range d.Sizes {
			f.Miss(layout, []figure.Span{{Off: 0, Len: size / 3}, {Off: size - 1, Len: math.MaxInt64}, {Off: math.MinInt64, Len: 5}})
		}
		for i := int64(0); i < 3000; i++ {
			f.Change(figure.Class(i%13), i*4099, 7)
		}
		f.Change(figure.CodeDiffers, math.MaxInt64-3, 2)
		s.Notice, s.Unknown = strings.Repeat(`<&">`, 300), strings.Repeat("&\xff", 1000)
		picture := drawDiagram(t, d, s)
		if b := decode(t, picture).Rect; b.Dx() > 1400 || b.Dy() > 1400 {
			t.Errorf("%s: %v", name, b)
		}
		writeDiagram(t, d, s)
	}
}

func hostileDiagrams() map[string]figure.Diagram {
	many := diagram()
	many.Sections, many.LeftOut = nil, 5
	for i := int64(0); i < 65535; i++ {
		many.Sections = append(many.Sections, figure.Section{Name: fmt.Sprintf("<&%d\x01\xff", i), Disk: figure.Span{Off: i * 512, Len: 512},
			Memory: figure.Span{Off: i * 4096, Len: 1}, Mapped: 512, Recovered: figure.Span{Off: i * 512, Len: 512}})
	}
	many.Sizes = [...]int64{65536 * 512, 65536 * 4096, 65536 * 512}
	overlapping := diagram()
	for i := range overlapping.Sections {
		overlapping.Sections[i] = overlapping.Sections[0]
	}
	beyond := diagram()
	for i := range beyond.Sections {
		beyond.Sections[i].Disk.Off += math.MaxUint32
		beyond.Sections[i].Memory.Off, beyond.Sections[i].Memory.Len = math.MaxUint32, math.MaxUint32
		beyond.Sections[i].Recovered.Len = math.MaxUint32
	}
	huge := diagram()
	huge.Sections[2].Memory.Len, huge.Alignment = 2<<30, 1<<31
	huge.Sizes[figure.InMemory] = 2 << 30
	odd := diagram()
	odd.Sections[0].Mapped, odd.Sections[1].Mapped = -5, math.MaxUint32
	odd.Sections[2] = figure.Section{Disk: figure.Span{Off: -4, Len: 10}, Memory: figure.Span{Off: -1, Len: -1}}
	odd.Alignment, odd.Headers, odd.LeftOut = -3, math.MaxUint32, -7
	return map[string]figure.Diagram{"many": many, "overlapping": overlapping, "beyond the end": beyond, "2 GiB of zeros": huge, "odd": odd,
		"nothing": {}, "headers alone": {Headers: 0x400, Sizes: [...]int64{0x400, 0x1000, 0x400}, Alignment: 0x1000},
		"texts": {Title: strings.Repeat("<&\x00\u202e", 1000), Subtitle: "\xff\xfe", Digest: strings.Repeat("&\n", 100), File: strings.Repeat("W&", 900), Tail: "]]>"}}
}

func TestDiagramSaysWhatItLeavesOut(t *testing.T) {
	all := hostileDiagrams()
	for name, want := range map[string]string{"many": "No room for 65,476 sections.", "overlapping": "On disk: 3 sections cut", "beyond the end": "In memory: 4 sections cut"} {
		d := all[name]
		s, err := d.Survey()
		if err != nil {
			t.Fatal(err)
		}
		if out := writeDiagram(t, d, s); !bytes.Contains(out, []byte(want)) {
			t.Errorf("%s: %q is not said", name, want)
		}
	}
}

// TestHostileNames has names that would end a text of an SVG, or cannot be in one.
func TestHostileNames(t *testing.T) {
	d := diagram()
	for i, name := range []string{"<script>", "&amp;", "a\x00\x1b\x7f", "\xff\xc3(", "]]>"}[:len(d.Sections)] {
		d.Sections[i].Name = name
	}
	out := writeDiagram(t, d, surveyed(t, d))
	if bytes.Contains(out, []byte("<script")) || !bytes.Contains(out, []byte("&lt;script&gt;")) || !bytes.Contains(out, []byte("&amp;amp;")) {
		t.Error("a name is not escaped")
	}
}

// TestSurveyMarks finds changes and gaps in the rows where they belong.
func TestSurveyMarks(t *testing.T) {
	s := surveyed(t, diagram())
	if s.Missing != [...]int64{0, 0x1000, 0x1000} || s.Counts[figure.CodeDiffers] != 5 || s.Counts[figure.MovedBytes] != 160 {
		t.Errorf("%v %v", s.Missing, s.Counts)
	}
	for _, layout := range []int{figure.InMemory, figure.Recovered} {
		rows := map[figure.Class]int{}
		for _, c := range s.Altered[layout] {
			rows[c]++
		}
		if rows[figure.CodeDiffers] < 4 || rows[figure.MovedBytes] < 20 || rows[figure.Absent] < 100 {
			t.Errorf("layout %d: rows %v", layout, rows)
		}
		gone := 0
		for _, is := range s.Absent[layout] {
			if is {
				gone++
			}
		}
		if gone < 30 || gone > 120 {
			t.Errorf("layout %d: %d rows are missing", layout, gone)
		}
	}
}

// TestUndone takes the loader's changes from a comparison.
func TestUndone(t *testing.T) {
	d := diagram()
	size := d.Sizes[figure.Recovered]
	original, found := make([]byte, size), bytes.Repeat([]byte{1}, int(size))
	s, err := d.Survey()
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Fill(s)
	if err != nil {
		t.Fatal(err)
	}
	c := figure.Comparison{Reference: bytes.NewReader(original), Recovered: bytes.NewReader(found), ReferenceSize: size, RecoveredSize: size,
		Relocated: []figure.Span{{Off: 0x500, Len: 40}}, Bound: []figure.Span{{Off: 0x3a00, Len: 8}}}
	if err := f.Undone(&c); err != nil {
		t.Fatal(err)
	}
	if s.Counts[figure.MovedBytes] != 40 || s.Counts[figure.BoundBytes] != 8 || s.Counts.Total() != 48 {
		t.Errorf("%v", s.Counts)
	}
	for _, layout := range []int{figure.InMemory, figure.Recovered} {
		n := 0
		for _, class := range s.Altered[layout] {
			if class != figure.Absent {
				n++
			}
		}
		if n == 0 || n > 10 {
			t.Errorf("layout %d: %d rows are changed", layout, n)
		}
	}
}

func TestDiagramErrors(t *testing.T) {
	d := diagram()
	want := errors.New("disk on fire")
	f, err := figure.NewDiagram(d, func() (*figure.Survey, error) { return nil, want })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Encode(); !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
	d.Sizes[figure.OnDisk] = figure.MaxSize + 1
	if _, err := figure.NewDiagram(d, nil); err == nil {
		t.Error("a file that is too large is drawn")
	}
	if _, err := figure.DiagramSVGSize(d); err == nil {
		t.Error("a file that is too large has a size")
	}
}

// FuzzDiagram draws the layouts of whatever a header may claim.
func FuzzDiagram(f *testing.F) {
	f.Add(uint32(0x400), uint32(0x3600), uint32(0x1000), uint32(0x3544), uint32(0x3600), uint32(0x1000), []byte(".text"))
	f.Add(uint32(0), uint32(math.MaxUint32), uint32(math.MaxUint32), uint32(math.MaxUint32), uint32(1), uint32(0), []byte("<&\x00\xff"))
	f.Fuzz(func(t *testing.T, ptr, raw, va, size, mapped, align uint32, name []byte) {
		d := diagram()
		d.Alignment = int64(align)
		d.Sections[1] = figure.Section{Name: string(name), Disk: figure.Span{Off: int64(ptr), Len: int64(raw)}, Memory: figure.Span{Off: int64(va), Len: int64(size)},
			Mapped: int64(mapped), Recovered: figure.Span{Off: int64(ptr), Len: int64(raw)}}
		d.Sizes = [...]int64{int64(ptr) + int64(raw)/2, int64(va) + int64(size)/2, int64(ptr) + int64(raw)}
		for i := range d.Sizes {
			d.Sizes[i] = min(d.Sizes[i], figure.MaxSize)
		}
		s := surveyed(t, d)
		writeDiagram(t, d, s)
		drawDiagram(t, d, s)
	})
}

// TestDiagramsHoldWhateverIsFound draws surveys in which each row is unlike the one above, and random ones.
func TestDiagramsHoldWhateverIsFound(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	d := diagram()
	for round := range 8 {
		s := surveyed(t, d)
		for layout := range s.Absent {
			for row := range s.Absent[layout] {
				s.Absent[layout][row] = row%2 == 0 && round == 0 || round > 0 && random.IntN(round+1) == 0
				s.Altered[layout][row] = figure.Class(random.IntN(int(figure.CodeDiffers) + 1))
			}
		}
		s.Notice, s.Unknown = strings.Repeat("Wide ", 100), strings.Repeat("& ", 100)
		d.Digest = strings.Repeat(strings.Repeat("0", 88)+"\n", 4)
		drawDiagram(t, d, s)
		writeDiagram(t, d, s)
	}
}
