package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"memlens/memimage"
	"memlens/memimage/report"
)

func pagesCommand() *cobra.Command {
	var image imageFlags
	var scan bool
	var form outputFlags
	cmd := &cobra.Command{
		Use:   "pages IMAGE",
		Short: "Count the pages recovered of each process's executable, by source",
		Long: `Prints a row per process: how many pages of its executable are found through the process's own page table alone, which
is what Volatility reads, and how many when prototype entries, address descriptors and sections, page files, the
compressed store, and pages that are zero by definition are added one after the other, out of all. With --json or --csv each source is
counted alone.

` + urlHelp,
		Example: `  memlens pages xp.raw
  memlens pages xp.raw --pagefile pagefile.sys --scan
  memlens pages xp.raw --csv > pages.csv`,
		Args: arguments(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := form.check(cmd); err != nil {
				return err
			}
			im, err := image.open(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer im.Close()
			processes, damage := im.Processes()
			reportListDamage(cmd.Context(), damage)
			if scan {
				found, err := im.Scanned(cmd.Context())
				if err != nil {
					return err
				}
				processes = append(append([]*memimage.Process(nil), processes...), found...)
			}
			counts, err := countPages(cmd.Context(), processes)
			if err != nil {
				return err
			}
			switch out := barsOf(cmd.Context()).stdout(); {
			case form.json:
				err = printPagesJSON(out, counts)
			case form.csv:
				err = printPagesCSV(out, im.Sources(), counts)
			default:
				err = printPages(out, im.Sources(), counts)
			}
			return cmp.Or(err, unread(im))
		},
	}
	image.add(cmd)
	form.add(cmd, "as JSON, an object per process and line: fields of its record in memlens report", "as CSV: total, present, and the count of each page source that this kind of image has; they do not add up there")
	cmd.Flags().BoolVar(&scan, "scan", false, "also scan for processes that are not in the list")
	return cmd
}

// counted is a process and the number of pages of its executable by source: fields of its record in memlens report.
type counted struct {
	PID  uint64 `json:"pid"`
	Name string `json:"name"`
	report.Counts
}

// countPages counts the pages of processes' executables. Processes without pages are left out.
func countPages(ctx context.Context, processes []*memimage.Process) (out []counted, err error) {
	for _, p := range processes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if counts := report.CountsOf(p.Module); counts.PagesTotal > 0 {
			out = append(out, counted{p.PID, report.Latin1(p.RawName), counts})
		}
	}
	return out, nil
}

// printPages prints a table for people. Numbers are aligned to the right, names to the left.
func printPages(out io.Writer, sources []memimage.Source, processes []counted) error {
	wide := len("name")
	for _, p := range processes {
		wide = max(wide, utf8.RuneCountInString(report.Printable(p.Name)))
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "PID\t%-*s\t", wide, "name")
	for _, source := range sources {
		fmt.Fprint(w, source.Heading(), "\t")
	}
	fmt.Fprintln(w)
	var total report.Counts
	for _, p := range processes {
		total.Add(p.Counts)
		printCounts(w, fmt.Sprint(p.PID), fmt.Sprintf("%-*s", wide, report.Printable(p.Name)), sources, &p.Counts)
	}
	printCounts(w, "all", strings.Repeat(" ", wide), sources, &total)
	return w.Flush()
}

// printCounts prints the counts of one table row, which add up from source to source.
func printCounts(w io.Writer, pid, name string, sources []memimage.Source, c *report.Counts) {
	fmt.Fprintf(w, "%s\t%s\t", pid, name)
	sum := int64(0)
	for _, source := range sources {
		sum += c.From(source)
		fmt.Fprintf(w, "%d\t", sum)
	}
	fmt.Fprintln(w)
}

// printPagesJSON prints one object per line.
func printPagesJSON(out io.Writer, processes []counted) error {
	var all bytes.Buffer
	lines := json.NewEncoder(&all)
	lines.SetEscapeHTML(false)
	for _, p := range processes {
		if err := lines.Encode(p); err != nil {
			return err
		}
	}
	_, err := out.Write(report.EscapeJSON(all.Bytes()))
	return err
}

// printPagesCSV prints the same as a table for programs.
func printPagesCSV(out io.Writer, sources []memimage.Source, processes []counted) error {
	w := csv.NewWriter(out)
	header := []string{"pid", "name", "pages_total", "pages_present"}
	for _, s := range sources {
		header = append(header, "pages_"+strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(s.String())))
	}
	w.Write(header)
	for _, p := range processes {
		row := []string{fmt.Sprint(p.PID), report.Cell(p.Name), fmt.Sprint(p.PagesTotal), fmt.Sprint(p.PagesPresent)}
		for _, s := range sources {
			row = append(row, fmt.Sprint(p.From(s)))
		}
		w.Write(row)
	}
	w.Flush()
	return w.Error()
}
