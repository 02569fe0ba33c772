package memimage

import (
	"path"
	"strings"

	"memlens/memimage/paging"
	"memlens/memimage/reason"
)

// ExecutablePath returns the path of the executable as the kernel has it, which a process cannot change: the path under
// which it was created, or else the name in the file object, without its volume. Empty when neither can be read. For a
// dump it is the path in the dump's list of modules, which comes from the process.
func (p *Process) ExecutablePath() string { return p.executablePath() }

func (p *Process) findExecutablePath() string {
	if p.IsDumped() {
		return p.DumpedPath()
	}
	if full := p.AuditPath(); full != "" {
		return full
	}
	return p.FilePath()
}

// PEBPath returns the path of the executable as the process's own memory has it (ImagePathName), where the process can
// write anything. Empty when it cannot be read.
func (p *Process) PEBPath() string {
	if env, err := p.Environment(); err == nil {
		return env.Path
	}
	return ""
}

// LongName returns the executable's file name in full, by the kernel's path; where that is not known, ImageFileName, which
// has only its first bytes.
func (p *Process) LongName() string {
	if name := baseName(p.ExecutablePath()); name != "" {
		return name
	}
	return string(p.RawName)
}

// PEBName returns the file name of PEBPath.
func (p *Process) PEBName() string { return baseName(p.PEBPath()) }

// baseName returns the part of a Windows path behind the last separator.
func baseName(s string) string {
	s = strings.ReplaceAll(s, `\`, "/")
	if s == "" || strings.HasSuffix(s, "/") {
		return ""
	}
	return path.Base(s)
}

// Warnings returns the differences between the process's own account of itself and the kernel's. A process without
// manipulation has none.
func (p *Process) Warnings() []reason.Reason { return p.warnings() }

func (p *Process) findWarnings() []reason.Reason {
	if p.IsDumped() {
		return p.dumpWarnings()
	}
	out := []reason.Reason{}
	if w := p.nameWarning(); w.Code != "" {
		out = append(out, w)
	}
	if w := p.baseWarning(); w.Code != "" {
		out = append(out, w)
	} else if w := p.overwrittenWarning(); w.Code != "" {
		out = append(out, w)
	}
	return out
}

// nameWarning compares the PEB's path with the kernel's, or with ImageFileName where there is nothing else.
func (p *Process) nameWarning() reason.Reason {
	claimed := p.PEBPath()
	if claimed == "" {
		return reason.Reason{}
	}
	known := p.ExecutablePath()
	if known == "" {
		if sameShortName(baseName(claimed), string(p.RawName)) {
			return reason.Reason{}
		}
		return reason.New(reason.PEBNamesOtherFile, "the PEB says that the executable is %s, but the kernel's name for the process is %q", claimed, p.RawName)
	}
	switch comparePaths(known, claimed, p.image.Kernel.Root) {
	case otherFile:
		return reason.New(reason.PEBNamesOtherFile, "the PEB says that the executable is %s, but the kernel made the process from %s", claimed, known)
	case otherFolder:
		return reason.New(reason.PEBNamesOtherFolder, "the PEB says that the executable is %s, but the kernel made the process from %s: unless a link, a mounted folder "+
			"or a container leads there, the PEB was changed", claimed, known)
	}
	return reason.Reason{}
}

// baseWarning compares the address of the executable in the PEB with the address at which the kernel mapped it. It says
// what is mapped there when that is no image.
func (p *Process) baseWarning() reason.Reason {
	env, err := p.Environment()
	if err != nil || p.SectionBase() == 0 {
		return reason.Reason{}
	}
	exe := p.Process.Mapping(env.ImageBase)
	what := "no image is mapped there"
	if name := exe.FileName(); !exe.Unbacked && name != "" {
		what = "there " + name + " is mapped"
	}
	switch {
	case env.ImageBase != p.SectionBase():
		return reason.New(reason.PEBNamesOtherBase, "the PEB says that the executable lies at %#x, but the kernel mapped it at %#x; %s", uint64(env.ImageBase), uint64(p.SectionBase()), what)
	case exe.Area != 0 && p.otherSection(exe.Area):
		return reason.New(reason.OtherSection, "the kernel made the process from another file than the one at its image base %#x; %s", uint64(env.ImageBase), what)
	case exe.Unbacked:
		return baseUnbacked(env.ImageBase)
	}
	return reason.Reason{}
}

// baseUnbacked and baseUnmapped are the warnings for an image base with memory of no file, and without memory.
func baseUnbacked(base paging.Virt) reason.Reason {
	return reason.New(reason.BaseUnbacked, "the memory at the image base %#x is not mapped from an executable: the program there was put in its place", uint64(base))
}

func baseUnmapped(base paging.Virt) reason.Reason {
	return reason.New(reason.BaseUnmapped, "nothing is mapped at the image base %#x: the executable was unmapped", uint64(base))
}

// otherSection reports whether the process was made from another section than the one with the control area.
func (p *Process) otherSection(area paging.Virt) bool {
	s, err := p.ImageSection()
	return err == nil && s.Area != area
}
