package report

import "memlens/memimage"

// CountsOf counts the pages of an executable. All page tables that lead to it are read.
func CountsOf(m *memimage.Module) Counts {
	c := m.PageCounts()
	out := Counts{PagesTotal: int64(c.Total()), PagesPresent: int64(c.Present())}
	for source, to := range out.bySource() {
		*to = int64(c[source])
	}
	return out
}

// From returns how many pages were found in a source.
func (c *Counts) From(s memimage.Source) int64 { return *c.bySource()[s] }

// Add adds the pages of another executable.
func (c *Counts) Add(o Counts) {
	c.PagesTotal += o.PagesTotal
	c.PagesPresent += o.PagesPresent
	more := o.bySource()
	for source, to := range c.bySource() {
		*to += *more[source]
	}
}

// bySource are the counts by source.
func (c *Counts) bySource() [memimage.FromDump + 1]*int64 {
	return [...]*int64{
		memimage.FromTable: &c.PagesTable, memimage.FromPrototype: &c.PagesPrototype, memimage.FromVAD: &c.PagesVAD,
		memimage.FromPageFile: &c.PagesPageFile, memimage.FromStore: &c.PagesStore, memimage.FromZero: &c.PagesZero,
		memimage.FromNowhere: &c.PagesMissing, memimage.FromDump: &c.PagesDump,
	}
}
