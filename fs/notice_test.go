package fs

import (
	"testing"

	"memlens/memimage/pedump"
	"memlens/memimage/report"
	"memlens/render/figure"
)

func TestGapSentence(t *testing.T) {
	pieces := []figure.Mark{{Off: 0, Len: 0x400, Label: "headers"}, {Off: 0x400, Len: 0x1000, Label: ".text"}, {Off: 0x1400, Len: 0x2000, Label: ".data"}}
	for name, c := range map[string]struct {
		size    int64
		missing []figure.Span
		want    string
	}{
		"empty":       {0, nil, "a.exe is empty."},
		"one byte":    {1, nil, "Nothing is missing: all of a.exe is there (1 byte)."},
		"all there":   {13312, nil, "Nothing is missing: all of a.exe is there (13,312 bytes)."},
		"none there":  {13312, []figure.Span{{Off: 0, Len: 13312}}, "Nothing of a.exe is there: 13,312 bytes are missing."},
		"one section": {13312, []figure.Span{{Off: 0x1400, Len: 0x1000}}, "4,096 (30.8 %) of 13,312 bytes are missing, all in .data."},
		"a byte":      {13312, []figure.Span{{Off: 0x500, Len: 1}}, "1 (< 0.1 %) of 13,312 bytes is missing, in .text."},
		"mostly":      {13312, []figure.Span{{Off: 0x1300, Len: 0x1000}}, "4,096 (30.8 %) of 13,312 bytes are missing, most of them in .data (3,840)."},
		"everywhere":  {20000, []figure.Span{{Off: 0x300, Len: 0x100}, {Off: 0x400, Len: 0x200}, {Off: 0x1400, Len: 0x200}}, "1,280 (6.4 %) of 20,000 bytes are missing, in 3 sections, the most in .text (512)."},
		"elsewhere":   {20000, []figure.Span{{Off: 19000, Len: 100}}, "100 (0.5 %) of 20,000 bytes are missing."},
	} {
		if got := gapSentence("a.exe", c.size, c.missing, pieces); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	twice := append(pieces, figure.Mark{Off: 0, Len: 13312, Label: ".data"})
	if got := where([]figure.Span{{Off: 0x1400, Len: 16}}, twice, 1); got != "" {
		t.Errorf("of pieces that lie over each other %q is said", got)
	}
}

func TestDifferenceSentence(t *testing.T) {
	for name, c := range map[string]struct {
		n    figure.Counts
		want string
	}{
		"empty":        {figure.Counts{}, "Both files are empty."},
		"equal":        {figure.Counts{figure.Equal: 1234}, "Nothing differs in the 1,234 bytes that both files have."},
		"the loader":   {figure.Counts{figure.Equal: 9, figure.Relocated: 1000, figure.Bound: 234}, "All 1,234 bytes that differ are where the loader writes: 1,000 by relocation and 234 by import binding."},
		"one":          {figure.Counts{figure.Equal: 9, figure.Slot: 1}, "The only byte that differs is where the loader writes: 1 in slots of its own."},
		"otherwise":    {figure.Counts{figure.Equal: 9, figure.Changed: 1}, "1 byte differs where the loader does not write."},
		"both":         {figure.Counts{figure.Relocated: 90, figure.Changed: 10}, "Of 100 bytes that differ 90 are where the loader writes, and 10 are not."},
		"holes":        {figure.Counts{figure.Equal: 9, figure.NotRecovered: 1}, "Nothing differs in the 9 bytes that both files have; 1 byte cannot be compared, for it is missing."},
		"nothing":      {figure.Counts{figure.NotRecovered: 4, figure.NotInReference: 4}, "Nothing can be compared; 8 bytes cannot be compared, for they are missing."},
		"longer":       {figure.Counts{figure.Equal: 9, figure.Beyond: 2}, "Nothing differs in the 9 bytes that both files have; 2 bytes are only in the longer file."},
		"longer alone": {figure.Counts{figure.Beyond: 2}, "Nothing can be compared; 2 bytes are only in the longer file."},
	} {
		if got := differenceSentence(c.n); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestLayoutSentence(t *testing.T) {
	const head = "Alignment adds 3,072 bytes in memory, in 1 place; "
	base := layoutNumbers{file: "m.exe", added: 3072, places: 1, pages: 97, compared: 95}
	for want, change := range map[string]func(*layoutNumbers){
		"Alignment adds nothing in memory; no page is missing from m.exe; no change was found in 95 pages that could be compared.": func(n *layoutNumbers) { n.added = 0 },
		head + "3 of 97 pages are missing from m.exe, all in .data; no change was found in 95 pages that could be compared.":       func(n *layoutNumbers) { n.missing, n.where = 3, ", all in .data" },
		head + "1 of 97 pages is missing from m.exe; what was changed is not known.":                                               func(n *layoutNumbers) { n.missing, n.unknown = 1, true },
		head + "every page is missing from m.exe; what is in memory is not of the file that is mapped there.":                      func(n *layoutNumbers) { n.missing, n.foreign = 97, true },
		head + "no page is missing from m.exe; the loader changed 1 byte; what else was changed is not known.":                     func(n *layoutNumbers) { n.loader, n.unknown = 1, true },
		head + "no page is missing from m.exe; the loader changed 889 bytes, which the restored file undoes; no other change was found in 95 pages that could be compared.": func(n *layoutNumbers) {
			n.loader, n.undone = 889, true
		},
		head + "no page is missing from m.exe; 7 bytes of data sections were written; 5 bytes of code are changed.": func(n *layoutNumbers) { n.written, n.other, n.code = 7, 5, 5 },
		head + "no page is missing from m.exe; 9 bytes are changed otherwise, 5 of them in code.":                   func(n *layoutNumbers) { n.other, n.code = 9, 5 },
	} {
		n := base
		change(&n)
		if got := n.sentence(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestChangedSentence(t *testing.T) {
	for want, c := range map[string]report.Comparison{
		"It is not known what was changed: no file is mapped.":                                                                           {VerdictText: "no file is mapped"},
		"No page could be compared with the file.":                                                                                       {Compared: true},
		"Nothing differs from the file in the 12 pages that could be compared.":                                                          {Compared: true, PagesCompared: 12},
		"All 1,234 bytes that differ are where the loader writes, in 1 page that could be compared.":                                     {Compared: true, PagesCompared: 1, BytesRelocation: 1234},
		"All 30 bytes that differ are in data sections (10) or where the loader writes (20), in 2 pages that could be compared.":         {Compared: true, PagesCompared: 2, BytesImportBinding: 20, BytesDataSection: 10},
		"Of 30 bytes that differ from the file 10 are neither the loader's work nor data, 4 of them in code; 2 pages could be compared.": {Compared: true, PagesCompared: 2, BytesImportBinding: 20, BytesCodeChanged: 4, BytesHeaderChanged: 6},
		"What is there is not compared: no file behind it.":                                                                              {Compared: true, Verdict: "no-file", VerdictText: "no file behind it"},
	} {
		if c.Verdict != "" && !c.IsForeign() {
			continue // the code is another one
		}
		if got := changedSentence(&c); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestMovedSentence(t *testing.T) {
	h := &pedump.Image{Sections: []pedump.Section{
		{RawName: [8]byte{'.', 't'}, VirtualAddress: 0x1000, PointerToRawData: 0x1000, SizeOfRawData: 1},
		{RawName: [8]byte{'.', 'd'}, VirtualAddress: 0x3000, PointerToRawData: 0x1200, SizeOfRawData: 1},
		{RawName: [8]byte{'.', 'b'}, VirtualAddress: 0x9000},
	}}
	n := moves(h)
	if got, want := n.sentence(), "From disk to memory 1 of 2 sections moves, .d the furthest, by 7,680 bytes; nothing is missing in memory."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	n.missing, n.where, n.moved = 1, ", in .d", 0
	if got, want := n.sentence(), "No section moves between disk and memory; 1 byte is missing in memory, in .d."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	n.noMemory = true
	if got, want := n.sentence(), "No section moves between disk and memory."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestRestoredSentence(t *testing.T) {
	size := int64(1000)
	for want, d := range map[string]report.Restoration{
		"Every one of the 1,000 bytes is exact, and so is the size.":                     {AllExact: true, Restored: report.Restored{RestoredSize: &size, RestoredComplete: true}},
		"Every one of the 1,000 bytes is exact; that the file ends there is assumed.":    {AllExact: true, Restored: report.Restored{RestoredSize: &size, RestoredSizeCertainty: "assumed"}},
		"Of 1,000 bytes: 900 (90.0 %) exact, 60 (6.0 %) assumed and 40 (4.0 %) missing.": {Restored: report.Restored{RestoredSize: &size, BytesExact: 900, BytesAssumed: 60, BytesMissing: 40}},
	} {
		if got := restoredSentence(&d); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
