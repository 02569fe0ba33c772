package fs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"memlens/memimage/reference"
	"memlens/memimage/sparse"
	"memlens/render/figure"
)

// The tables that compare the executable images of a process, or the drivers, each with its own file among the references.
const (
	comparedName       = "compared.csv"
	driversComparedCSV = "drivers-compared.csv"
)

// lacksCompared says why there is no such table.
func (f *FS) lacksCompared() error {
	switch {
	case f.refs.Empty():
		return errNoReferences
	case !f.refs.HasPlaces():
		return errors.New("the references were given one by one: none is the file of one module in particular")
	}
	return nil
}

func (p *process) lacksCompared() error {
	if err := p.fs.lacksCompared(); err != nil {
		return err
	}
	return p.lacksModules()
}

// comparedModule is an executable image with the name of its directory.
type comparedModule struct {
	*module
	name string
}

// comparedCSV is the table of the process's executable images.
func (p *process) comparedCSV(ctx context.Context) (*body, error) {
	t := p.moduleTable()
	if err := failedOf(t.damage); err != nil {
		return nil, err
	}
	rows := make([]comparedModule, len(t.of))
	at := p.at.child(modulesName)
	for i, m := range t.of {
		rows[i] = comparedModule{&module{Module: m.Module, fs: p.fs, at: at.child(t.names[i]), kind: dllKind}, t.names[i]}
	}
	return p.fs.comparedTable().file(ctx, p.fs, p.at.child(comparedName).name, rows, t.damage)
}

// comparedCSV is the table of the drivers.
func (s *driverSet) comparedCSV(ctx context.Context) (*body, error) {
	drivers, damage, err := s.named(ctx)
	if err != nil {
		return nil, err
	}
	rows := make([]comparedModule, len(drivers))
	at := s.at.child(driversName)
	for i, d := range drivers {
		rows[i] = comparedModule{&module{Module: d.Module, fs: s.fs, at: at.child(d.name), kind: driverKind}, d.name}
	}
	return s.fs.comparedTable().file(ctx, s.fs, s.at.child(driversComparedCSV).name, rows, damage)
}

// comparedColumns are the late columns; the last may be cut off.
var comparedColumns = []string{"match", "compared_file", "reference_size", "bytes", "equal", "changed_by_relocation", "changed_by_import_binding", "changed_in_loader_slots",
	"otherwise_changed", "not_recovered", "missing_in_reference", "beyond_the_end", "result", "reference"}

func (f *FS) comparedTable() *lateTable[comparedModule] {
	return &lateTable[comparedModule]{
		early:   comparedFirst,
		late:    comparedColumns,
		row:     func(m comparedModule) []string { return []string{m.name, m.Path()} },
		longest: func(m comparedModule) ([]string, error) { return m.longestCompared() },
		cells:   func(ctx context.Context, m comparedModule) ([]string, error) { return m.comparedCells(ctx) },
	}
}

// Longest texts of the table, in bytes.
const (
	maxResult    = 200
	maxReference = 300
)

const noReference = "not compared: the references have no file of this path or name"

// longestCompared returns cells as long as the results of comparedCells can be. In folders, finding the reference takes no
// longer than a lookup of its name; in places that have paths it is not looked for.
func (m *module) longestCompared() ([]string, error) {
	out := make([]string, len(comparedColumns))
	result, where := &out[len(out)-2], &out[len(out)-1]
	*result, *where = letters(maxResult), letters(maxReference)
	if !m.fs.refs.HasPaths() {
		ref, found, err := m.fs.refs.Best(m.asked())
		switch {
		case sparse.Failed(err):
			return nil, err
		case err == nil && !found:
			*result, *where = noReference, noneCompared
			return out, nil
		case err == nil:
			*where = letters(min(len(ref.Path), maxReference))
		}
	}
	out[0], out[1] = reference.ClaimedPath.String(), "dlldump-memory.dll"
	for i := range out[2 : len(out)-2] {
		out[2+i] = number(1 << 32)
	}
	return out, nil
}

// noneCompared stands in the place of a reference.
const noneCompared = "none"

// comparedCells compares an image with its own file.
func (m *module) comparedCells(ctx context.Context) ([]string, error) {
	out := make([]string, len(comparedColumns))
	result, where := &out[len(out)-2], &out[len(out)-1]
	*where = noneCompared
	ref, found, err := m.fs.refs.Best(m.asked())
	switch {
	case sparse.Failed(err):
		return nil, err
	case err != nil && !found:
		*result = shortened("not compared: " + err.Error())
		return out, nil
	case !found:
		*result = noReference
		return out, nil
	}
	out[0], *where = cmp.Or(ref.Match.String(), reference.SameName.String()), ref.Path // in a folder it has no path of Windows
	n, c, err := m.compareWith(ctx, ref)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case reference.Damaged(err): // which is a matter of this file alone
		*result = shortened("not compared: the reference is damaged: " + innermost(err).Error())
		return out, nil
	case sparse.Failed(err):
		return nil, err
	case err != nil:
		*result = shortened("not compared: " + err.Error())
		return out, nil
	}
	out[1], out[2] = m.file(c.form), fmt.Sprint(c.reference.Size())
	counts := []int64{n.Total(), n[figure.Equal], n[figure.Relocated], n[figure.Bound], n[figure.Slot], n[figure.Changed], n[figure.NotRecovered], n[figure.NotInReference], n[figure.Beyond]}
	for i, v := range counts {
		out[3+i] = fmt.Sprint(v)
	}
	*result = resultOf(n, c.reference.Size()-c.recovered.Size())
	return out, nil
}

// innermost returns the cause of a failed read of a file, without the errors around it.
func innermost(err error) error {
	if failed, ok := errors.AsType[*sparse.ReadError](err); ok {
		return failed.Err
	}
	return err
}

func shortened(s string) string { return s[:min(len(s), maxResult)] }

// compareWith compares the best form of the image with a reference. What it compared is closed.
func (m *module) compareWith(ctx context.Context, ref reference.File) (n figure.Counts, c *comparison, err error) {
	if err := ctx.Err(); err != nil {
		return n, nil, err
	}
	form, err := m.bestForm()
	if err != nil {
		return n, nil, err
	}
	c, err = (&diffDir{m.at, m, form}).compare(ref)
	if err != nil {
		return n, nil, err
	}
	defer c.Close()
	n, _, err = c.within(ctx).count()
	return n, c, err
}

// bestForm returns the form of the image that is nearest to its file.
func (m *module) bestForm() (*form, error) {
	forms, err := m.ranking()
	if err != nil {
		return nil, err
	}
	for _, f := range []*form{formRestored, formFile} {
		if slices.Contains(forms, f) {
			return f, nil
		}
	}
	return nil, cmp.Or(formFile.lacks(m), errors.New("nothing was recovered to compare"))
}

// resultOf sums a comparison up. The reference is so many bytes longer, or shorter.
func resultOf(n figure.Counts, longer int64) string {
	byLoader := n[figure.Relocated] + n[figure.Bound] + n[figure.Slot]
	missing := n[figure.NotRecovered] + n[figure.NotInReference]
	what := "the same file"
	switch {
	case n[figure.Changed] > 0:
		what = fmt.Sprintf("%d bytes differ", n[figure.Changed])
	case n[figure.Equal]+byLoader == 0:
		what = "nothing can be compared"
	case byLoader > 0:
		what = "differs only as the loader changes it"
	case missing > 0 || longer != 0:
		what = "the same as far as both are there"
	}
	switch {
	case longer > 0:
		what += fmt.Sprintf("; the reference goes on for %d bytes", longer)
	case longer < 0:
		what += fmt.Sprintf("; the recovered file goes on for %d bytes", -longer)
	}
	if missing > 0 {
		what += fmt.Sprintf("; %d bytes cannot be compared", missing)
	}
	return what
}
