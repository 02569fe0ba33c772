package fs

import (
	"cmp"
	"context"
	"fmt"
	"html/template"
	"strings"

	"memlens/memimage"
	"memlens/memimage/reason"
	"memlens/memimage/report"
)

// grade is how grave a verdict is. Pages have a colour for each.
type grade int

const (
	gradeEqual   grade = iota // all that differs is explained
	gradeUnknown              // nothing can be said
	gradeOther                // something else than code was changed
	gradeCode                 // code was changed
	gradeForeign              // not of its file
	gradeCount   = iota
)

// gradeNames are the grades where a page counts them.
var gradeNames = [gradeCount]string{"no change found", "cannot be compared", "changed, but not in code", "code changed", "not of the file"}

// opinion is the text of a page about an image beside its file.
type opinion struct {
	grade grade
	text  string
}

// opinionOf compares an image with its file. The error is from a source that fails.
func opinionOf(m *memimage.Module) (opinion, error) {
	c, err := report.ComparisonOf(m)
	if !c.Compared {
		return opinion{gradeUnknown, "cannot be compared: " + c.VerdictText}, err
	}
	return opinion{gradeOf(&c), c.VerdictText}, err
}

// gradeOf says how grave the result of a comparison is.
func gradeOf(c *report.Comparison) grade {
	switch {
	case c.IsForeign():
		return gradeForeign
	case !c.Compared:
		return gradeUnknown
	}
	switch c.Verdict {
	case reason.Equal:
		return gradeEqual
	case reason.OtherDiffers:
		return gradeOther
	case reason.CodeDiffers:
		return gradeCode
	}
	return gradeUnknown
}

// alarming reports whether a page begins with it.
func (o opinion) alarming() bool { return o.grade >= gradeOther }

// bounded writes a text for a page in at most n bytes.
func bounded(s string, n int) template.HTML { return boundedBy(template.HTMLEscapeString, s, n) }

// boundedName is bounded for a name, which is [breakable].
func boundedName(s string, n int) template.HTML {
	return boundedBy(func(s string) string { return string(breakable(s)) }, s, n)
}

func boundedBy(escape func(string) string, s string, n int) template.HTML {
	const more = "…"
	var out strings.Builder
	for _, r := range report.Printable(s) {
		escaped := escape(string(r))
		if out.Len()+len(escaped) > n-len(more) {
			return template.HTML(out.String() + more)
		}
		out.WriteString(escaped)
	}
	return template.HTML(out.String())
}

// longest is as long as bounded can be.
func longest(n int) template.HTML { return template.HTML(strings.Repeat("x", n)) }

// processVerdict is the gravest verdict that is known about a process.
type processVerdict struct {
	opinion
	known template.HTML // the known file that the restored executable is
	name  string        // of the module that it describes; empty: the process's own executable
	more  int           // modules with alarming ones beside it
}

// maxCompared is how many modules a gallery compares with their files, in all.
const maxCompared = 1 << 12

// verdicts compares the executables of processes with their files, and also their modules unless there are too many:
// whole says that it did.
func (f *FS) verdicts(ctx context.Context, processes []*memimage.Process) (out []processVerdict, whole bool, err error) {
	n := 0
	for _, p := range processes {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		if n <= maxCompared {
			found, _ := p.Modules()
			n += len(found)
		}
	}
	whole = n <= maxCompared
	for _, p := range processes {
		v, err := processVerdictOf(ctx, p, whole)
		if err != nil {
			return nil, whole, err
		}
		if v.known, err = f.knownOnPage(ctx, p.Module, true); err != nil {
			return nil, whole, err
		}
		out = append(out, v)
	}
	return out, whole, nil
}

func processVerdictOf(ctx context.Context, p *memimage.Process, modules bool) (processVerdict, error) {
	own, err := opinionOf(p.Module)
	v := processVerdict{opinion: own}
	if err != nil || !modules {
		return v, err
	}
	found, _ := p.Modules()
	for _, m := range found {
		if m.Module == p.Module {
			continue
		}
		o, err := opinionOf(m.Module)
		if err = cmp.Or(ctx.Err(), err); err != nil {
			return v, err
		}
		v.add(m.Name(), o)
	}
	return v, nil
}

// add adds the opinion about a module.
func (v *processVerdict) add(name string, o opinion) {
	switch {
	case !o.alarming():
	case o.grade > v.grade:
		if v.alarming() {
			v.more++
		}
		v.opinion, v.name = o, name
	default:
		v.more++
	}
}

// words are the verdict in words.
func (v *processVerdict) words() string {
	text := v.text
	switch {
	case v.grade == gradeEqual:
		text = "no change found"
	case v.grade == gradeUnknown:
		text = "cannot be compared"
	case v.name != "":
		text = v.name + ": " + text
	}
	if v.more > 0 {
		text += fmt.Sprintf("; and in %d more", v.more)
	}
	return text
}
