package fs

import (
	"bytes"
	"cmp"
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

// csvWriters are the writers that are not in use: each has buffers of some thousand bytes.
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
func hex[T ~uint64](v T) string { return report.Address(v).String() }

// hexNumber writes a number in hex, 0 too.
func hexNumber[T ~uint64 | ~uint32 | ~int64](n T) string { return report.Offset(n).String() }

// stampText writes a time as records do, or nothing for none.
func stampText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return report.TimeText(&t)
}

// knownNumber writes a number, or nothing where it is not known.
func knownNumber[T any](n *T) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}

// codes writes the codes of reasons in one cell.
func codes(all []reason.Code) string {
	texts := make([]string, len(all))
	for i, c := range all {
		texts[i] = string(c)
	}
	return strings.Join(texts, "; ")
}

// longestCode is as long as the code of any reason.
var longestCode = sync.OnceValue(func() string {
	n := 0
	for _, m := range reason.Meanings() {
		n = max(n, len(m.Code))
	}
	return strings.Repeat("x", n)
})

// processesCSV is the table of the listed processes.
func (f *FS) processesCSV(ctx context.Context) (*body, error) {
	listed, damage := f.image.Processes()
	return f.processTable(ctx, "processes.csv", listed, damage)
}

// scanned returns the processes that scanning found, as searched does.
func (f *FS) scanned(ctx context.Context) (found []*memimage.Process, failed []error, err error) {
	return searched(f, func() ([]*memimage.Process, error) { return f.image.Scanned(ctx) })
}

// searched searches memory. If a part of it could not be read, there may be more to find; failed says so.
func searched[T any](f *FS, search func() ([]T, error)) (found []T, failed []error, err error) {
	before := f.image.Faults().Count()
	if found, err = search(); err != nil {
		return nil, nil, err
	}
	if fault := f.image.Faults().Since(before); fault != nil {
		failed = []error{fmt.Errorf("not all of memory could be searched: %w", fault)}
	}
	return found, failed, nil
}

// allScanned is scanned for a file that has no place for what failed.
func (f *FS) allScanned(ctx context.Context) ([]*memimage.Process, error) {
	found, failed, err := f.scanned(ctx)
	return found, cmp.Or(err, failedOf(failed))
}

// scannedCSV is the table of the processes that scanning found.
func (f *FS) scannedCSV(ctx context.Context) (*body, error) {
	found, failed, err := f.scanned(ctx)
	if err != nil {
		return nil, err
	}
	return f.processTable(ctx, path.Join(scannedName, "processes.csv"), found, failed)
}

// processTable is the table of processes as a file that is kept under key.
func (f *FS) processTable(ctx context.Context, key string, processes []*memimage.Process, damage []error) (*body, error) {
	t := lateTable[namedProcess]{
		early: processColumns,
		late:  slices.Concat(countColumns(f.image.Sources()), knownColumns, verdictColumns),
		row:   processRow,
		longest: func(of namedProcess) ([]string, error) {
			return slices.Concat(longestCounts(of.Module), f.longestKnown(), longestVerdict()), nil
		},
		cells: func(ctx context.Context, of namedProcess) ([]string, error) {
			c, err := report.ComparisonOf(of.Module)
			if err != nil {
				return nil, err
			}
			k, err := f.known.Of(ctx, of.Module)
			return slices.Concat(countCells(of.Module), knownCells(k), verdictCells(&c)), err
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

func processRow(of namedProcess) []string {
	p, recovery := report.BriefOf(of.Process), report.RecoveryOf(of.Module)
	return []string{of.name, fmt.Sprint(p.PID), knownNumber(p.PPID), p.Name, string(p.Status), p.EPROCESS.String(), p.Physical.String(), p.DTB.String(),
		report.TimeText(p.Created), report.TimeText(p.Exited), knownNumber(p.Session), fmt.Sprint(p.Threads), p.ImageBase.String(),
		p.Path, p.PEBPath, p.CommandLine, strings.Join(p.WarningsText, "; "), codes(p.Warnings), recovery.NotRecoveredText, string(recovery.NotRecovered)}
}

// countColumns are the columns of pages by source. They are late, because counting pages reads all of a process's page
// tables.
func countColumns(sources []memimage.Source) []string {
	out := []string{"pages_total", "pages_present"}
	for _, s := range sources {
		out = append(out, "pages_"+token(s.String()))
	}
	return out
}

// countCells are the cells of the columns of counts.
func countCells(m *memimage.Module) []string {
	counts := report.CountsOf(m)
	out := []string{fmt.Sprint(counts.PagesTotal), fmt.Sprint(counts.PagesPresent)}
	for _, s := range m.Sources() {
		out = append(out, fmt.Sprint(counts.From(s)))
	}
	return out
}

// longestCounts returns cells as long as the counts of an image can be.
func longestCounts(m *memimage.Module) []string {
	return slices.Repeat([]string{number(m.PageCount())}, len(m.Sources())+2)
}

// maxSingleRows is how many pages of an executable get a row each. In larger executables, which only a damaged header
// claims, neighbours that are alike share a row.
const maxSingleRows = 1 << 16

// pagesCSV is the table of the pages of an executable image.
func (m *module) pagesCSV() (*body, error) {
	return m.text("pages.csv", func() ([]byte, error) {
		merge := m.PageCount() > maxSingleRows
		return table(pageColumns, func(add func(...string)) {
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
		return table(restoredColumns, func(add func(...string)) {
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

// remarks are all remarks about a row.
func remarks(row *restore.Row) string {
	if row.Note != "" && row.Info != "" {
		return row.Note + "; " + row.Info
	}
	return row.Note + row.Info
}

// left writes how many changes could not be undone; -1 means that it is not known.
func left(n int) string {
	if n < 0 {
		return "unknown"
	}
	return strconv.Itoa(n)
}
