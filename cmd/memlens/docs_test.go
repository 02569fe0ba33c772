package main

import (
	"bytes"
	iofs "io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cpuguy83/go-md2man/v2/md2man"

	"memlens/fs"
)

func manual(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	root := rootCommand()
	root.InitDefaultCompletionCmd()
	if err := writeManual(&out, root); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestManualIsWhole: the manual has every command, flag, file and status, and all texts that are written for it.
func TestManualIsWhole(t *testing.T) {
	text := manual(t)
	for _, cmd := range documented(rootCommand())[1:] {
		for _, o := range options(cmd.Flags()) {
			if !strings.Contains(text, o.names()) {
				t.Errorf("%s: the manual lacks %s", cmd.CommandPath(), o.names())
			}
		}
	}
	for _, folder := range fs.Contents() {
		for _, e := range folder.Entries {
			if !strings.Contains(text, "| `"+e.Name+"` |") {
				t.Errorf("the manual lacks the file %s", e.Name)
			}
		}
	}
	err := iofs.WalkDir(prose, "docs", func(name string, d iofs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data := read(strings.TrimPrefix(name, "docs/"))
		if !strings.Contains(text, deeper(data)) && !strings.Contains(text, data) {
			t.Errorf("%s is in no chapter", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(text, "\n```")%2 != 0 {
		t.Error("a block of code is not closed")
	}
}

// TestDocsOfChapters: each chapter can be printed alone, and the names of chapters that do not exist are refused.
func TestDocsOfChapters(t *testing.T) {
	if got := succeeds(t, "docs", "exit", "known"); !strings.HasPrefix(got, "# Known files\n") || !strings.Contains(got, "\n# Exit statuses\n") || strings.Contains(got, "# Speed") {
		t.Errorf("two chapters are %.300q", got)
	}
	if r := memlens(t, "docs", "nothing"); r.code != 1 || !strings.Contains(r.stderr, `"nothing"`) {
		t.Errorf("a chapter that is none: status %d, %q", r.code, r.stderr)
	}
	if got := succeeds(t, "docs"); got != manual(t) {
		t.Error("memlens docs does not print the manual")
	}
}

// TestManPages: each command and the mount helper have a page. Each page says how the command is called, and is the
// same when it is made again.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	succeeds(t, "man", filepath.Join(dir, "one"))
	succeeds(t, "man", filepath.Join(dir, "two"))
	pages := manPages(rootCommand())
	for _, p := range pages {
		data, err := os.ReadFile(filepath.Join(dir, "one", p.file()))
		if err != nil {
			t.Fatal(err)
		}
		again, err := os.ReadFile(filepath.Join(dir, "two", p.file()))
		if err != nil || !bytes.Equal(data, again) {
			t.Errorf("%s is not the same when it is made again: %v", p.file(), err)
		}
		for _, want := range []string{".TH", p.name + ` \- `, ".SH SYNOPSIS", ".SH DESCRIPTION"} {
			if !bytes.Contains(data, []byte(want)) {
				t.Errorf("%s lacks %q", p.file(), want)
			}
		}
	}
	if n := len(commands()) - 2; len(pages) <= n { // help has no page, and completion has several
		t.Errorf("%d pages for %d commands", len(pages), n)
	}
	helper := string(md2man.Render(helperPage().markdown()))
	if !strings.Contains(helper, `\fBreference\fP=\fIfile\fP`) || strings.Contains(helper, ".TP\n\\fBdaemon") || !strings.Contains(helper, `written as \\,`) {
		t.Errorf("the page of the mount helper is\n%s", helper)
	}
}

var (
	codeBlocks   = regexp.MustCompile("(?ms)^```.*?^```")
	shownCommand = regexp.MustCompile(`(?m)^\s*(?:\$ )?memlens ([a-z][^#|&\n]*)`)
	shownFlag    = regexp.MustCompile(`(?:^| )(--?[a-z][a-z0-9-]*)`)
	link         = regexp.MustCompile(`\]\(([^)#]+)\)`)
)

// TestProseIsTrue: the commands and flags in the README and in the manual exist, and links lead to files.
func TestProseIsTrue(t *testing.T) {
	root := filepath.Join("..", "..")
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range codeBlocks.FindAllString(string(readme)+manual(t), -1) {
		for _, m := range shownCommand.FindAllStringSubmatch(block, -1) {
			checkCommand(t, m[1])
		}
	}
	for _, m := range link.FindAllStringSubmatch(string(readme), -1) {
		if strings.Contains(m[1], "://") {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(m[1]))); err != nil {
			t.Errorf("a link in the README leads nowhere: %v", err)
		}
	}
}

// checkCommand checks that a line behind "memlens" has a command and flags of this command.
func checkCommand(t *testing.T, line string) {
	t.Helper()
	line, _, _ = strings.Cut(line, " -- ")
	root := rootCommand()
	root.InitDefaultCompletionCmd()
	found, _, err := root.Find(strings.Fields(line))
	if err != nil || found == root {
		t.Errorf("%q runs no command: %v", line, err)
		return
	}
	for _, m := range shownFlag.FindAllStringSubmatch(line, -1) {
		name := strings.TrimLeft(m[1], "-")
		known := found.Flags().Lookup(name) != nil || found.InheritedFlags().Lookup(name) != nil || name == "help"
		if len(name) == 1 {
			known = found.Flags().ShorthandLookup(name) != nil || found.InheritedFlags().ShorthandLookup(name) != nil
		}
		if !known {
			t.Errorf("%q has a flag that is none: %s", line, m[1])
		}
	}
}
