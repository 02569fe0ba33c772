package fs

import (
	"time"

	"memlens/memimage/nt"
)

// moduleDescription is info.json of a module or a driver.
type moduleDescription struct {
	Name         string         `json:"name"`
	Base         string         `json:"base"`
	Process      *uint64        `json:"process"` // whose address space it lies in; null for a driver
	Kind         string         `json:"kind"`
	Evidence     string         `json:"evidence,omitempty"`
	Path         string         `json:"path"` // of the file that is mapped, by the kernel
	Lists        []loaderInfo   `json:"loader_lists"`
	Patch        string         `json:"hot_patched_by,omitempty"` // the base of the image that patches it while it is loaded
	Region       *regionInfo    `json:"region"`
	Entry        string         `json:"entry,omitempty"` // of the kernel's list
	Pages        map[string]int `json:"pages"`
	PE           *peInfo        `json:"pe"`
	Restored     *restoredInfo  `json:"restored"`
	Known        *string        `json:"known"`   // as processInfo
	Changes      *changesInfo   `json:"changes"` // memory against the file that it was mapped from
	NotRecovered string         `json:"not_recovered,omitempty"`
}

// loaderInfo is what a loader's list entry says of a module.
type loaderInfo struct {
	Bits       int        `json:"bits"`
	Entry      string     `json:"entry"`
	Name       string     `json:"name"`
	Path       string     `json:"path"`
	Size       uint32     `json:"size"`
	EntryPoint string     `json:"entry_point"`
	LoadCount  int        `json:"load_count"`
	Loaded     *time.Time `json:"loaded"`
	Load       *int       `json:"in_load_order"` // its place from 0; null: not in that list
	Memory     *int       `json:"in_memory_order"`
	Init       *int       `json:"in_initialization_order"`
}

// regionInfo is the address descriptor of a module.
type regionInfo struct {
	Start      string `json:"start"`
	End        string `json:"end"`
	Type       string `json:"type"`
	Protection string `json:"protection"`
}

// module fills in what is known of a process's module.
func (d *moduleDescription) module(f *nt.FoundModule) {
	d.Kind, d.Evidence = f.Kind.String(), f.Evidence
	for _, e := range []*nt.LoaderEntry{f.Entry, f.Entry32} {
		if e != nil {
			d.Lists = append(d.Lists, loaderInfo{e.Bits, hex(e.VA), e.Name, e.Path, e.Size, hex(e.EntryPoint), e.LoadCount, optional(e.Loaded),
				placeIn(e, nt.LoadOrder), placeIn(e, nt.MemoryOrder), placeIn(e, nt.InitOrder)})
		}
	}
	if f.Patch != 0 {
		d.Patch = hex(f.Patch)
	}
	if f.HasVAD {
		d.Region = &regionInfo{hex(f.VAD.Start), hex(f.VAD.End - 1), f.VAD.Type(), f.VAD.Protection.String()}
	}
}

func placeIn(e *nt.LoaderEntry, o nt.LoaderOrder) *int {
	if !e.In(o) {
		return nil
	}
	return &e.Places[o]
}

// driver fills in what is known of a driver.
func (d *moduleDescription) driver(of *nt.Driver) {
	d.Kind, d.Entry = of.Kind.String(), hex(of.Entry)
}

// moduleJSON is the file info.json of a module or driver.
func (m *module) moduleJSON() (*body, error) { return m.info(m.describe) }

// describe tells what info.json does, with what late makes.
func (m *module) describe(late lateFacts) (any, error) {
	d := &moduleDescription{Name: m.Name(), Base: hex(m.ImageBase()), Path: m.Path(), Lists: []loaderInfo{}, Pages: map[string]int{},
		Restored: m.restoredInfo(), NotRecovered: notRecoveredReason(m.Module)}
	if m.Owner != nil {
		d.Process = &m.Owner.PID
	}
	if err := m.facts(d); err != nil {
		return nil, err
	}
	counts := m.PageCounts()
	for _, source := range m.Sources() {
		d.Pages[token(source.String())] = counts[source]
	}
	var err error
	if d.Changes, err = m.changes(); err != nil {
		return nil, err
	}
	if d.PE, err = m.pe(); err == nil && d.PE != nil {
		d.PE.Authentihash, err = late.hash()
	}
	if err == nil {
		d.Known, err = late.known()
	}
	return d, err
}
