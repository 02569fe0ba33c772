package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// The program is a mount helper, too. mount(8) calls it by the name mount.memlens or mount.fuse.memlens for file
// systems of that type, and mount.fuse calls it by its own name, without a command. Both give the image, the folder and options.

// helperArgs turns the arguments of a mount helper into arguments of the mount command. ok is false if they are no
// arguments of a mount helper.
func helperArgs(program string, args []string, isCommand func(string) bool) (out []string, ok bool, err error) {
	byName := strings.HasPrefix(filepath.Base(program), "mount.")
	if !byName && (len(args) < 3 || strings.HasPrefix(args[0], "-") || isCommand(args[0]) || !slices.Contains(args[2:], "-o") || !isFolder(args[1])) {
		return nil, false, nil
	}
	out = []string{"mount", "--daemon"}
	var places []string
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "-o" && i+1 < len(args):
			i++
			flags, err := mountFlags(args[i])
			if err != nil {
				return nil, true, err
			}
			out = append(out, flags...)
		case arg == "-t" && i+1 < len(args):
			i++
		case arg == "-v":
			out = append(out, arg)
		case arg == "-s" || arg == "-n" || arg == "-f" || arg == "-N": // they are for mount(8) only
		case strings.HasPrefix(arg, "-"):
			return nil, true, fmt.Errorf("a mount helper takes an image, a folder and -o options, not %s", arg)
		default:
			places = append(places, arg)
		}
	}
	if len(places) != 2 {
		return nil, true, fmt.Errorf("a mount helper takes an image and a folder, not %q", places)
	}
	return append(out, places...), true, nil
}

// ignoredOptions are options of mount(8) and of fstab that change nothing here: the mount is read-only, nosuid, nodev
// and noexec in any case. mount(8) itself adds rw if fstab has "defaults", or nothing.
var ignoredOptions = []string{"ro", "rw", "nosuid", "nodev", "noexec", "dev", "suid", "exec", "defaults", "auto", "noauto", "_netdev", "nofail",
	"atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime", "lazytime", "nolazytime",
	"sync", "async", "dirsync", "silent", "loud", "mand", "nomand", "iversion", "noiversion",
	"user", "nouser", "users", "nousers", "owner", "noowner", "group", "nogroup"}

// isIgnored reports whether an option changes nothing here.
func isIgnored(option string) bool {
	for _, prefix := range []string{"x-", "X-", "comment=", "user="} {
		if strings.HasPrefix(option, prefix) {
			return true
		}
	}
	return option == "" || slices.Contains(ignoredOptions, option)
}

// mountFlags turns options of mount(8) into flags: the options are called like the flags of the mount command. A
// comma in a value is written \,.
func mountFlags(options string) (out []string, err error) {
	for _, o := range splitOptions(options) {
		name, value, has := strings.Cut(o, "=")
		name = strings.ReplaceAll(name, "_", "-")
		flag := mountCommand().Flags().Lookup(name)
		switch {
		case isIgnored(o):
		case flag == nil:
			return nil, fmt.Errorf("there is no option %q: options are the flags of memlens mount, such as reference=FOLDER", o)
		case !has && flag.NoOptDefVal == "":
			return nil, fmt.Errorf("the option %s wants a value: %s=…", name, name)
		case has:
			out = append(out, "--"+name+"="+value)
		default:
			out = append(out, "--"+name)
		}
	}
	return out, nil
}

// splitOptions splits options at commas that have no \ before them.
func splitOptions(s string) (out []string) {
	var one strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == ',':
			i++
			one.WriteByte(',')
		case s[i] == ',':
			out = append(out, one.String())
			one.Reset()
		default:
			one.WriteByte(s[i])
		}
	}
	return append(out, one.String())
}

// isCommandOf reports whether a word is a command of the program.
func isCommandOf(root *cobra.Command) func(string) bool {
	return func(word string) bool {
		found, _, err := root.Find([]string{word})
		return err == nil && found != root
	}
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}
