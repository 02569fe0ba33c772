package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"memlens/memimage/format"
	"memlens/memimage/reason"
)

// heapGrowth is how much the heap may grow before garbage is collected, in percent of the memory in use. A mount
// keeps everything that the kernel has looked at, some 5 MiB per 1,000 processes. With Go's default of 100, the
// program would hold twice that.
const heapGrowth = 70

// firstGrowth makes the first collection wait until 16 MiB are in use. It is in percent of Go's least heap of 4 MiB.
// A mount of some tens of processes whose executables are read once needs half of that in all.
const firstGrowth = 400

// limitHeap sets firstGrowth, and sets heapGrowth after the first collection of garbage. It changes nothing if the user has set GOGC.
func limitHeap() {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(firstGrowth)
	garbage := &struct{ self any }{} // it has a pointer, because an object without one may share its memory with objects in use
	runtime.AddCleanup(garbage, func(growth int) { debug.SetGCPercent(growth) }, heapGrowth)
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "memlens",
		Short: "Mount a Windows memory image: every process a directory, its executable and pictures of it as files",
		Long: `memlens shows a Windows memory image (XP to 11), or the minidump of a process, as a read-only tree of files. Every process is
a directory; in it lie its executable as recovered from memory, pictures of it, and comparisons with reference files, so that
md5sum, ssdeep, cmp, image viewers and scripts work on them. It needs no symbols, no network and no configuration.

` + urlHelp,
		Example: `  memlens demo
  memlens mount memory.raw /mnt/memory --reference ./originals
  memlens serve memory.raw
  memlens info memory.raw
  memlens info s3://bucket/memory.raw
  xzcat memory.raw.xz | memlens info -
  memlens pages memory.raw
  memlens report *.raw --modules > case.jsonl
  memlens extract memory.raw --out recovered --pid 3256`,
		Version:       versionText(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("memlens {{.Version}}\n")
	root.Flags().BoolP("version", "V", false, "print the version")
	root.SetFlagErrorFunc(flagError)
	verbose := root.PersistentFlags().BoolP("verbose", "v", false, "say on standard error what the program does")
	root.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
		limitHeap()
		level := slog.LevelWarn
		if *verbose {
			level = slog.LevelDebug
		}
		slog.SetDefault(slog.New(newLineHandler(barsOf(cmd.Context()), level)))
	}
	root.SetUsageTemplate(wrapped(root.UsageTemplate()))
	root.AddCommand(mountCommand(), serveCommand(), infoCommand(), pagesCommand(), reportCommand(), extractCommand(), demoCommand(), docsCommand(), manCommand(), versionCommand())
	helpsOnlyWithCommands(root)
	for _, cmd := range root.Commands() {
		cmd.Flags().VisitAll(plainDefault)
	}
	return root
}

// helpsOnlyWithCommands makes the help command fail for a command that does not exist.
func helpsOnlyWithCommands(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, help := range root.Commands() {
		if help.Name() != "help" {
			continue
		}
		show := help.Run
		help.Run, help.RunE = nil, func(cmd *cobra.Command, args []string) error {
			of, rest, err := root.Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return fmt.Errorf("%s has no command %q", of.CommandPath(), rest[0])
			}
			show(cmd, args)
			return nil
		}
	}
}

// helpColumns is how wide the lines of the help become.
const helpColumns = 110

// wrapped changes a template of help: the text about flags is wrapped, and the help of the program itself ends with the exit statuses.
func wrapped(template string) string {
	return strings.ReplaceAll(template, ".FlagUsages", fmt.Sprint(".FlagUsagesWrapped ", helpColumns)) + "{{if not .HasParent}}\n" + exitHelp() + "\n{{end}}"
}

// plainDefault writes the default of a flag without Go's quotes and brackets.
func plainDefault(f *pflag.Flag) {
	value := strings.Trim(f.DefValue, "[]")
	switch f.Value.Type() {
	case "bool", "int", "int64":
		return
	}
	if value != "" {
		f.Usage += " (default: " + value + ")"
	}
	f.DefValue = ""
	if typ := f.Value.Type(); typ == "stringSlice" || typ == "stringArray" {
		f.DefValue = "[]" // as the help knows them to be empty
	}
}

// message is the text of an error for a user.
func message(err error) string {
	s := reason.Sentence(err)
	s = strings.ReplaceAll(s, "\t", "  ") // suggestions are indented
	if errors.Is(err, context.Canceled) {
		s = strings.ReplaceAll(s, context.Canceled.Error(), "interrupted")
	}
	if errors.Is(err, os.ErrPermission) && !strings.Contains(s, "as root") {
		s += permissionHint(err, s)
	}
	if errors.As(err, new(*format.SpaceError)) {
		s += " (--spool-dir names it)"
	}
	return plain(strings.TrimRight(s, "\n "))
}

// permissionHint says what to do about an error of permissions, whose text is s.
func permissionHint(err error, s string) string {
	switch at, _ := errors.AsType[*os.PathError](err); {
	case strings.Contains(s, "/dev/fuse"): // the text says what else to do
		return ""
	case at != nil && at.Op == "mkdir":
		return " (name a folder that you may write to)"
	}
	return " (try as root, or have the file made readable)"
}

// prefixed puts the program's name before every line of a text that is not indented: each is an error of its own. A
// paragraph behind the first, such as a suggestion, has none.
func prefixed(text string) string {
	first, rest, more := strings.Cut(text, "\n\n")
	lines := strings.Split(first, "\n")
	for i, line := range lines {
		if i == 0 || line != "" && line[0] != ' ' {
			lines[i] = "memlens: " + line
		}
	}
	out := strings.Join(lines, "\n")
	if more {
		out += "\n\n" + rest
	}
	return out
}

// plain replaces control characters, because texts of an image may be made to control a terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
