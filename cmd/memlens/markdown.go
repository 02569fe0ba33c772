package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The description of commands in Markdown, for the man pages and for the manual.

// markdownEscapes keeps texts of the program, such as "<pid>-<name>", from being read as Markdown.
var markdownEscapes = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "<", `\<`, "[", `\[`, "]", `\]`, "|", `\|`)

// escaped returns the text in a form that Markdown shows unchanged.
func escaped(s string) string { return markdownEscapes.Replace(s) }

// option is a flag as documents show it.
type option struct {
	flag, short, takes string
	text               string // Markdown
}

// names are the ways to write the flag, in Markdown.
func (o *option) names() string {
	out := "**--" + o.flag + "**" + o.value(" ")
	if o.short != "" {
		out = "**-" + o.short + "**, " + out
	}
	return out
}

// value is the flag's value, behind a separator; empty if the flag takes none.
func (o *option) value(separator string) string {
	if o.takes == "" {
		return ""
	}
	return separator + "*" + escaped(o.takes) + "*"
}

// options are the visible flags of a set.
func options(flags *pflag.FlagSet) (out []option) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Deprecated != "" {
			return
		}
		takes, text := pflag.UnquoteUsage(f)
		out = append(out, option{f.Name, f.Shorthand, takes, escaped(text) + defaultText(f)})
	})
	return out
}

// defaultText describes a flag's default, if it has one.
func defaultText(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "false", "[]", "0":
		return ""
	}
	return fmt.Sprintf(" (default: %s)", escaped(f.DefValue))
}

// description is the long text of a command, or its short text as a sentence.
func description(cmd *cobra.Command) string {
	if cmd.Long != "" {
		return indentedAsCode(cmd.Long)
	}
	return escaped(cmd.Short) + "."
}

// indentedAsCode escapes a text except its indented lines, which Markdown shows unchanged.
func indentedAsCode(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "\t") && !strings.HasPrefix(line, "    ") {
			line = escaped(line)
		}
		out.WriteString(line)
	}
	return out.String()
}

// documented returns a command and its subcommands that have a page. help has none: it would only repeat the other pages.
func documented(cmd *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && !c.IsAdditionalHelpTopicCommand() {
			out = append(out, documented(c)...)
		}
	}
	return out
}
