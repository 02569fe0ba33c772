package report

import (
	"fmt"

	"memlens/memimage"
	"memlens/memimage/nt"
)

// ModuleOf makes the record of an executable image in a process's address space, without the parts about the
// executable.
func ModuleOf(p *memimage.Process, m *memimage.FoundModule) *Module {
	f := m.Found
	out := &Module{
		Header: headerOf(p.Image(), KindModule), Role: RoleModule, PID: &p.PID, Process: p.LongName(),
		Name: m.Name(), Base: Address(f.Base), Size: f.Size, Bits: int32(f.Bits), Kind: f.Kind.String(), Main: f.Main, Path: f.Path, Evidence: f.Evidence,
		LoadOrder: placeIn(f.Entry, nt.LoadOrder), MemoryOrder: placeIn(f.Entry, nt.MemoryOrder), InitOrder: placeIn(f.Entry, nt.InitOrder),
		LoadOrder32: placeIn(f.Entry32, nt.LoadOrder), MemoryOrder32: placeIn(f.Entry32, nt.MemoryOrder), InitOrder32: placeIn(f.Entry32, nt.InitOrder),
	}
	if e := f.Listed(); e != nil {
		out.Listed, out.LoaderPath, out.Entry, out.EntryPoint, out.Loaded = true, e.Path, Address(e.VA), Address(e.EntryPoint), timeOf(e.Loaded)
		out.LoadCount = count(e.LoadCount)
	}
	if f.HasVAD {
		out.RegionType, out.Protection = f.VAD.Type(), f.VAD.Protection.String()
	}
	return out
}

// placeIn is an entry's place in a list; nil where it is not in the list.
func placeIn(e *nt.LoaderEntry, o nt.LoaderOrder) *int64 {
	if e == nil || !e.In(o) {
		return nil
	}
	return count(e.Places[o])
}

// count returns n, or nil for -1, which means not known.
func count(n int) *int64 {
	if n < 0 {
		return nil
	}
	out := int64(n)
	return &out
}

// DriverOf makes the record of a driver, without the parts about the executable.
func DriverOf(im *memimage.Image, driver *memimage.Driver) *Module {
	d := driver.Driver
	loads := int64(d.LoadCount)
	out := &Module{
		Header: headerOf(im, KindModule), Role: RoleDriver,
		Name: d.Name, Base: Address(d.Base), Size: int64(d.Size), Kind: d.Kind.String(), LoaderPath: d.Path, LoadOrder: count(d.Index), Listed: d.Listed,
		Entry: Address(d.Entry), EntryPhysical: Address(d.EntryPA), EntryPoint: Address(d.EntryPoint), LoadCount: &loads, Flags: d.Flags, ReadThrough: readThrough(d),
	}
	if d.Damage != nil {
		out.Damage = d.Damage.Error()
	}
	return out
}

// readThrough names the address space through which a driver is read; empty: no page is present.
func readThrough(d *nt.Driver) string {
	switch {
	case d.Space.Owner != nil:
		return fmt.Sprintf("process %d", d.Space.Owner.PID)
	case d.Space.Complete != nil:
		return "kernel"
	}
	return ""
}

// RegionOf makes the record of a stretch of a process's addresses.
func RegionOf(p *memimage.Process, r *nt.Region) *Region {
	return &Region{
		Header: headerOf(p.Image(), KindRegion), PID: p.PID, Process: p.LongName(),
		Start: Address(r.Start), End: Address(r.End - 1), Size: int64(r.End - r.Start), Type: r.Type(), Protection: r.Protection.String(),
		Executed: r.Executed, Private: IsInjectable(r), Path: r.Path,
	}
}

// IsInjectable reports whether a region is private memory that can be executed: programs put code there that is in no
// file.
func IsInjectable(r *nt.Region) bool { return r.Private && r.Executable() }
