package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Println("memlens", versionText())
			return err
		},
	}
}

// versionText is the program's version, the version of Go, and the system that it was built for.
func versionText() string {
	return fmt.Sprint(buildVersion(), " ", runtime.Version(), " ", runtime.GOOS, "/", runtime.GOARCH)
}

// buildVersion is the module's version, or the revision that was built.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	const none = "(devel)"
	version := cmp.Or(info.Main.Version, none)
	if revision := buildSetting("vcs.revision"); version == none && revision != "" {
		return revision[:min(12, len(revision))]
	}
	return version
}

// buildSetting is a setting of the build; empty if the build does not have it.
func buildSetting(key string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
