package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"memlens/cmd/memlens-fleet/internal/output"
	"memlens/cmd/memlens-fleet/internal/page"
	"memlens/memimage/report"
)

// settle accounts for all images: each image that went in must have come out, or be a problem.
type settle struct {
	Options Options
	Images  int // of the run
}

// ProcessElement writes the problems and the summary, and emits the summary. A lost image is an error.
func (f *settle) ProcessElement(ctx context.Context, _ []byte, next func(*Account) bool, emit func([]byte)) error {
	var all []Account
	for a := (Account{}); next(&a); a = (Account{}) {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b Account) int { return strings.Compare(a.Image, b.Image) })
	sum := summaryOf(all)
	if sum.Images != f.Images || sum.Images != sum.Opened+sum.Failed {
		return fmt.Errorf("fleet: of %d images %d were opened and %d are problems: the rest is lost", f.Images, sum.Opened, sum.Failed)
	}
	problems, err := problemsOf(all)
	if err != nil {
		return err
	}
	text := append(encode(sum), '\n')
	err = f.Options.write(ctx, func(out *output.Folder) error {
		for _, format := range []string{"parquet", "jsonl"} {
			if err := out.Write(ctx, "problems."+format, func(w io.Writer) error { return writeProblems(w, format, problems) }); err != nil {
				return err
			}
		}
		return out.Write(ctx, SummaryName, func(w io.Writer) error { _, err := w.Write(text); return err })
	})
	if err == nil {
		emit(text)
	}
	return err
}

// SummaryName is the name of the file with the summary of a run.
const SummaryName = "summary.json"

func summaryOf(all []Account) (s page.Summary) {
	for _, a := range all {
		s.Images++
		if a.Opened {
			s.Opened++
		} else {
			s.Failed++
		}
		if len(a.Problems) > 0 {
			s.WithProblems++
		}
		s.Problems += int64(len(a.Problems))
		s.Records += a.Records
	}
	return s
}

func writeProblems(w io.Writer, format string, problems []report.Problem) error {
	t, err := report.NewWriter(format, w, []report.Kind{report.KindProblem})
	if err != nil {
		return err
	}
	for i := range problems {
		if err := t.Write(&problems[i]); err != nil {
			return err
		}
	}
	return t.Close()
}

func problemsOf(all []Account) (out []report.Problem, err error) {
	for _, a := range all {
		for _, text := range a.Problems {
			var p report.Problem
			if err := json.Unmarshal([]byte(text), &p); err != nil {
				return nil, err
			}
			out = append(out, p)
		}
	}
	return out, nil
}
