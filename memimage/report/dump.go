package report

import (
	"time"

	"memlens/memimage"
	"memlens/memimage/minidump"
)

// Dump holds the facts in the dump of a process that are not in the record of the image.
type Dump struct {
	Ranges        int   // of memory
	Present       int64 // bytes of these ranges that are in the file
	RegionsListed bool  // all addresses are listed with their kinds and protections
	ServicePack   string
	Architecture  string
	Written       *time.Time // by the header
	Flags         Offset     // MINIDUMP_TYPE
	Streams       []DumpStream
	Fault         *DumpFault // for which the dump was written; nil: none
	Comments      []string
	Writer        string // dbghelp's name for itself

	Modules, Unloaded, Threads int // numbers in the dump's lists
}

// DumpStream is a part of the file.
type DumpStream struct {
	Name string `json:"name"`
	Size uint64 `json:"size"`
	Cut  bool   `json:"truncated,omitempty"`
}

// DumpFault is an exception.
type DumpFault struct {
	Thread  uint32 `json:"thread"`
	Code    Offset `json:"code"`
	Address Offset `json:"address"`
}

// DumpOf returns the facts in a dump; nil where the image is no dump.
func DumpOf(im *memimage.Image) *Dump {
	d := im.Container.Process
	if !im.IsDump() || d == nil {
		return nil
	}
	out := &Dump{
		Ranges: d.Ranges, Present: d.Memory.Covered(), RegionsListed: d.HasInfos, ServicePack: d.System.ServicePack, Architecture: im.Kernel.Mode.Arch.Name,
		Written: timeOf(d.Time), Flags: Offset(d.Flags), Streams: streamsOf(d), Comments: append([]string{}, d.Comments...), Writer: d.Misc.Writer,
		Modules: len(d.Modules), Unloaded: len(d.Unloaded), Threads: len(d.Threads),
	}
	if f := d.Fault; f != nil {
		out.Fault = &DumpFault{f.Thread, Offset(f.Code), Offset(f.Address)}
	}
	return out
}

func streamsOf(d *minidump.Dump) []DumpStream {
	out := []DumpStream{}
	for i := range d.Streams {
		s := &d.Streams[i]
		out = append(out, DumpStream{s.Name(), s.Size, s.Cut})
	}
	return out
}
