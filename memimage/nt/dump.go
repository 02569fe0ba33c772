package nt

import (
	"cmp"
	"fmt"
	"strings"

	"memlens/memimage/minidump"
	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
)

// dump is the dump of a process.
type dump struct {
	*minidump.Dump
	process *Process
}

// IsDump reports whether this is no system, but the dump of one process. Then it knows only the dump's account of its
// system: no structure of the kernel is present, and members such as Base are zero.
func (k *Kernel) IsDump() bool { return k.dump != nil }

// Dump returns the dump of the process; nil where this is a system.
func (k *Kernel) Dump() *minidump.Dump {
	if k.dump == nil {
		return nil
	}
	return k.dump.Dump
}

// OpenDump opens the dump of a process as a system of one process. The environment block and the loader's lists are
// read by the nearest profile; these structures are the same from build to build. The error says which kind of process
// cannot be read.
func OpenDump(d *minidump.Dump, profiles *profile.Set) (*Kernel, error) {
	k := &Kernel{dump: &dump{Dump: d}, SystemTime: d.Time}
	if err := k.describeDump(d, profiles); err != nil {
		return nil, err
	}
	nothing, _ := sparse.NewReader(0) // fails for a negative size only
	k.mem, k.Space = nothing, paging.NewDumpedSpace(k.Mode, nothing)
	k.kernel = memory{k.Space, k.Mode.Arch.Pointer}
	k.dump.process = k.dumpedProcess()
	return k, nil
}

// describeDump fills in the system from the dump, and chooses the profile.
func (k *Kernel) describeDump(d *minidump.Dump, profiles *profile.Set) error {
	system := d.System
	if system == nil {
		return fmt.Errorf("nt: the dump does not say of which processor and Windows it is (it has no SystemInfoStream)")
	}
	mode, arch, ok := dumpMode(system.Arch)
	if !ok {
		return fmt.Errorf("nt: the dump is of a process on %v, which is not supported: only dumps of x86, x64, ARM and ARM64 processes can be read", system.Arch)
	}
	k.Mode, k.Lab = mode, d.Misc.Build
	k.Version = profile.Version{Major: system.Major, Minor: system.Minor, Build: system.Build}
	candidates := profiles.Candidates(arch, k.Version)
	if len(candidates) == 0 {
		return fmt.Errorf("nt: there is no profile for processes of %v", arch)
	}
	k.Profile, k.layout = candidates[0], new(layout)
	if err := k.Profile.Bind(k.layout); err != nil {
		return fmt.Errorf("nt: %w", err)
	}
	k.found("the dump says that it is of Windows %v on %v", k.Version, system.Arch)
	return nil
}

// dumpMode returns the mode with an architecture's width of addresses, and the architecture of the profiles for the
// structures of its processes: they depend on the width alone.
func dumpMode(a minidump.Arch) (*paging.Mode, profile.Arch, bool) {
	switch a {
	case minidump.X86:
		return paging.X86, profile.X86, true
	case minidump.ARM:
		return paging.ARM, profile.X86, true
	case minidump.X64:
		return paging.X64, profile.X64, true
	case minidump.ARM64:
		return paging.ARM64, profile.X64, true
	}
	return nil, 0, false
}

// dumpedProcess returns the one process of the dump.
func (k *Kernel) dumpedProcess() *Process {
	d := k.dump.Dump
	space := paging.NewDumpedSpace(k.Mode, d.Named)
	k.describeMemory(space)
	p := &Process{Listed: true, Created: d.Misc.Created, Threads: uint64(len(d.Threads)), kernel: k, tables: space, own: space, complete: space}
	f := pebFinder{k: k, m: memory{space, k.Mode.Arch.Pointer}}
	f.find(d.Threads)
	p.PEB, p.wow64 = f.peb, f.peb32
	switch {
	case d.Misc.HasPID:
		p.PID = uint64(d.Misc.PID)
	case f.pid != 0:
		p.PID = f.pid
		k.found("the process's id is that in its thread's environment block, for the dump does not say it")
	default:
		k.found("the process's id is not known: the dump does not say it, and it is shown as 0")
	}
	p.dumped = newDumpedRegions(d)
	name := ""
	if env, err := p.Environment(space); err == nil {
		p.dumped.chooseProgram(env.ImageBase)
		name = lastName(env.Path)
	}
	name = cmp.Or(lastName(p.DumpedPath()), name)
	p.RawName = []byte(name[:min(len(name), maxDumpedName)])
	return p
}

// maxDumpedName bounds the name of a process in bytes: its directory has that name.
const maxDumpedName = 64

// DumpedBase returns the base of the process's program as the dump's list of modules has it; 0 where it has none.
func (p *Process) DumpedBase() paging.Virt {
	if p.dumped == nil || p.dumped.program == nil {
		return 0
	}
	return paging.Virt(p.dumped.program.Base)
}

// DumpedPath returns the path of the process's program as the dump's list of modules has it; empty where it has none.
func (p *Process) DumpedPath() string {
	if p.dumped == nil || p.dumped.program == nil {
		return ""
	}
	return p.dumped.program.Path
}

// IsDumped reports whether the process comes from a dump of a process, and not from the memory of a system.
func (p *Process) IsDumped() bool { return p.dumped != nil }

// sharedByProgram is the address of the page that Windows shares with every program (KUSER_SHARED_DATA), on all
// architectures.
const sharedByProgram paging.Virt = 0x7ffe0000

// describeMemory fills in facts about the system from the process's memory: the folder of Windows from the page that is
// shared with all programs, and the revision of Windows, which is ntdll.dll's.
func (k *Kernel) describeMemory(space *paging.Space) {
	if r, err := (memory{space, k.Mode.Arch.Pointer}).record(sharedByProgram, sharedSize); err == nil {
		shared := sharedData{SystemRoot: wideString(r.b[sharedSystemRoot : sharedSystemRoot+260])}
		if shared.hasRoot() {
			k.Root = shared.SystemRoot
		}
	}
	for i := range k.dump.Modules {
		m := &k.dump.Modules[i]
		file := profile.Version{Build: uint32(m.Version[2]), Revision: uint32(m.Version[3])}
		if m.HasVersion && strings.EqualFold(lastName(m.Path), "ntdll.dll") && file.SameBuild(k.Version) {
			k.Version.Revision = file.Revision
			k.found("the revision of Windows is %d, as that of %s is (%s)", file.Revision, m.Path, m.VersionText())
			return
		}
	}
}
