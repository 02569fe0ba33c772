package fs

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"memlens/memimage"
	"memlens/memimage/reason"
	"memlens/memimage/report"
	"memlens/memimage/restore"
)

// csvWriter writes rows as CSV (RFC 4180, lines end with a line feed).
type csvWriter struct {
	out bytes.Buffer
	w   *csv.Writer
	row []string // the cells of the row being written
}

// csvWriters are those that are not in use: each has buffers of some thousand bytes.
var csvWriters = sync.Pool{New: func() any {
	c := new(csvWriter)
	c.w = csv.NewWriter(&c.out)
	return c
}}

func newCSV() *csvWriter { return csvWriters.Get().(*csvWriter) }

// file returns all rows. The writer must not be used any more.
func (c *csvWriter) file() []byte {
	out := bytes.Clone(c.out.Bytes())
	c.drop()
	return out
}

// drop makes the writer free for others, unless its buffer has grown large.
func (c *csvWriter) drop() {
	if c.out.Cap() <= maxFreeCSV {
		c.out.Reset()
		csvWriters.Put(c)
	}
}

// maxFreeCSV is how many bytes the buffer of a writer may have that waits for its next use.
const maxFreeCSV = 64 << 10

// add adds a row, each cell as text makes it, and returns the row's length.
func (c *csvWriter) add(text func(string) string, cells ...string) int {
	c.row = c.row[:0]
	for _, s := range cells {
		c.row = append(c.row, text(s))
	}
	before := c.out.Len()
	c.w.Write(c.row) // memory can always be written to
	c.w.Flush()
	return c.out.Len() - before
}

// length returns how long a row would be.
func (c *csvWriter) length(text func(string) string, cells ...string) int {
	before := c.out.Len()
	n := c.add(text, cells...)
	c.out.Truncate(before)
	return n
}

// table writes rows under a header.
func table(header []string, rows func(add func(...string))) ([]byte, error) {
	c := newCSV()
	c.add(report.Cell, header...)
	rows(func(cells ...string) { c.add(report.Cell, cells...) })
	err := c.w.Error()
	return c.file(), err
}

// hex writes an address, or nothing for 0.
func hex[T ~uint64](v T) string {
	if v == 0 {
		return ""
	}
	return hexNumber(v)
}

// hexNumber writes a number in hex, 0 too.
func hexNumber[T ~uint64 | ~uint32 | ~int64](n T) string {
	return "0x" + strconv.FormatUint(uint64(n), 16)
}

// stampText writes a time as RFC 3339 in UTC, or nothing for none.
func stampText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// processesCSV is the table of the listed processes.
func (f *FS) processesCSV(ctx context.Context) (*body, error) {
	listed, damage := f.image.Processes()
	return f.processTable(ctx, "processes.csv", listed, damage)
}

// scannedCSV is the table of the processes that scanning found.
func (f *FS) scannedCSV(ctx context.Context) (*body, error) {
	found, err := f.image.Scanned(ctx)
	if err != nil {
		return nil, err
	}
	return f.processTable(ctx, path.Join(scannedName, "processes.csv"), found, nil)
}

// processTable is the table of processes as a file that is kept under key.
func (f *FS) processTable(ctx context.Context, key string, processes []*memimage.Process, damage []error) (*body, error) {
	t := lateTable[namedProcess]{
		early: []string{"directory", "pid", "ppid", "name", "status", "eprocess", "eprocess_physical", "dtb", "created", "exited", "session",
			"threads", "image_base", "path", "peb_path", "command_line", "warning", "not_recovered"},
		late: append(countColumns(f.image.Sources()), "known", "verdict"),
		row:  processRow,
		longest: func(of namedProcess) []string {
			return append(longestCounts(of.Module), f.longestKnown(), strings.Repeat("x", maxVerdict))
		},
		cells: func(ctx context.Context, of namedProcess) ([]string, error) {
			v, err := verdict(of.Module)
			if err != nil {
				return nil, err
			}
			k, err := f.knownText(ctx, of.Module)
			return append(countCells(of.Module), k, v), err
		},
	}
	names, _ := named(processes)
	rows := make([]namedProcess, len(processes))
	for i, p := range processes {
		rows[i] = namedProcess{p, names[i]}
	}
	return t.file(ctx, f, key, rows, damage)
}

// namedProcess is a process with the name of its directory.
type namedProcess struct {
	*memimage.Process
	name string
}

// status says how a process was found and whether it still ran.
func status(p *memimage.Process) string {
	switch {
	case !p.Listed && !p.Exited.IsZero():
		return "exited, unlisted"
	case !p.Listed:
		return "unlinked"
	case !p.Exited.IsZero():
		return "exited"
	}
	return "running"
}

func processRow(of namedProcess) []string {
	p := of.Process
	session := ""
	if id, ok := p.SessionID(); ok {
		session = fmt.Sprint(id)
	}
	command := ""
	if env, err := p.Environment(); err == nil {
		command = env.CommandLine
	}
	return []string{of.name, fmt.Sprint(p.PID), parentText(p), latin1(p.RawName), status(p), hex(p.VA), hex(p.PA), hex(p.DTB),
		stampText(p.Created), stampText(p.Exited), session, fmt.Sprint(p.Threads), hex(p.ImageBase()),
		p.ExecutablePath(), p.PEBPath(), command, strings.Join(reason.Texts(p.Warnings()), "; "), notRecovered(p.Module, p.NotDumped())}
}

// countColumns are the columns of pages by source, which are late: to count pages, all of a process's page tables are read.
func countColumns(sources []memimage.Source) []string {
	out := []string{"pages_total", "pages_present"}
	for _, s := range sources {
		out = append(out, "pages_"+token(s.String()))
	}
	return out
}

// countCells are the cells of those columns.
func countCells(m *memimage.Module) []string {
	counts := m.PageCounts()
	out := []string{fmt.Sprint(counts.Total()), fmt.Sprint(counts.Present())}
	for _, s := range m.Sources() {
		out = append(out, fmt.Sprint(counts[s]))
	}
	return out
}

// longestCounts are cells as long as those can be of an image.
func longestCounts(m *memimage.Module) []string {
	return slices.Repeat([]string{number(m.PageCount())}, len(m.Sources())+2)
}

// notRecoveredReason is why there is no classic dump of an image; empty when there is one.
func notRecoveredReason(m *memimage.Module) string {
	_, err := m.FileDump()
	return notRecovered(m, err)
}

// notRecovered says why there is no classic dump of an image, where err is the reason; nil: there is one.
func notRecovered(m *memimage.Module, err error) string {
	if err == nil {
		return ""
	}
	if m.Owner != nil && m.Owner.IsTrustlet() {
		return err.Error() + " (the secure kernel runs the process: its own pages are kept from an acquisition)"
	}
	return err.Error()
}

// latin1 reads bytes as the characters with their numbers: the kernel's names are in no encoding that can be known.
func latin1(raw []byte) string {
	runes := make([]rune, len(raw))
	for i, c := range raw {
		runes[i] = rune(c)
	}
	return string(runes)
}

// maxSingleRows is how many pages of an executable get a row each; of larger ones, which only a damaged header claims,
// neighbours that are alike share a row.
const maxSingleRows = 1 << 16

// pagesCSV is the table of the pages of an executable image.
func (m *module) pagesCSV() (*body, error) {
	return m.text("pages.csv", func() ([]byte, error) {
		header := []string{"rva", "pages", "section", "state", "source", "physical", "note"}
		merge := m.PageCount() > maxSingleRows
		return table(header, func(add func(...string)) {
			var last memimage.Page
			n := 0
			flush := func() {
				if n > 0 {
					add(pageRow(last, n)...)
				}
			}
			for page := range m.Pages() {
				if merge && n > 0 && alike(last, page) {
					n++
					continue
				}
				flush()
				last, n = page, 1
			}
			flush()
		})
	})
}

func alike(a, b memimage.Page) bool {
	return a.Physical < 0 && b.Physical < 0 && a.State == b.State && a.Section == b.Section && a.Note == b.Note
}

func pageRow(page memimage.Page, n int) []string {
	return []string{hexNumber(page.RVA), strconv.Itoa(n), page.Section, page.State, page.Source.String(), physical(page.Physical), page.Note}
}

// physical writes a physical address, or nothing for -1.
func physical(pa int64) string {
	if pa < 0 {
		return ""
	}
	return hexNumber(pa)
}

// restoredCSV is the table of where the bytes of the restored file come from.
func (m *module) restoredCSV() (*body, error) {
	return m.text("restored.csv", func() ([]byte, error) {
		r, err := m.Restored()
		if err != nil {
			return nil, absent(err)
		}
		header := []string{"offset", "length", "rva", "section", "source", "physical", "relocations_undone", "relocations_left",
			"imports_undone", "imports_left", "slots_left", "written", "exact", "certainty", "note"}
		return table(header, func(add func(...string)) {
			for i := range r.Rows {
				row := &r.Rows[i]
				rva := ""
				if row.RVA >= 0 {
					rva = hexNumber(row.RVA)
				}
				add(hexNumber(row.FileOffset), strconv.FormatInt(row.Length, 10), rva, row.Section, row.Source, physical(row.Phys),
					strconv.Itoa(row.RelocationsUndone), left(row.RelocationsLeft), strconv.Itoa(row.ImportsUndone), left(row.ImportsLeft),
					strconv.Itoa(row.SlotsLeft), strconv.FormatBool(row.Written), strconv.FormatBool(row.Exact()), certainty(row), remarks(row))
			}
		})
	})
}

// certainty is how sure a row's bytes are, or that they are missing.
func certainty(row *restore.Row) string {
	if row.Kind == restore.Missing {
		return restore.Missing.String()
	}
	return row.Certainty().String()
}

// remarks is all that is said of a row.
func remarks(row *restore.Row) string {
	if row.Note != "" && row.Info != "" {
		return row.Note + "; " + row.Info
	}
	return row.Note + row.Info
}

// left writes a count of what could not be undone; -1 is not known.
func left(n int) string {
	if n < 0 {
		return "unknown"
	}
	return strconv.Itoa(n)
}
