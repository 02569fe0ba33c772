package fs

import (
	"cmp"
	"context"
	"fmt"
	"html/template"
	"iter"
	"slices"
	"strings"

	"memlens/memimage"
	"memlens/memimage/report"
)

// gallery is the page that shows many processes.
type gallery struct {
	page
	Lead      string
	Up        bool // in a directory below the root
	Dump      bool // of one process, without a system
	Facts     []fact
	Alarms    []alarm
	Grades    []gradeCounted
	Compared  template.HTML // which processes and modules were compared with their files
	Total     bar
	Count     int
	Processes iter.Seq[card] // made one by one: the cards of thousands of processes take megabytes
	Files     []link
}

// card is a process in a gallery.
type card struct {
	Name, Link, Path, Created, Badge string
	PID                              uint64
	Parent                           string
	Started                          string
	Thumb, Why                       string
	Gaps                             []part // the parts of the picture that are missing
	Share                            string // of its pages that were recovered
	Search                           string
	Grade                            grade
	Verdict, Known                   template.HTML
	Found                            string // in words, beside the bar
	Bar                              bar
}

// gradeCounted is how many processes have a grade.
type gradeCounted struct {
	Grade grade
	Name  string
	Count string
}

const indexName = "index.html"

// galleryFile is the file of a gallery, which is kept under key. It is measured now, and made when it is read, because
// the page of thousands of processes has megabytes. Both end when the reader that waits for them goes away. The
// verdicts are found and the pages are counted when the page is made. It is measured with the longest texts that are
// possible, and spaces at its end make up for the rest.
func (f *FS) galleryFile(ctx context.Context, key string, describe func(ctx context.Context, whole bool) (*gallery, error)) (*body, error) {
	size, err := f.measured(ctx, key, func() (int64, error) {
		g, err := describe(ctx, false)
		if err != nil {
			return 0, err
		}
		n, err := f.pageSizes.gallery(g)
		return n, cmp.Or(ctx.Err(), err)
	})
	if err != nil {
		return nil, err
	}
	return &body{Content: f.later(key, size, func(ctx context.Context) ([]byte, error) {
		g, err := describe(ctx, true)
		if err != nil {
			return nil, err
		}
		out, err := execute("gallery.html", g)
		return padded(out, size), cmp.Or(ctx.Err(), err)
	})}, nil
}

// listedGallery shows the listed processes.
func (f *FS) listedGallery(ctx context.Context, whole bool) (*gallery, error) {
	processes, _ := f.image.Processes()
	g, err := f.gallery(ctx, "Processes of "+f.image.Name(), processes, whole)
	if err != nil {
		return nil, err
	}
	r := report.ImageOf(f.image)
	g.Lead = fmt.Sprintf("%s, build %d, as of %s", r.System, r.Build, stampText(f.image.Time()))
	if r.Dump {
		g.ofDump(r, report.DumpOf(f.image))
	} else {
		g.Facts = facts(fact{Name: "Image", Value: r.Name}, fact{Name: "Format", Value: r.Format},
			fact{Name: "Physical memory", Value: fmt.Sprintf("%s MiB", grouped(r.MemorySize>>20))},
			fact{Name: "System", Value: fmt.Sprintf("%s, %s", r.SystemRoot, r.Paging)}, fact{Name: "Profile", Value: r.Profile},
			fact{Name: "Processes", Value: fmt.Sprint(len(processes))})
	}
	g.Files = filesBeside(f.rootRows, f)
	return g, nil
}

// filesBeside are links to the files beside a gallery.
func filesBeside[T any](rows []row[T], of T) (out []link) {
	for _, file := range rows {
		if file.name != indexName && file.dir == nil && (file.lacks == nil || isThere(file.lacks(of))) {
			out = append(out, link{file.name, relative(file.name), file.doc})
		}
	}
	return out
}

// ofDump sets the texts for an image that is the dump of a process.
func (g *gallery) ofDump(r *report.Image, d *report.Dump) {
	g.Dump = true
	g.Facts = facts(fact{Name: "Dump", Value: r.Name}, fact{Name: "Format", Value: r.Format},
		fact{Name: "Memory", Value: fmt.Sprintf("%s KiB", grouped(d.Present>>10))}, fact{Name: "Architecture", Value: d.Architecture})
}

// scannedGallery shows the processes that scanning found.
func (f *FS) scannedGallery(ctx context.Context, whole bool) (*gallery, error) {
	found, err := f.allScanned(ctx)
	if err != nil {
		return nil, err
	}
	g, err := f.gallery(ctx, "Processes that the list lacks", found, whole)
	if err != nil {
		return nil, err
	}
	g.Up, g.Lead = true, "Exited and unlinked processes, found by scanning physical memory."
	g.Files = filesBeside(f.scannedRows, nil)
	return g, nil
}

// gallery shows processes. Its cards are made one by one as they are written, and end when ctx does.
func (f *FS) gallery(ctx context.Context, heading string, processes []*memimage.Process, whole bool) (*gallery, error) {
	g := &gallery{page: newPage(report.Printable(heading), report.Printable(heading), report.Printable(f.image.Name()), galleryScript)}
	names, _ := named(processes)
	if g.Count = len(processes); whole {
		sum := sumOfCounts(ctx, processes)
		g.Total = pagesBar(f.image.Sources(), &sum)
	} else {
		g.Total = longestPagesBar(f.image.Sources(), sumOfPages(processes))
	}
	verdicts, err := g.judge(ctx, f, processes, whole)
	g.Alarms = galleryAlarms(names, processes, verdicts)
	g.Processes = func(yield func(card) bool) {
		for i, p := range processes {
			c := f.newCard(names[i], p)
			if whole {
				c.count(f.image, report.CountsOf(p.Module))
				c.Grade, c.Verdict = verdicts[i].grade, bounded(verdicts[i].words(), maxCardVerdict)
				c.Known = verdicts[i].known
			} else {
				c.countLongest(f.image, p.PageCount())
				c.Grade, c.Verdict = gradeUnknown, longest(maxCardVerdict)
				c.Known, _ = f.knownOnPage(ctx, p.Module, false)
			}
			if ctx.Err() != nil || !yield(c) {
				return
			}
		}
	}
	return g, err
}

// Bounds of the texts in a gallery about the comparison, in bytes.
const (
	maxCardVerdict = 160
	maxCount       = 10
	maxComparedDoc = 160
)

// judge compares the processes with their files; without whole, it makes room for the results.
func (g *gallery) judge(ctx context.Context, f *FS, processes []*memimage.Process, whole bool) ([]processVerdict, error) {
	if !whole {
		g.Compared = longest(maxComparedDoc)
		for i, name := range gradeNames {
			g.Grades = append(g.Grades, gradeCounted{grade(i), name, strings.Repeat("0", maxCount)})
		}
		return nil, nil
	}
	verdicts, modules, err := f.verdicts(ctx, processes)
	var counts [gradeCount]int64
	for _, v := range verdicts {
		counts[v.grade]++
	}
	for i, n := range counts {
		color := grade(i)
		if n == 0 {
			color = gradeUnknown
		}
		g.Grades = append(g.Grades, gradeCounted{color, gradeNames[i], grouped(n)})
	}
	slices.Reverse(g.Grades)
	if g.Compared = "Each process's executable and modules, beside the files that they were mapped from."; !modules {
		g.Compared = "Each process's executable beside the file that it was mapped from. The modules are too many: they are in each process's own index.html."
	}
	return verdicts, err
}

// pagesBar shows pages by source.
func pagesBar(sources []memimage.Source, counts *report.Counts) bar {
	var names []string
	var n []int64
	var classes []int
	for _, s := range sources {
		names, n, classes = append(names, s.String()), append(n, counts.From(s)), append(classes, sourceClasses[s])
	}
	return newBar(recoveredText(counts.PagesPresent, counts.PagesTotal), names, n, classes)
}

func recoveredText(present, all int64) string {
	return fmt.Sprintf("%s of %s pages recovered", grouped(present), grouped(all))
}

// longestPagesBar is as long as a bar of so many pages can be.
func longestPagesBar(sources []memimage.Source, pages int64) bar {
	out := bar{Label: recoveredText(pages, pages)}
	if pages == 0 {
		return out
	}
	for _, s := range sources {
		out.Parts = append(out.Parts, part{s.String(), grouped(pages) + " (> 99.9 %)", sourceClasses[s], pages, "100.000", "100.000"})
	}
	return out
}

// sumOfCounts returns the pages of processes by source: of the first ones where ctx ends meanwhile.
func sumOfCounts(ctx context.Context, processes []*memimage.Process) (sum report.Counts) {
	for _, p := range processes {
		if ctx.Err() != nil {
			break
		}
		sum.Add(report.CountsOf(p.Module))
	}
	return sum
}

// sumOfPages returns how many pages processes have, wherever they are.
func sumOfPages(processes []*memimage.Process) (sum int64) {
	for _, p := range processes {
		sum += p.PageCount()
	}
	return sum
}

// newCard returns a card that does not yet show how many of the process's pages there are.
func (f *FS) newCard(dir string, p *memimage.Process) card {
	r := report.BriefOf(p)
	c := card{
		Name: report.Printable(r.LongName), Link: relative(dir, indexName), Path: report.Printable(r.Path), Created: report.TimeText(r.Created),
		Badge: badge(r), PID: r.PID, Parent: knownNumber(r.PPID),
	}
	if c.Name == "" {
		c.Name = "(unnamed)"
	}
	if r.Created != nil {
		c.Started = r.Created.Format("2006-01-02 15:04:05") + " UTC"
	}
	c.thumbnail(f, dir, p)
	p.MemorySize() // later listings ask whether there are dumps. Finding that takes less work now: headers are not kept for thousands of processes
	p.FileSize()
	c.Search = strings.ToLower(report.Printable(fmt.Sprintf("%d %s %s %s %s %s %s", r.PID, c.Name, r.Name, c.Path, r.PEBPath, r.CommandLine, c.Badge)))
	return c
}

// count shows the process's pages by source.
func (c *card) count(im *memimage.Image, counts report.Counts) {
	best, found, all := im.Sources()[0], counts.PagesPresent, counts.PagesTotal
	c.Bar, c.Found, c.Share = pagesBar(im.Sources(), &counts), foundText(best, found, all, counts.From(best)), "0"
	if all > 0 {
		c.Share = fmt.Sprintf("%.5f", float64(found)/float64(all))
	}
}

// countLongest makes room for the texts of count for so many pages.
func (c *card) countLongest(im *memimage.Image, pages int64) {
	c.Bar, c.Found, c.Share = longestPagesBar(im.Sources(), pages), foundText(im.Sources()[0], pages, pages, pages), fmt.Sprintf("%.5f", 1.0)
}

// foundText says how many pages were found, and how many pages a classic dump has, from the best source.
func foundText(best memimage.Source, found, all, byBest int64) string {
	return fmt.Sprintf("%s of %s pages found, %s by %v", grouped(found), grouped(all), grouped(byBest), best)
}

// thumbnail chooses a picture, or says why there is none.
func (c *card) thumbnail(f *FS, dir string, p *memimage.Process) {
	exe, err := p.FileDump()
	if err == nil {
		c.Thumb, c.Gaps = relative(dir, "colorized.bmp"), f.gaps(exe)
		return
	}
	c.Why = "Not recovered: " + report.Printable(err.Error()) + "."
	if exe, err := p.MemoryDump(); err == nil {
		c.Thumb, c.Gaps = relative(dir, "colorized-procmemdump.bmp"), f.gaps(exe)
	} else if _, err := p.RestoredSize(); err == nil { // its gaps are known only when it has been restored, which takes longer
		c.Thumb = relative(dir, "colorized-restored.bmp")
		c.Why += " The picture is of restored.exe, and what is missing in it is black."
	}
}

// maxGaps is how many gaps of a picture are shown.
const maxGaps = 64

// gaps returns the columns of an executable's picture in which nothing was recovered.
func (f *FS) gaps(exe *memimage.Executable) []part {
	g := f.geometry
	if !g.Horizontal || g.Reversed {
		return nil
	}
	width, size := int64(g.Width), exe.Reader.Size()
	columns, _ := g.Bounds(size)
	percent := func(n int64) string { return fmt.Sprintf("%.3f", 100*float64(n)/float64(columns)) }
	var out []part
	spans, _ := missing(&body{Content: sized{nil, size}, strict: exe.Reader}) // a failed read fails the page
	for _, run := range spans {
		end := run.Off + run.Len
		from, to := (run.Off+width-1)/width, end/width
		if end == size {
			to = columns
		}
		if from < to && len(out) < maxGaps {
			out = append(out, part{From: percent(from), Share: percent(to - from)})
		}
	}
	return out
}

// badge names the remarkable facts about a process.
func badge(r *report.Process) string {
	var out []string
	if r.Status != report.Running {
		out = append(out, string(r.Status))
	}
	if len(r.Warnings) > 0 {
		out = append(out, "warning")
	}
	return strings.Join(out, ", ")
}

// galleryAlarms are the gravest processes, or, where no verdicts are known, alarms as long as any could be.
func galleryAlarms(names []string, processes []*memimage.Process, verdicts []processVerdict) (out []alarm) {
	if verdicts == nil {
		farthest, most := "", 0
		for _, name := range names {
			link := relative(name, indexName)
			if n := len(template.HTMLEscapeString(link)) + len("&#43;")*strings.Count(link, "+"); n > most {
				farthest, most = link, n
			}
		}
		return slices.Repeat([]alarm{{gradeForeign, longest(maxAlarmName), longest(maxCardVerdict), farthest}}, min(len(names), maxAlarms))
	}
	for g := gradeForeign; g >= gradeOther; g-- {
		for i, v := range verdicts {
			if v.grade == g && len(out) < maxAlarms {
				name := fmt.Sprintf("%s, process %d", processes[i].LongName(), processes[i].PID)
				out = append(out, alarm{g, boundedName(name, maxAlarmName), bounded(v.words(), maxCardVerdict), relative(names[i], indexName)})
			}
		}
	}
	return out
}
