package fs

import (
	"context"
	"fmt"
	"math"
	"path"

	"memlens/memimage"
	"memlens/memimage/report"
	"memlens/memimage/restore"
)

// The tables of the digests of recovered files: in a process's directory, at the root and in scanned/.
const (
	digestsCSV        = "digests.csv"
	driversDigestsCSV = "drivers-digests.csv"
)

// digestsDoc is what all of them have.
const digestsDoc = "its path from here, size, bytes missing (which read as zeros), whether it is complete, MD5, SHA-256, ssdeep and TLSH, and of a restored file the import hash and the authentihash; made when first read, since all bytes of the files are read for it, empty lines at its end"

var digestColumns = []string{"directory", "file", "size", "bytes_missing", "complete", "md5", "sha256", "imphash", "authentihash", "authentihash_certainty", "ssdeep", "tlsh"}

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

// scannedDigests is the table of those of the processes that scanning found.
func (f *FS) scannedDigests(ctx context.Context) (*body, error) {
	found, err := f.image.Scanned(ctx)
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

// digestTable is the table of the digests of the files of executables. It is made when it is first read. Its size is that of the
// longest it could be, with all files of each executable, and empty lines at its end make up for the rest: to list it must not
// look at any of them.
func (f *FS) digestTable(ctx context.Context, key string, all []digested) (*body, error) {
	size, err := f.measured(key, func() (int64, error) { return longestDigests(ctx, all) })
	if err != nil {
		return nil, err
	}
	return &body{Content: f.later(key, size, func(ctx context.Context) ([]byte, error) {
		rows := newCSV()
		rows.add(report.Cell, digestColumns...)
		for i := range all {
			if err := f.addDigests(ctx, rows, &all[i]); err != nil {
				return nil, err
			}
		}
		return padded(rows.file(), size, '\n'), nil
	})}, nil
}

// addDigests adds the rows of an executable, one for each file that there is.
func (f *FS) addDigests(ctx context.Context, rows *csvWriter, of *digested) error {
	for _, form := range allForms() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := form.lacks(&module{Module: of.Module, fs: f, kind: of.kind}); !isThere(err) {
			continue
		}
		d, err := f.fileDigests(ctx, of.Module, form)
		if err != nil {
			return err
		}
		rows.add(report.Cell, of.directory, of.kind.names[form.index], fmt.Sprint(d.Size), fmt.Sprint(d.BytesMissing), fmt.Sprint(d.Complete),
			d.MD5, d.SHA256, d.Imphash, d.Authentihash, d.AuthentihashCertainty, d.Ssdeep, d.TLSH)
	}
	return nil
}

// layouts are the forms as records have them.
var layouts = [formCount]report.Layout{inMemory: report.InMemory, onDisk: report.OnDisk, restoredAgain: report.RestoredAgain}

// fileDigests returns the digests of a file. They are kept with the texts: several tables have them.
func (f *FS) fileDigests(ctx context.Context, m *memimage.Module, form *form) (*report.FileDigests, error) {
	return keptAsJSON(f.texts, imageText{m, "digests of it " + form.doc}, func() (*report.FileDigests, error) {
		return report.FileDigestsOf(ctx, m, layouts[form.index])
	})
}

// longestDigests is how long a table of digests can be.
func longestDigests(ctx context.Context, all []digested) (int64, error) {
	rows := newCSV()
	defer rows.drop()
	n := rows.length(report.Cell, digestColumns...)
	for i := range all {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		directory := rows.length(report.Cell, all[i].directory, "x") - len(",x\n")
		for _, form := range allForms() {
			n += directory + len(all[i].kind.names[form.index]) + longestCells(form) + len(digestColumns) // commas, and a line feed
		}
	}
	return int64(n), nil
}

// longestCells is how long the cells of a row of a form can be but for the first two.
func longestCells(f *form) int {
	n := 2*len(number(math.MaxInt64)) + len("false") + maxMD5 + maxSHA256 + maxSsdeep + maxTLSH
	if f == formRestored {
		n += maxMD5 + maxSHA256 + len(restore.Assumed.String())
	}
	return n
}
