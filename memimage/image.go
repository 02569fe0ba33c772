package memimage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"memlens/memimage/format"
	"memlens/memimage/integrity"
	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/reason"
	"memlens/memimage/remote"
	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

// Options say how to open an image. The zero value finds everything by itself.
type Options struct {
	Profile   string   // name of the profile to use, whatever the kernel; empty: chosen
	Symbols   []string // PDB files and Volatility 3 symbol tables, as paths or URLs, and folders of such files
	PageFiles []GivenPageFile
	AllPages  bool // procmemdump and procexedump use every page source, not the page tables alone
	Container format.Options
	// Remote says how images and page files at a URL are reached.
	Remote remote.Options
	// Verify checks the digests that the container carries of its content, before anything else is done. It reads the
	// whole content.
	Verify bool
	// Progress is called during long work, with the name of the work, and the bytes done and in total (0: not known).
	// May be nil. It may be called from several goroutines.
	Progress func(what string, done, total int64)
	// Profiles to choose from; nil: the built-in profiles.
	Profiles *profile.Set
}

// Image is an opened memory image. It is safe for concurrent use.
type Image struct {
	Path      string // as given; a URL without its secret parts
	Size      int64  // of the file in bytes
	ModTime   time.Time
	Container *format.Image
	Kernel    *nt.Kernel
	// Verified holds the results for the container's digests; nil when they were not checked.
	Verified []format.Verification

	options   Options
	remote    *remote.Source // the file, where it is remote
	stream    *format.Stream // the file, where it came as a stream
	faults    *sparse.Faults // reads of all files that failed
	pageFiles []*pageFile    // by number; nil where no file has the number
	processes func() processList
	scanned   scanResult[*Process]

	// executables returns the sections of the listed processes' programs. mappings returns the processes that have an
	// image mapped at an address. families says which processes may be clones of each other.
	executables func() executables
	mappings    func() map[mapping][]sharer
	families    func() map[*Process]family
	// secureKernel says whether a process stands for the secure kernel.
	secureKernel func() bool

	drivers        func() driverList
	systemDevice   func() string
	scannedDrivers scanResult[*Driver]
	// restorations keeps the plans of the restored files that were used last.
	restorations *lru.Cache[*Module, restoredFile]
	// recoveries keeps the headers and layouts of the images that were used last.
	recoveries *lru.Cache[*Module, *recovery]
	// moduleLists keeps the modules of the processes that were used last.
	moduleLists *lru.Cache[*Process, moduleList]
	// changes keeps comparisons of images with their files. mapped keeps the images of processes, against which imports
	// are checked. exports keeps the exports of files, by control area.
	changes *lru.Cache[*Module, changes]
	mapped  *lru.Cache[*nt.Process, *integrity.Modules]
	exports *lru.Cache[paging.Virt, exported]
	// sharersOf and sharedPages keep results that are the same for all processes of a section.
	sharersOf   *lru.Cache[mapping, []sharer]
	sharedPages *lru.Cache[mappedPage, *restore.Page]
}

// processList is the result of one walk of the process list.
type processList struct {
	processes []*Process
	damage    []error
}

// Open opens the image at path, which may be a URL (see package remote), and finds the kernel in it. The error says
// what was tried and what to do. An image that is read over the network cannot be read any more when ctx has ended.
func Open(ctx context.Context, path string, o Options) (*Image, error) {
	if remote.IsURL(path) {
		return openRemote(ctx, path, o)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("memimage: %w", err)
	}
	o.tellUnpacking()
	container, err := format.OpenFile(path, o.Container)
	if err != nil {
		return nil, err
	}
	return open(ctx, &Image{Path: path, Size: container.Size, ModTime: info.ModTime(), Container: container, options: o})
}

// tellUnpacking reports the unpacking of the container by Progress.
func (o *Options) tellUnpacking() {
	if o.Container.Progress == nil && o.Progress != nil {
		o.Container.Progress = func(done, total int64) { o.Progress("unpacking the image", done, total) }
	}
}

// OpenSource opens the image in src, which stays the caller's and must stay open until the image is closed. Its name
// stands for the path. The error is the same as in [Open].
func OpenSource(ctx context.Context, src format.Source, o Options) (*Image, error) {
	container, err := format.Open(src, o.Container)
	if err != nil {
		return nil, err
	}
	return open(ctx, &Image{Path: src.Name(), Size: container.Size, Container: container, options: o})
}

// OpenStream opens the image that r gives from its beginning to its end, such as standard input: it is copied to a temporary file in
// the spool folder first, which goes away by itself, unless it is a regular file. copied, when not nil, is told how many bytes it has.
// name stands for the path.
func OpenStream(ctx context.Context, name string, r io.Reader, o Options, copied func(size int64)) (*Image, error) {
	co := o.Container
	if o.Progress != nil {
		co.Progress = func(done, _ int64) { o.Progress("copying "+name, done, 0) }
	}
	src, err := format.NewStream(r, name, co)
	if err != nil {
		return nil, err
	}
	if copied != nil {
		copied(src.Size())
	}
	o.tellUnpacking()
	container, err := format.Open(src, o.Container)
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	return open(ctx, &Image{Path: name, Size: container.Size, Container: container, options: o, stream: src})
}

// open finds the kernel in an image. Its container is open already.
func open(ctx context.Context, im *Image) (*Image, error) {
	im.faults = im.Container.Faults
	err := im.verify(ctx)
	if err == nil {
		err = im.find(ctx)
	}
	if err == nil {
		err = ctx.Err() // what was interrupted, such as the search for symbols, may have been passed over
	}
	if err != nil {
		return nil, fmt.Errorf("memimage: %s: %w", im.Path, errors.Join(im.explain(err), im.Close()))
	}
	return im, nil
}

// verify checks the container's digests when that is asked for.
func (im *Image) verify(ctx context.Context) (err error) {
	if !im.options.Verify {
		return nil
	}
	im.Verified, err = im.Container.Verify(ctx, func(done, total int64) {
		if im.options.Progress != nil {
			im.options.Progress("checking the image's digests", done, total)
		}
	})
	return err
}

// OpenMemory finds the kernel in physical memory without a file, such as memory built by a program. name stands for the
// path.
func OpenMemory(ctx context.Context, name string, mem *sparse.Reader, o Options) (*Image, error) {
	im := &Image{Path: name, Size: mem.Size(), Container: &format.Image{Format: "raw", Memory: mem}, options: o, faults: new(sparse.Faults)}
	if err := im.find(ctx); err != nil {
		return nil, im.explain(err)
	}
	return im, nil
}

// find finds the kernel and opens the other files of the image.
func (im *Image) find(ctx context.Context) error {
	no, err := im.kernelOptions(ctx)
	if err != nil {
		return err
	}
	if im.IsDump() {
		return im.openDump(no.Profiles)
	}
	if err := checkMachine(im.Container.Hints); err != nil && no.Force == nil {
		return err
	}
	k, err := im.findKernel(ctx, no)
	if err != nil {
		return err
	}
	files, err := im.openPageFiles(ctx, k)
	if err != nil {
		return reason.With(reason.PageFileRefused, err)
	}
	im.Kernel = k.WithPageFiles(files...)
	im.lazily()
	return nil
}

// kernelOptions translates the options and the container's hints for package nt.
func (im *Image) kernelOptions(ctx context.Context) (nt.Options, error) {
	o := &im.options
	no := nt.Options{Profiles: o.Profiles, Faults: im.faults, Hints: hints(im.Container.Hints), Progress: o.Progress}
	if no.Profiles == nil {
		no.Profiles = profile.Builtin()
	}
	if o.Profile != "" {
		p, err := no.Profiles.ByName(o.Profile)
		if err != nil {
			return no, err
		}
		no.Force = p
	}
	if len(o.Symbols) > 0 {
		no.Symbols = func(id profile.Identity, v profile.Version) (*profile.Profile, error) {
			return o.openSymbols(ctx, id, v)
		}
	}
	return no, nil
}

// openSymbols finds the profile of a kernel in the symbol files and folders given.
func (o *Options) openSymbols(ctx context.Context, id profile.Identity, v profile.Version) (*profile.Profile, error) {
	var errs []error
	for _, path := range o.Symbols {
		var p *profile.Profile
		var err error
		if remote.IsURL(path) {
			p, err = openRemoteSymbols(ctx, path, o.Remote, id, v)
		} else {
			p, err = profile.OpenSymbols(path, id, profile.SymbolOptions{Cache: profile.DefaultCache(), Version: v})
		}
		if err == nil {
			return p, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func hints(h format.Hints) nt.Hints {
	out := nt.Hints{KDBG: paging.Virt(h.KDBG), PsActiveProcessHead: paging.Virt(h.PsActiveProcessHead), Build: h.BuildNumber}
	if h.DTB != 0 {
		out.DTBs = append(out.DTBs, paging.Phys(h.DTB))
	}
	for _, c := range h.CPUs {
		if c.CR3 != 0 {
			out.DTBs = append(out.DTBs, paging.Phys(c.CR3))
		}
	}
	return out
}

// Close closes all files. Nothing of the image can be read then.
func (im *Image) Close() error {
	var errs []error
	for _, f := range im.pageFiles {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	errs = append(errs, im.Container.Close())
	if im.remote != nil {
		errs = append(errs, im.remote.Close())
	}
	if im.stream != nil {
		errs = append(errs, im.stream.Close())
	}
	return errors.Join(errs...)
}

// Faults counts the reads of the image and its page files that have failed. A result that was worked out while the
// count grew must not be kept.
func (im *Image) Faults() *sparse.Faults { return im.faults }

// IsDump reports whether the image is the dump of one process, and not the memory of a system.
func (im *Image) IsDump() bool { return im.Container.Process != nil }

// Name returns the file's name without its folder.
func (im *Image) Name() string {
	if im.remote != nil {
		return im.remote.Name()
	}
	return filepath.Base(im.Path)
}

// Time returns the time that the image stands for: the system's own clock, or the time of the file where the clock
// cannot be read.
func (im *Image) Time() time.Time {
	if t := im.Kernel.SystemTime; !t.IsZero() {
		return t
	}
	return im.ModTime
}

// Processes returns the processes in the list of active processes, in its order, and the damage of the list.
func (im *Image) Processes() ([]*Process, []error) {
	l := im.processes()
	return l.processes, l.damage
}

func (im *Image) list() processList {
	var l processList
	for p, err := range im.Kernel.Processes() {
		if err != nil {
			l.damage = append(l.damage, err)
			continue
		}
		l.processes = append(l.processes, im.process(p))
	}
	return l
}
