package fs

import (
	"cmp"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	iofs "io/fs"
	"slices"
	"strings"

	"memlens/memimage"
	"memlens/memimage/integrity"
	"memlens/memimage/report"
	"memlens/memimage/sparse"
)

// The names of the files of modules and drivers.
var (
	dllKind    = &moduleKind{[...]string{"dlldump-memory.dll", "dlldump.dll", "restored.dll"}, slices.Concat(moduleRows("dlldump", "dll"), changeRows())}
	driverKind = &moduleKind{[...]string{"moddump-memory.sys", "moddump.sys", "restored.sys"}, moduleRows("moddump", "sys")}
)

// moduleRows are the contents of the directory of an executable image that is not a process's own. Its dumps are the
// files that Volatility 2's plugin writes; they have the plugin's name and the extension ext.
func moduleRows(plugin, ext string) []row[*module] {
	dumped, restored := plugin+"."+ext, "restored."+ext
	return []row[*module]{
		{name: dumped, doc: fmt.Sprintf("the image realigned to its layout on disk: what Volatility 2's %s writes, byte for byte; with --pages all, pages that it does not read are in it, too", plugin), lacks: formFile.lacks, open: atOnce(formFile.open)},
		{name: plugin + "-memory." + ext, doc: fmt.Sprintf("the image as it lay in memory: what %s --memory writes; with --pages all likewise more", plugin), lacks: formMemory.lacks, open: atOnce(formMemory.open)},
		{name: restored, doc: "the best reconstruction of the original file: every page from its best source, relocations and imports undone", lacks: formRestored.lacks, open: atOnce(formRestored.open)},
		{name: "restored.csv", doc: "a row per page of " + restored + ": where it comes from, what was undone, what is missing, and how sure it is", lacks: formRestored.lacks, open: atOnce((*module).restoredCSV)},
		{name: "colorized.bmp", doc: "a picture of " + dumped + ", a pixel a byte, as colorize draws it", lacks: lacksPicture(formFile), open: atOnce(pictureOf(formFile))},
		{name: "map.png", doc: "a figure of " + dumped + ": its bytes with sections, offsets and a legend, missing pages hatched", lacks: lacksFigure(formFile), open: atOnce((*module).mapPNG)},
		{name: layoutPicture, doc: layoutDoc(dumped), lacks: lacksLayout, open: atOnce((*module).layoutPNG)},
		{name: layoutVector, doc: "the same as an SVG, whose texts can be searched and copied", lacks: lacksLayout, open: atOnce((*module).layoutSVG)},
		{name: "pages.csv", doc: "a row per page of the image: RVA, section, state, physical address, and why it is missing", lacks: (*module).lacksPages, open: atOnce((*module).pagesCSV)},
		{name: "info.json", doc: "the image: names, addresses, in which lists it stands, what its header says, how much of " + restored + " is exact, assumed, left as found or missing", open: atOnce((*module).moduleJSON)},
		diffRow("diff-vs", dumped+" against each reference; only with --reference", formFile),
		diffRow("diff-vs-restored", "the same of "+restored, formRestored),
	}
}

// changeRows are the rows about the differences between an image and the file that it was mapped from. Drivers have
// none.
func changeRows() []row[*module] {
	return []row[*module]{
		{name: modifiedPicture, doc: "a figure of the image in memory, a byte by what it is beside its own file: as there, changed by the loader, code changed, not of the file", lacks: (*module).lacksModified, open: atOnce((*module).modifiedPNG)},
		{name: "modified.csv", doc: "a row per piece of memory that differs from the file that it was mapped from, without any reference: what it was and is, the cause (relocation, import binding, data section, code changed and others), where a jump leads; what could not be compared, and the verdict", lacks: (*module).lacksChanges, open: atOnce((*module).modifiedCSV)},
	}
}

// moduleTable is the directories of executable images.
type moduleTable struct {
	kind   *moduleKind
	names  []string
	byName map[string]*moduleEntry
	failed error // of a read while they were looked for: there may be others, and what is known of these may be wrong
}

// moduleEntry is an executable image, with a function that adds the facts of its kind alone to its info.json.
type moduleEntry struct {
	*memimage.Module
	facts func(*moduleDescription)
}

// newModuleTable names the directories by the address of the image and its name. Two at one address get a number.
// damage lists the parts that could not be read.
func newModuleTable(kind *moduleKind, entries []moduleEntry, damage []error) *moduleTable {
	t := &moduleTable{kind: kind, failed: failedOf(damage), byName: make(map[string]*moduleEntry, len(entries))}
	taken := distinct{}
	for i := range entries {
		name := taken.numbered(moduleName(entries[i].Module))
		t.names, t.byName[name] = append(t.names, name), &entries[i]
	}
	return t
}

// moduleName returns the name of a module's directory.
func moduleName(m *memimage.Module) string {
	name := safeName(nameBytes(m.Name()))
	if name == "" {
		name = "unnamed"
	}
	return fmt.Sprintf("%08x-%s", uint64(m.ImageBase()), name)
}

// maxNameBytes is how many bytes of a module's name are in its directory's name: file systems take 255 bytes, and each
// byte may become three.
const maxNameBytes = 64

// nameBytes returns the beginning of a name.
func nameBytes(s string) []byte { return []byte(s)[:min(len(s), maxNameBytes)] }

// dir returns the directory of a module or driver.
func (m *module) dir() *tableDir[*module] {
	return &tableDir[*module]{m.at, m.fs, m, m.Module, m.kind.rows}
}

// modulesDir is a directory of executable images.
type modulesDir struct {
	place
	fs    *FS
	table func(ctx context.Context) (*moduleTable, error)
}

func (d *modulesDir) list(ctx context.Context) ([]listed, error) {
	t, err := d.table(ctx)
	if err != nil {
		return nil, err
	}
	return directories(t.names), t.failed // there may be more
}

func (d *modulesDir) lookup(ctx context.Context, name string) (node, error) {
	t, err := d.table(ctx)
	if err != nil {
		return nil, err
	}
	e, ok := t.byName[name]
	if !ok {
		return nil, cmp.Or(t.failed, iofs.ErrNotExist)
	}
	return (&module{e.Module, d.fs, d.child(name), t.kind, e.facts, t.failed}).dir(), nil
}

// imageColumns are the late columns of a table of executable images: pages by source, digests of the dump in the layout
// on disk, the differences from the file where images are compared with their files, and the known file that the
// restored file is.
func imageColumns(sources []memimage.Source, compared bool) []string {
	out := append([]string{"md5", "sha256"}, countColumns(sources)...)
	if !compared {
		return append(append(out, knownColumns...), "recovered")
	}
	out = append(out, "pages_comparable")
	for _, c := range integrity.Causes() {
		out = append(out, "bytes_"+token(c.String()))
	}
	return slices.Concat(out, knownColumns, verdictColumns)
}

// longestImage returns cells as long as the cells that imageCells makes.
func (f *FS) longestImage(m *memimage.Module, compared bool) []string {
	out := []string{"", ""}
	if report.RecoveryOf(m).NotRecovered == "" {
		out = []string{strings.Repeat("x", 2*md5.Size), strings.Repeat("x", 2*sha256.Size)}
	}
	out = append(out, longestCounts(m)...)
	if !compared {
		return append(append(out, f.longestKnown()...), "yes")
	}
	pages := m.PageCount()
	if pages == 0 { // that is not known without the comparison
		pages = memimage.MaxImagePages
	}
	out = append(out, number(pages))
	for range integrity.Causes() {
		out = append(out, number(2*pages*pageSize)) // hostile tables lie over each other
	}
	return slices.Concat(out, f.longestKnown(), longestVerdict())
}

// imageCells make the late columns of an image whose files are at a place in the tree.
func (f *FS) imageCells(ctx context.Context, m *memimage.Module, kind *moduleKind, at place, compared bool) ([]string, error) {
	out, err := f.digestCells(ctx, &module{Module: m, fs: f, at: at, kind: kind})
	if err != nil {
		return nil, err
	}
	out = append(out, countCells(m)...)
	known, err := f.known.Of(ctx, m)
	if err != nil {
		return nil, err
	}
	if !compared {
		return append(append(out, knownCells(known)...), yesNo(report.RecoveryOf(m).NotRecovered == "")), nil
	}
	c, err := report.ComparisonOf(m)
	return slices.Concat(out, changeCells(&c), knownCells(known), verdictCells(&c)), err
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// changeCells are the cells about the differences between an image and its file.
func changeCells(c *report.Comparison) []string {
	out := []string{fmt.Sprint(c.PagesCompared)}
	for _, cause := range integrity.Causes() {
		out = append(out, fmt.Sprint(c.Bytes(cause)))
	}
	return out
}

// digestCells are the digests of the dump in the layout on disk; empty where there are none.
func (f *FS) digestCells(ctx context.Context, m *module) ([]string, error) {
	if err := formFile.lacks(m); err != nil {
		return []string{"", ""}, sparse.OnlyFailed(err)
	}
	b, err := formFile.open(m)
	if err != nil {
		return nil, err
	}
	sums, err := f.sums(m.place(formFile).name, b.within(ctx))
	if err != nil || sums.lacks != nil {
		return []string{"", ""}, err
	}
	short, long := sums.texts()
	return []string{short, long}, nil
}
