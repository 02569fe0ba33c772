package report

import (
	"memlens/memimage"
	"memlens/memimage/reason"
)

// ProcessOf makes the record of a process, without the parts about its executable.
func ProcessOf(p *memimage.Process) *Process {
	out := BriefOf(p)
	kind, assumed := p.Kind()
	out.Kind, out.KindAssumed = kind.String(), assumed
	out.KernelPath, out.FilePath = p.AuditPath(), p.FilePath()
	if peb, ok := p.Wow64PEB(); ok {
		out.Wow64PEB = Address(peb)
	}
	return out
}

// BriefOf makes the record without the parts that are not kept for each process: its kind, its 32-bit environment
// block, and the names that its path is made from. Tables of thousands of processes have none of these.
func BriefOf(p *memimage.Process) *Process {
	out := &Process{
		Header: headerOf(p.Image(), KindProcess),
		PID:    p.PID, PPID: parentOf(p), Name: Latin1(p.RawName), LongName: p.LongName(), Status: StatusOf(p),
		Created: timeOf(p.Created), Exited: timeOf(p.Exited), Threads: p.Threads,
		EPROCESS: Address(p.VA), Physical: Address(p.PA), DTB: Address(p.DTB), PEB: Address(p.PEB),
		ImageBase: Address(p.ImageBase()), SectionBase: Address(p.SectionBase()),
		Path: p.ExecutablePath(), PEBPath: p.PEBPath(),
		Warnings: reason.Codes(p.Warnings()), WarningsText: reason.Texts(p.Warnings()),
	}
	if id, ok := p.SessionID(); ok {
		out.Session = &id
	}
	if env, err := p.Environment(); err == nil {
		out.CommandLine = env.CommandLine
	}
	return out
}

// parentOf is the id of the process's parent; nil where that is not known.
func parentOf(p *memimage.Process) *uint64 {
	if p.IsDumped() {
		return nil
	}
	return &p.PPID
}

// StatusOf says how a process was found and whether it still ran.
func StatusOf(p *memimage.Process) Status {
	switch {
	case !p.Listed && !p.Exited.IsZero():
		return ExitedUnlisted
	case !p.Listed:
		return Unlinked
	case !p.Exited.IsZero():
		return Exited
	}
	return Running
}

// Latin1 reads bytes as the characters with their numbers: the encoding of the kernel's names is not known.
func Latin1(raw []byte) string {
	runes := make([]rune, len(raw))
	for i, c := range raw {
		runes[i] = rune(c)
	}
	return string(runes)
}
