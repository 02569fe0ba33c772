package memimage

import (
	"errors"
	"fmt"

	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/pedump"
	"memlens/memimage/sparse"
)

// Process is a process of an image, with its executable as far as it can be recovered. What is asked for is worked out
// once and kept; that is headers and extents, never bytes. Headers and extents are kept of the processes that were asked
// last: of thousands of processes they take more memory than it takes time to find them anew.
type Process struct {
	*nt.Process
	image *Image

	environment func() environment
	counts      func() Counts
	warnings    func() []string
}

// recovery is what was found of a process's executable.
type recovery struct {
	main       func() mainModule
	memoryDump func() dumped
	fileDump   func() dumped
	sources    func() foundSources
}

// foundSources are the places of an executable's pages, or why there are none.
type foundSources struct {
	sources *pageSources
	err     error
}

// keptRecoveries is of how many processes the recovery is kept.
const keptRecoveries = 128

// recovery returns what is kept of the process's executable; what is not is found when it is asked for.
func (p *Process) recovery() *recovery {
	if r, ok := p.image.recoveries.Get(p); ok {
		return r
	}
	r := new(recovery)
	r.main = kept(p.image.faults, p.findMain)
	r.memoryDump = kept(p.image.faults, func() dumped { return p.dump(r.main(), "memory", (*pedump.Image).MemoryLayout) })
	r.fileDump = kept(p.image.faults, func() dumped { return p.dump(r.main(), "file", (*pedump.Image).FileLayout) })
	r.sources = kept(p.image.faults, p.findSources)
	if known, ok, _ := p.image.recoveries.PeekOrAdd(p, r); ok {
		return known
	}
	return r
}

func (p *Process) main() mainModule { return p.recovery().main() }

// environment is what the process says of itself.
type environment struct {
	env *nt.Environment
	err error
}

// mainModule is the process's executable as Volatility would choose and read it.
type mainModule struct {
	window *paging.Window
	header *pedump.Image
	err    error
}

func (im *Image) process(p *nt.Process) *Process {
	out := &Process{Process: p, image: im}
	out.environment = kept(im.faults, out.readEnvironment)
	out.counts = kept(im.faults, out.countPages)
	out.warnings = kept(im.faults, out.findWarnings)
	return out
}

// space returns the address space that the classic dumps are read from.
func (p *Process) space() *paging.Space {
	if p.image.options.AllPages {
		return p.Process.Space()
	}
	return p.Tables()
}

func (p *Process) readEnvironment() environment {
	if p.Process.PEB != 0 {
		if err := p.CheckSpace(); err != nil {
			return environment{err: err}
		}
	}
	env, err := p.Process.Environment(p.space())
	return environment{env, err}
}

// Environment returns what the PEB says, or in a sentence why it says nothing.
func (p *Process) Environment() (*nt.Environment, error) {
	e := p.environment()
	return e.env, e.err
}

// findMain chooses the executable as Volatility does: at the PEB's ImageBaseAddress, and nowhere else.
func (p *Process) findMain() mainModule {
	env, err := p.Environment()
	if err != nil {
		return mainModule{err: err}
	}
	window := p.module(p.space(), env.ImageBase)
	if _, err := window.Probe(0); sparse.Failed(err) {
		return mainModule{err: fmt.Errorf("memimage: the executable's header page at %#x: %w", uint64(env.ImageBase), err)}
	} else if err != nil {
		return mainModule{err: fmt.Errorf("the executable's header page at %#x is missing: %w", uint64(env.ImageBase), reason(err))}
	}
	header, err := pedump.Parse(window)
	return mainModule{window, header, err}
}

// module returns the window in which a module's offsets are RVAs. It goes on behind the module: a section that claims
// more than there is gets what is mapped there.
func (p *Process) module(space *paging.Space, base paging.Virt) *paging.Window {
	return space.Window(base, space.Mode().UserSpace())
}

// reason strips the address off a fault: the sentence has it already.
func reason(err error) error {
	var fault *paging.FaultError
	if errors.As(err, &fault) {
		return errors.New(fault.Reason())
	}
	return err
}

// Executable is the executable file of a process as it was recovered, in one of the layouts.
type Executable struct {
	Reader *sparse.Reader // strict: what is missing is a hole that says why
	Header *pedump.Image
	Base   paging.Virt // where it lies in the process
	Layout string      // "memory" or "file"

	present func() present
}

// present is how much of a file was recovered.
type present struct {
	n   int64
	err error
}

// Present returns how many bytes of the file were recovered. The error is a *[sparse.ReadError].
func (e *Executable) Present() (int64, error) {
	p := e.present()
	return p.n, p.err
}

// dumped is an Executable or why there is none.
type dumped struct {
	exe *Executable
	err error
}

// MemoryDump returns the executable as it lay in memory: what Volatility 2's procmemdump writes. The error says in a
// sentence why there is none.
func (p *Process) MemoryDump() (*Executable, error) {
	d := p.recovery().memoryDump()
	return d.exe, d.err
}

// FileDump returns the executable as it lay on disk: what Volatility 2's procexedump writes. The error says in a
// sentence why there is none.
func (p *Process) FileDump() (*Executable, error) {
	d := p.recovery().fileDump()
	return d.exe, d.err
}

func (p *Process) dump(m mainModule, name string, layout func(*pedump.Image, sparse.Source) (*sparse.Reader, error)) dumped {
	if m.err != nil {
		return dumped{err: m.err}
	}
	r, err := layout(m.header, m.window)
	if err != nil {
		return dumped{err: err}
	}
	count := kept(p.image.faults, func() present {
		n, err := sparse.Present(r)
		return present{n, err}
	})
	return dumped{exe: &Executable{Reader: r, Header: m.header, Base: m.window.Base(), Layout: name, present: count}}
}

// ImageBase returns where the executable lies: as the PEB says, or else the kernel; 0 when neither is known.
func (p *Process) ImageBase() paging.Virt {
	if env, err := p.Environment(); err == nil {
		return env.ImageBase
	}
	return p.SectionBase()
}
