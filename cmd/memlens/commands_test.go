package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"memlens/memimage/report"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// commands are all commands of the program, the root first.
func commands() []*cobra.Command {
	root := rootCommand()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return append([]*cobra.Command{root}, root.Commands()...)
}

var exampleFlag = regexp.MustCompile(`(?:^| )(--?[a-z][a-z-]*)`)

// TestHelpIsTrue checks that every command explains itself, and that the commands and flags in its examples exist.
func TestHelpIsTrue(t *testing.T) {
	for _, cmd := range commands() {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: its description is %q", cmd.CommandPath(), cmd.Short)
		}
		cmd.InitDefaultHelpFlag()
		for line := range strings.Lines(cmd.Example) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
			line, _, _ = strings.Cut(line, "|")
			line, _, _ = strings.Cut(line, " -- ")
			args, ours := strings.CutPrefix(line, "memlens ")
			if !ours {
				continue
			}
			found, _, err := cmd.Root().Find(strings.Fields(args))
			if err != nil || found == cmd.Root() {
				t.Errorf("the example %q runs no command: %v", line, err)
				continue
			}
			for _, m := range exampleFlag.FindAllStringSubmatch(args, -1) {
				name := strings.TrimLeft(m[1], "-")
				if found.Flags().Lookup(name) == nil && found.InheritedFlags().Lookup(name) == nil {
					t.Errorf("the example %q has a flag that is none: %s", line, m[1])
				}
			}
		}
	}
}

// TestHelpIsPlain looks for words that only Go programmers understand, and for words that a terminal breaks anywhere.
func TestHelpIsPlain(t *testing.T) {
	corpus.Long(t)
	goish := regexp.MustCompile(`default (\[|")|^ +(-\w, )?--[a-z0-9-]+ (strings|string|stringArray|ints?|uints?|duration|float) `)
	for _, cmd := range commands()[1:] {
		if cmd.Name() == "completion" || cmd.Name() == "help" { // they belong to the library
			continue
		}
		for line := range strings.Lines(succeeds(t, cmd.Name(), "--help")) {
			if goish.MatchString(line) || len(line) > 200 {
				t.Errorf("memlens %s --help: %q", cmd.Name(), line)
			}
		}
		if takesImage := strings.Contains(cmd.Use, "IMAGE"); takesImage != strings.Contains(cmd.Long, urlHelp) {
			t.Errorf("memlens %s --help does not say what IMAGE is", cmd.Name())
		}
	}
}

// TestExitStatuses: the help lists every status once, and each error ends the program with its own status.
func TestExitStatuses(t *testing.T) {
	help := succeeds(t, "--help")
	for _, e := range exitStatuses {
		if strings.Count(help, "\n  "+e.status+" ") != 1 {
			t.Errorf("the help does not list %s", e.status)
		}
	}
	for err, want := range map[error]int{errors.New("x"): 1, &exitError{exitProblems, nil}: 3, fmt.Errorf("x: %w", &exitError{7, nil}): 7} {
		if got := exitStatus(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

func TestHelpOfEveryCommand(t *testing.T) {
	corpus.Long(t)
	for _, cmd := range commands()[1:] {
		if got := succeeds(t, cmd.Name(), "--help"); !strings.Contains(got, "Usage:") {
			t.Errorf("memlens %s --help prints %q", cmd.Name(), got)
		}
	}
	if got := succeeds(t); !strings.Contains(got, "mount") {
		t.Errorf("memlens alone prints %q", got)
	}
}

func TestCompletions(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := succeeds(t, "completion", shell); !strings.Contains(got, "memlens") {
			t.Errorf("the completion for %s is %q", shell, got)
		}
	}
	if got := succeeds(t, "__complete", "mou"); !strings.HasPrefix(got, "mount\t") {
		t.Errorf("mou is completed to %q", got)
	}
}

func TestVersion(t *testing.T) {
	if got := succeeds(t, "version"); !regexp.MustCompile(`^memlens \S+ go\S+ \w+/\w+\n$`).MatchString(got) {
		t.Errorf("the version is %q", got)
	}
}

// TestInfo compares the output of info for the demo with image.json.
func TestInfo(t *testing.T) {
	image, _ := demo(t)
	text := succeeds(t, "info", image)
	for _, want := range []string{"Windows XP", "DTB", "KDBG", "ntoskrnl.exe at 0x804d7000", "12 in the list"} {
		if !strings.Contains(text, want) {
			t.Errorf("info does not say %q:\n%s", want, text)
		}
	}
	printed := succeeds(t, "info", image, "--json")
	if !json.Valid([]byte(printed)) {
		t.Fatalf("info --json prints %s", printed)
	}
	m := mounted(t, image)
	if shown := readFile(t, m.path("image.json")); strings.TrimSpace(shown) != strings.TrimSpace(printed) {
		t.Errorf("info --json prints\n%s\nand image.json holds\n%s", printed, shown)
	}
}

func TestProfilesAreListed(t *testing.T) {
	if got := succeeds(t, "info", "--profiles"); !strings.Contains(got, "WinXPSP2x86\n") {
		t.Errorf("the profiles are %q", got)
	}
}

func TestPages(t *testing.T) {
	image, _ := demo(t)
	got := succeeds(t, "pages", image, "--scan")
	if !strings.Contains(got, "  page table  ") || strings.ContainsAny(got, `"'`) {
		t.Errorf("pages prints\n%s", got)
	}
	// the ends of the numbers, and the beginnings of the names, are in one column each
	for _, row := range []string{` +3256  cmd\.exe       +\d`, ` +2976  agent\.exe     +\d`, ` +368  smss\.exe      +\d`, ` +all                +\d`} {
		if !regexp.MustCompile(`(?m)^` + row).MatchString(got) {
			t.Errorf("no row is like %q:\n%s", row, got)
		}
	}
}

// TestPagesForPrograms compares the output of pages for programs with the records of report.
func TestPagesForPrograms(t *testing.T) {
	corpus.Long(t)
	image, _ := demo(t)
	want := map[uint64]report.Counts{}
	for _, r := range records(t, succeeds(t, "report", image, "--scan", "--records", "process")) {
		if p := r.(*report.Process); p.PagesTotal > 0 {
			want[p.PID] = p.Counts
		}
	}
	lines, n := succeeds(t, "pages", image, "--scan", "--json"), 0
	for line := range strings.Lines(lines) {
		var c counted
		if err := json.Unmarshal([]byte(line), &c); err != nil || c.Counts != want[c.PID] || c.Name == "" {
			t.Errorf("%v: %s, want %+v", err, line, want[c.PID])
		}
		n++
	}
	if n != len(want) || n < 10 {
		t.Errorf("%d processes, want %d", n, len(want))
	}
	csv := succeeds(t, "pages", image, "--scan", "--csv")
	rows := table(t, writeFile(t, "pages.csv", []byte(csv)))
	for _, row := range rows {
		pid, _ := strconv.ParseUint(row["pid"], 10, 64)
		c := want[pid]
		if row["pages_page_table"] != fmt.Sprint(c.PagesTable) || row["pages_missing"] != fmt.Sprint(c.PagesMissing) || row["pages_compressed_store"] != fmt.Sprint(c.PagesStore) || row["pages_total"] != fmt.Sprint(c.PagesTotal) {
			t.Errorf("%v, want %+v", row, c)
		}
	}
	if len(rows) != n {
		t.Errorf("%d rows", len(rows))
	}
}

// TestFormsOfOutput: --json and --csv are flags of all commands that print tables, and exclude each other.
func TestFormsOfOutput(t *testing.T) {
	image, _ := demo(t)
	if got, want := succeeds(t, "info", image, "--csv"), succeeds(t, "report", image, "--records", "image", "--csv"); got != want || !strings.HasPrefix(got, "record,schema,image") {
		t.Errorf("info --csv prints\n%s\nwant\n%s", got, want)
	}
	if succeeds(t, "report", image, "--json") != succeeds(t, "report", image) {
		t.Error("report --json prints something else")
	}
	for _, args := range [][]string{{"info", image, "--json", "--csv"}, {"pages", image, "--json", "--csv"}, {"report", image, "--json", "--format", "csv"}} {
		refused(t, []string{"exclude each other: give one"}, args...)
	}
}

// TestNothingHostileIsPrinted runs every command that prints names on an image with hostile names.
func TestNothingHostileIsPrinted(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	image := write(t, hostileNames())
	m := mounted(t, image)
	shown := m.ready + m.log.String()
	for _, args := range [][]string{{"info", image}, {"pages", image, "--scan"}, {"info", image, "--json"}, {"extract", image, "--out", t.TempDir()}} {
		r := memlens(t, args...)
		shown += r.stdout + r.stderr
	}
	shown += shell(t, m.dir, `find . ; cat processes.csv README.txt */info.json */pages.csv`)
	if i := strings.IndexFunc(shown, func(c rune) bool { return c < ' ' && c != '\n' && c != '\t' || c >= 0x7f && c < 0xa0 || c == 0x202e }); i >= 0 {
		t.Errorf("a control byte is printed: %q", shown[max(0, i-60):min(len(shown), i+20)])
	}
	for _, row := range table(t, m.path("processes.csv")) {
		for column, value := range row {
			if strings.ContainsAny(value[:min(1, len(value))], "=+-@") {
				t.Errorf("a spreadsheet takes %s of process %s for a formula: %q", column, row["pid"], value)
			}
		}
	}
}

// hostileNames is a system whose processes have names that a terminal, a shell or a spreadsheet would take for commands.
func hostileNames() synth.System {
	system := synth.Demo()
	for i, name := range []string{"\x1b[2J\x1b]0;x\x07", "=cmd|'/c calc'!A", "../../../etc", "a\nb\r\tc", "\xff\xfe\x9b1m", "", ".", "$(reboot).exe", "con.exe", "-rf", "exe\u202efdp"} {
		p := &system.Processes[i]
		p.Name, p.Path, p.CommandLine = name, `C:\`+name+`.exe`, name+" \x1b[31m"
	}
	return system
}

// TestWordsOfErrors checks what errors say to do, where an earlier text was of no help.
func TestWordsOfErrors(t *testing.T) {
	image, _ := demo(t)
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"completion", "tcsh"}, "memlens: there is no script for tcsh: there is one each for bash, fish, powershell and zsh\n"},
		{[]string{"info", "--jsn", image}, "unknown flag: --jsn (memlens info --help lists the flags)"},
		{[]string{"demo", "--write", "/nope/x.raw"}, "memlens: open /nope/x.raw: no such file or directory"},
	} {
		if r := memlens(t, c.args...); r.code != 1 || !strings.Contains(r.stderr, c.says) || r.stdout != "" {
			t.Errorf("%q: status %d, %q, %q", c.args, r.code, r.stdout, r.stderr)
		}
	}
}

// TestExtractNamesWhatItLeavesOut copies without --what: people expect all of the tree then.
func TestExtractNamesWhatItLeavesOut(t *testing.T) {
	image, _ := demo(t)
	const want = "memlens: left out: digests.csv of each process (copied with --what modules), drivers-digests.csv (copied with --what drivers), drivers/ (copied with --what drivers), " +
		"memory.raw (copied with --memory), minidump.dmp of each process (copied with --what minidumps), modules/ (copied with --what modules), " +
		"regions/ (copied with --what regions); README.txt and the pages name them all the same\n"
	if got := succeeds(t, "extract", image, "--out", filepath.Join(t.TempDir(), "out"), "--pid", "3256"); !strings.HasSuffix(got, want) {
		t.Errorf("it says %q", got)
	}
}
