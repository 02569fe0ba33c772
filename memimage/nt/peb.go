package nt

import (
	"memlens/memimage/paging"
	"memlens/memimage/reason"
)

// Environment holds the members of a process's PEB about its executable.
type Environment struct {
	ImageBase   paging.Virt
	Path        string // ProcessParameters.ImagePathName; may be empty
	CommandLine string
	OSBuild     uint16 // 0 where it is not known
	ldr         paging.Virt
	memory      memory
}

// NoPEBError says that the process has no PEB at all.
type NoPEBError struct{ Process *Process }

func (e *NoPEBError) Error() string {
	p := e.Process
	switch kind := p.Kind(); {
	case p.dumped != nil:
		return "the environment block (PEB) is not found: the dump has the block (TEB) of no thread that would lead to it"
	case kind == IdleProcess:
		return "the process is the Idle process, which stands for processors with nothing to do: it has no executable"
	case kind == SystemProcess:
		return "the process is the System process: it has no executable of its own"
	case kind == PicoProcess:
		return "the process is a pico process, such as a Linux program of WSL 1: it has no Windows executable"
	case kind == MinimalProcess && p.StandsFor() != "":
		return "the process is a minimal process without an executable; that of its name " + p.StandsFor()
	case kind == MinimalProcess:
		return "the process is a minimal process, made by the kernel: it has no executable"
	case kind == Trustlet:
		return "the process is a trustlet, which the secure kernel runs, and has no PEB here"
	case !p.Exited.IsZero():
		return "the process has exited and its PEB is gone"
	}
	return "the process has no PEB"
}

// ReasonCode implements [reason.Coded].
func (e *NoPEBError) ReasonCode() reason.Code {
	p := e.Process
	switch kind := p.Kind(); {
	case p.dumped != nil:
		return reason.NoPEB
	case kind == Trustlet:
		return reason.Trustlet
	case kind != OrdinaryProcess:
		return reason.NoExecutable
	case !p.Exited.IsZero():
		return reason.Exited
	}
	return reason.NoPEB
}

// Environment reads the PEB through the space given, one of the process's own.
func (p *Process) Environment(space *paging.Space) (*Environment, error) {
	e, err := p.environmentBlock(space)
	if err != nil {
		return nil, err
	}
	l, m := p.kernel.layout, e.memory
	if l.PEB.OSBuild.Present() {
		if r, err := m.record(p.PEB+paging.Virt(l.PEB.OSBuild), 2); err == nil {
			e.OSBuild = uint16(r.u16(0))
		}
	}
	if parameters, err := m.ptr(p.PEB + paging.Virt(l.PEB.Parameters)); err == nil && parameters != 0 {
		e.Path, _ = m.unicodeString(parameters+paging.Virt(l.Parameters.ImagePath), l)
		e.CommandLine, _ = m.unicodeString(parameters+paging.Virt(l.Parameters.CommandLine), l)
	}
	return e, nil
}

// BaseInPEB reads the base of the executable in the PEB, as [Process.Environment] does, and nothing else.
func (p *Process) BaseInPEB(space *paging.Space) (paging.Virt, error) {
	e, err := p.environmentBlock(space)
	if err != nil {
		return 0, err
	}
	return e.ImageBase, nil
}

// environmentBlock reads the addresses in the PEB: of the executable, and of the loader's lists. It leaves the texts empty.
func (p *Process) environmentBlock(space *paging.Space) (*Environment, error) {
	if p.PEB == 0 {
		return nil, &NoPEBError{p}
	}
	l := p.kernel.layout
	m := memory{space, p.kernel.kernel.pointer}
	if _, err := m.record(p.PEB, 1); err != nil {
		return nil, reason.Errorf(reason.PEBUnreadable, "the PEB cannot be read: %w", err)
	}
	base, err := m.ptr(p.PEB + paging.Virt(l.PEB.ImageBase))
	if err != nil {
		return nil, reason.Errorf(reason.PEBUnreadable, "the PEB at %#x cannot be read: %w", uint64(p.PEB), err)
	}
	e := &Environment{ImageBase: base, memory: m}
	e.ldr, _ = m.ptr(p.PEB + paging.Virt(l.PEB.Ldr))
	return e, nil
}

// AuditPath returns the path under which the kernel created the process (SeAuditProcessCreationInfo), in the form of
// the object manager: "\Device\HarddiskVolume1\…". Empty where it cannot be read.
func (p *Process) AuditPath() string {
	k := p.kernel
	if p.audit == 0 || !k.layout.ObjectName.Present() {
		return ""
	}
	info, err := k.kernel.ptr(p.audit)
	if err != nil || info == 0 {
		return ""
	}
	path, _ := k.kernel.unicodeString(info+paging.Virt(k.layout.ObjectName), k.layout)
	return path
}

// FilePath returns the name in the file object of the process's executable, without its volume. The file object is
// ImageFilePointer's, or the image section's. Empty where it cannot be read.
func (p *Process) FilePath() string {
	file := p.file
	if file == 0 {
		s, err := p.ImageSection()
		if err != nil {
			return ""
		}
		file = s.File
	}
	return p.kernel.fileName(file)
}

// fileName returns the name in a file object. Empty where it cannot be read.
func (k *Kernel) fileName(file paging.Virt) string {
	if file == 0 {
		return ""
	}
	name, _ := k.kernel.unicodeString(file+paging.Virt(k.layout.Section.FileName), k.layout)
	return name
}

// Wow64PEB returns the address of the 32-bit environment block of a 32-bit process on 64-bit Windows.
func (p *Process) Wow64PEB() (paging.Virt, bool) { return p.kernel.wow64PEB(p.wow64) }

// wow64PEB follows WoW64Process: the address itself in some versions, in others the address of a kernel structure that
// begins with it.
func (k *Kernel) wow64PEB(va paging.Virt) (paging.Virt, bool) {
	if va == 0 || !k.inKernelSpace(va) {
		return va, va != 0
	}
	peb, err := k.kernel.ptr(va)
	return peb, err == nil && peb != 0
}
