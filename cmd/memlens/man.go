package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man FOLDER",
		Short: "Write the man pages of all commands to a folder",
		Long: `Writes a page per command (memlens.1, memlens-mount.1 …), and mount.fuse.memlens.8, which explains how mount(8) and fstab mount
an image. The same build of the program writes the same bytes. "memlens docs" prints the longer texts.`,
		Example: `  memlens man ~/.local/share/man/man1
  memlens man .
  man ./memlens-mount.1`,
		Args: arguments(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return err
			}
			for _, page := range manPages(cmd.Root()) {
				if err := os.WriteFile(filepath.Join(args[0], page.file()), md2man.Render(page.markdown()), 0o666); err != nil {
					return err
				}
			}
			return nil
		},
		ValidArgsFunction: inOrder(aFolder),
	}
}

// manPage is a page of the manual, as Markdown.
type manPage struct {
	name, section, short string
	synopsis             string // Markdown
	parts                []manPart
}

// manPart is a section of a page. A section without a body is left out.
type manPart struct{ title, body string }

func (p *manPage) file() string { return p.name + "." + p.section }

// manPages returns all pages: a page for each command, and the page of the mount helper.
func manPages(root *cobra.Command) []*manPage {
	var out []*manPage
	for _, cmd := range documented(root) {
		out = append(out, commandPage(cmd))
	}
	return append(out, helperPage())
}

// commandPage is the page of a command.
func commandPage(cmd *cobra.Command) *manPage {
	cmd.InitDefaultHelpFlag()
	p := &manPage{name: pageName(cmd), section: "1", short: cmd.Short, synopsis: "**" + escaped(cmd.UseLine()) + "**"}
	if cmd.HasAvailableSubCommands() {
		p.synopsis = "**" + escaped(cmd.CommandPath()) + " COMMAND** [flags]"
	}
	p.parts = []manPart{
		{"DESCRIPTION", description(cmd)},
		{"COMMANDS", commandList(cmd)},
		{"OPTIONS", optionList(cmd.NonInheritedFlags())},
		{"OPTIONS OF ALL COMMANDS", optionList(cmd.InheritedFlags())},
		{"EXAMPLES", codeBlock(cmd.Example)},
		{"EXIT STATUS", exitList(cmd)},
		{"SEE ALSO", seeAlso(cmd)},
	}
	return p
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// commandList is a list of the commands of a command, if it has any.
func commandList(cmd *cobra.Command) string {
	var out strings.Builder
	for _, c := range documented(cmd)[1:] {
		if c.Parent() == cmd {
			fmt.Fprintf(&out, "**%s**(1)\n: %s\n\n", pageName(c), escaped(c.Short))
		}
	}
	return out.String()
}

func optionList(flags *pflag.FlagSet) string {
	var out strings.Builder
	for _, o := range options(flags) {
		fmt.Fprintf(&out, "%s\n: %s\n\n", o.names(), o.text)
	}
	return out.String()
}

func codeBlock(text string) string {
	if text == "" {
		return ""
	}
	return "```\n" + strings.Trim(text, "\n") + "\n```\n"
}

// exitList is a list of the statuses of a command. For the program itself, it has the statuses of all commands.
func exitList(cmd *cobra.Command) string {
	var out strings.Builder
	for _, s := range exitStatuses {
		if cmd.HasParent() && s.of != "" && s.of != cmd.Name() {
			continue
		}
		of := ""
		if !cmd.HasParent() && s.of != "" {
			of = "**" + s.of + "**: "
		}
		fmt.Fprintf(&out, "%s\n: %s%s\n\n", s.status, of, escaped(s.means))
	}
	return out.String()
}

func seeAlso(cmd *cobra.Command) string {
	switch {
	case !cmd.HasParent():
		return "**mount.fuse.memlens**(8)"
	case cmd.Name() == "mount":
		return "**memlens**(1), **mount.fuse.memlens**(8), **fusermount3**(1)"
	}
	return "**" + pageName(cmd.Parent()) + "**(1)"
}

// helperPage is the page of the program as a mount helper.
func helperPage() *manPage {
	return &manPage{name: "mount.fuse.memlens", section: "8", short: "mount a Windows memory image by mount(8) and fstab",
		synopsis: "**mount -t fuse.memlens** *IMAGE* *FOLDER* [**-o** *options*]",
		parts: []manPart{
			{"DESCRIPTION", `mount(8) calls the program by this name for the file system type fuse.memlens. The program mounts the image as **memlens mount --daemon**
does, and serves it in the background until **umount** *FOLDER*.

Options are the flags of **memlens mount** without their dashes, with commas between them; an underscore may stand for a dash. A comma in a value is written as \\,. Options that concern mount(8) alone, such as **noauto** and **user**, are accepted; the mount is read-only whatever they say.`},
			{"OPTIONS", helperOptions(mountCommand().Flags())},
			{"EXAMPLES", codeBlock(fstabExample)},
			{"SEE ALSO", "**memlens-mount**(1), **mount**(8), **fstab**(5)"},
		}}
}

// helperOptions are the flags of the mount command, as options of mount(8).
func helperOptions(flags *pflag.FlagSet) string {
	var out strings.Builder
	for _, o := range options(flags) {
		if o.flag != "daemon" {
			fmt.Fprintf(&out, "**%s**%s\n: %s\n\n", o.flag, o.value("="), o.text)
		}
	}
	return out.String()
}

// fstabExample shows how mount(8) and fstab mount an image.
const fstabExample = `  mount -t fuse.memlens /evidence/xp.raw /mnt/xp -o reference=/evidence/originals,allow_other

  # in /etc/fstab
  /evidence/xp.raw  /mnt/xp  fuse.memlens  noauto,user,reference=/evidence/originals  0 0`

// markdown is the page in the form for md2man.
func (p *manPage) markdown() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "%% %q %q %q %q %q\n# NAME\n%s - %s\n\n# SYNOPSIS\n%s\n\n", strings.ToUpper(p.name), p.section,
		buildTime().Format("2006-01-02"), "memlens "+buildVersion(), "memlens", p.name, lowerFirst(escaped(p.short)), p.synopsis)
	for _, part := range p.parts {
		if part.body != "" {
			fmt.Fprintf(&out, "# %s\n%s\n\n", part.title, part.body)
		}
	}
	return out.Bytes()
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// buildTime is the time of the revision that was built; a fixed time if the build does not know it.
func buildTime() time.Time {
	if t, err := time.Parse(time.RFC3339, buildSetting("vcs.time")); err == nil {
		return t.UTC()
	}
	return time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
}
