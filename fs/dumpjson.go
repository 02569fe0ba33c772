package fs

import (
	"time"

	"memlens/memimage"
	"memlens/memimage/report"
)

// dumpInfo is image.json of the dump of a process.
type dumpInfo struct {
	Name     string              `json:"name"`
	Format   string              `json:"format"`
	Size     int64               `json:"size"`
	Modified *time.Time          `json:"modified"`
	Memory   dumpMemory          `json:"process_memory"`
	Windows  dumpSystem          `json:"windows"`
	Written  *time.Time          `json:"written"` // as the header says
	Flags    report.Offset       `json:"flags"`   // MINIDUMP_TYPE
	Streams  []report.DumpStream `json:"streams"`
	Fault    *report.DumpFault   `json:"exception"`
	Comments []string            `json:"comments"`
	Writer   string              `json:"writer,omitempty"` // dbghelp's name for itself
	Found    []string            `json:"how_it_was_found"`
	Assumed  []string            `json:"assumed_or_missing"`
	Damage   []string            `json:"damage"`
	Digests  []digestInfo        `json:"container_digests"`
}

type dumpMemory struct {
	Ranges  int   `json:"ranges"`
	Present int64 `json:"present"`
	// Listed says that all addresses are listed with their kinds and protections.
	Listed bool `json:"regions_listed"`
}

type dumpSystem struct {
	Name        string `json:"name"`
	Version     string `json:"version"`
	Build       uint32 `json:"build"`
	Lab         string `json:"build_lab,omitempty"`
	ServicePack string `json:"service_pack,omitempty"`
	SystemRoot  string `json:"system_root"` // empty where the shared page is not in the dump
	Arch        string `json:"architecture"`
	Structures  string `json:"structures_by"` // the profile that has the structures of the PEB and the loader
}

// describeDump returns the part of image.json about the dump of a process.
func describeDump(im *memimage.Image) *dumpInfo {
	r, d := report.ImageOf(im), report.DumpOf(im)
	return &dumpInfo{
		Name: r.Name, Format: r.Format, Size: r.Size, Modified: r.Modified, Written: d.Written,
		Memory:  dumpMemory{d.Ranges, d.Present, d.RegionsListed},
		Windows: dumpSystem{r.System, r.Version, r.Build, r.BuildLab, d.ServicePack, r.SystemRoot, d.Architecture, r.Profile},
		Flags:   d.Flags, Streams: d.Streams, Fault: d.Fault, Comments: d.Comments, Writer: d.Writer, Found: r.Found,
		Assumed: r.Assumed, Damage: r.Damage, Digests: containerDigests(im),
	}
}
