package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"memlens/memimage/synth/corpus"
)

// TestResumeOfAFinishedFolder compares a finished folder with the image, before and after it is changed. Nothing is written to it.
func TestResumeOfAFinishedFolder(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	image, _ := demo(t)
	out := filepath.Join(t.TempDir(), "out")
	args := func(image string, more ...string) []string {
		return append([]string{"extract", image, "--out", out, "--pid", "3256", "--resume"}, more...)
	}
	succeeds(t, args(image)...)
	const state = `find . -printf '%p %T+ %s %i\n' | sort`
	before := shell(t, out, state)
	said := "memlens: nothing is missing in " + out + ": the names and sizes of "
	if got := succeeds(t, args(image)...); len(got) < len(said) || got[:len(said)] != said {
		t.Errorf("it says %q", got)
	}
	if after := shell(t, out, state); after != before {
		t.Errorf("the folder is changed:\n%s\n%s", before, after)
	}

	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(image, later, later); err != nil {
		t.Fatal(err)
	}
	succeeds(t, args(image)...) // as a copy of the image would be

	dump, pages, csv := filepath.Join(out, "3256-cmd.exe", "restored.exe"), filepath.Join(out, "3256-cmd.exe", "pages.csv"), filepath.Join(out, "processes.csv")
	for _, err := range []error{os.Remove(dump), os.Truncate(pages, 10), os.Remove(csv), os.Mkdir(csv, 0o777)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	differs(t, []string{dump + " is missing", pages + " has another size than in the image: 10 bytes", csv + " is no file", "nothing was written: give another folder"}, args(image)...)
	if _, err := os.Stat(dump); !os.IsNotExist(err) {
		t.Errorf("a missing file is made: %v", err)
	}
}

// TestResumeOfAFolderOfAnotherImage: an image with other names, one of the same sizes, and a folder of something else.
func TestResumeOfAFolderOfAnotherImage(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	image, _ := demo(t)
	out := filepath.Join(t.TempDir(), "out")
	succeeds(t, "extract", image, "--out", out, "--pid", "3256")
	differs(t, []string{"is missing", "made of another image or with other options"}, "extract", image, "--out", out, "--pid", "368", "--resume")
	differs(t, []string{"image.json describes another image"}, "extract", imageNamed(t, image, "dem0.raw"), "--out", out, "--pid", "3256", "--resume")
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "notes.txt"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	differs(t, []string{"1012-svchost.exe is missing", "README.txt is missing", "has no " + markName}, "extract", image, "--out", other, "--resume")
}

// imageNamed returns a link to an image by another name.
func imageNamed(t *testing.T, image, name string) string {
	t.Helper()
	link := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(image, link); err != nil {
		t.Fatal(err)
	}
	return link
}

// differs runs an extraction that is to find something other than it would copy, and say so.
func differs(t *testing.T, says []string, args ...string) {
	t.Helper()
	r := memlens(t, args...)
	if r.code != exitFailed || r.stdout != "" {
		t.Errorf("memlens %q exits with %d and prints %q", args, r.code, r.stdout)
	}
	for _, want := range says {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("memlens %q does not say %q, but:\n%s", args, want, r.stderr)
		}
	}
}
