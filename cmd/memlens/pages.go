package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"memlens/memimage"
	"memlens/memimage/report"
)

func pagesCommand() *cobra.Command {
	var image imageFlags
	var scan bool
	cmd := &cobra.Command{
		Use:   "pages IMAGE",
		Short: "Count the pages recovered of each process's executable, by source",
		Long: `Prints a row per process: how many pages of its executable are found through the process's own page table alone, which
is what Volatility reads, and how many when prototype entries, address descriptors and sections, page files, the
compressed store, and what is zero by definition are added one after the other, out of all.`,
		Example: `  memlens pages xp.raw
  memlens pages xp.raw --pagefile pagefile.sys --scan`,
		Args: arguments(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			im, err := image.open(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer im.Close()
			processes, _ := im.Processes()
			if scan {
				found, err := im.Scanned(cmd.Context())
				if err != nil {
					return err
				}
				processes = append(append([]*memimage.Process(nil), processes...), found...)
			}
			return printPages(barsOf(cmd.Context()).stdout(), im.Sources(), processes)
		},
	}
	image.add(cmd)
	cmd.Flags().BoolVar(&scan, "scan", false, "scan for processes that the list lacks, too")
	return cmd
}

func printPages(out io.Writer, sources []memimage.Source, processes []*memimage.Process) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "PID\tname\t")
	for _, source := range sources {
		fmt.Fprint(w, source.Heading(), "\t")
	}
	fmt.Fprintln(w)
	var total report.Counts
	for _, p := range processes {
		counts := report.CountsOf(p.Module)
		if counts.PagesTotal == 0 {
			continue
		}
		total.Add(counts)
		printCounts(w, fmt.Sprint(p.PID), fmt.Sprintf("%q", p.RawName), sources, &counts)
	}
	printCounts(w, "all", "", sources, &total)
	return w.Flush()
}

// printCounts prints counts that add up from source to source.
func printCounts(w io.Writer, pid, name string, sources []memimage.Source, c *report.Counts) {
	fmt.Fprintf(w, "%s\t%s\t", pid, name)
	sum := int64(0)
	for _, source := range sources {
		sum += c.From(source)
		fmt.Fprintf(w, "%d\t", sum)
	}
	fmt.Fprintln(w)
}
