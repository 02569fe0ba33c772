package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

// completionShells run the script of a shell, given as $1, in that shell. For each line after it they print what the shell
// offers at its end, and a line with an end mark. The words of a line have a tab between them.
var completionShells = map[string][]string{
	"bash": {"bash", "--noprofile", "--norc", "-c", `source /usr/share/bash-completion/bash_completion && source "$1" && shift
		compopt() { [[ $* != '+o default' ]] || files=; } # what the script tells readline, which is not at work here
		type() { echo builtin; }
		function=$(complete -p memlens | sed 's/.*-F \([^ ]*\).*/\1/')
		for line; do
			IFS=$'\t' read -ra words <<<"$line" # leaves out the last word if it is empty
			[[ $line != *$'\t' ]] || words+=('')
			COMP_WORDS=()
			for word in "${words[@]}"; do
				case $word in --*=?*) COMP_WORDS+=("${word%%=*}" = "${word#*=}") ;; --*=) COMP_WORDS+=("${word%=}" =) ;; *) COMP_WORDS+=("$word") ;; esac
			done
			COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=${line//$'\t'/ } COMP_TYPE=9 COMPREPLY=() files=1
			COMP_POINT=${#COMP_LINE}
			$function memlens "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
			[[ ! $files || ${#COMPREPLY[@]} != 0 ]] || mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[-1]}")
			printf '%s\n' "${COMPREPLY[@]}" '</choices>'
		done`, "bash"},
	"fish": {"fish", "--no-config", "-c", `source $argv[1]
		for line in $argv[2..-1]
			complete -C (string replace -a \t ' ' -- $line)
			echo '</choices>'
		end`},
	"zsh": {"zsh", "-f", "-c", zshChoices, "zsh"},
}

// zshChoices types the lines in a shell on a terminal of its own, and presses Tab. The script is where it would be installed.
const zshChoices = `zmodload zsh/zpty
dir=$(mktemp -d); trap 'rm -rf $dir' EXIT
cp $1 $dir/_memlens; shift
cat >$dir/start <<START
PROMPT=
fpath=($dir \$fpath)
autoload -U compinit && compinit -u -D
bindkey '^I' complete-word
zstyle ':completion:*' insert-tab false
opening() { print -r - '<choices>'; compprefuncs=(opening) }
closing() { print -r - '</choices>'; comppostfuncs=(closing) }
opening >/dev/null; closing >/dev/null
compadd() {
	if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
		builtin compadd "\$@"
		return
	fi
	local -a found
	builtin compadd -A found "\$@"
	[[ -z \$found ]] || print -rl - \${(Q)found}
	builtin compadd "\$@"
}
print ready
START
zpty z zsh -f -i
zpty -w z source $dir/start
while zpty -r z line && [[ $line != *ready* ]]; do :; done
for typed; do
	zpty -w -n z $'\C-u'"${typed//$'\t'/ }"$'\t'
	out=
	while [[ $out != *'</choices>'* ]] && zpty -r z line; do out+=$line; done
	print -r -- "${${out#*<choices>}%</choices>*}"
	print -r -- '</choices>'
done`

// shellCompletes returns what a shell offers at the end of each line, sorted.
func shellCompletes(t *testing.T, shell, script string, lines []string) (offered [][]string) {
	t.Helper()
	needTool(t, shell)
	run := completionShells[shell]
	cmd := exec.Command(run[0], append(append(slices.Clone(run[1:]), script), lines...)...)
	cmd.Dir = filepath.Dir(script)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %q", shell, err, out)
	}
	for text := range strings.SplitSeq(strings.ReplaceAll(string(out), "\r", ""), "</choices>\n") {
		offered = append(offered, choicesIn(text))
	}
	return offered
}

// choicesIn returns the choices in what a shell prints. Fish prints a description behind each. It and zsh print a flag with its
// value, and bash and zsh print folders without a slash.
func choicesIn(text string) (out []string) {
	for line := range strings.Lines(text) {
		choice, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
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

// TestShellsComplete lets the shells themselves complete command lines, in a folder with two folders and three files. The program
// is in their path.
func TestShellsComplete(t *testing.T) {
	corpus.Long(t)
	bin, dir := t.TempDir(), t.TempDir()
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, filepath.Join(bin, "memlens"))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(mainEnv, "1")
	t.Setenv("TERM", "vt100")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	for _, name := range []string{"mnt", "recovered"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a.raw", "b c.raw"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	folders, all := []string{"mnt", "recovered"}, []string{"a.raw", "b c.raw", "mnt", "recovered", "script"}
	cases := []struct {
		line string
		want []string
	}{
		{"memlens\text", []string{"extract"}},
		{"memlens\tinfo\t--pages\t", []string{"all", "table"}},
		{"memlens\tinfo\t--pages=", []string{"all", "table"}},
		{"memlens\tinfo\t--profile\tWin2003SP2", []string{"Win2003SP2x64", "Win2003SP2x86"}},
		{"memlens\tmount\t--orientation\t", []string{"horizontal", "vertical"}},
		{"memlens\tmount\t--orientation=v", []string{"vertical"}},
		{"memlens\tmount\t--orient", []string{"--orientation"}},
		{"memlens\textract\t--what\tpictures,m", []string{"pictures,minidumps", "pictures,modules"}},
		{"memlens\textract\t--out\t", folders},
		{"memlens\textract\t-o\tm", []string{"mnt"}},
		{"memlens\textract\t--out=r", []string{"recovered"}},
		{"memlens\tinfo\t--spool-dir\t", folders},
		{"memlens\tinfo\t--memmap\t", all},
		{"memlens\tinfo\t--s3-region\t", nil},
		{"memlens\tserve\t--listen\t", nil},
		{"memlens\tinfo\t", all},
		{"memlens\tinfo\ta.raw\t", nil},
		{"memlens\treport\ta.raw\t", all},
		{"memlens\tmount\t", all},
		{"memlens\tmount\ta.raw\t", folders},
		{"memlens\tmount\t'b c.raw'\t", folders},
		{"memlens\tmount\t'$(touch run);touch run'\t", folders},
		{"memlens\tmount\ta.raw\tmnt\t", nil},
		{"memlens\tmount\ta.raw\tmnt\t--\tls\t", all},
		{"memlens\tman\t", folders},
		{"memlens\tdocs\tinst", []string{"install"}},
		{"memlens\tversion\t", nil},
	}
	var lines []string
	for _, c := range cases {
		lines = append(lines, c.line)
	}
	for shell := range completionShells {
		t.Run(shell, func(t *testing.T) {
			script := filepath.Join(dir, "script")
			if err := os.WriteFile(script, []byte(succeeds(t, "completion", shell)), 0o666); err != nil {
				t.Fatal(err)
			}
			offered := shellCompletes(t, shell, script, lines)
			for i, c := range cases {
				if got := offered[i]; !slices.Equal(got, c.want) {
					t.Errorf("%q: %q, want %q", c.line, got, c.want)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, "run")); err == nil {
				t.Error("a command in the name of a file is run")
			}
		})
	}
}

// TestCompletionsAreDescribed: a shell shows the descriptions of flags without the quotes that the help needs, or leaves them out.
func TestCompletionsAreDescribed(t *testing.T) {
	if got := succeeds(t, "__complete", "extract", "--"); !strings.Contains(got, "--out\tthe folder to copy to") || strings.Contains(got, "`") {
		t.Errorf("flags are described so:\n%s", got)
	}
	if !strings.Contains(succeeds(t, "completion", "fish", "--no-descriptions"), "__completeNoDesc ") || !strings.Contains(succeeds(t, "completion", "fish"), "__complete ") {
		t.Error("the script for fish does not ask for what it is to show")
	}
}
