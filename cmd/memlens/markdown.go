package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// What is said of a command in Markdown: for the man pages and for the manual.

// markdownEscapes keeps a text of the program, such as "<pid>-<name>", from being taken for Markdown.
var markdownEscapes = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "<", `\<`, "[", `\[`, "]", `\]`, "|", `\|`)

// escaped is a text as Markdown shows it unchanged.
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

// value is what the flag takes, behind a separator; empty where it takes nothing.
func (o *option) value(separator string) string {
	if o.takes == "" {
		return ""
	}
	return separator + "*" + escaped(o.takes) + "*"
}

// options are the flags of a set that are shown.
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

// defaultText says what a flag is when it is not given, where that is anything.
func defaultText(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "false", "[]", "0":
		return ""
	}
	return fmt.Sprintf(" (default: %s)", escaped(f.DefValue))
}

// description is the long text of a command, or its short one as a sentence.
func description(cmd *cobra.Command) string {
	if cmd.Long != "" {
		return indentedAsCode(cmd.Long)
	}
	return escaped(cmd.Short) + "."
}

// indentedAsCode escapes a text but for its indented lines, which Markdown shows as they are.
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

// documented are the commands below one, and itself, that have a page: not help, which says what they say.
func documented(cmd *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && !c.IsAdditionalHelpTopicCommand() {
			out = append(out, documented(c)...)
		}
	}
	return out
}
