package synth

// Driver describes an executable image that the kernel has loaded for itself.
type Driver struct {
	Name     string               // the path is \\SystemRoot\\System32\\DRIVERS\\ and the name
	Image    *Executable          // nil: no page of it is in memory
	Base     uint64               // 0: behind the driver before it
	Pages    func(page int) State // Valid, Transition, PageFile, Compressed or None; nil: Valid, and None where a section is discarded
	Session  bool                 // mapped only for the processes that have an image, which run in a session (not with LA57)
	Unlinked bool                 // its entry is in no list
	NoEntry  bool                 // it has no entry at all
}

// DriverTruth is one driver.
type DriverTruth struct {
	Driver // with its Base
	Size   uint32
	Entry  uint64 // address of its list entry; 0: none
}

// driver is a driver that is being built.
type driver struct {
	Driver
	im    *image
	size  uint32
	entry uint64
	ptes  []uint64 // of its pages
}

// The addresses at which drivers, and the drivers of sessions, are loaded.
const (
	driversX86  = 0xf7400000
	sessionX86  = 0xbf800000
	sessionX64  = 0xfffff96000000000
	driverStep  = 0x100000
	noImageSize = 0x20000
)

// addDrivers loads the drivers, in order. Their entries follow the entry of the kernel.
func (b *builder) addDrivers() {
	next := map[bool]uint64{false: driversX86, true: sessionX86}
	if b.x64() {
		next = map[bool]uint64{false: b.regions.kernel&^0xffffff + 0x10000000, true: sessionX64}
	}
	for _, d := range b.Drivers {
		if d.Base == 0 {
			d.Base = next[d.Session]
		}
		next[d.Session] = alignUp(d.Base, driverStep) + driverStep
		b.drivers = append(b.drivers, b.loadDriver(d))
	}
}

// loadDriver maps a driver as the kernel does: relocated, its imports bound to the kernel, and its address in the header
// from Windows Vista on.
func (b *builder) loadDriver(d Driver) *driver {
	out := &driver{Driver: d, size: noImageSize}
	if d.Image == nil {
		return out
	}
	im, err := parseImage(d.Image.File)
	if err != nil {
		panic(buildError{err})
	}
	out.im, out.size = im, im.size
	content := im.mapped()
	im.relocate(content, im.base, d.Base)
	im.bind(content, func(string, string) uint64 { return b.kernel.base + 0x1000 + b.m.rng.Uint64N(kernelCode/16)*16 })
	if b.l.build >= 6000 {
		im.setBase(content, d.Base)
	}
	for page := range im.pages() {
		e := b.driverPage(out.state(page), d.Base+uint64(page)*pageSize, content[page*pageSize:][:pageSize])
		out.ptes = append(out.ptes, e)
		if !d.Session && e != 0 {
			b.k.set(d.Base+uint64(page)*pageSize, e)
		}
	}
	return out
}

// state is the state of a page.
func (d *driver) state(page int) State {
	const discardable = 0x02000000
	if d.Pages != nil {
		return d.Pages(page)
	}
	if i := d.im.section(page); i >= 0 && d.im.sections[i].flags&discardable != 0 {
		return None
	}
	return Valid
}

// driverPage puts a page where its state says, and returns its page-table entry.
func (b *builder) driverPage(state State, va uint64, content []byte) uint64 {
	soft := b.softPTE()
	switch state.plain() {
	case None:
		return 0
	case Compressed:
		return b.compress(content, state.Kind(), protReadWrite, 0, va)
	case PageFile:
		return soft.pageFile(b.PageFile, b.pageOut(content), protReadWrite)
	}
	pfn := b.m.alloc()
	b.m.write(pfn<<pageShift, content)
	if state == Transition {
		return soft.transition(pfn, protReadWrite)
	}
	return pfn<<pageShift | pteKernelPage
}

// mapSession maps the drivers of the session for a process.
func (b *builder) mapSession(p *proc) {
	for _, d := range b.drivers {
		for page, e := range d.ptes {
			if d.Session && e != 0 && p.Image != nil {
				p.space.set(d.Base+uint64(page)*pageSize, e)
			}
		}
	}
}

// driverEntries writes the entries of the drivers and returns the entries that are in the list.
func (b *builder) driverEntries() []uint64 {
	var listed []uint64
	for _, d := range b.drivers {
		if d.NoEntry {
			continue
		}
		entry := uint64(0)
		if d.im != nil && d.im.entry != 0 {
			entry = d.Base + uint64(d.im.entry)
		}
		d.entry = b.moduleEntry(`\SystemRoot\System32\DRIVERS\`, d.Name, d.Base, entry, d.size)
		if !d.Unlinked {
			listed = append(listed, d.entry)
		}
	}
	return listed
}

// unlinkDrivers leaves the links of entries that are in no list pointing to their neighbours, as rootkits leave them.
func (b *builder) unlinkDrivers(head, last uint64) {
	for _, d := range b.drivers {
		if d.Unlinked && !d.NoEntry {
			b.k.write(d.entry, le(head, b.l.ptr))
			b.k.write(d.entry+uint64(b.l.ptr), le(last, b.l.ptr))
		}
	}
}

// driverTruth describes the drivers that were built.
func (b *builder) driverTruth() []DriverTruth {
	var out []DriverTruth
	for _, d := range b.drivers {
		out = append(out, DriverTruth{Driver: d.Driver, Size: d.size, Entry: d.entry})
	}
	return out
}
