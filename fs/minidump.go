package fs

import (
	"context"
	"fmt"

	"memlens/memimage"
)

// MinidumpName is the name of the file that holds a process's memory for debuggers.
const MinidumpName = "minidump.dmp"

// keptMinidumps is for how many processes the contents of their minidumps are kept: a program that asks for the size
// opens the file next. Each has a table of pages, of up to some megabytes.
const keptMinidumps = 4

// minidump is the process's memory for debuggers. Finding its pages takes a walk over the page tables; its size depends
// on them.
func (p *process) minidump(ctx context.Context) (*body, error) {
	d, err := p.fs.minidump(ctx, p.Process)
	if err != nil {
		return nil, absent(err)
	}
	return &body{Content: d.File, xattrs: func() []xattr {
		return prefixed([]xattr{
			{"ranges", fmt.Sprint(len(d.Dump.Memory))},
			{"pages_present", fmt.Sprint(d.Pages)},
			{"pages_missing", fmt.Sprint(d.Missing)},
			{"modules", fmt.Sprint(len(d.Dump.Modules))},
			{"threads", fmt.Sprint(len(d.Dump.Threads))},
			{"all_addresses", fmt.Sprint(d.Partial == nil)},
		})
	}}, nil
}

// minidump returns the parts of a process's minidump. They are kept unless a read of the image failed meanwhile.
func (f *FS) minidump(ctx context.Context, p *memimage.Process) (*memimage.Minidump, error) {
	if d, ok := f.minidumps.Get(p); ok {
		return d, nil
	}
	before := f.image.Faults().Count()
	d, err := p.Minidump(ctx)
	if err == nil {
		err = f.image.Faults().Since(before)
	}
	if err != nil {
		return nil, err
	}
	f.minidumps.Add(p, d)
	return d, nil
}
