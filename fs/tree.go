package fs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/semaphore"

	"memlens/memimage"
	"memlens/memimage/known"
	"memlens/memimage/pedump"
	"memlens/memimage/reference"
	"memlens/memimage/report"
	"memlens/memimage/sparse"
	"memlens/render"
	"memlens/render/figure"
)

// Options say what the tree shows besides the image.
type Options struct {
	Geometry   render.Geometry // of the classic pictures; the zero value: colorize -o -w 512
	References *reference.Set  // nil: none
	// Known are sets of the hashes of known files, which restored files are looked up in.
	Known []*known.Set
	// CacheDir is a folder in which digests of references are kept from run to run; empty: they are not kept.
	CacheDir string
	// Progress is called during work that may take long, with the name of the work and how much of it is done, in
	// bytes, in order. May be nil; it is called from several goroutines.
	Progress func(what string, done, total int64)
}

// FS is the tree of an image. It is safe for concurrent use.
type FS struct {
	image     *memimage.Image
	geometry  render.Geometry
	refs      *reference.Set
	known     *report.Lookup // nil: no set of known files is given
	pictures  *render.Cache
	texts     *texts
	sizes     *lru.Cache[string, int64] // of files that are measured without being made
	fragments fragments
	pageSizes pageSizes

	figureSizes *figure.Sizes
	headers     *lru.Cache[recoveredFile, *pedump.Image]
	peInfos     *lru.Cache[*memimage.Module, *peInfo]
	reasons     *lru.Cache[any, []error] // why entries of a directory are not there, by the thing that the directory describes
	digests     *digestStore
	progress    func(what string, done, total int64)

	similarSizes func() ([]int, error) // of the longest rows of each similar.csv, for the references that all are ranked by
	comparing    *semaphore.Weighted   // held while all references are digested

	moduleTables *lru.Cache[*memimage.Process, *processModules]
	minidumps    *lru.Cache[*memimage.Process, *memimage.Minidump]

	root *rootDir
	// The names of processes and drivers: of the listed ones, and of the ones that scanning found.
	listedProcesses, foundProcesses derived[*memimage.Process, *processTable]
	listedDrivers, foundDrivers     derived[*memimage.Driver, *moduleTable]

	// The tables, kept here for the values that are made from them: a table cannot refer to itself.
	rootRows    []row[*FS]
	processRows []row[*process]
	scannedRows []row[*scannedDir]
}

// New returns the tree of an image.
func New(im *memimage.Image, o Options) *FS {
	f := &FS{image: im, geometry: o.Geometry, refs: o.References, known: report.NewLookup(o.Known), pictures: render.NewCache(render.DefaultCacheSize), texts: newTexts(keptTexts, im.Faults()),
		digests: newDigestStore(o.CacheDir), fragments: newFragments(), pageSizes: newPageSizes(), figureSizes: figure.NewSizes(keptFigureSizes), progress: o.Progress, comparing: semaphore.NewWeighted(1), rootRows: withoutSystem(im, rootRows), processRows: processRowsOf(im), scannedRows: scannedRows}
	f.sizes, _ = lru.New[string, int64](keptSizes) // fails for a negative size only, as the calls below
	f.headers, _ = lru.New[recoveredFile, *pedump.Image](keptHeaders)
	f.peInfos, _ = lru.New[*memimage.Module, *peInfo](keptPEInfos)
	f.reasons, _ = lru.New[any, []error](keptReasons)
	if f.geometry.Width == 0 {
		f.geometry = render.DefaultGeometry()
	}
	if f.progress == nil {
		f.progress = func(string, int64, int64) {}
	}
	if f.refs == nil {
		f.refs = new(reference.Set)
	}
	f.similarSizes = sparse.KeptOnceFound(func() ([]int, error) {
		all, err := f.refs.All()
		return longestRows(similarRowSizes(all)), sparse.OnlyFailed(err)
	})
	f.moduleTables, _ = lru.New[*memimage.Process, *processModules](keptModuleTables)
	f.minidumps, _ = lru.New[*memimage.Process, *memimage.Minidump](keptMinidumps)
	f.root = &rootDir{tableDir[*FS]{place{".", im.Time()}, f, f, f, f.rootRows}, f.table}
	return f
}

// table returns the directories of the listed processes.
func (f *FS) table() *processTable {
	listed, damage := f.image.Processes()
	return tableOf(&f.listedProcesses, listed, damage)
}

// Statfs implements [Statfser]: the size is the size of the memory, holes included; for the dump of a process, of the
// bytes in it.
func (f *FS) Statfs() StatfsInfo {
	listed, _ := f.image.Processes()
	files := len(f.rootRows) + len(listed)*(len(f.processRows)+1)
	size := f.image.Container.Memory.Size()
	if f.image.IsDump() { // addresses have 128 TiB
		size = f.image.Container.Memory.Covered()
	}
	return StatfsInfo{Blocks: uint64(size) / 4096, BlockSize: 4096, Files: uint64(files)}
}

// rootRows are the entries at the root of the tree besides the processes.
var rootRows = []row[*FS]{
	rootText("README.txt", "this text", withoutContext((*FS).readme)),
	{name: indexName, late: true, doc: "all processes with their pictures, for a browser", open: func(ctx context.Context, f *FS) (*body, error) { return f.galleryFile(ctx, indexName, f.listedGallery) }},
	rootText("image.json", "the image: its format, its Windows, how that was found, and what was assumed", withoutContext((*FS).imageJSON)),
	{name: "memory.raw", doc: "physical memory as one flat, sparse file", open: atOnce((*FS).memory)},
	{name: "processes.csv", late: true, doc: "a row per process: ids, times, addresses, path by the kernel and by the process itself, a warning where they differ, pages recovered by source, and why its executable cannot be recovered; a verdict: how its memory differs from the file that it was mapped from; and, with --known, as which known file restored.exe is known", open: func(ctx context.Context, f *FS) (*body, error) { return f.processesCSV(ctx) }},
	{name: driversCSV, late: true, doc: "a row per driver of the kernel's list, the kernel first: base, size, kind, paths, entry, pages by source, digests of moddump.sys, and, with --known, as which known file restored.sys is known",
		open: func(ctx context.Context, f *FS) (*body, error) { return f.drivers().csv(ctx) }},
	{name: driversComparedCSV, late: true, doc: "a row per driver, as compared.csv of a process has for its modules; only where --reference is a folder or the like", lacks: (*FS).lacksCompared,
		open: func(ctx context.Context, f *FS) (*body, error) { return f.drivers().comparedCSV(ctx) }},
	{name: digestsCSV, late: true, doc: "a row per file recovered of a process's own executable (procmemdump.exe, procexedump.exe, restored.exe): " + digestsDoc,
		open: func(ctx context.Context, f *FS) (*body, error) { return f.processDigests(ctx) }},
	{name: driversDigestsCSV, late: true, doc: "the same of the files in drivers/",
		open: func(ctx context.Context, f *FS) (*body, error) { return f.drivers().digests(ctx) }},
	{name: driversName, doc: "a directory per driver of the kernel's list", dir: func(f *FS, at place) (dirNode, error) { return f.drivers().dir(at) }},
	{name: thumbnailsName, doc: thumbnailsDoc, dir: func(f *FS, at place) (dirNode, error) {
		return &thumbnailsDir{at, f, func(context.Context) (*processTable, error) { return f.table(), nil }}, nil
	}},
	{name: scannedName, doc: "processes and drivers that the system's lists lack, exited and unlinked ones, found by scanning physical memory when it is first listed",
		dir: func(f *FS, at place) (dirNode, error) { return newScannedDir(f, at), nil }},
}

// rootText is the row of a file at the root that make writes. If it takes long because there are many processes, the
// work ends when the program that opened the file has gone.
func rootText(name, doc string, make func(*FS, context.Context) ([]byte, error)) row[*FS] {
	return row[*FS]{name: name, late: true, doc: doc, open: func(ctx context.Context, f *FS) (*body, error) {
		return f.kept(ctx, name, func() ([]byte, error) { return make(f, ctx) })
	}}
}

func withoutContext(make func(*FS) ([]byte, error)) func(*FS, context.Context) ([]byte, error) {
	return func(f *FS, _ context.Context) ([]byte, error) { return make(f) }
}

const scannedName = "scanned"

// rootDir is the root of the tree.
type rootDir struct {
	tableDir[*FS]
	processes func() *processTable
}

func (d *rootDir) list(ctx context.Context) ([]listed, error) {
	out, err := d.tableDir.list(ctx)
	t := d.processes()
	return append(out, t.list()...), cmp.Or(err, t.failed)
}

func (d *rootDir) lookup(ctx context.Context, name string) (node, error) {
	if n, err := d.tableDir.lookup(ctx, name); !errors.Is(err, iofs.ErrNotExist) {
		return n, err
	}
	return d.processes().lookup(d.of, d.at, name)
}

// scannedDir has the processes, modules and drivers that scanning physical memory finds; listing it, or asking for a
// name in it, scans.
type scannedDir struct{ tableDir[*scannedDir] }

func newScannedDir(f *FS, at place) *scannedDir {
	d := new(scannedDir)
	d.tableDir = tableDir[*scannedDir]{at, f, d, scannedName, f.scannedRows}
	return d
}

// scannedCSV is the table of the processes in it.
const scannedCSV = "processes.csv"

// scannedRows are the entries of the directory besides the processes.
var scannedRows = []row[*scannedDir]{
	{name: indexName, late: true, doc: "the processes in it with their pictures, for a browser", open: func(ctx context.Context, d *scannedDir) (*body, error) {
		return d.fs.galleryFile(ctx, d.at.child(indexName).name, d.fs.scannedGallery)
	}},
	{name: scannedCSV, late: true, doc: "a row per process in it, as the processes.csv above",
		open: func(ctx context.Context, d *scannedDir) (*body, error) { return d.fs.scannedCSV(ctx) }},
	{name: digestsCSV, late: true, doc: "the digests of what was recovered of their executables, as the digests.csv above",
		open: func(ctx context.Context, d *scannedDir) (*body, error) { return d.fs.scannedDigests(ctx) }},
	{name: driversCSV, late: true, doc: "a row per driver that the kernel's list lacks",
		open: func(ctx context.Context, d *scannedDir) (*body, error) { return d.drivers().csv(ctx) }},
	{name: driversDigestsCSV, late: true, doc: "the digests of the files in drivers/",
		open: func(ctx context.Context, d *scannedDir) (*body, error) { return d.drivers().digests(ctx) }},
	{name: unloadedCSV, doc: "a row per driver that the kernel remembers to have unloaded", open: func(ctx context.Context, d *scannedDir) (*body, error) {
		return d.fs.kept(ctx, d.at.child(unloadedCSV).name, d.fs.unloadedCSV)
	}},
	{name: driversName, doc: "a directory per driver that the kernel's list lacks",
		dir: func(d *scannedDir, at place) (dirNode, error) { return d.drivers().dir(at) }},
	{name: thumbnailsName, doc: "a small picture per process in it",
		dir: func(d *scannedDir, at place) (dirNode, error) { return &thumbnailsDir{at, d.fs, d.table}, nil }},
}

func (d *scannedDir) drivers() *driverSet { return d.fs.scannedDrivers(d.at) }

// table returns the directories of the processes.
func (d *scannedDir) table(ctx context.Context) (*processTable, error) {
	found, failed, err := d.fs.scanned(ctx)
	if err != nil {
		return nil, err
	}
	return tableOf(&d.fs.foundProcesses, found, failed), nil
}

func (d *scannedDir) list(ctx context.Context) ([]listed, error) {
	t, err := d.table(ctx)
	if err != nil {
		return nil, err
	}
	out, err := d.tableDir.list(ctx)
	return append(out, t.list()...), cmp.Or(err, t.failed)
}

func (d *scannedDir) lookup(ctx context.Context, name string) (node, error) {
	if n, err := d.tableDir.lookup(ctx, name); !errors.Is(err, iofs.ErrNotExist) {
		return n, err
	}
	if name == "" || name[0] < '0' || name[0] > '9' {
		return nil, iofs.ErrNotExist // no process's directory: not worth a scan
	}
	t, err := d.table(ctx)
	if err != nil {
		return nil, err
	}
	return t.lookup(d.fs, d.at, name)
}

// processTable is the directories of processes.
type processTable struct {
	names  []string
	byName map[string]*memimage.Process
	failed error // of a read while they were looked for: there may be others
}

func newProcessTable(processes []*memimage.Process) *processTable {
	names, byName := named(processes)
	return &processTable{names: names, byName: byName}
}

// tableOf returns the table of processes, with the failed read that is among the damage. The names are kept without it.
func tableOf(names *derived[*memimage.Process, *processTable], processes []*memimage.Process, damage []error) *processTable {
	t := *names.of(processes, newProcessTable)
	t.failed = failedOf(damage)
	return &t
}

func (t *processTable) list() []listed { return directories(t.names) }

func (t *processTable) lookup(f *FS, in place, name string) (node, error) {
	p, ok := t.byName[name]
	if !ok {
		return nil, cmp.Or(t.failed, iofs.ErrNotExist)
	}
	return f.processDir(in.child(name), p), nil
}

// memory is the file memory.raw.
func (f *FS) memory() (*body, error) {
	mem := f.image.Container.Memory
	covered := func() (int64, error) { return mem.Covered(), nil } // to look into every block would read them all
	return &body{
		Content: sized{sparse.ZeroFill(mem, nil), mem.Size()}, strict: measured{mem, covered},
		xattrs: func() []xattr {
			return []xattr{{xattrPrefix + "format", f.image.Container.Format}, {xattrPrefix + "bytes_present", fmt.Sprint(mem.Covered())}}
		},
	}, nil
}

// sized is a reader of known size.
type sized struct {
	io.ReaderAt
	size int64
}

func (s sized) Size() int64 { return s.size }

// Zeros implements [sparse.Zeroer] as far as the reader does.
func (s sized) Zeros(off int64) int64 { return sparse.Zeros(s.ReaderAt, off) }
