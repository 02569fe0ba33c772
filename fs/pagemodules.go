package fs

import (
	"context"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"memlens/memimage/report"
)

// Bounds of the texts about modules on a page, in bytes except for the first ones.
const (
	maxAlarms       = 8
	maxShownModules = 512
	maxVerdictText  = 160
	maxAlarmName    = 96
	maxShare        = 32
)

// pageModule is a module on a process's page.
type pageModule struct {
	Number           int
	Anchor           string // by which an address leads to its pictures
	Name, Base, Kind string
	Path, Evidence   string
	Grade            grade
	Verdict          template.HTML
	Known            template.HTML // the known file that the restored file is; empty: no set was given
	Percent, Share   string        // of its pages that are there
	Links            []link
	Pictures         []modulePicture
	own              bool
}

// alarm is a line at the top of a page.
type alarm struct {
	Grade      grade
	Name, Text template.HTML
	Link       string // to the place where the page has more about it
}

// modulesOnPage are the modules as a page of a process shows them. Without whole, facts that take long to find are not
// found, and texts of the greatest length stand for them.
func (p *process) modulesOnPage(ctx context.Context, whole bool) (out []pageModule, err error) {
	t := p.moduleTable()
	taken := distinct{}
	for i, of := range t.of[:min(len(t.of), maxShownModules)] {
		r := report.ModuleOf(p.Process, of)
		m := pageModule{Number: i, Name: report.Printable(r.Name), Base: r.Base.String(), Kind: r.Kind,
			Path: report.Printable(r.Path), Evidence: report.Printable(r.Evidence), own: of.Module == p.Module}
		m.Anchor = anchor(m.Name, taken)
		at := p.at.child(modulesName).child(t.names[i])
		entry := &module{Module: of.Module, fs: p.fs, at: at, kind: dllKind}
		if err := m.judge(entry, whole); err != nil {
			return nil, err
		}
		if m.Known, err = p.fs.knownOnPage(ctx, of.Module, whole); err != nil {
			return nil, err
		}
		if err := m.addFiles(ctx, entry, t.names[i], whole); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// anchor returns the anchor of a module on its page: its name, which is never like one of the page's own marks.
func anchor(name string, taken distinct) string {
	if !strings.Contains(name, ".") {
		name = "module." + name
	}
	return taken.numbered(name)
}

// judge compares the module with its file.
func (m *pageModule) judge(of *module, whole bool) error {
	if !whole {
		m.Verdict, m.Percent, m.Share = longest(maxVerdictText), "100.0", strings.Repeat("x", maxShare)
		return nil
	}
	o, err := opinionOf(of.Module)
	if err != nil {
		return err
	}
	m.Grade, m.Verdict = o.grade, bounded(o.text, maxVerdictText)
	counts := report.CountsOf(of.Module)
	m.Percent = fmt.Sprintf("%.1f", 100*float64(counts.PagesPresent)/float64(max(counts.PagesTotal, 1)))
	m.Share = fmt.Sprintf("%s of %s", grouped(counts.PagesPresent), grouped(counts.PagesTotal))
	return nil
}

// The files of a module that a page links to, and the files that it shows.
var (
	moduleLinks    = []string{"dlldump.dll", "restored.dll", "map.png", layoutPicture, modifiedPicture, "modified.csv", "pages.csv", "info.json"}
	modulePictures = []string{modifiedPicture, "map.png", "colorized.bmp"}
)

// addFiles adds links to the module's files, as far as they are there.
func (m *pageModule) addFiles(ctx context.Context, of *module, name string, whole bool) error {
	there := map[string]bool{}
	dir := of.dir()
	for i := range dir.rows {
		there[dir.rows[i].name] = !whole || isThere(dir.reason(i))
	}
	for _, file := range moduleLinks {
		if there[file] {
			m.Links = append(m.Links, link{file, relative(modulesName, name, file), ""})
		}
	}
	for _, file := range modulePictures {
		if !there[file] {
			continue
		}
		notice, err := of.notice(ctx, whole, file)
		if err != nil {
			return err
		}
		m.Pictures = append(m.Pictures, modulePicture{file, relative(modulesName, name, file), modulePictureDocs[file], notice})
	}
	return nil
}

// modulePicture is a picture of a module on a page.
type modulePicture struct {
	Name, Link, Doc string
	Notice          template.HTML
}

// modulePictureDocs describe the pictures.
var modulePictureDocs = map[string]string{
	"colorized.bmp": "A picture of dlldump.dll, a dot a byte.",
	"map.png":       "A map of dlldump.dll: its bytes with sections, offsets and a legend.",
	modifiedPicture: "Each byte of the image in memory by what it is beside its own file.",
}

// alarms are the verdicts at the top of a page: on the process's own executable, and then on the gravest modules.
func (p *process) alarms(own opinion, modules []pageModule) []alarm {
	var out []alarm
	if own.alarming() {
		out = append(out, alarm{own.grade, boundedName(p.exe.Name(), maxAlarmName), bounded(own.text, maxVerdictText), "#beside"})
	}
	for g := gradeForeign; g >= gradeOther; g-- {
		for i := range modules {
			if m := &modules[i]; m.Grade == g && !m.own && len(out) < maxAlarms {
				out = append(out, alarm{g, boundedName(m.Name, maxAlarmName), m.Verdict, fmt.Sprintf("#m%d", m.Number)})
			}
		}
	}
	return out
}

// longestAlarms are as long as the alarms can be.
func longestAlarms(modules int) []alarm {
	return slices.Repeat([]alarm{{gradeForeign, longest(maxAlarmName), longest(maxVerdictText), "#beside"}}, min(modules+1, maxAlarms))
}
