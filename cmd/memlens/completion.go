package main

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// completionScripts are our own scripts, completion.SHELL, because those of the library read the words of the line as code: a file
// name with spaces is several words to them, and they run a command in a word. The script for PowerShell is the library's.
//
//go:embed completion.bash completion.fish completion.zsh
var completionScripts embed.FS

// isForShell reports whether the arguments may be those with which a shell asks for completions, or for its script. Other
// commands need nothing of [completes].
func isForShell(args []string) bool {
	return slices.Contains(args, "completion") || asksForChoices(args)
}

// asksForChoices reports whether a shell asks for completions.
func asksForChoices(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// completes adds the command completion to the program, and makes shells complete what its commands and flags take.
func completes(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		completeArguments(cmd)
		cmd.Flags().VisitAll(func(f *pflag.Flag) { completeValue(cmd, f) })
	}
	root.InitDefaultCompletionCmd()
	shells, _, err := root.Find([]string{"completion"})
	if err != nil {
		panic(err) // the library has no such command
	}
	shells.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("there is no script for %s: there is one each for bash, fish, powershell and zsh", args[0])
		}
		return nil
	}
	shells.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	for _, shell := range []string{"bash", "fish", "zsh"} {
		cmd, _, err := root.Find([]string{"completion", shell})
		if err != nil {
			panic(err) // the library has no such command
		}
		cmd.RunE = printScript
		cmd.Long = strings.Replace(cmd.Long, libraryBashNeeds, bashNeeds, 1)
	}
}

// What the script for bash needs, in the help of the library's script and of ours.
const (
	libraryBashNeeds = `This script depends on the 'bash-completion' package.
If it is not installed already, you can install it via your OS's package manager.
`
	bashNeeds = `The script needs bash 4.4 or later. With bash 3.2, as on macOS, it completes only names of files.
It does not need the 'bash-completion' package. But only this package reads the folders below:
without it, put the first command into ~/.bashrc.
`
)

// printScript prints the script for the shell that the command is named for.
func printScript(cmd *cobra.Command, _ []string) error {
	script, err := completionScripts.ReadFile("completion." + cmd.Name())
	if err != nil {
		return err
	}
	request := cobra.ShellCompRequestCmd
	if bare, err := cmd.Flags().GetBool("no-descriptions"); err != nil || bare {
		request = cobra.ShellCompNoDescRequestCmd
	}
	_, err = fmt.Fprint(cmd.OutOrStdout(), strings.Replace(string(script), "__REQUEST__", request, 1))
	return err
}

// withoutQuotes removes the quotes in the descriptions of flags which make names of values in the help.
func withoutQuotes(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") })
	}
}

// completeArguments lets a shell complete the arguments of a command that takes one image.
func completeArguments(cmd *cobra.Command) {
	if cmd.ValidArgsFunction != nil || strings.Contains(cmd.Use, "...") {
		return
	}
	var kinds []cobra.ShellCompDirective
	if strings.Contains(cmd.Use, " IMAGE") {
		kinds = []cobra.ShellCompDirective{aFile}
	}
	cmd.ValidArgsFunction = inOrder(kinds...)
}

// completeValue lets a shell complete the value of a flag by files, by folders, or by nothing, as the name of the value in the
// flag's description says.
func completeValue(cmd *cobra.Command, f *pflag.Flag) {
	if _, has := cmd.GetFlagCompletionFunc(f.Name); has {
		return
	}
	kind := nothing
	switch name, _ := pflag.UnquoteUsage(f); name {
	case "file":
		kind = aFile
	case "folder":
		kind = aFolder
	}
	register(cmd, f.Name, cobra.FixedCompletions(nil, kind))
}

// What a shell completes a word by.
const (
	aFile   = cobra.ShellCompDirectiveDefault
	aFolder = cobra.ShellCompDirectiveFilterDirs
	nothing = cobra.ShellCompDirectiveNoFileComp
)

// inOrder lets a shell complete the arguments of a command, each by its own kind, and no more arguments than there are kinds.
// The arguments of a command behind -- are completed by files.
func inOrder(kinds ...cobra.ShellCompDirective) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		switch at := cmd.ArgsLenAtDash(); {
		case len(args) < len(kinds):
			return nil, kinds[len(args)]
		case at >= 0 && at < len(args):
			return nil, aFile
		}
		return nil, nothing
	}
}

// choices lets a shell complete the values of a flag. If it takes several with commas, none is offered twice.
func choices(cmd *cobra.Command, flag string, values ...string) {
	_, several := cmd.Flags().Lookup(flag).Value.(pflag.SliceValue)
	register(cmd, flag, func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		before := ""
		if at := strings.LastIndexByte(typed, ','); several && at >= 0 {
			before = typed[:at+1]
		}
		var out []string
		for _, v := range values {
			if !slices.Contains(strings.Split(before, ","), v) {
				out = append(out, before+v)
			}
		}
		return out, nothing
	})
}

func register(cmd *cobra.Command, flag string, complete cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // the command has no such flag
	}
}
