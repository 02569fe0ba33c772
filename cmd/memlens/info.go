package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"memlens/fs"
	"memlens/memimage"
)

func infoCommand() *cobra.Command {
	var image imageFlags
	var asJSON, profiles, verify bool
	cmd := &cobra.Command{
		Use:   "info IMAGE",
		Short: "Say what an image is: its format, its Windows, and how that was found",
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
				for _, name := range profileNames() {
					fmt.Println(name)
				}
				return nil
			}
			image.verify = verify
			im, err := image.open(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer im.Close()
			if asJSON {
				err = printJSON(os.Stdout, im)
			} else {
				err = printInfo(os.Stdout, im)
			}
			return errors.Join(err, unlike(im))
		},
	}
	image.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON: what image.json in the mount holds")
	cmd.Flags().BoolVar(&verify, "verify", false, "read all of the image and check the digests that its container carries (E01, AFF4, zip)")
	cmd.Flags().BoolVar(&profiles, "profiles", false, "list the kernel profiles built in")
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

// unlike is the error of an image whose digests were checked and are not all right.
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
	k := im.Kernel
	_, damage := im.Processes()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, plain(fmt.Sprintf(format, args...)))
	}
	row("Image", "%s", im.Path)
	row("Format", "%s, %d bytes", im.Container.Format, im.Size)
	row("Memory", "%s", memoryText(im))
	row("System", "%s", describe(im))
	if k.Lab != "" {
		row("Build", "%s", k.Lab)
	}
	if !k.SystemTime.IsZero() {
		row("Time", "%s", k.SystemTime.Format("2006-01-02 15:04:05 MST"))
	}
	if im.IsDump() {
		dumpRows(im, row)
	} else {
		kernelRows(im, row)
	}
	for i, s := range digestRows(im) {
		row(heading("Digest", i), "%s", s)
	}
	for i, s := range k.Found {
		row(heading("Found", i), "%s", s)
	}
	if c := k.CompressedStore(); c != nil {
		row("Store", "%v", c)
	}
	for i, s := range slices.Concat(im.Container.Notes, im.Assumed()) {
		row(heading("Note", i), "%s", s)
	}
	n := 0
	for _, err := range damage {
		row(heading("Damage", n), "%s", message(err))
		n++
	}
	for _, s := range slices.Concat(im.Container.Doubts, im.Container.Damage()) {
		row(heading("Damage", n), "%s", s)
		n++
	}
	return w.Flush()
}

// memoryText says how much memory there is.
func memoryText(im *memimage.Image) string {
	mem := im.Container.Memory
	if im.IsDump() {
		return fmt.Sprintf("%d KiB of the process's memory, in %d ranges", mem.Covered()>>10, im.Container.Process.Ranges)
	}
	return fmt.Sprintf("%d MiB, of which %d MiB are in the image", mem.Size()>>20, mem.Covered()>>20)
}

// kernelRows tell of the kernel.
func kernelRows(im *memimage.Image, row func(name, format string, args ...any)) {
	k := im.Kernel
	listed, _ := im.Processes()
	row("Profile", "%s%s", k.Profile.Name(), map[bool]string{true: " (exactly this kernel's)", false: " (not this kernel's own: see how it was found)"}[k.Exact])
	if k.Base != 0 {
		row("Kernel", "%s at %#x", k.Name, uint64(k.Base))
	} else {
		row("Kernel", "%s, whose headers are not in memory", k.Name)
	}
	row("DTB", "%#x", uint64(k.DTB()))
	if k.KDBG != 0 {
		row("KDBG", "%#x", uint64(k.KDBG))
	}
	row("Processes", "%d in the list", len(listed))
}

// dumpRows tell of the process in a dump.
func dumpRows(im *memimage.Image, row func(name, format string, args ...any)) {
	d := im.Container.Process
	listed, _ := im.Processes()
	for _, p := range listed {
		row("Process", "%d, %s", p.PID, cmp.Or(p.ExecutablePath(), p.PEBPath()))
	}
	row("Modules", "%d in the dump's list, %d unloaded", len(d.Modules), len(d.Unloaded))
	row("Threads", "%d", len(d.Threads))
	if f := d.Fault; f != nil {
		row("Exception", "%#x in thread %d at %#x", f.Code, f.Thread, f.Address)
	}
	for i, s := range d.Comments {
		row(heading("Comment", i), "%s", s)
	}
}

// digestRows says which digests the container carries, and what came of checking them.
func digestRows(im *memimage.Image) []string {
	carried := im.Carried()
	if len(carried) == 0 && im.Verified != nil {
		return []string{"the container carries no digest of its content: there is nothing to check"}
	}
	var out []string
	for _, c := range carried {
		what := fmt.Sprintf("%s %x of %s", c.Algorithm, c.Value, c.Of)
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
