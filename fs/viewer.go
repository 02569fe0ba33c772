package fs

import (
	"encoding/base64"
	"fmt"
	"io"

	"memlens/memimage"
	"memlens/memimage/reference"
	"memlens/memimage/report"
	"memlens/memimage/restore"
)

// viewer is the data about its pictures in a process's page, so that the page can say what is under the pointer without
// reading a picture back, which browsers forbid to pages that are files.
type viewer struct {
	Geometry viewerGeometry `json:"geometry"`
	Views    []*view        `json:"views"`
	Left     int            `json:"left"` // the views to begin with
	Right    int            `json:"right"`
	Pages    []run          `json:"pages"` // by RVA
	Texts    []string       `json:"texts"` // that runs refer to
	numbers  map[string]int64
	embed    embedding
}

// embedding decides which parts of files are put into a page.
type embedding struct {
	bytes bool  // their bytes; else only room is made for them
	left  int64 // how many more bytes may be
	room  int64 // characters that are not there, but will be
}

type viewerGeometry struct {
	Width      int  `json:"width"`
	Horizontal bool `json:"horizontal"`
	Reversed   bool `json:"reversed"`
}

// view is one file and its picture.
type view struct {
	Label     string        `json:"label"`
	File      string        `json:"file"`
	Picture   string        `json:"picture"`
	Size      int64         `json:"size"`
	Memory    bool          `json:"memory"`    // laid out as in memory
	Reference bool          `json:"reference"` // not of the image
	Sections  []pageSection `json:"sections"`
	Missing   []run         `json:"missing"`
	Rows      []run         `json:"rows,omitempty"` // by offset: where the bytes come from
	Bytes     string        `json:"bytes"`          // in base64; empty: not in the page
}

// run is an offset, a length, and the number of a text; for missing bytes the number means nothing.
type run [3]int64

// Bounds of the contents of a page.
const (
	maxEmbedded = 1 << 20 // bytes of files, in all
	maxRuns     = 1 << 14 // of each kind
)

// viewer describes the files of a process, with their bytes or without.
func (p *process) viewer(whole bool) (*viewer, error) {
	g := p.fs.geometry
	v := &viewer{Geometry: viewerGeometry{g.Width, g.Horizontal, g.Reversed}, Views: []*view{}, Pages: []run{}, Texts: []string{}, numbers: map[string]int64{},
		embed: embedding{bytes: whole, left: maxEmbedded}}
	for _, f := range []struct {
		*form
		picture string
	}{{formFile, "colorized.bmp"}, {formRestored, "colorized-restored.bmp"}, {formMemory, "colorized-procmemdump.bmp"}} {
		if f.lacks(p.exe) != nil {
			continue
		}
		b, err := f.open(p.exe)
		if err != nil {
			return nil, err
		}
		w, err := v.newView(b, f.memory)
		if err != nil {
			return nil, err
		}
		name := p.exe.file(f.form)
		w.Label, w.File, w.Picture = name, relative(name), relative(f.picture)
		v.Views = append(v.Views, w)
	}
	v.Right = len(v.Views) - 1
	v.addReferences(p)
	v.addRows(p)
	for page := range p.Pages() {
		v.Pages = v.extend(v.Pages, page.RVA, pageSize, pageText(page))
	}
	return v, nil
}

func pageText(page memimage.Page) string {
	switch {
	case page.Source == memimage.FromNowhere:
		return fmt.Sprintf("missing: %s", page.Note)
	case page.Source == memimage.FromZero:
		return "zeros by definition"
	}
	return fmt.Sprintf("%s, by %s", page.State, page.Source)
}

// embedded returns how many characters of files are left out of the page.
func (v *viewer) embedded() int64 { return v.embed.room }

// newView describes an open file, and takes its bytes if the room that is left allows it.
func (v *viewer) newView(b *body, memory bool) (*view, error) {
	w := &view{Size: b.Size(), Memory: memory, Sections: pageSections(b, memory), Missing: []run{}}
	gaps, err := missing(b)
	if err != nil {
		return nil, err
	}
	for _, m := range gaps[:min(len(gaps), maxRuns)] {
		w.Missing = append(w.Missing, run{m.Off, m.Len})
	}
	w.Bytes, err = v.embed.file(b)
	return w, err
}

// file returns the bytes of a file in base64, whose characters neither JSON nor the page escapes. It returns nothing if
// too few bytes may still be put in, or if they are not wanted now.
func (e *embedding) file(b *body) (string, error) {
	n := b.Size()
	if n > e.left {
		return "", nil
	}
	e.left -= n // also where it cannot be read: the measured and the made page leave the same room for the next files
	if !e.bytes {
		e.room += int64(base64.StdEncoding.EncodedLen(int(n)))
		return "", nil
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(b, 0, n), data); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(data), nil
}

// addReferences adds the references that are listed. It leaves out a reference that cannot be read now.
func (v *viewer) addReferences(p *process) {
	refs, _ := p.exe.listedReferences()
	for _, dir := range comparisons {
		if dir.form.lacks(p.exe) != nil {
			continue
		}
		for _, ref := range refs[:min(len(refs), maxShownReferences)] {
			v.addReference(ref, relative(dir.name, ref.Name+".original.bmp"))
		}
		return
	}
}

func (v *viewer) addReference(ref reference.File, picture string) {
	b, err := openReference(ref)
	if err != nil {
		return
	}
	defer b.Close()
	w, err := v.newView(&body{Content: sized{whole{b}, b.Size()}}, false)
	if err != nil {
		return
	}
	w.Label, w.Picture, w.Reference = report.Printable(ref.Name)+" (reference)", picture, true
	v.Left, v.Right = len(v.Views), 0
	v.Views = append(v.Views, w)
}

// addRows adds where the bytes of the restored file come from.
func (v *viewer) addRows(p *process) {
	for _, w := range v.Views {
		if w.Label != p.exe.file(formRestored) {
			continue
		}
		r, err := p.Restored()
		if err != nil {
			return
		}
		for i := range r.Rows {
			w.Rows = v.extend(w.Rows, r.Rows[i].FileOffset, r.Rows[i].Length, rowText(&r.Rows[i]))
		}
	}
}

func rowText(r *restore.Row) string {
	text := "from the " + r.Source
	if r.Kind == restore.Missing {
		text = "missing: " + r.Source
	}
	if r.RelocationsUndone+r.ImportsUndone > 0 {
		text += fmt.Sprintf(", %d relocations and %d imports undone", r.RelocationsUndone, r.ImportsUndone)
	}
	if note := remarks(r); note != "" && note != r.Source {
		text += "; " + note
	}
	if r.Kind != restore.Missing {
		text += " (" + certainty(r) + ")"
	}
	return text
}

// extend adds a piece to runs, or to the last run if the piece follows it and has its text.
func (v *viewer) extend(runs []run, off, n int64, text string) []run {
	number, ok := v.numbers[text]
	if !ok {
		number = int64(len(v.Texts))
		v.numbers[text] = number
		v.Texts = append(v.Texts, report.Printable(text))
	}
	if last := len(runs) - 1; last >= 0 && runs[last][2] == number && runs[last][0]+runs[last][1] == off {
		runs[last][1] += n
		return runs
	}
	if len(runs) >= maxRuns {
		return runs
	}
	return append(runs, run{off, n, number})
}
