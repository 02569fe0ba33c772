package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"memlens/memimage/known"
	"memlens/memimage/reason"
	"memlens/memimage/report"
	"memlens/memimage/rescue"
)

func reportCommand() *cobra.Command {
	var r reporting
	var schema bool
	var form outputFlags
	cmd := &cobra.Command{
		Use:   "report IMAGE...",
		Short: "Write records of images, their processes, modules and changes, for programs",
		Long: `Writes the facts in images as records to standard output: an image, its processes, and, where asked for, their modules, the
drivers and the regions; the differences from the files in memory (changes); and everything that could not be read (problems). Each record
has the fields that --schema lists, in JSON lines, CSV or Parquet alike. Reasons are codes, with a sentence beside each.

An image that cannot be opened is a problem record, and the others go on. The exit status is 3 then, and where reading an image
failed ("memlens --help" lists all).

` + urlHelp,
		Example: `  memlens report xp.raw | jq -r 'select(.record == "process") | [.pid, .name, .verdict] | @tsv'
  memlens report *.raw --modules --digest sha256,authentihash --format parquet > case.parquet
  memlens report xp.raw --records module --modules --drivers --format csv
  memlens report s3://evidence/host.raw --known NSRLFile.txt
  memlens report --schema`,
		Args: func(cmd *cobra.Command, args []string) error {
			if schema && len(args) > 0 {
				return errors.New("--schema is of no image: leave out the images, or the flag")
			}
			if schema {
				return nil
			}
			if len(args) == 0 {
				return fmt.Errorf("no image is given; the usage is: %s (%s --help says more)", cmd.UseLine(), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if schema {
				_, err := io.WriteString(os.Stdout, report.SchemaText())
				return err
			}
			if err := form.check(cmd); err != nil {
				return err
			}
			switch {
			case form.json:
				r.format = "jsonl"
			case form.csv:
				r.format = "csv"
			}
			return r.run(cmd.Context(), args)
		},
	}
	r.image.add(cmd)
	f := cmd.Flags()
	f.BoolVar(&r.options.Modules, "modules", false, "add the executable images in the address spaces of all processes")
	f.BoolVar(&r.options.Drivers, "drivers", false, "add the drivers")
	f.BoolVar(&r.options.Regions, "regions", false, "add the regions of addresses of all processes")
	f.BoolVar(&r.options.Scan, "scan", false, "also scan for processes and drivers that are not in the lists")
	f.StringSliceVar(&r.digests, "digest", nil, "the `digests` of restored files to add, separated by commas: "+strings.Join(report.DigestNames, ", ")+", or all; every byte of the files is read for them")
	f.StringArrayVar(&r.known, "known", nil, "a `file` of hashes of known files, to look restored files up in; may be given more than once")
	f.StringSliceVar(&r.records, "records", nil, "write only records of these `kinds`: "+strings.Join(kindNames(), ", "))
	f.StringVar(&r.format, "format", "jsonl", "the `format`: jsonl, csv or parquet")
	form.add(cmd, "short for --format jsonl, which is the default", "short for --format csv")
	f.IntVarP(&r.jobs, "jobs", "j", min(runtime.NumCPU(), 8), "the `number` of images that are read at a time")
	f.BoolVar(&schema, "schema", false, "print a table of all records, fields and codes")
	choices(cmd, "digest", append([]string{"all"}, report.DigestNames...)...)
	choices(cmd, "records", kindNames()...)
	choices(cmd, "format", report.Formats...)
	return cmd
}

// kindNames are the kinds of records.
func kindNames() (out []string) {
	for _, k := range report.Kinds {
		out = append(out, string(k))
	}
	return out
}

// reporting writes the records of images.
type reporting struct {
	image   imageFlags
	options report.Options
	digests []string
	known   []string
	records []string
	format  string
	jobs    int

	sets []*known.Set
}

// maxJobs bounds how many images are read at a time.
const maxJobs = 256

func (r *reporting) run(ctx context.Context, images []string) (err error) {
	kinds, err := r.prepare(images, barsOf(ctx))
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(barsOf(ctx).stdout(), 1<<16)
	w, err := report.NewWriter(r.format, out, kinds)
	if err != nil {
		return fmt.Errorf("--format: %w", err)
	}
	bad, err := r.each(ctx, images, w)
	if err == nil {
		err = w.Close() // not after an error: an incomplete Parquet file must not look like a complete one
	}
	err = cmp.Or(err, out.Flush()) // the first error is the cause of the others
	if err != nil || bad == 0 {
		return err
	}
	why := "their problem records say why"
	if !slices.Contains(kinds, report.KindProblem) {
		why = "why, --records problem says"
	}
	return &exitError{exitProblems, fmt.Errorf("%d of %d images could not be opened or read to the end: %s", bad, len(images), why)}
}

// prepare translates the flags. It returns an error for wrong values before an image is opened.
func (r *reporting) prepare(images []string, said io.Writer) (kinds []report.Kind, err error) {
	if kinds, err = report.ParseKinds(r.records); err != nil {
		return nil, fmt.Errorf("--records: %w", err)
	}
	if r.options.Digests, err = report.ParseDigests(r.digests); err != nil {
		return nil, fmt.Errorf("--digest: %w", err)
	}
	switch {
	case r.jobs < 1 || r.jobs > maxJobs:
		return nil, fmt.Errorf("--jobs is 1 to %d, not %d", maxJobs, r.jobs)
	case len(r.image.pageFiles) > 0 && len(images) > 1:
		return nil, errors.New("--pagefile is of one system: give it with one image")
	case slices.Index(images, stdinArg) >= 0 && slices.Contains(images[slices.Index(images, stdinArg)+1:], stdinArg):
		return nil, errors.New("standard input can be read once: give - once")
	case r.format == "parquet" && term.IsTerminal(int(os.Stdout.Fd())):
		return nil, errors.New("--format parquet is not for a terminal: send it to a file")
	}
	if _, err := r.image.options(nil); err != nil {
		return nil, err
	}
	r.sets, err = openKnown(r.known, known.Options{CacheDir: digestCache(), Opened: noteSkipped(said)})
	return kinds, err
}

// heldRecords is how many records of an image are held while the images before it are written: some 40 MiB.
const heldRecords = 1 << 14

// imagesAhead bounds the images that are begun while an image before them is not written yet: so many for each image
// that is read at a time. So a slow image delays the other images little, and the memory for records does not grow
// with the number of images.
const imagesAhead = 4

// each writes the records of the images in their order. It returns how many images could not be opened, or not be read to the end.
func (r *reporting) each(ctx context.Context, images []string, w report.Writer) (bad int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	bars := barsOf(ctx)
	defer bars.finish()
	done := int64(0)
	for records := range r.begin(ctx, images) {
		bars.count("images", done, int64(len(images)))
		unread, err := writeAll(w, records)
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return bad, err
		}
		if unread {
			bad++
		}
		done++
	}
	return bad, ctx.Err()
}

// begin begins to read the images in their order, and sends a channel of records for each image.
func (r *reporting) begin(ctx context.Context, images []string) <-chan chan report.Record {
	all := make(chan chan report.Record, imagesAhead*r.jobs)
	var reading errgroup.Group
	reading.SetLimit(r.jobs)
	go func() {
		defer close(all)
		for _, path := range images {
			records := make(chan report.Record, heldRecords)
			select {
			case all <- records:
			case <-ctx.Done():
				return
			}
			reading.Go(func() error {
				defer close(records)
				r.read(ctx, path, records)
				return nil
			})
		}
	}()
	return all
}

// writeAll writes the records of an image. It reports whether the image could not be opened, or not be read to the end.
func writeAll(w report.Writer, records <-chan report.Record) (unread bool, err error) {
	for record := range records {
		unread = unread || isUnread(record)
		if err := w.Write(record); err != nil {
			return unread, err
		}
	}
	return unread, nil
}

// isUnread reports whether a record says that an image could not be opened, or not be read to the end.
func isUnread(r report.Record) bool {
	p, ok := r.(*report.Problem)
	return ok && (p.Stage == report.StageOpen || p.Code == reason.ReadFailed || p.Code == reason.Crashed)
}

// read sends the records of an image until ctx ends.
func (r *reporting) read(ctx context.Context, path string, to chan<- report.Record) {
	emit := func(record report.Record) error {
		select {
		case to <- record:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if ctx.Err() != nil {
		return
	}
	err := rescue.Call(func() error {
		im, err := r.image.openWith(ctx, path, linesOnly(barsOf(ctx)))
		if err != nil {
			return err
		}
		defer im.Close()
		o := r.options
		o.Known = report.NewLookup(r.sets) // each image has its own lookup, because a lookup keeps what it has found
		return report.Walk(ctx, im, o, emit)
	})
	if err != nil && ctx.Err() == nil {
		emit(report.OpenProblem(imageName(path), err))
	}
}
