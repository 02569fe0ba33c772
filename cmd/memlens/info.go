package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"memlens/fs"
	"memlens/memimage"
	"memlens/memimage/reason"
	"memlens/memimage/report"
)

func infoCommand() *cobra.Command {
	var image imageFlags
	var profiles, verify bool
	var form outputFlags
	cmd := &cobra.Command{
		Use:   "info IMAGE",
		Short: "Say what an image is: its format, its Windows, and how that was found",
		Long: `Prints the format of an image, how much memory is in it, which Windows it is of, and how that was found.

` + urlHelp,
		Example: `  memlens info xp.raw
  memlens info xp.raw --json | jq .windows
  memlens info case7.E01 --verify
  memlens info --profiles`,
		Args: func(cmd *cobra.Command, args []string) error {
			if profiles {
				return cobra.NoArgs(cmd, args)
			}
			return arguments(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if profiles {
				_, err := fmt.Fprintln(barsOf(cmd.Context()).stdout(), strings.Join(profileNames(), "\n"))
				return err
			}
			if err := form.check(cmd); err != nil {
				return err
			}
			image.verify = verify
			im, err := image.open(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer im.Close()
			out := barsOf(cmd.Context()).stdout()
			switch {
			case form.json:
				err = printJSON(out, im)
			case form.csv:
				err = printRecord(out, report.ImageOf(im))
			default:
				err = printInfo(out, im)
			}
			return errors.Join(err, unlike(im), unread(im))
		},
	}
	image.add(cmd)
	form.add(cmd, "as JSON: what image.json in the mount holds", "as CSV: a row, the image's record in memlens report")
	cmd.Flags().BoolVar(&verify, "verify", false, "read the whole image, and check the digests that its container has (E01, AFF4, zip)")
	cmd.Flags().BoolVar(&profiles, "profiles", false, "list the kernel profiles that are built in; no image is needed")
	return cmd
}

func printJSON(out io.Writer, im *memimage.Image) error {
	text, err := fs.ImageJSON(im)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

// printRecord prints a record as a table of one row.
func printRecord(out io.Writer, r report.Record) error {
	w, err := report.NewWriter("csv", out, []report.Kind{report.KindOf(r)})
	if err != nil {
		return err
	}
	return cmp.Or(w.Write(r), w.Close())
}

// unread is the error of a command that printed what it could, although a read of the evidence had failed.
func unread(im *memimage.Image) error {
	if err := im.Faults().Last(); err != nil {
		return fmt.Errorf("%s: what is printed may lack something, because a part cannot be read: %w", im.Path, err)
	}
	return nil
}

// unlike is the error of an image whose digests were checked and do not all match.
func unlike(im *memimage.Image) error {
	for _, v := range im.Verified {
		if !v.Good() {
			return fmt.Errorf("%s: %v", im.Path, v)
		}
	}
	return nil
}

// describe names the system in an image.
func describe(im *memimage.Image) string {
	k := im.Kernel
	return fmt.Sprintf("%s (build %d, %s)", k.OS(), k.Version.Build, k.Mode.Name)
}

func printInfo(out io.Writer, im *memimage.Image) error {
	r := report.ImageOf(im)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, plain(fmt.Sprintf(format, args...)))
	}
	list := func(name string, all []string) {
		for i, s := range all {
			row(heading(name, i), "%s", s)
		}
	}
	row("Image", "%s", r.Image)
	row("Format", "%s, %d bytes", r.Format, r.Size)
	row("Memory", "%s", memoryText(im, r))
	row("System", "%s", describe(im))
	if r.BuildLab != "" {
		row("Build", "%s", r.BuildLab)
	}
	if r.SystemTime != nil {
		row("Time", "%s", r.SystemTime.Format("2006-01-02 15:04:05 MST"))
	}
	if r.Dump {
		dumpRows(im, row)
	} else {
		kernelRows(r, row)
	}
	list("Digest", digestRows(im))
	list("Found", r.Found)
	if s := report.StoreOf(im); s != nil {
		row("Store", "%s", s.How)
	}
	list("Note", r.Assumed)
	for i, s := range r.Damage {
		row(heading("Damage", i), "%s", reason.Sentence(errors.New(s)))
	}
	return w.Flush()
}

// memoryText describes how much memory there is.
func memoryText(im *memimage.Image, r *report.Image) string {
	if d := report.DumpOf(im); d != nil {
		return fmt.Sprintf("%d KiB of the process's memory, in %d ranges", d.Present>>10, d.Ranges)
	}
	return fmt.Sprintf("%d MiB, of which %d MiB are in the image", r.MemorySize>>20, r.MemoryPresent>>20)
}

// kernelRows describe the kernel.
func kernelRows(r *report.Image, row func(name, format string, args ...any)) {
	row("Profile", "%s%s", r.Profile, map[bool]string{true: " (exactly this kernel's)", false: " (not this kernel's own: see how it was found)"}[r.ProfileExact])
	if r.KernelBase != 0 {
		row("Kernel", "%s at %s", r.Kernel, r.KernelBase)
	} else {
		row("Kernel", "%s, whose headers are not in memory", r.Kernel)
	}
	row("DTB", "%s", report.Offset(r.DTB))
	if r.KDBG != 0 {
		row("KDBG", "%s", r.KDBG)
	}
	row("Processes", "%d in the list", r.Processes)
}

// dumpRows describe the process in a dump.
func dumpRows(im *memimage.Image, row func(name, format string, args ...any)) {
	d := report.DumpOf(im)
	listed, _ := im.Processes()
	for _, p := range listed {
		r := report.BriefOf(p)
		row("Process", "%d, %s", r.PID, cmp.Or(r.Path, r.PEBPath))
	}
	row("Modules", "%d in the dump's list, %d unloaded", d.Modules, d.Unloaded)
	row("Threads", "%d", d.Threads)
	if f := d.Fault; f != nil {
		row("Exception", "%s in thread %d at %s", f.Code, f.Thread, f.Address)
	}
	for i, s := range d.Comments {
		row(heading("Comment", i), "%s", s)
	}
}

// digestRows list the digests that the container carries, and the result of checking them.
func digestRows(im *memimage.Image) []string {
	carried, checked := report.ContainerDigestsOf(im)
	if len(carried) == 0 && checked {
		return []string{"the container carries no digest of its content: there is nothing to check"}
	}
	var out []string
	for _, c := range carried {
		what := fmt.Sprintf("%s %s of %s", c.Algorithm, c.Value, c.Of)
		if c.Blocks {
			what = fmt.Sprintf("%s of each block of %s", c.Algorithm, c.Of)
		}
		out = append(out, what+": "+cmp.Or(c.Result, "not checked (--verify does it)"))
	}
	return out
}

// heading is the name of a list's first row.
func heading(name string, i int) string {
	if i > 0 {
		return ""
	}
	return name
}
