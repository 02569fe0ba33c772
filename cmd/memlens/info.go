package main

import (
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
	var asJSON, profiles bool
	cmd := &cobra.Command{
		Use:   "info IMAGE",
		Short: "Say what an image is: its format, its Windows, and how that was found",
		Example: `  memlens info xp.raw
  memlens info xp.raw --json | jq .windows
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
			im, err := image.open(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer im.Close()
			if asJSON {
				text, err := fs.ImageJSON(im)
				if err != nil {
					return err
				}
				_, err = os.Stdout.Write(text)
				return err
			}
			return printInfo(os.Stdout, im)
		},
	}
	image.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON: what image.json in the mount holds")
	cmd.Flags().BoolVar(&profiles, "profiles", false, "list the kernel profiles built in")
	return cmd
}

// describe names the system in an image.
func describe(im *memimage.Image) string {
	k := im.Kernel
	return fmt.Sprintf("%s (build %d, %s)", k.Version.OS(k.Profile.Arch()), k.Version.Build, k.Mode.Name)
}

func printInfo(out io.Writer, im *memimage.Image) error {
	k := im.Kernel
	listed, damage := im.Processes()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, plain(fmt.Sprintf(format, args...)))
	}
	row("Image", "%s", im.Path)
	row("Format", "%s, %d bytes", im.Container.Format, im.Size)
	row("Memory", "%d MiB, of which %d MiB are in the image", im.Container.Memory.Size()>>20, im.Container.Memory.Covered()>>20)
	row("System", "%s", describe(im))
	if k.Lab != "" {
		row("Build", "%s", k.Lab)
	}
	if !k.SystemTime.IsZero() {
		row("Time", "%s", k.SystemTime.Format("2006-01-02 15:04:05 MST"))
	}
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
	for i, s := range k.Found {
		row(heading("Found", i), "%s", s)
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

// heading is the name of a list's first row.
func heading(name string, i int) string {
	if i > 0 {
		return ""
	}
	return name
}
