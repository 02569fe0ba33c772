package fs

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strings"

	"memlens/memimage"
)

// gallery is the page that shows many processes.
type gallery struct {
	page
	Lead      string
	Up        bool // in a directory below the root
	Facts     []fact
	Total     bar
	Count     int
	Processes iter.Seq[card] // made one by one: those of thousands of processes take megabytes
	Files     []link
}

// card is a process in a gallery.
type card struct {
	Name, Link, Path, Created, Badge string
	PID                              uint64
	Parent                           string
	Started                          string
	Thumb, Why                       string
	Gaps                             []part // of the picture: what is missing
	Share                            string // of its pages that were recovered
	Search                           string
	Found                            string // in words, beside the bar
	Bar                              bar
}

const indexName = "index.html"

// galleryFile is the file of a gallery, which is kept under key: measured now, and made when it is read, for of thousands of
// processes it has megabytes. Either ends with the one who waits for it.
func (f *FS) galleryFile(ctx context.Context, key string, describe func(ctx context.Context) (*gallery, error)) (*body, error) {
	size, err := f.measured(key, func() (int64, error) {
		g, err := describe(ctx)
		if err != nil {
			return 0, err
		}
		n, err := measure("gallery.html", g)
		return n, cmp.Or(ctx.Err(), err)
	})
	if err != nil {
		return nil, err
	}
	return &body{Content: f.later(key, size, func(ctx context.Context) ([]byte, error) {
		g, err := describe(ctx)
		if err != nil {
			return nil, err
		}
		out, err := execute("gallery.html", g)
		return out, cmp.Or(ctx.Err(), err)
	})}, nil
}

// listedGallery shows the listed processes.
func (f *FS) listedGallery(ctx context.Context) (*gallery, error) {
	processes, _ := f.image.Processes()
	g, err := f.gallery(ctx, "Processes of "+f.image.Name(), processes)
	if err != nil {
		return nil, err
	}
	g.Lead = fmt.Sprintf("%s, build %d, as of %s", osName(f.image), f.image.Kernel.Version.Build, stampText(f.image.Time()))
	k := f.image.Kernel
	g.Facts = facts(fact{Name: "Image", Value: f.image.Name()}, fact{Name: "Format", Value: f.image.Container.Format},
		fact{Name: "Physical memory", Value: fmt.Sprintf("%s MiB", grouped(f.image.Container.Memory.Size()>>20))},
		fact{Name: "System", Value: fmt.Sprintf("%s, %s", k.Root, k.Mode.Name)}, fact{Name: "Profile", Value: k.Profile.Name()},
		fact{Name: "Processes", Value: fmt.Sprint(len(processes))})
	for _, file := range f.rootRows {
		if file.name != indexName && file.dir == nil {
			g.Files = append(g.Files, link{file.name, relative(file.name), file.doc})
		}
	}
	return g, nil
}

// scannedGallery shows what scanning found.
func (f *FS) scannedGallery(ctx context.Context) (*gallery, error) {
	found, err := f.image.Scanned(ctx)
	if err != nil {
		return nil, err
	}
	g, err := f.gallery(ctx, "Processes that the list lacks", found)
	if err != nil {
		return nil, err
	}
	g.Up, g.Lead = true, "Exited and unlinked processes, found by scanning physical memory."
	g.Files = []link{{scannedCSV, relative(scannedCSV), "a row per process"}}
	return g, nil
}

// gallery shows processes. Its cards are made one by one as they are written, and end when ctx does.
func (f *FS) gallery(ctx context.Context, heading string, processes []*memimage.Process) (*gallery, error) {
	g := &gallery{page: newPage(printable(heading), printable(heading), printable(f.image.Name()), galleryScript)}
	names, _ := named(processes)
	var total memimage.Counts
	for _, p := range processes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for s, n := range p.PageCounts() {
			total[s] += n
		}
	}
	g.Total, g.Count = pagesBar(total), len(processes)
	g.Processes = func(yield func(card) bool) {
		for i, p := range processes {
			if ctx.Err() != nil || !yield(f.newCard(names[i], p, p.PageCounts())) {
				return
			}
		}
	}
	return g, nil
}

// pagesBar shows pages by source.
func pagesBar(counts memimage.Counts) bar {
	var names []string
	var n []int64
	var classes []int
	for i, s := range memimage.Sources() {
		names, n, classes = append(names, s.String()), append(n, int64(counts[i])), append(classes, i)
	}
	classes[memimage.FromNowhere] = hatchedClass
	return newBar(fmt.Sprintf("%s of %s pages recovered", grouped(int64(counts.Present())), grouped(int64(counts.Total()))), names, n, classes)
}

func (f *FS) newCard(dir string, p *memimage.Process, counts memimage.Counts) card {
	c := card{
		Name: printable(p.LongName()), Link: relative(dir, indexName), Path: printable(p.ExecutablePath()), Created: stampText(p.Created),
		Badge: badge(p), PID: p.PID, Parent: fmt.Sprint(p.PPID), Bar: pagesBar(counts), Found: foundText(counts), Share: "0",
	}
	if c.Name == "" {
		c.Name = "(unnamed)"
	}
	if n := counts.Total(); n > 0 {
		c.Share = fmt.Sprintf("%.5f", float64(counts.Present())/float64(n))
	}
	if !p.Created.IsZero() {
		c.Started = p.Created.UTC().Format("2006-01-02 15:04:05") + " UTC"
	}
	c.thumbnail(f, dir, p)
	command := ""
	if env, err := p.Environment(); err == nil {
		command = env.CommandLine
	}
	c.Search = strings.ToLower(printable(fmt.Sprintf("%d %s %s %s %s %s %s", p.PID, c.Name, latin1(p.RawName), c.Path, p.PEBPath(), command, c.Badge)))
	return c
}

// foundText says how many pages were found, and how many of them a classic dump has.
func foundText(c memimage.Counts) string {
	return fmt.Sprintf("%s of %s pages found, %s by page table", grouped(int64(c.Present())), grouped(int64(c.Total())), grouped(int64(c[memimage.FromTable])))
}

// thumbnail chooses a picture, or says why there is none.
func (c *card) thumbnail(f *FS, dir string, p *memimage.Process) {
	exe, err := p.FileDump()
	if err == nil {
		c.Thumb, c.Gaps = relative(dir, "colorized.bmp"), f.gaps(exe)
		return
	}
	c.Why = "Not recovered: " + printable(err.Error()) + "."
	if exe, err := p.MemoryDump(); err == nil {
		c.Thumb, c.Gaps = relative(dir, "colorized-procmemdump.bmp"), f.gaps(exe)
	} else if _, err := p.RestoredSize(); err == nil {
		c.Thumb = relative(dir, "colorized-restored.bmp")
	}
}

// maxGaps is how many gaps of a picture are shown.
const maxGaps = 64

// gaps returns the columns of an executable's picture of which nothing was recovered.
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

// badge says what is remarkable about a process.
func badge(p *memimage.Process) string {
	var out []string
	if s := status(p); s != "running" {
		out = append(out, s)
	}
	if len(p.Warnings()) > 0 {
		out = append(out, "warning")
	}
	return strings.Join(out, ", ")
}
