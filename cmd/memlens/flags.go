package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagError adds to the error about a flag's value which values the flag takes.
func flagError(cmd *cobra.Command, err error) error {
	invalid, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return fmt.Errorf("%w (%s --help lists the flags)", err, cmd.CommandPath())
	}
	return fmt.Errorf("--%s wants %s, not %q", invalid.GetFlag().Name, wanted(invalid.GetFlag().Value.Type()), invalid.GetValue())
}

// wanted describes the values of a flag's type.
func wanted(typ string) string {
	switch strings.TrimSuffix(typ, "Slice") {
	case "uint", "uint32", "uint64":
		return "a whole number from 0 on"
	case "int", "int64":
		return "a whole number"
	case "bool":
		return "true or false"
	case "duration":
		return "a time such as 90s or 10m"
	}
	return "something else"
}

// outputFlags choose an output for programs instead of the output for people.
type outputFlags struct{ json, csv bool }

func (o *outputFlags) add(cmd *cobra.Command, json, csv string) {
	cmd.Flags().BoolVar(&o.json, "json", false, json)
	cmd.Flags().BoolVar(&o.csv, "csv", false, csv)
}

// check returns an error if both forms are chosen at once.
func (o *outputFlags) check(cmd *cobra.Command) error {
	var given []string
	for _, name := range []string{"json", "csv", "format"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			given = append(given, "--"+name)
		}
	}
	if len(given) > 1 {
		return fmt.Errorf("%s exclude each other: give one", strings.Join(given, " and "))
	}
	return nil
}
