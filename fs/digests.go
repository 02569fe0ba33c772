package fs

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"path"

	"memlens/memimage"
	"memlens/memimage/report"
	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

// The tables of the digests of recovered files: in a process's directory, at the root and in scanned/.
const (
	digestsCSV        = "digests.csv"
	driversDigestsCSV = "drivers-digests.csv"
)

// digestsDoc describes the columns that all tables of digests have.
const digestsDoc = "its path from here, size, bytes missing (which read as zeros), whether it is complete, MD5, SHA-256, ssdeep and TLSH, and of a restored file the import hash and the authentihash; made when first read, since all bytes of the files are read for it"

var digestColumns = []string{"directory", "file", "size", "bytes_missing", "complete", "md5", "sha256", "imphash", "authentihash", "authentihash_certainty", "ssdeep", "tlsh", "note"}

// digested is an executable whose files are in a table of digests, with its directory as the table names it.
type digested struct {
	*memimage.Module
	kind      *moduleKind
	directory string
}

// processDigests is the table of the listed processes' own executables.
func (f *FS) processDigests(ctx context.Context) (*body, error) {
	listed, damage := f.image.Processes()
	if err := failedOf(damage); err != nil {
		return nil, err
	}
	return f.digestTable(ctx, digestsCSV, ownExecutables(listed))
}

// scannedDigests is the table of digests of the processes that scanning found.
func (f *FS) scannedDigests(ctx context.Context) (*body, error) {
	found, err := f.allScanned(ctx)
	if err != nil {
		return nil, err
	}
	return f.digestTable(ctx, path.Join(scannedName, digestsCSV), ownExecutables(found))
}

func ownExecutables(processes []*memimage.Process) []digested {
	names, _ := named(processes)
	out := make([]digested, len(processes))
	for i, p := range processes {
		out[i] = digested{p.Module, ownKind, names[i]}
	}
	return out
}

// digests is the table of the drivers.
func (s *driverSet) digests(ctx context.Context) (*body, error) {
	drivers, damage, err := s.named(ctx)
	if err != nil {
		return nil, err
	}
	if err := failedOf(damage); err != nil {
		return nil, err
	}
	out := make([]digested, len(drivers))
	for i, d := range drivers {
		out[i] = digested{d.Module, driverKind, driversName + "/" + d.name}
	}
	return s.fs.digestTable(ctx, s.at.child(driversDigestsCSV).name, out)
}

// lacksDigests says why a process has no table of digests: it has no executable file.
func (p *process) lacksDigests() error {
	why := p.lacksModules()
	for _, f := range allForms() {
		if why == nil {
			break
		}
		why = f.lacks(p.exe)
	}
	return why
}

// digestsCSV is the table of the process's own executable and of its modules.
func (p *process) digestsCSV(ctx context.Context) (*body, error) {
	t := p.moduleTable()
	if err := failedOf(t.damage); err != nil {
		return nil, err
	}
	all := []digested{{p.Module, ownKind, "."}}
	for i, m := range t.of {
		all = append(all, digested{m.Module, dllKind, modulesName + "/" + t.names[i]})
	}
	return p.fs.digestTable(ctx, p.at.child(digestsCSV).name, all)
}

// digestRow is a file that is in a table of digests.
type digestRow struct {
	of   *digested
	form *form
}

// digestTable is the table of the digests of the files of executables. It is made when it is first read: listing it
// must not read their bytes. Its size is the size of the longest rows that are possible for these files.
func (f *FS) digestTable(ctx context.Context, key string, all []digested) (*body, error) {
	size, err := f.measured(ctx, key, func() (int64, error) {
		files, err := f.digestRows(ctx, all)
		return longestDigests(files), err
	})
	if err != nil {
		return nil, err
	}
	return &body{Content: f.later(key, size, func(ctx context.Context) ([]byte, error) {
		files, err := f.digestRows(ctx, all)
		if err != nil {
			return nil, err
		}
		rows := make([][]string, len(files))
		for i, r := range files {
			if rows[i], err = r.cells(ctx, f); err != nil {
				return nil, err
			}
		}
		return fittedTable(size, digestColumns, rows)
	})}, nil
}

// digestRows are the files that can be made of executables. Where a dump in a file's layout can be made, a restored
// file nearly always can be made, too. Checking it takes as long as all other work, so it has a row in any case.
func (f *FS) digestRows(ctx context.Context, all []digested) (out []digestRow, err error) {
	for i := range all {
		m := &module{Module: all[i].Module, fs: f, kind: all[i].kind}
		dumped := false
		for _, form := range allForms() {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if form != formRestored || !dumped {
				err := form.lacks(m)
				if sparse.Failed(err) {
					return nil, err
				}
				if err != nil {
					continue
				}
			}
			dumped = form == formFile
			out = append(out, digestRow{&all[i], form})
		}
	}
	return out, nil
}

// cells are the cells of the file's row.
func (r *digestRow) cells(ctx context.Context, f *FS) ([]string, error) {
	name := r.of.kind.names[r.form.index]
	d, err := f.fileDigests(ctx, r.of.Module, r.form)
	if err = cmp.Or(ctx.Err(), sparse.OnlyFailed(err)); err != nil {
		return nil, err
	}
	if d == nil {
		return []string{r.of.directory, name, "", "", "", "", "", "", "", "", "", "", noteNoFile}, nil
	}
	return []string{r.of.directory, name, fmt.Sprint(d.Size), fmt.Sprint(d.BytesMissing), fmt.Sprint(d.Complete),
		d.MD5, d.SHA256, d.Imphash, d.Authentihash, d.AuthentihashCertainty, d.Ssdeep, d.TLSH, digestNote(d)}, nil
}

// digestNote says which bytes the digests cover.
func digestNote(d *report.FileDigests) string {
	switch {
	case d.MD5 == "":
		return noteTooMuchMissing
	case d.BytesMissing > 0:
		return noteReadAsZeros
	default:
		return "of all bytes"
	}
}

const (
	noteTooMuchMissing = "too many bytes are missing"
	noteNoFile         = "there is no such file"
	noteReadAsZeros    = "missing bytes are digested as zeros"
)

// layouts are the forms as records have them.
var layouts = [formCount]report.Layout{inMemory: report.InMemory, onDisk: report.OnDisk, restoredAgain: report.RestoredAgain}

// fileDigests returns the digests of a file. They are kept with the texts: several tables have them.
func (f *FS) fileDigests(ctx context.Context, m *memimage.Module, form *form) (*report.FileDigests, error) {
	return keptAsJSON(ctx, f.texts, imageText{m, "digests of it " + form.doc}, func() (*report.FileDigests, error) {
		return report.FileDigestsOf(ctx, m, layouts[form.index])
	})
}

// longestDigests is how long a table of the digests of files can be.
func longestDigests(files []digestRow) int64 {
	rows := newCSV()
	defer rows.drop()
	n := rows.length(report.Cell, withPadding(digestColumns)...)
	for _, r := range files {
		n += rows.lengthPadded(r.longest()...)
	}
	return int64(n)
}

// longest returns cells as long as the cells of the file's row can be.
func (r *digestRow) longest() []string {
	imphash, signed, certainty := "", "", ""
	if r.form == formRestored {
		imphash, signed, certainty = letters(maxMD5), letters(maxSHA256), restore.Assumed.String()
	}
	return []string{r.of.directory, r.of.kind.names[r.form.index], number(math.MaxInt64), number(math.MaxInt64), "false", letters(maxMD5), letters(maxSHA256), imphash, signed, certainty,
		letters(maxSsdeep), letters(maxTLSH), noteReadAsZeros}
}
