package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

// TestKnownFiles lets the tools make sets of the demo's originals, and looks up the restored files in them.
func TestKnownFiles(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	image, originals := demo(t)
	cache := t.TempDir()
	for name, c := range map[string]struct{ tool, line, want string }{
		"hashdeep":      {"hashdeep", "hashdeep -l *", "SHA-256 in set: cmd.exe"},
		"md5deep":       {"md5deep", "md5deep -l -z *", "MD5 in set: cmd.exe"},
		"sha1sum":       {"sha1sum", "sha1sum *", "SHA-1 in set: cmd.exe"},
		"sha256sum":     {"sha256sum", "sha256sum --tag *", "SHA-256 in set: cmd.exe"},
		"packed":        {"xz", "sha256sum * | xz", "SHA-256 in set: cmd.exe"},
		"another byte":  {"sha256sum", "(cat cmd.exe; echo) | sha256sum", "no"},
		"another line":  {"sha256sum", "echo no hash; sha256sum cmd.exe", "SHA-256 in set: cmd.exe"},
		"without names": {"sha256sum", "sha256sum * | cut -c-64", "SHA-256 in set"},
	} {
		t.Run(name, func(t *testing.T) {
			needTool(t, c.tool)
			set := writeFile(t, "set", []byte(shell(t, originals, c.line)))
			out := filepath.Join(t.TempDir(), "out")
			cmd := program(t, "extract", image, "--out", out, "--known", set, "--pid", "3256", "--name", "cmd.exe")
			cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+cache)
			got := finish(t, cmd)
			if got.code != 0 {
				t.Fatalf("%+v", got)
			}
			if noted := strings.Contains(got.stderr, "set: of 2 lines 1 are not understood, the first is line 1"); noted != (name == "another line") {
				t.Errorf("it says %q", got.stderr)
			}
			for _, row := range table(t, filepath.Join(out, "processes.csv")) {
				if got := strings.TrimRight(row["known"], " "); row["pid"] == "3256" && got != c.want {
					t.Errorf("cmd.exe is known as %q, want %q", got, c.want)
				}
			}
		})
	}
	if indexes, err := filepath.Glob(filepath.Join(cache, "memlens", "digests", "known", "*.index")); err != nil || len(indexes) < 8 {
		t.Errorf("the indexes are %v, %v", indexes, err)
	}
}

// TestSetsThatAreRefused: a file that is no set is named before the image is opened.
func TestSetsThatAreRefused(t *testing.T) {
	corpus.Long(t)
	for _, c := range []struct{ set, want string }{
		{writeFile(t, "rds.db", []byte("SQLite format 3\x00")), "sqlite3 -csv -header"},
		{writeFile(t, "text", []byte("Hello\n")), `line 1 is "Hello"`},
		{filepath.Join(t.TempDir(), "gone"), "no such file"}, {os.TempDir(), "not a file"},
	} {
		for _, command := range [][]string{{"mount", "no image", t.TempDir()}, {"serve", "no image"}, {"extract", "no image", "--out", "x"}} {
			if got := memlens(t, append(command, "--known", c.set)...); got.code == 0 || !strings.Contains(got.stderr, "--known: "+c.set) || !strings.Contains(got.stderr, c.want) {
				t.Errorf("%v: %+v", command, got)
			}
		}
	}
}
