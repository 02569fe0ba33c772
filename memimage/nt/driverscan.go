package nt

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// ScanDrivers looks in all of physical memory, in parallel, for drivers that the list of loaded modules lacks, and
// returns them in the order of their addresses, each once. progress may be nil. An image may be made so that not all of
// it can be searched: then there is an error, and the drivers that were found are returned, too.
//
// It finds entries by the tag of their pool blocks (MmLd), and images by their headers. It accepts an entry when all
// its members have possible values: links into the kernel's half, an address and a size of whole pages there, an entry
// point in the image, names. The entry is
//   - a driver of the list, if the list is damaged and a neighbour points back at it;
//   - unlinked, if its image is in memory: a header at its address with the same size and entry point; or anything but
//     zeros, if nothing indicates a remnant: the block is in use and mapped, the entry's links lead to entries of the list,
//     and no other driver lies there;
//   - otherwise a remnant of an unloaded driver.
//
// An image without an entry is taken for a driver when it was loaded as a driver: its header has its own address, or
// the slots of its imports lead into other drivers. So copies of files in the file cache are not taken for drivers. An
// image of the same build as a driver of the list is a copy of that driver, as the boot loader leaves them. Being a copy
// alone does not make it a hidden driver.
func (k *Kernel) ScanDrivers(ctx context.Context, progress func(done, total int64)) ([]*Driver, error) {
	s := k.newDriverScan()
	found := func(hits []driverHit) bool {
		s.hits = append(s.hits, hits...)
		s.cut = len(s.hits) >= maxDriverHits
		return !s.cut
	}
	if err := sweep(ctx, k.mem, stretch{0, k.mem.Size(), sweepChunk}, s.look, found, progress); err != nil {
		return nil, fmt.Errorf("nt: scanning for drivers: %w", err)
	}
	if err := s.locate(ctx); err != nil {
		return nil, fmt.Errorf("nt: scanning for drivers: %w", err)
	}
	s.entries(ctx)
	s.images(ctx)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("nt: scanning for drivers: %w", err)
	}
	slices.SortFunc(s.out, func(a, b *Driver) int { return cmp.Or(cmp.Compare(a.Base, b.Base), cmp.Compare(a.EntryPA, b.EntryPA)) })
	if s.cut {
		return s.out, errors.New("nt: scanning for drivers: not all was looked at that may be one: memory holds too much of it")
	}
	return s.out, nil
}

// Bounds on the hits that are taken from memory. Systems have some thousand headers of executables, each mapped at an
// address or two.
const (
	maxDriverHits   = 1 << 18
	maxDriverImages = 1 << 16 // addresses of headers
)

// driverHit is where an entry may lie, or the header of an image.
type driverHit struct {
	pa     paging.Phys
	header *driverHeader // nil: an entry
	freed  bool          // an entry in a block that is free
}

// driverScan is one search of physical memory for drivers.
type driverScan struct {
	k      *Kernel
	spaces *driverSpaces
	listed map[paging.Phys]bool // entries that the list leads to
	links  map[paging.Virt]bool // their addresses, and the list's head
	broken bool                 // the list is damaged
	bases  known                // images that have an entry
	hits   []driverHit
	mapped map[paging.Phys][]mapping   // of the hits' pages
	builds func() map[driverBuild]bool // of the drivers in the list
	out    []*Driver
	cut    bool // not all is looked at
}

// mapping is an address at which a page is mapped.
type mapping struct {
	space DriverSpace
	va    paging.Virt
}

func (k *Kernel) newDriverScan() *driverScan {
	s := &driverScan{k: k, spaces: k.newDriverSpaces(), listed: map[paging.Phys]bool{}, links: map[paging.Virt]bool{}, bases: known{}, builds: sync.OnceValue(k.listedBuilds)}
	if head, err := k.PsLoadedModuleList(); err == nil {
		s.links[head] = true
	}
	for d, err := range k.Drivers() {
		if err != nil {
			s.broken = true
			continue
		}
		s.listed[d.EntryPA], s.links[d.Entry] = true, true
		s.bases[d.Base] = d.Size
	}
	return s
}

// driverTag is the pool tag of entries.
var driverTag = []byte("MmLd")

// look returns the entries and headers in a chunk of memory.
func (s *driverScan) look(p []byte, pa paging.Phys) []driverHit {
	var out []driverHit
	for off := 0; off+pageSize <= len(p); off += pageSize {
		if h, ok := s.k.decodeHeader(p[off : off+pageSize]); ok {
			out = append(out, driverHit{pa: pa + paging.Phys(off), header: h})
		}
	}
	for at := 0; ; at++ {
		i := bytes.Index(p[at:], driverTag)
		if i < 0 {
			return out
		}
		at += i
		if hit, ok := s.entry(p, at, pa); ok {
			out = append(out, hit)
		}
	}
}

// entry looks at the pool block with its tag at offset at of a chunk (_POOL_HEADER). The block must be large enough for
// an entry, end in its page, and hold an entry.
func (s *driverScan) entry(p []byte, at int, pa paging.Phys) (driverHit, bool) {
	const tag = 4 // the tag's offset in the header
	unit := 2 * s.k.kernel.pointer
	start := at - tag
	if start < 0 || start%unit != 0 || start/pageSize != (start+unit-1)/pageSize {
		return driverHit{}, false
	}
	size, kind := poolBlock(record{p[start : start+unit], s.k.kernel.pointer})
	body, end := start+unit, start+size*unit
	if end > start-start%pageSize+pageSize || end-body < driverEntryLayout(s.k.kernel.pointer).end {
		return driverHit{}, false
	}
	return driverHit{pa: pa + paging.Phys(body), freed: kind == 0}, s.k.isDriverEntry(record{p[body:end], s.k.kernel.pointer})
}

// poolBlock reads the size of a pool block, in units of its header, and its type: 0 for a free block. Its first two
// words are bit fields on 32-bit systems, bytes on 64-bit ones.
func poolBlock(r record) (size int, kind uint64) {
	if r.pointer == 8 {
		return int(r.u8(2)), r.u8(3)
	}
	return int(r.u16(2) & 0x1ff), r.u16(2) >> 9
}

// isDriverEntry reports whether all members of an entry have possible values.
func (k *Kernel) isDriverEntry(r record) bool {
	l := driverEntryLayout(r.pointer)
	d := Driver{Base: r.ptr(l.base), Size: uint32(r.u32(l.size))}
	if !k.plausibleDriver(&d) || !k.inKernelSpace(r.ptr(0)) || !k.inKernelSpace(r.ptr(profile.Offset(r.pointer))) {
		return false
	}
	if entry := r.ptr(l.entryPoint); entry != 0 && (entry < d.Base || entry-d.Base >= paging.Virt(d.Size)) {
		return false
	}
	for _, off := range []profile.Offset{l.path, l.name} {
		n, room := r.u16(off), r.u16(off+2)
		if n == 0 || n%2 != 0 || n > room || !k.inKernelSpace(r.ptr(off+profile.Offset(r.pointer))) {
			return false
		}
	}
	return true
}

// entries takes the entries among the hits.
func (s *driverScan) entries(ctx context.Context) {
	n := 0
	for _, hit := range s.hits {
		if hit.header != nil || s.listed[hit.pa] || ctx.Err() != nil {
			continue
		}
		if n++; n > maxDrivers {
			s.cut = true
			return
		}
		if d := s.fromEntry(hit); d != nil {
			s.out = append(s.out, d)
			if d.Kind != DriverUnloaded {
				s.bases[d.Base] = d.Size
			}
		}
	}
}

// fromEntry returns the driver of an entry that was found; nil when the driver is known already.
func (s *driverScan) fromEntry(hit driverHit) *Driver {
	r, err := s.physical(hit.pa)
	if err != nil {
		return nil
	}
	d := s.k.decodeDriver(r)
	if d.EntryPA = hit.pa; !s.k.plausibleDriver(d) {
		return nil
	}
	if m := s.mapped[hit.pa&^(pageSize-1)]; len(m) > 0 {
		d.Entry = m[0].va + paging.Virt(hit.pa%pageSize)
	}
	if _, twice := s.bases[d.Base]; twice {
		return nil // a copy, or a driver that was loaded there before
	}
	d.Listed = s.broken && d.Entry != 0 && !hit.freed && s.k.checkNeighbours(d.Entry) == nil
	if s.spaces.classify(d); d.Listed {
		return d
	}
	if s.isInMemory(d, hit, r) {
		d.Kind = DriverUnlinked
		return d
	}
	d.Kind, d.Space = DriverUnloaded, DriverSpace{}
	if !d.namesAgree() {
		return nil
	}
	return d
}

// namesAgree reports whether the path ends in the name, and both are text: then neither has been overwritten.
func (d *Driver) namesAgree() bool {
	odd := func(c rune) bool { return c < ' ' || c == utf8.RuneError }
	return d.Name != "" && len(d.Path) >= len(d.Name) && strings.EqualFold(d.Path[len(d.Path)-len(d.Name):], d.Name) &&
		!strings.ContainsFunc(d.Path, odd)
}

// isInMemory reports whether the image of an entry r outside of the list is in memory, and not another image that was
// loaded at its address since.
func (s *driverScan) isInMemory(d *Driver, hit driverHit, r record) bool {
	if d.Kind == DriverNoImage {
		return false
	}
	h, _ := s.k.driverHeader(d.Space.Complete, d.Base)
	if h != nil && h.build.size == d.Size && (d.EntryPoint == 0 || d.Base+paging.Virt(h.build.entryPoint) == d.EntryPoint) {
		return true
	}
	return !hit.freed && d.Entry != 0 && s.links[r.ptr(0)] && s.links[r.ptr(profile.Offset(r.pointer))] && !s.bases.overlaps(d)
}

// physical reads an entry at a physical address.
func (s *driverScan) physical(pa paging.Phys) (record, error) {
	b := make([]byte, driverEntryLayout(s.k.kernel.pointer).end)
	n, err := s.k.cache.ReadAt(b, int64(pa))
	if n == len(b) {
		err = nil
	}
	return record{b, s.k.kernel.pointer}, err
}

// images takes the images among the hits that have no entry.
func (s *driverScan) images(ctx context.Context) {
	n, others := 0, s.bases.ranges()
	for _, hit := range s.hits {
		if hit.header == nil || ctx.Err() != nil {
			continue
		}
		for _, m := range s.mapped[hit.pa] {
			if n++; n > maxDriverImages {
				s.cut = true
				return
			}
			if d := s.fromImage(hit, m, others); d != nil {
				s.out = append(s.out, d)
				s.bases[d.Base] = d.Size
				break
			}
		}
	}
}

// fromImage returns the driver with its header mapped at an address; nil when it has an entry, or is no driver.
func (s *driverScan) fromImage(hit driverHit, m mapping, others imageRanges) *Driver {
	mem := memory{m.space.Complete, s.k.kernel.pointer}
	h := hit.header
	if _, has := s.bases[m.va]; has || m.va == s.k.Base || !h.isLoaded(mem, m.va, others) {
		return nil
	}
	d := &Driver{Kind: DriverNoEntry, Index: -1, Base: m.va, Size: h.build.size, Space: m.space}
	d.Name, d.PDB = h.names(mem, m.va)
	d.Space.Header = true
	if h.build.entryPoint != 0 {
		d.EntryPoint = m.va + paging.Virt(h.build.entryPoint)
	}
	if s.builds()[h.build] {
		d.Kind = DriverCopy
	}
	return d
}

// listedBuilds returns the builds of the drivers in the list.
func (k *Kernel) listedBuilds() map[driverBuild]bool {
	out := map[driverBuild]bool{}
	for d, err := range k.Drivers() {
		if err != nil || !d.Listed || d.Kind == DriverNoImage {
			continue
		}
		if h, _ := k.driverHeader(d.Space.Complete, d.Base); h != nil {
			out[h.build] = true
		}
	}
	return out
}
