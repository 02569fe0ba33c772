package fs

import (
	"context"
	"errors"

	"memlens/memimage"
	"memlens/memimage/sparse"
)

// process is a process and the data from which the files of its directory are made.
type process struct {
	*memimage.Process
	fs  *FS
	at  place
	exe *module // its own executable
}

// ownKind names the files of a process's own executable.
var ownKind = &moduleKind{names: [...]string{"procmemdump.exe", "procexedump.exe", "restored.exe"}}

// own makes a row of a process's directory from a row that is made for its executable.
func own(name, doc string, lacks func(*module) error, open func(*module) (*body, error)) row[*process] {
	return as(row[*module]{name: name, doc: doc, lacks: lacks, open: atOnce(open)}, (*process).own)
}

// ownPicture is such a row for a picture of a form.
func ownPicture(name, doc string, f *form) row[*process] {
	return own(name, doc, lacksPicture(f), pictureOf(f))
}

// ownDiff is such a row for a directory of comparisons.
func ownDiff(i int) row[*process] {
	c := &comparisons[i]
	return as(diffRow(c.name, c.doc, c.form), (*process).own)
}

// processRows are the contents of a process's directory, the executable in its forms first.
var processRows = []row[*process]{
	own("procmemdump.exe", "the executable as it lay in memory: what Volatility 2's procmemdump writes, byte for byte; with --pages all, pages that it does not read are in it, too", formMemory.lacks, formMemory.open),
	own("procexedump.exe", "the executable realigned to its layout on disk: what Volatility 2's procexedump writes, byte for byte; with --pages all likewise more", formFile.lacks, formFile.open),
	own("restored.exe", "the best reconstruction of the original file: every page from its best source, relocations and imports undone", formRestored.lacks, formRestored.open),
	own("restored.csv", "a row per page of restored.exe: where it comes from, what was undone, what is missing; how sure it is: exact (proved by the bytes), assumed (on what), or left as found", formRestored.lacks, (*module).restoredCSV),
	ownPicture("colorized.bmp", "a picture of procexedump.exe, a pixel a byte, as colorize draws it", formFile),
	ownPicture("colorized-procmemdump.bmp", "the same of procmemdump.exe", formMemory),
	ownPicture("colorized-restored.bmp", "the same of restored.exe", formRestored),
	own("map.png", "a figure of procexedump.exe: its bytes with sections, offsets and a legend, missing pages hatched", lacksFigure(formFile), (*module).mapPNG),
	own(layoutPicture, layoutDoc("procexedump.exe"), lacksLayout, (*module).layoutPNG),
	own(layoutVector, "the same as an SVG, whose texts can be searched and copied", lacksLayout, (*module).layoutSVG),
	own("blink.gif", "what stands for the original (the reference of its path, or of its name, or else restored.exe; it says which), procmemdump.exe and procexedump.exe in turn, at the same scale", (*module).lacksBlink, (*module).blinkGIF),
	own(modifiedPicture, "a figure of the executable in memory, a byte by what it is beside its own file: as there, changed by the loader, code changed, not of the file; what cannot be compared is grey", (*module).lacksModified, (*module).modifiedPNG),
	{name: indexName, doc: "the process for a browser: pictures to compare, with what lies under the pointer", open: atOnce((*process).index)},
	{name: "info.json", doc: "the process: its kind, ids, times, addresses, path by the kernel and by the process itself, warnings where they differ, command line, what the executable's header says, how much of restored.exe is exact, assumed, left as found or missing, and what its ImageBase is known by", open: atOnce((*process).infoJSON)},
	own("pages.csv", "a row per page of the executable: RVA, section, state, physical address, and why it is missing", (*module).lacksPages, (*module).pagesCSV),
	own(similarName, "the references that the executable is most like, whatever their names, the best first, with how much could be compared; made when first read", (*module).lacksSimilar, (*module).similarCSV),
	{name: "NOT-RECOVERED.txt", doc: "why what is not here could not be recovered; only where something is not", lacks: (*process).lacksNothing, open: atOnce((*process).notRecovered)},
	own("modified.csv", "a row per piece of the executable's memory that differs from the file that it was mapped from, without any reference: what it was and is, the cause (relocation, import binding, data section, code changed and others), where a jump leads; what could not be compared, and the verdict", (*module).lacksChanges, (*module).modifiedCSV),
	{name: "modules.csv", doc: "a row per executable image in the address space: base, size, kind (loaded, unlinked, injected, header erased, mapped as data, hollowed), path by the loader and by the mapped file, places in the loader's lists, pages by source, digests of dlldump.dll, changed bytes by cause, with --known as which known file restored.dll is known, and a verdict: how its memory differs from its file", lacks: (*process).lacksModules, open: func(ctx context.Context, p *process) (*body, error) { return p.modulesCSV(ctx) }},
	{name: digestsCSV, doc: "a row per executable file in this directory and in those of modules/: " + digestsDoc, lacks: (*process).lacksDigests,
		open: func(ctx context.Context, p *process) (*body, error) { return p.digestsCSV(ctx) }},
	{name: modulesName, doc: "a directory per executable image in the address space, the process's own one among them", lacks: (*process).lacksModules, dir: (*process).modules},
	{name: comparedName, doc: "a row per executable image in the address space: the reference of its own path, or of its name, and its bytes by cause of difference; only where --reference is a folder or the like", lacks: (*process).lacksCompared, open: func(ctx context.Context, p *process) (*body, error) { return p.comparedCSV(ctx) }},
	{name: "regions.csv", doc: "a row per address descriptor: first and last address, type, protection, pages that were made executable later, and the file that is mapped", lacks: (*process).lacksRegions, open: atOnce((*process).regionsCSV)},
	{name: "regions", doc: "private memory that can be executed, as it is in memory; any other row of regions.csv opens by its name, too", lacks: (*process).lacksRegions,
		dir: func(p *process, at place) (dirNode, error) { return &regionsDir{at, p}, nil }},
	{name: MinidumpName, late: true, doc: "the process's memory for debuggers, from all page sources: a minidump with full memory, modules, regions and threads; a missing page is not in it, and its comment says what is missing", lacks: func(p *process) error { return p.CheckMinidump() }, open: func(ctx context.Context, p *process) (*body, error) { return p.minidump(ctx) }},
	ownDiff(0),
	ownDiff(1),
	{name: folderHint, unlisted: true, doc: "says to the file managers of KDE, which open it by its name, that .icon.bmp is the icon of this directory; no listing has it", lacks: (*process).lacksThumbnail, open: atOnce((*process).folderHint)},
	{name: folderIcon, unlisted: true, doc: "the small picture of the executable, as in gallery/; no listing has it", lacks: (*process).lacksThumbnail, open: atOnce((*process).folderIcon)},
}

// own returns the process's executable.
func (p *process) own() *module { return p.exe }

func (f *FS) process(at place, p *memimage.Process) *process {
	if !p.Created.IsZero() {
		at.time = p.Created
	}
	return &process{p, f, at, &module{Module: p.Module, fs: f, at: at, kind: ownKind}}
}

// processDir is a process's directory.
type processDir = tableDir[*process]

func (f *FS) processDir(at place, p *memimage.Process) *processDir { return f.process(at, p).dir() }

// dir returns the process's directory.
func (p *process) dir() *processDir { return &processDir{p.at, p.fs, p, p.Process, p.fs.processRows} }

// lacksNothing is an error when there is nothing to say in NOT-RECOVERED.txt.
func (p *process) lacksNothing() error {
	var failed error
	for i := range allForms() {
		switch err := p.dir().reason(i); {
		case sparse.Failed(err):
			failed = err
		case err != nil:
			return nil
		}
	}
	if failed != nil {
		return failed
	}
	return errors.New("everything was recovered")
}
