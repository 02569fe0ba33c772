package fs

import (
	"memlens/memimage"
	"memlens/memimage/reason"
	"memlens/memimage/report"
)

// moduleDescription is info.json of a module or a driver.
type moduleDescription struct {
	Name             string               `json:"name"`
	Base             report.Address       `json:"base"`
	Process          *uint64              `json:"process"` // whose address space it lies in; null for a driver
	Kind             string               `json:"kind"`
	Evidence         string               `json:"evidence,omitempty"`
	Path             string               `json:"path"` // of the file that is mapped, by the kernel
	Lists            []report.LoaderEntry `json:"loader_lists"`
	Patch            report.Address       `json:"hot_patched_by,omitempty"` // the base of the image that patches it while it is loaded
	Region           *report.Descriptor   `json:"region"`
	Entry            report.Address       `json:"entry,omitempty"` // of the kernel's list
	Pages            map[string]int64     `json:"pages"`
	PE               *peInfo              `json:"pe"`
	Restored         *restoredInfo        `json:"restored"`
	Known            *string              `json:"known"` // as processInfo
	KnownCode        *reason.Code         `json:"known_code"`
	Changes          *changesInfo         `json:"changes"` // memory against the file that it was mapped from
	NotRecovered     string               `json:"not_recovered,omitempty"`
	NotRecoveredCode reason.Code          `json:"not_recovered_code,omitempty"`
}

// module adds the facts about a process's module.
func (d *moduleDescription) module(p *memimage.Process, m *memimage.FoundModule) {
	r := report.ModuleOf(p, m)
	d.Kind, d.Evidence = r.Kind, r.Evidence
	d.Lists, d.Patch, d.Region = report.LoaderEntriesOf(m), report.HotPatchOf(m), report.DescriptorOf(m)
}

// driver adds the facts about a driver.
func (d *moduleDescription) driver(of *memimage.Driver) {
	r := report.DriverOf(of.Image(), of)
	d.Kind, d.Entry = r.Kind, r.Entry
}

// moduleJSON is the file info.json of a module or driver.
func (m *module) moduleJSON() (*body, error) { return m.info(m.describe) }

// describe returns the facts of info.json, and the fields for the late facts.
func (m *module) describe() (any, lateFields, error) {
	recovery := report.RecoveryOf(m.Module)
	d := &moduleDescription{Name: m.Name(), Base: report.Address(m.ImageBase()), Path: m.Path(), Lists: []report.LoaderEntry{}, Pages: m.pagesBySource(),
		Restored: m.restoredInfo(), NotRecovered: recovery.NotRecoveredText, NotRecoveredCode: recovery.NotRecovered}
	if m.Owner != nil {
		d.Process = &m.Owner.PID
	}
	if m.failed != nil {
		return nil, lateFields{}, m.failed
	}
	m.facts(d)
	var err error
	if d.Changes, err = changesOf(m.Module); err != nil {
		return nil, lateFields{}, err
	}
	d.PE, err = m.pe()
	return d, lateFields{d.PE, &d.Known, &d.KnownCode}, err
}
