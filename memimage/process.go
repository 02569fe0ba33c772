package memimage

import (
	"cmp"
	"fmt"

	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/reason"
	"memlens/memimage/sparse"
)

// Process is a process of an image. The methods of Module are about its own executable.
type Process struct {
	*nt.Process
	*Module
	image *Image

	environment    func() environment
	warnings       func() []reason.Reason
	executablePath func() string
	session        func() session
}

// session is the number of a process's session, if that is known.
type session struct {
	id    uint32
	known bool
}

// environment is the PEB of the process.
type environment struct {
	env *nt.Environment
	err error
}

func (im *Image) process(p *nt.Process) *Process {
	out := &Process{Process: p, image: im}
	out.environment = sparse.Kept(im.faults, out.readEnvironment)
	out.warnings = sparse.Kept(im.faults, out.findWarnings)
	out.executablePath = sparse.Kept(im.faults, out.findExecutablePath)
	out.session = sparse.Kept(im.faults, func() session {
		id, known := p.SessionID()
		return session{id, known}
	})
	out.Module = im.module(out, &mainImage{out})
	return out
}

// classicSpace returns the address space from which the classic dumps are read.
func (p *Process) classicSpace() *paging.Space {
	if p.image.options.AllPages {
		return p.Process.Space()
	}
	return p.Tables()
}

// SessionID returns the process's session, as [nt.Process.SessionID] does.
func (p *Process) SessionID() (uint32, bool) {
	s := p.session()
	return s.id, s.known
}

func (p *Process) readEnvironment() environment {
	if p.Process.PEB != 0 {
		if err := p.CheckSpace(); err != nil {
			return environment{err: err}
		}
	}
	env, err := p.Process.Environment(p.classicSpace())
	if err != nil && p.Process.PEB != 0 && sparse.IsHole(err) {
		err = fmt.Errorf("%w%s", err, p.elsewhere(p.Process.PEB))
	}
	return environment{env, err}
}

// Environment returns the contents of the PEB, or says in a sentence why they cannot be read.
func (p *Process) Environment() (*nt.Environment, error) {
	e := p.environment()
	return e.env, e.err
}

// mainImage is where a process has its executable.
type mainImage struct{ *Process }

func (m *mainImage) noun() string { return "executable" }
func (m *mainImage) name() string { return m.LongName() }
func (m *mainImage) path() string { return m.ExecutablePath() }

func (m *mainImage) claimedPath() (string, bool) { return m.PEBPath(), false }

// names are the kernel's names for the process, and the name in its PEB.
func (m *mainImage) names() []string { return []string{m.LongName(), m.PEBName(), string(m.RawName)} }

// classic finds the executable as Volatility does: at the PEB's ImageBaseAddress, and nowhere else.
func (m *mainImage) classic() (*paging.Space, paging.Virt, error) {
	env, err := m.Environment()
	switch base := m.DumpedBase(); {
	case err != nil && base != 0: // Volatility reads no dumps of processes
		return m.classicSpace(), base, nil
	case err != nil:
		return nil, 0, err
	}
	return m.classicSpace(), env.ImageBase, nil
}

// address returns the address of the executable: from the PEB, or else from the kernel; 0 when neither is known.
func (m *mainImage) address() paging.Virt {
	if env, err := m.Environment(); err == nil {
		return env.ImageBase
	}
	return m.notedBase()
}

// notedBase returns the base of the executable from outside of the process's memory: from the kernel, or from the list
// of a dump; 0 where neither has it.
func (p *Process) notedBase() paging.Virt { return cmp.Or(p.SectionBase(), p.DumpedBase()) }

func (m *mainImage) space() *paging.Space { return m.Process.Process.Space() }

// pages implements [location]: 0 for memory that is not mapped from a file.
func (m *mainImage) pages(base paging.Virt) int64 {
	if v, ok := m.VAD(base); ok && v.Start == base && !v.Private && !v.Unknown {
		return int64((v.End - v.Start) >> 12)
	}
	return 0
}

// mapping finds the executable, by the PEB where that can be read from any source, and else by the kernel's base.
func (m *mainImage) mapping() (*nt.Mapping, error) {
	base := m.notedBase()
	var cause error
	if inPEB, err := m.BaseInPEB(m.space()); err == nil && m.CheckSpace() == nil {
		if base = inPEB; base != m.SectionBase() && m.SectionBase() != 0 && m.isUnmapped(base) {
			base = m.SectionBase() // the PEB leads to nothing
		}
	} else {
		cause = err
	}
	if base == 0 && m.section() == nil {
		if cause == nil {
			cause = reason.Errorf(reason.AddressUnknown, "neither its PEB nor its _EPROCESS says where it lay")
		}
		return nil, cause
	}
	return m.Process.Process.Mapping(base), nil
}

// section returns the process's image section, or nil.
func (p *Process) section() *nt.Section {
	s, err := p.ImageSection()
	if err != nil {
		return nil
	}
	return s
}
