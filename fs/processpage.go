package fs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"slices"

	"memlens/memimage/reference"
	"memlens/memimage/report"
)

// processPage is the page of a process.
type processPage struct {
	page
	UpLink                                               string
	PID                                                  uint64
	Badge                                                string
	Alarms                                               []alarm
	Own                                                  alarm // about the executable beside its file
	Modified                                             []link
	ModifiedPicture                                      bool // modified.png is among them
	Modules                                              []pageModule
	Warnings                                             []string
	Facts                                                []fact
	NotRecovered                                         string
	Pages                                                bar
	Compare                                              template.HTML // of the files and pictures, side by side
	Sections                                             template.HTML
	RestoredNote                                         string
	Restored                                             bar
	RestoredText                                         string
	Known                                                template.HTML // the known file that the restored file is; empty: no set was given
	Differences                                          []difference
	Map, Blink                                           bool
	Layout                                               bool
	Pictures                                             []notedPicture // that can be compared
	MapNotice, BlinkNotice, LayoutNotice, ModifiedNotice template.HTML
	Files                                                template.HTML
	Data                                                 template.JS

	sections []sectionRow
	files    []link
}

type sectionRow struct{ Name, RVA, Size, Raw, RawSize string }

func (r sectionRow) cells() []string { return []string{r.Name, r.RVA, r.Size, r.Raw, r.RawSize} }

// difference is the part of a page about a reference.
type difference struct {
	Name, Figure, Alt, Caption, Numbers, Picture, Blink string
	Notice                                              template.HTML
}

// index is the file index.html of a process. Its size is known without the bytes of the files in it: the page is made
// without them now, and with them when it is first read. If a reference has gone by then, spaces at the end make up for
// it.
func (p *process) index() (*body, error) {
	name := p.at.child(indexName).name
	measured := p.fs.measured
	if !p.fs.refs.Empty() { // references may change, and with them the size
		measured = p.fs.measuredAnew
	}
	size, err := measured(context.Background(), name, p.measurePage)
	if err != nil {
		return nil, err
	}
	return &body{Content: p.fs.later(fmt.Sprintf("%s\x00%d", name, size), size, func(ctx context.Context) ([]byte, error) {
		page, _, err := p.page(ctx, true)
		if err != nil {
			return nil, err
		}
		out, err := execute("process.html", page)
		return padded(out, size), err
	})}, nil
}

// measurePage returns the size of the page.
func (p *process) measurePage() (int64, error) {
	page, embedded, err := p.page(context.Background(), false)
	if err != nil {
		return 0, err
	}
	n, err := p.fs.pageSizes.process(page)
	return n + embedded, err
}

// page describes the process for its page, with the bytes of files or without them. It also returns how many characters
// of the page the omitted bytes take.
func (p *process) page(ctx context.Context, whole bool) (out *processPage, embedded int64, err error) {
	r, counts := report.BriefOf(p.Process), report.CountsOf(p.Module)
	name := report.Printable(r.LongName)
	out = &processPage{
		page:   newPage(fmt.Sprintf("%s, process %d", name, p.PID), name, report.Printable(p.fs.image.Name()), processScript),
		UpLink: "../" + indexName, PID: p.PID, Badge: badge(r), Facts: p.facts(r), NotRecovered: report.Printable(report.RecoveryOf(p.Module).NotRecoveredText),
		Pages: pagesBar(p.Sources(), &counts),
	}
	for _, text := range r.WarningsText {
		out.Warnings = append(out.Warnings, report.Printable(text))
	}
	data, err := p.viewer(whole)
	if err != nil {
		return nil, 0, err
	}
	raw, err := json.Marshal(data) // with <, > and & escaped
	if err != nil {
		return nil, 0, err
	}
	out.Data = template.JS(raw)
	if err := out.addVerdicts(ctx, p, whole); err != nil {
		return nil, 0, err
	}
	out.addExecutable(p)
	if err := out.addFiles(ctx, p, whole); err != nil {
		return nil, 0, err
	}
	if err := out.addNotices(ctx, p, data, whole); err != nil {
		return nil, 0, err
	}
	return out, data.embedded(), out.addFragments(p.fs.fragments, data)
}

// addFragments makes the parts that are the same for all processes of a program.
func (out *processPage) addFragments(f fragments, data *viewer) error {
	var pictures []link
	for _, v := range data.Views {
		pictures = append(pictures, link{v.Label, v.Picture, ""})
	}
	var errs [3]error
	out.Compare, errs[0] = fragment(f, "compare", pictures)
	out.Sections, errs[1] = fragment(f, "sections", out.sections)
	out.Files, errs[2] = fragment(f, "files", out.files)
	return errors.Join(errs[:]...)
}

func (p *process) facts(r *report.Process) []fact {
	path := "Path, by the kernel"
	if p.IsDumped() {
		path = "Path, by the dump's list of modules"
	}
	return facts(fact{Name: path, Value: r.Path, Wide: true},
		fact{Name: "Path, by the process", Value: r.PEBPath, Wide: true}, fact{Name: "Command line", Value: r.CommandLine, Wide: true, Mono: true},
		fact{Name: "Started", Value: report.TimeText(r.Created)}, fact{Name: "Exited", Value: report.TimeText(r.Exited)}, fact{Name: "Parent", Value: knownNumber(r.PPID)},
		fact{Name: "Session", Value: knownNumber(r.Session)}, fact{Name: "Threads", Value: fmt.Sprint(r.Threads)},
		fact{Name: "Image base", Value: r.ImageBase.String(), Mono: true}, fact{Name: "_EPROCESS", Value: r.EPROCESS.String(), Mono: true},
		fact{Name: "DTB", Value: r.DTB.String(), Mono: true})
}

// addVerdicts adds the results of comparing the executable and the modules with their files; without whole, room for
// them.
func (out *processPage) addVerdicts(ctx context.Context, p *process, whole bool) (err error) {
	if out.Modules, err = p.modulesOnPage(ctx, whole); err != nil {
		return err
	}
	out.Modified = p.modifiedLinks()
	out.ModifiedPicture = slices.ContainsFunc(out.Modified, func(l link) bool { return l.Name == modifiedPicture })
	if out.Known, err = p.fs.knownOnPage(ctx, p.Module, whole); err != nil {
		return err
	}
	if _, ok := p.RestoredOf(); ok {
		out.RestoredNote = noteForeign
	}
	if !whole {
		out.Own, out.Alarms = alarm{Text: longest(maxVerdictText)}, longestAlarms(len(out.Modules))
		return nil
	}
	own, err := opinionOf(p.Module)
	if own.grade != gradeForeign {
		out.RestoredNote = ""
	}
	out.Own, out.Alarms = alarm{Grade: own.grade, Text: bounded(own.text, maxVerdictText)}, p.alarms(own, out.Modules)
	return err
}

// modifiedLinks are the files about the differences between the executable and its file.
func (p *process) modifiedLinks() (out []link) {
	for i := range p.fs.processRows {
		r := &p.fs.processRows[i]
		if (r.name == modifiedPicture || r.name == "modified.csv") && isThere(p.dir().reason(i)) {
			out = append(out, link{r.name, relative(r.name), r.doc})
		}
	}
	return out
}

// addExecutable adds the facts about the executable.
func (out *processPage) addExecutable(p *process) {
	exe, err := p.FileDump()
	if err != nil {
		exe, err = p.MemoryDump()
	}
	if err == nil {
		for i := range exe.Header.Sections[:min(len(exe.Header.Sections), maxMarks)] {
			s := &exe.Header.Sections[i]
			out.sections = append(out.sections, sectionRow{report.Printable(report.Latin1([]byte(s.Name()))), fmt.Sprintf("%#x", s.VirtualAddress),
				fmt.Sprintf("%#x", s.VirtualSize), fmt.Sprintf("%#x", s.PointerToRawData), fmt.Sprintf("%#x", s.SizeOfRawData)})
		}
	}
	if r, err := p.Restored(); err == nil {
		d := report.RestorationOf(p.Module, r)
		out.Restored, out.RestoredText = restoredBar(d), "It is of "+ofText(&d.Restored)+". "+restoredText(d)
	}
}

// noteForeign is the note on restored.exe where another program runs than the file that is mapped.
const noteForeign = "That is not what runs: procexedump.exe is."

// restoredBar shows the bytes of a restored file by where they come from.
func restoredBar(d *report.Restoration) bar {
	var names []string
	var n []int64
	for _, s := range d.Sources {
		names, n = append(names, s.Source), append(n, s.Bytes)
	}
	return newBar("bytes of the restored file, by source", names, n, sourceClasses[:])
}

func restoredText(d *report.Restoration) string {
	size := grouped(*d.RestoredSize)
	state := "Every byte is exact, and so is the size of the file."
	switch {
	case d.RestoredComplete:
	case d.AllExact:
		state = fmt.Sprintf("Every byte is exact up to %s; that the file ends there is %s.", size, d.RestoredSizeCertainty)
	default:
		state = fmt.Sprintf("Of %s bytes %s are exact, %s assumed, %s left as found and %s missing.", size, grouped(d.BytesExact),
			grouped(d.BytesAssumed), grouped(d.BytesLeft), grouped(d.BytesMissing))
	}
	return fmt.Sprintf("%s %s relocations and imports were undone, %s left as found. %s", state, grouped(d.Undone), grouped(d.Left), baseText(d))
}

// baseText says how the original's ImageBase is known.
func baseText(d *report.Restoration) string {
	if !d.BaseKnown {
		return fmt.Sprintf("The original's ImageBase is not known: %s.", cmp.Or(d.BaseProof, "nothing tells"))
	}
	return fmt.Sprintf("The original's ImageBase is %s (%s): %s.", report.Offset(d.OriginalBase), d.OriginalBaseCertainty, d.BaseProof)
}

// addFiles adds links to the files of the directory, and figures of the comparisons.
func (out *processPage) addFiles(ctx context.Context, p *process, whole bool) error {
	for i, err := range p.dir().allReasons() {
		r := &p.fs.processRows[i]
		if r.dir != nil || r.unlisted || r.name == indexName || !isThere(err) {
			continue
		}
		out.Map, out.Blink = out.Map || r.name == "map.png", out.Blink || r.name == "blink.gif"
		out.Layout = out.Layout || r.name == layoutPicture
		out.files = append(out.files, link{r.name, relative(r.name), r.doc})
	}
	for _, c := range comparisons {
		if !p.fs.refs.Empty() && isThere(c.form.lacks(p.exe)) {
			if err := out.addDifferences(ctx, &diffDir{p.at.child(c.name), p.exe, c.form}, c.name, whole); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxShownReferences is how many references a page shows.
const maxShownReferences = 8

func (out *processPage) addDifferences(ctx context.Context, d *diffDir, dir string, whole bool) error {
	what := d.module.file(d.form)
	refs, _ := d.module.listedReferences()
	for _, r := range refs[:min(len(refs), maxShownReferences)] {
		at := func(suffix string) string { return relative(dir, r.Name+suffix) }
		there := d.kinds(r)
		for _, kind := range there {
			out.files = append(out.files, link{dir + "/" + r.Name + kind.suffix, at(kind.suffix), kind.doc})
		}
		if len(there) < len(diffKinds) {
			continue // too big to be drawn
		}
		notice, err := noted(ctx, whole, func(ctx context.Context) (string, error) { return d.sentence(ctx, r) })
		if err != nil {
			return err
		}
		out.Differences = append(out.Differences, difference{
			Name: report.Printable(r.Name) + ": " + what, Figure: at(".png"), Numbers: at(".json"), Picture: at(".bmp"), Blink: at(".gif"),
			Alt:     fmt.Sprintf("%s beside %s, byte by byte, with sections and a legend that counts each kind of difference.", what, report.Printable(r.Name)),
			Caption: captionOf(r), Notice: notice,
		})
	}
	return nil
}

// captionOf is the caption of a comparison with a reference.
func captionOf(r reference.File) string {
	const classes = "Each byte by its kind of difference."
	if isGiven(r) {
		return classes
	}
	return classes + " The reference: " + originOf(r) + "."
}

// pageSection is a piece of a file: where it lies in the file and in memory (−1: nowhere), and its name.
type pageSection [4]any

// pageSections are marks with addresses, for a page.
func pageSections(b *body, memory bool) []pageSection {
	h, _ := headersOf(b)
	out := []pageSection{}
	for i, m := range marks(b, memory) {
		rva := int64(-1)
		switch {
		case memory:
			rva = m.Off
		case i == 0:
			rva = 0
		default:
			if v, ok := h.RVA(m.Off); ok {
				rva = int64(v)
			}
		}
		out = append(out, pageSection{m.Off, m.Len, rva, report.Printable(m.Label)})
	}
	return out
}
