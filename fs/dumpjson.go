package fs

import (
	"slices"
	"time"

	"memlens/memimage"
	"memlens/memimage/minidump"
)

// dumpInfo is image.json of the dump of a process.
type dumpInfo struct {
	Name     string       `json:"name"`
	Format   string       `json:"format"`
	Size     int64        `json:"size"`
	Modified *time.Time   `json:"modified"`
	Memory   dumpMemory   `json:"process_memory"`
	Windows  dumpSystem   `json:"windows"`
	Written  *time.Time   `json:"written"` // as the header says
	Flags    string       `json:"flags"`   // MINIDUMP_TYPE
	Streams  []streamInfo `json:"streams"`
	Fault    *faultInfo   `json:"exception"`
	Comments []string     `json:"comments"`
	Writer   string       `json:"writer,omitempty"` // what dbghelp says of itself
	Found    []string     `json:"how_it_was_found"`
	Assumed  []string     `json:"assumed_or_missing"`
	Damage   []string     `json:"damage"`
	Digests  []digestInfo `json:"container_digests"`
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
	Structures  string `json:"structures_by"` // the profile that has those of the PEB and the loader
}

type streamInfo struct {
	Name string `json:"name"`
	Size uint64 `json:"size"`
	Cut  bool   `json:"truncated,omitempty"`
}

type faultInfo struct {
	Thread  uint32 `json:"thread"`
	Code    string `json:"code"`
	Address string `json:"address"`
}

// describeDump is what image.json says of the dump of a process.
func describeDump(im *memimage.Image) *dumpInfo {
	k, d := im.Kernel, im.Container.Process
	info := &dumpInfo{
		Name: im.Name(), Format: im.Container.Format, Size: im.Size, Modified: optional(im.ModTime.UTC()), Written: optional(d.Time),
		Memory:  dumpMemory{d.Ranges, d.Memory.Covered(), d.HasInfos},
		Windows: dumpSystem{osName(im), k.Version.String(), k.Version.Build, k.Lab, d.System.ServicePack, k.Root, k.Mode.Arch.Name, k.Profile.Name()},
		Flags:   hexNumber(d.Flags), Streams: streamsOf(d), Comments: append([]string{}, d.Comments...), Writer: d.Misc.Writer, Found: k.Found,
		Assumed: append([]string{}, slices.Concat(im.Container.Notes, im.Assumed())...), Damage: append([]string{}, slices.Concat(im.Container.Doubts, im.Container.Damage())...),
		Digests: containerDigests(im),
	}
	if f := d.Fault; f != nil {
		info.Fault = &faultInfo{f.Thread, hexNumber(f.Code), hexNumber(f.Address)}
	}
	return info
}

func streamsOf(d *minidump.Dump) []streamInfo {
	out := []streamInfo{}
	for i := range d.Streams {
		s := &d.Streams[i]
		out = append(out, streamInfo{s.Name(), s.Size, s.Cut})
	}
	return out
}
