//go:build linux

package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memlens/memimage/synth/corpus"
)

// Keys that the start files of the shells bind. What the tests read from the terminal is between < and >.
const (
	tabKey        = "\t"
	listAll       = "\x14" // lists what may stand at the cursor: bash in the line, and zsh as <choice>NAME</choice>
	listDescribed = "\x0c" // lists the same with descriptions
	showLine      = "\x0f" // shows <line>LINE</line>, and empties the line
)

// interactive are the start files of shells on a terminal. $SCRIPT is the script, and $FOLDER its folder.
var interactive = map[string]string{
	"bash": `source "$SCRIPT"
bind 'set enable-bracketed-paste off'
bind '"\C-t": insert-completions'
bind '"\C-l": possible-completions'
bind -x '"\C-o": printf "<line>%s</line>" "$READLINE_LINE"; READLINE_LINE= READLINE_POINT=0'
PS1='<ready>'
`,
	"zsh": `fpath=("$FOLDER" $fpath)
autoload -U compinit && compinit -u -D
unset zle_bracketed_paste
bindkey '^I' complete-word
bindkey '^T' list-choices
bindkey '^L' list-choices
zstyle ':completion:*' insert-tab false
report() { zle -I; print -rn -- "<line>$BUFFER</line>"; BUFFER= }
zle -N report
bindkey '^O' report
compadd() {
	if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
		builtin compadd "$@"
		return
	fi
	local -a found
	builtin compadd -A found "$@"
	[[ -z $found ]] || print -rn - "<choice>"${^${(Q)found}}"</choice>"
	builtin compadd "$@"
}
PROMPT='<ready>'
`,
}

// typist types into a shell on a terminal.
type typist struct {
	screen io.Writer
	shown  *bufio.Reader
}

// startTypist starts a shell on a terminal of 80 columns, with a script in its folder. The shell ends with the test.
func startTypist(t *testing.T, shell, script, dir string) *typist {
	t.Helper()
	needTool(t, shell)
	start := t.TempDir()
	for _, name := range []string{".zshrc", "bashrc"} {
		if err := os.WriteFile(filepath.Join(start, name), []byte(interactive[shell]), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	screen, tty := terminal(t)
	defer tty.Close()
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 80}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	args := map[string][]string{"bash": {"--noprofile", "--rcfile", filepath.Join(start, "bashrc"), "-i"}, "zsh": {"-d", "-i"}}
	cmd := exec.CommandContext(ctx, shell, args[shell]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SCRIPT="+script, "FOLDER="+filepath.Dir(script), "ZDOTDIR="+start)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); cmd.Wait() })
	s := &typist{screen, bufio.NewReader(screen)}
	s.until(t, "<ready>")
	return s
}

// until returns what the shell shows until it shows a mark.
func (s *typist) until(t *testing.T, mark string) (shown string) {
	t.Helper()
	for !strings.HasSuffix(shown, mark) {
		more, err := s.shown.ReadString('>')
		if shown += more; err != nil {
			t.Fatalf("%v: %q is shown, and no %s", err, shown, mark)
		}
	}
	return shown
}

// press types keys in an empty line. It returns what the shell shows meanwhile, and the line afterwards.
func (s *typist) press(t *testing.T, keys string) (shown, line string) {
	t.Helper()
	if _, err := io.WriteString(s.screen, keys+showLine); err != nil {
		t.Fatal(err)
	}
	shown, line, _ = strings.Cut(s.until(t, "</line>"), "<line>")
	return shown, strings.TrimSuffix(line, "</line>")
}

// offers returns what bash or zsh offers at the end of each line, sorted.
func (s *typist) offers(t *testing.T, shell string, lines []string) (offered [][]string) {
	t.Helper()
	for _, typed := range lines {
		shown, line := s.press(t, typed+listAll)
		var choices []string
		if shell == "zsh" {
			for _, m := range regexp.MustCompile(`<choice>(.*?)</choice>`).FindAllStringSubmatch(shown, -1) {
				choices = append(choices, m[1])
			}
		} else if line != typed { // the choices stand for the last word, or for what is behind its =
			for _, word := range regexp.MustCompile(`(\\.|[^ \\])+`).FindAllString(line[strings.LastIndexAny(typed, " =")+1:], -1) {
				choices = append(choices, strings.ReplaceAll(word, `\`, ""))
			}
		}
		offered = append(offered, plainChoices(choices))
	}
	return offered
}

// fishOffers returns what fish offers at the end of each line, sorted. It needs no terminal for this.
func fishOffers(t *testing.T, script, dir string, lines []string) (offered [][]string) {
	t.Helper()
	needTool(t, "fish")
	cmd := exec.Command("fish", append([]string{"--no-config", "-c", `source $argv[1]
		for line in $argv[2..-1]
			complete -C $line
			echo '</choices>'
		end`, script}, lines...)...)
	cmd.Dir = dir
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("fish: %v: %q", err, out)
	}
	for text := range strings.SplitSeq(strings.TrimSuffix(string(out), "</choices>\n"), "</choices>\n") {
		offered = append(offered, plainChoices(strings.Split(text, "\n")))
	}
	return offered
}

// plainChoices sorts choices. It removes the descriptions of fish, the slash behind a folder, and the flag before its value.
func plainChoices(offered []string) (out []string) {
	for _, choice := range offered {
		choice, _, _ = strings.Cut(choice, "\t")
		if _, value, ok := strings.Cut(choice, "="); ok && strings.HasPrefix(choice, "--") {
			choice = value
		}
		if choice = strings.TrimSuffix(choice, "/"); choice != "" {
			out = append(out, choice)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// otherProgram answers a shell in the place of memlens. It fails without an answer, unless a word or an error is asked for.
const otherProgram = `#!/bin/sh
for word; do :; done
case $word in
inf) printf 'information\tan answer\n:4\n' ;;
mn) printf ':1\n' ;;
*) printf '$(touch run)\n' && exit 1 ;;
esac
`

// completionFolder returns a folder of three folders and two files. The program is in the path, and another one is ~/bin/memlens and
// mnt/memlens.
func completionFolder(t *testing.T) string {
	t.Helper()
	bin, home, dir := t.TempDir(), t.TempDir(), t.TempDir()
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, filepath.Join(bin, "memlens"))
	}
	for name, text := range map[string]string{
		filepath.Join(home, "bin/memlens"): otherProgram, filepath.Join(dir, "mnt/memlens"): otherProgram,
		filepath.Join(dir, "my cases/x"): "", filepath.Join(dir, "recovered/x"): "", filepath.Join(dir, "a.raw"): "", filepath.Join(dir, "b c.raw"): "",
	} {
		if err == nil {
			err = os.MkdirAll(filepath.Dir(name), 0o777)
		}
		if err == nil {
			err = os.WriteFile(name, []byte(text), 0o777)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(mainEnv, "1")
	t.Setenv("GORACE", "atexit_sleep_ms=0") // else each answer takes a second with -race
	t.Setenv("TERM", "vt100")
	t.Setenv("HOME", home)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	return dir
}

// scriptFor writes the script of a shell to a file. Zsh finds it there by its name.
func scriptFor(t *testing.T, shell string, flags ...string) string {
	t.Helper()
	return writeFile(t, "_memlens", []byte(succeeds(t, append([]string{"completion", shell}, flags...)...)))
}

// TestShellsComplete lets the shells themselves complete command lines, in a folder with files.
func TestShellsComplete(t *testing.T) {
	corpus.Long(t)
	folders, all := []string{"mnt", "my cases", "recovered"}, []string{"a.raw", "b c.raw", "mnt", "my cases", "recovered"}
	cases := []struct {
		line string
		want []string
	}{
		{"memlens ext", []string{"extract"}},
		{"memlens info --pages ", []string{"all", "table"}},
		{"memlens info --pages=", []string{"all", "table"}},
		{"memlens mount --orient", []string{"--orientation"}},
		{"memlens extract --what pictures,m", []string{"pictures,minidumps", "pictures,modules"}},
		{"memlens extract --out ", folders},
		{"memlens extract --out=", folders},
		{"memlens extract -o m", []string{"mnt", "my cases"}},
		{"memlens extract --out=r", []string{"recovered"}},
		{"memlens info --memmap ", all},
		{"memlens info --s3-region ", nil},
		{"memlens info ", all},
		{"memlens info a.raw ", nil},
		{"memlens info https://host:8080/a=b@c ", nil},
		{"memlens info a.raw > ", all},
		{"memlens report a.raw ", all},
		{"memlens mount a.raw ", folders},
		{"memlens mount 'b c.raw' ", folders},
		{`memlens mount b\ c.raw m`, []string{"mnt", "my cases"}},
		{"memlens mount '$(touch run);touch run' ", folders},
		{"memlens mount $(touch run) ", folders},
		{`memlens mount "$(touch run)" m`, []string{"mnt", "my cases"}},
		{"memlens mount \"`touch run`\" ", folders},
		{"memlens report `touch run` ", all},
		{`memlens extract --out="$(touch run)" --what pictures,m`, []string{"pictures,minidumps", "pictures,modules"}},
		{"memlens mount a.raw mnt ", nil},
		{"memlens mount a.raw mnt -- ls ", all},
		{"memlens version ", nil},
		{"~/bin/memlens inf", []string{"information"}},
		{"./mnt/memlens inf", []string{"information"}},
		{"./mnt/memlens rec", []string{"recovered"}}, // the program fails
		{"./mnt/memlens mn", nil},                    // the program answers that there is an error
		{"./missing/memlens inf", []string{"info"}},
	}
	var lines []string
	for _, c := range cases {
		lines = append(lines, c.line)
	}
	for _, shell := range []string{"bash", "fish", "zsh"} {
		t.Run(shell, func(t *testing.T) {
			dir, script := completionFolder(t), scriptFor(t, shell)
			var offered [][]string
			if shell == "fish" {
				offered = fishOffers(t, script, dir, lines)
			} else {
				s := startTypist(t, shell, script, dir)
				offered = s.offers(t, shell, lines)
				typesChoices(t, s)
				describes(t, s, shell)
			}
			for i, c := range cases {
				if got := offered[i]; !slices.Equal(got, c.want) {
					t.Errorf("%q: %q, want %q", c.line, got, c.want)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, "run")); err == nil {
				t.Error("a command in the line is run")
			}
		})
	}
}

// typesChoices presses Tab behind words of which one choice is left. Bash and zsh type the rest of it, in the quotes that the user has
// begun, or with their own.
func typesChoices(t *testing.T, s *typist) {
	t.Helper()
	for typed, want := range map[string]string{
		"memlens inf":                      "memlens info ",
		"memlens extract --out my":         `memlens extract --out my\ cases/`,
		"memlens extract --out=my":         `memlens extract --out=my\ cases/`,
		"memlens info b":                   `memlens info b\ c.raw `,
		`memlens info "b`:                  `memlens info "b c.raw" `,
		"memlens info 'b c":                "memlens info 'b c.raw' ",
		"memlens info --memmap=b":          `memlens info --memmap=b\ c.raw `,
		"memlens info --pages=t":           "memlens info --pages=table ",
		`memlens info --pages "t`:          `memlens info --pages "table" `,
		"memlens extract --what modules,p": "memlens extract --what modules,pictures ",
		"memlens info a.raw ":              "memlens info a.raw ",
	} {
		if _, got := s.press(t, typed+tabKey); got != want {
			t.Errorf("%q becomes %q, want %q", typed, got, want)
		}
	}
	if _, got := s.press(t, "memlens in zz\x02\x02\x02"+tabKey); strings.Join(strings.Fields(got), " ") != "memlens info zz" {
		t.Errorf("before the last word: %q", got)
	}
}

// describes checks that bash or zsh lists several choices with their descriptions, each on a line, and without them if the script is so.
func describes(t *testing.T, s *typist, shell string) {
	t.Helper()
	described := regexp.MustCompile(`--pagefile  (-- |\()a page file of the system.*\r?\n--pages     (-- |\()the source of the pages`)
	if shown, line := s.press(t, "memlens info --pag"+listDescribed); !described.MatchString(shown) || line != "memlens info --pag" {
		t.Errorf("%s shows %q, and the line %q", shell, shown, line)
	}
	s.press(t, "source "+scriptFor(t, shell, "--no-descriptions")+"\n")
	if shown, _ := s.press(t, "memlens info --pag"+listDescribed); strings.Contains(shown, "page file") || !strings.Contains(shown, "--pagefile") {
		t.Errorf("%s shows without descriptions %q", shell, shown)
	}
}

// TestCompletionsAreDescribed: a shell gets the descriptions of flags without the quotes that the help needs, or leaves them out.
func TestCompletionsAreDescribed(t *testing.T) {
	if got := succeeds(t, "__complete", "extract", "--"); !strings.Contains(got, "--out\tthe folder to copy to") || strings.Contains(got, "`") {
		t.Errorf("flags are described so:\n%s", got)
	}
	for _, shell := range []string{"bash", "fish", "zsh"} {
		if !strings.Contains(succeeds(t, "completion", shell, "--no-descriptions"), " __completeNoDesc ") || !strings.Contains(succeeds(t, "completion", shell), " __complete ") {
			t.Errorf("the script for %s does not ask for what it is to show", shell)
		}
	}
}

// TestBashNeeds: the help about the script for bash says what our script needs.
func TestBashNeeds(t *testing.T) {
	if got := succeeds(t, "completion", "bash", "--help"); strings.Contains(got, "depends on") || !strings.Contains(got, bashNeeds) {
		t.Errorf("the help says:\n%s", got)
	}
}
