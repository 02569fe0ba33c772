package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestMessagesOfFlags: the error about a wrong value of a flag names the right values, and the error about an unknown
// command suggests a command.
func TestMessagesOfFlags(t *testing.T) {
	empty := t.TempDir()
	text := writeFile(t, "text", []byte("no page file"))
	image, _ := demo(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"extract", image, "--out", "x", "--pid", "abc"}, `memlens: --pid wants a whole number from 0 on, not "abc"`},
		{[]string{"extract", image, "--out", "x", "--width", "1.5"}, `memlens: --width wants a whole number, not "1.5"`},
		{[]string{"info", image, "--json=maybe"}, `memlens: --json wants true or false, not "maybe"`},
		{[]string{"mont"}, "\n\nDid you mean this?\n  man\n  mount"},
		{[]string{"info", image, "--symbols", empty}, "is a PDB file (.pdb) or a symbol table of Volatility 3 (.json, .json.xz, .json.gz)"},
		{[]string{"info", image, "--symbols", empty + "/none"}, "--symbols: "},
		{[]string{"info", image, "--pagefile", text}, "is no page file: it has 12 bytes"},
	} {
		r := memlens(t, c.args...)
		if r.code != 1 || !strings.Contains(r.stderr, c.want) || strings.ContainsRune(r.stderr, '\ufffd') {
			t.Errorf("%q: status %d, %q", c.args, r.code, r.stderr)
		}
	}
}

// TestCompletionsOfFlags: a shell gets the values of flags that have few, and learns which flags take folders.
func TestCompletionsOfFlags(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"info x --pages ", "table\nall\n:4\n"}, {"mount x y --orientation ", "horizontal\nvertical\n:4\n"}, {"mount x y --direction ", "forward\nreverse\n:4\n"},
		{"extract x --what drivers,", "drivers,executables\n"}, {"report x --records image,", "image,process\n"}, {"report x --format ", "jsonl\ncsv\nparquet\n:4\n"},
		{"info x --profile ", "WinXPSP2x86\n"}, {"extract x --out ", ":16\n"}, {"info x --spool-dir ", ":16\n"}, {"mount x ", ":16\n"}, {"mount ", ":0\n"},
		{"man ", ":16\n"}, {"serve --listen ", ":4\n"}, {"docs ", "install\n"},
	} {
		fields := strings.Split(c.line, " ")
		if got := succeeds(t, append([]string{"__complete"}, fields...)...); !strings.Contains(got, c.want) {
			t.Errorf("%q is completed by %q", c.line, got)
		}
	}
}

func TestVersionFlags(t *testing.T) {
	want := succeeds(t, "version")
	for _, flag := range []string{"--version", "-V"} {
		if got := succeeds(t, flag); got != want || !strings.HasPrefix(got, "memlens ") {
			t.Errorf("%s prints %q, the command %q", flag, got, want)
		}
	}
}

// TestVerbose: -v prints what is done, and all lines on standard error have the same form.
func TestVerbose(t *testing.T) {
	image, _ := demo(t)
	r := memlens(t, "-v", "info", image)
	for _, want := range []string{"opening ", "it is raw (bytes: 67108864)", "the profile is WinXPSP2x86", "12 processes in the list"} {
		if !strings.Contains(r.stderr, "memlens: "+want) {
			t.Errorf("-v does not say %q: %s", want, r.stderr)
		}
	}
	if !regexp.MustCompile(`^(memlens: [^\n]+\n)+$`).MatchString(r.stderr) {
		t.Errorf("lines of another style: %q", r.stderr)
	}
	if r := memlens(t, "info", image); r.stderr != "" {
		t.Errorf("without -v: %q", r.stderr)
	}
}

// TestHelpSaysNoEmptyDefault looks for defaults without a value in the help of all commands.
func TestHelpSaysNoEmptyDefault(t *testing.T) {
	for _, cmd := range documented(rootCommand()) {
		if help := cmd.UsageString(); strings.Contains(help, "default )") || strings.Contains(help, "default []") || !strings.Contains(help, "Usage:") {
			t.Errorf("%s: %s", cmd.CommandPath(), help)
		}
	}
}

// TestHelpOnAFullDisk prints help and the version where nothing can be written.
func TestHelpOnAFullDisk(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"help", "info"}, {"info", "--help"}, {"version"}, {"--version"}} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Skip(err)
		}
		var said lockedBuffer
		cmd := program(t, args...)
		cmd.Stdout, cmd.Stderr = full, &said
		cmd.Run()
		full.Close()
		if want := "memlens: write /dev/stdout: no space left on device\n"; cmd.ProcessState.ExitCode() != exitFailed || said.String() != want {
			t.Errorf("%q: %v, %q", args, cmd.ProcessState, said.String())
		}
	}
}
