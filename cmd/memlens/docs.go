package main

import (
	"cmp"
	"embed"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"memlens/fs"
	"memlens/memimage/format"
	"memlens/memimage/report"
)

//go:embed docs
var prose embed.FS

func docsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "docs [CHAPTER...]",
		Short: "Print the whole manual as Markdown, or some chapters of it",
		Long: `Prints the manual as one Markdown document: details that the README leaves out, and tables that are made from the program itself:
commands and flags, the files in the tree, the columns of its tables, the fields and codes of records, exit statuses.

Chapters: ` + strings.Join(chapterNames(), ", ") + `.`,
		Example: `  memlens docs > memlens.md
  memlens docs references
  memlens docs columns records | less`,
		Args: func(cmd *cobra.Command, args []string) error {
			for _, name := range args {
				if !slices.Contains(chapterNames(), name) {
					return fmt.Errorf("there is no chapter %q, but %s", name, strings.Join(chapterNames(), ", "))
				}
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return chapterNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return writeManual(cmd.OutOrStdout(), cmd.Root())
			}
			for _, c := range chapters() {
				if slices.Contains(args, c.name) {
					fmt.Fprintln(cmd.OutOrStdout(), c.text(cmd.Root()))
				}
			}
			return nil
		},
	}
}

// chapter is a part of the manual: a row of pieces. The first piece begins with the chapter's title.
type chapter struct {
	name   string
	pieces []piece
}

// piece makes a part of a chapter.
type piece func(root *cobra.Command) string

// chapters returns the chapters of the manual, in order.
func chapters() []chapter {
	return []chapter{
		{"install", []piece{proseOf("install.md")}},
		{"files", []piece{proseOf("files.md"), filesTables}},
		{"modules", []piece{proseOf("modules.md")}},
		{"changes", []piece{proseOf("changes.md")}},
		{"references", []piece{proseOf("references.md")}},
		{"known", []piece{proseOf("known.md")}},
		{"debuggers", []piece{proseOf("debuggers.md")}},
		{"missing", []piece{proseOf("missing.md")}},
		{"formats", []piece{proseOf("formats.md"), func(*cobra.Command) string { return format.FormsTable() }, proseOf("formatnotes.md")}},
		{"network", []piece{proseOf("network.md")}},
		{"dumps", []piece{proseOf("dumps.md")}},
		{"mounting", []piece{proseOf("mounting.md"), func(*cobra.Command) string { return "```ini\n" + read(unitName) + "```\n" }}},
		{"browsing", []piece{proseOf("browsing.md")}},
		{"commands", []piece{commandsChapter}},
		{"columns", []piece{columnsTables}},
		{"records", []piece{proseOf("records.md"), schemaTables}},
		{"exit", []piece{exitTable}},
		{"speed", []piece{proseOf("speed.md")}},
		{"design", []piece{proseOf("design.md")}},
	}
}

// unitName is the systemd unit, which is a part of the packages.
const unitName = "memlens@.service"

func chapterNames() (out []string) {
	for _, c := range chapters() {
		out = append(out, c.name)
	}
	return out
}

// proseOf returns a piece whose text is a file in the program.
func proseOf(name string) piece { return func(*cobra.Command) string { return read(name) } }

func read(name string) string {
	data, err := prose.ReadFile("docs/" + name)
	if err != nil {
		panic(err) // the file is a part of the program
	}
	return string(data)
}

func (c *chapter) text(root *cobra.Command) string {
	var out strings.Builder
	for _, p := range c.pieces {
		out.WriteString(p(root))
	}
	return out.String()
}

// writeManual writes all chapters, with a list of the chapters before them.
func writeManual(w io.Writer, root *cobra.Command) error {
	var list, body strings.Builder
	for _, c := range chapters() {
		text := c.text(root)
		title, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
		fmt.Fprintf(&list, "- [%s](#%s)\n", title, anchor(title))
		body.WriteString("\n" + deeper(text))
	}
	_, err := fmt.Fprintf(w, "# memlens %s\n\n%s.\n\n%s%s", buildVersion(), root.Short, list.String(), body.String())
	return err
}

// anchor is the anchor of a heading in Markdown, as hosting sites make it.
func anchor(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			return r
		}
		return -1
	}, strings.ToLower(title))
}

// deeper puts each heading of a text one level lower.
func deeper(text string) string {
	var out strings.Builder
	inCode := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			inCode = !inCode
		}
		if !inCode && strings.HasPrefix(line, "#") {
			out.WriteByte('#')
		}
		out.WriteString(line)
	}
	return out.String()
}

// entryTable is a table of names and their meanings.
func entryTable(head string, entries []fs.Entry) string {
	var out strings.Builder
	fmt.Fprintf(&out, "| %s | what it is |\n|---|---|\n", head)
	for _, e := range entries {
		fmt.Fprintf(&out, "| `%s` | %s |\n", e.Name, escaped(e.Doc))
	}
	return out.String()
}

func filesTables(*cobra.Command) string {
	var out strings.Builder
	for _, f := range fs.Contents() {
		fmt.Fprintf(&out, "\n## %s\n\n%s", f.Where, entryTable("file", f.Entries))
	}
	return out.String()
}

func columnsTables(*cobra.Command) string {
	var out strings.Builder
	out.WriteString("# Columns of the tables in the mount\n\nNumbers that begin with 0x are hexadecimal, times are RFC 3339 in UTC. A cell is empty where a value is not known or there is none.\n")
	for _, t := range fs.Tables() {
		fmt.Fprintf(&out, "\n## %s\n\n%s", t.Name, entryTable("column", t.Columns))
	}
	return out.String()
}

// schemaTables are the tables of the records, without their title.
func schemaTables(*cobra.Command) string {
	title, rest, _ := strings.Cut(report.SchemaText(), "\n")
	return "## " + strings.TrimPrefix(title, "# ") + "\n" + deeper(rest)
}

func exitTable(*cobra.Command) string {
	var out strings.Builder
	out.WriteString("# Exit statuses\n\n| command | status | meaning |\n|---|---|---|\n")
	for _, s := range exitStatuses {
		fmt.Fprintf(&out, "| %s | %s | %s |\n", cmp.Or(s.of, "any"), s.status, escaped(s.means))
	}
	return out.String()
}

// commandsChapter describes all commands with their flags.
func commandsChapter(root *cobra.Command) string {
	var out strings.Builder
	out.WriteString("# Commands\n")
	for _, cmd := range documented(root) {
		cmd.InitDefaultHelpFlag()
		fmt.Fprintf(&out, "\n## %s\n\n`%s`\n\n%s\n", cmd.CommandPath(), cmd.UseLine(), description(cmd))
		if flags := options(cmd.NonInheritedFlags()); len(flags) > 0 {
			out.WriteString("\n| flag | what it does |\n|---|---|\n")
			for _, o := range flags {
				fmt.Fprintf(&out, "| %s | %s |\n", o.names(), o.text)
			}
		}
		if cmd.Example != "" {
			out.WriteString("\n" + codeBlock(cmd.Example))
		}
	}
	return out.String()
}
