package memimage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"memlens/memimage/mdmp"
	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/sparse"
)

// Minidump is a process's memory as debuggers open it.
type Minidump struct {
	File *sparse.Reader // without holes: missing pages are not in the file
	Head int64          // bytes in front of the memory
	Dump *mdmp.Dump
	// Pages counts the pages in the file. Missing counts the pages that held something and are not in the image.
	Pages, Missing int64
	// Partial says why not all addresses were looked at; nil: they were.
	Partial error
}

// CheckMinidump returns an error, a sentence, when no minidump of the process is possible.
func (p *Process) CheckMinidump() error {
	if err := p.CheckSpace(); err != nil {
		return err
	}
	if p.Process.PEB != 0 {
		return nil
	}
	var errs []error
	for _, err := range p.VADs() {
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, fmt.Errorf("%w, and no address descriptors of memory", &nt.NoPEBError{Process: p.Process}))...)
}

// Minidump finds the process's memory from all sources, and the other facts that a debugger needs. It walks all page
// tables of the process, and reads no page of its memory. The error is a sentence, the error of a read that failed, or
// the context's.
func (p *Process) Minidump(ctx context.Context) (*Minidump, error) {
	if err := p.CheckMinidump(); err != nil {
		return nil, err
	}
	descriptors, damage, err := p.descriptors()
	if err != nil {
		return nil, err
	}
	memory, err := p.userMemory(ctx, descriptors)
	if err != nil {
		return nil, err
	}
	d := &mdmp.Dump{Time: p.image.Kernel.SystemTime, System: p.dumpSystem(), Process: mdmp.Process{ID: uint32(p.PID), Created: p.Created},
		Memory: memory.ranges, Regions: memory.regions}
	d.Modules = p.dumpModules()
	var located int
	d.Threads, located = p.dumpThreads(d.System.Arch)
	d.Comment = p.dumpComment(memory, damage, len(d.Threads), located)
	out := &Minidump{Dump: d, Pages: memory.present, Partial: memory.stopped}
	for _, n := range memory.missing {
		out.Missing += n
	}
	space := p.Process.Space()
	out.File, out.Head, err = d.Open(space.Window(0, space.Mode().UserSpace()))
	return out, err
}

// descriptors returns the process's address descriptors in order, and how many are damaged. The error is from a read
// that failed.
func (p *Process) descriptors() (out []nt.VAD, damaged int, err error) {
	for v, err := range p.VADs() {
		switch {
		case sparse.Failed(err):
			return nil, 0, err
		case err != nil:
			damaged++
		default:
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b nt.VAD) int { return cmp.Compare(a.Start, b.Start) })
	return out, damaged, nil
}

// dumpSystem returns the version and the machine of Windows.
func (p *Process) dumpSystem() mdmp.System {
	k := p.image.Kernel
	m := k.Machine()
	s := mdmp.System{Arch: dumpArch(k.Mode.Arch), Product: m.Product, Suite: m.Suite, Features: m.Features,
		Major: k.Version.Major, Minor: k.Version.Minor, Build: k.Version.Build, ServicePack: p.ServicePack()}
	if n := p.Processors(); n < 256 {
		s.Processors = uint8(n)
	}
	return s
}

func dumpArch(a *paging.Arch) mdmp.Arch {
	switch a {
	case paging.ArchX86:
		return mdmp.X86
	case paging.ArchX64:
		return mdmp.X64
	}
	return mdmp.ARM64
}
