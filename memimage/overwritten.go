package memimage

import (
	"time"

	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/pedump"
	"memlens/memimage/reason"
	"memlens/memimage/sparse"
)

// overwrittenWarning compares the header that the process has at its image base with the header of the file that is
// mapped there, which no process can write to. It shows a program that was written over another.
func (p *Process) overwrittenWarning() reason.Reason {
	base := p.ImageBase()
	if base == 0 || p.CheckSpace() != nil {
		return reason.Reason{}
	}
	if p.isUnmapped(base) {
		return baseUnmapped(base)
	}
	own := p.anyHeader(base)
	file := fileHeader(p.Process.Mapping(base))
	if own == nil || file == nil || own.TimeDateStamp == file.TimeDateStamp && own.CheckSum == file.CheckSum {
		return reason.Reason{}
	}
	return reason.New(reason.Overwritten, "the header in memory at %#x (linked %s, CheckSum %#x) is not that of the file that is mapped there (linked %s, CheckSum %#x): "+
		"another program was written over it", uint64(base), linked(own), own.CheckSum, linked(file), file.CheckSum)
}

// linked returns the time at which a file says that it was linked.
func linked(h *pedump.Image) string {
	return time.Unix(int64(h.TimeDateStamp), 0).UTC().Format(time.RFC3339)
}

// fileHeader returns the headers of a mapped file from pages that no process can have written to: the section's own
// page, or the page in the file cache. It is nil where neither page is in memory.
func fileHeader(m *nt.Mapping) *pedump.Image {
	if m.Unbacked {
		return nil
	}
	page, err := m.SectionPage(0)
	found := err == nil
	if !found && m.Cached != nil {
		page, found = m.Cached.Page(0)
	}
	if !found || page.Src == nil {
		return nil
	}
	h, err := pedump.Parse(sparse.Section(page.Src, page.Off, pageSize))
	if err != nil {
		return nil
	}
	return h
}

// isUnmapped reports whether a running process has no memory at all at its image base: no descriptor, and no page. The
// descriptor of the PEB, which every process has, shows that the tree of descriptors can be followed.
func (p *Process) isUnmapped(base paging.Virt) bool {
	_, mapped := p.VAD(base)
	_, sound := p.VAD(p.PEB)
	_, absent := p.Tables().Translate(base)
	return !mapped && sound && sparse.IsHole(absent) && p.Exited.IsZero() && p.PEB != 0
}
