package main

import (
	"bytes"
	"errors"
	iofs "io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// filesIn returns the files in a folder and below it, without the files that are being written.
func filesIn(dir string) (names []string) {
	filepath.WalkDir(dir, func(name string, d iofs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !isTemporary(d.Name()) && d.Name() != markName {
			rel, _ := filepath.Rel(dir, name)
			names = append(names, rel)
		}
		return nil
	})
	return names
}

// stopAt runs the program until the folder has so many files, and then sends it a signal.
func stopAt(t *testing.T, out string, files int, signal os.Signal, args ...string) (code int, stderr string) {
	t.Helper()
	cmd := program(t, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			t.Fatalf("it ended before there were %d files: %v\n%s", files, err, said.String())
		case <-time.After(time.Millisecond):
		}
		if len(filesIn(out)) >= files {
			break
		}
	}
	cmd.Process.Signal(signal)
	sent := time.Now()
	<-ended
	if took := time.Since(sent); took > 2*time.Second {
		t.Errorf("it ends %v after the signal", took)
	}
	return cmd.ProcessState.ExitCode(), said.String()
}

// TestResume interrupts an extraction at several places, in several ways, and continues it. In the end it is like an
// extraction that was not interrupted.
func TestResume(t *testing.T) {
	corpus.Long(t)
	image, originals := demo(t)
	dir := t.TempDir()
	whole, out := filepath.Join(dir, "whole"), filepath.Join(dir, "it's out")
	args := func(out string, more ...string) []string {
		return append([]string{"extract", image, "--out", out, "--pid", "3256", "--what", "all", "--reference", originals}, more...)
	}
	succeeds(t, args(whole)...)
	want := filesIn(whole)
	resume := []string(nil)
	for i, stop := range []struct {
		share  int // in percent of all files
		signal syscall.Signal
	}{{2, syscall.SIGINT}, {30, syscall.SIGKILL}, {50, syscall.SIGTERM}, {80, syscall.SIGINT}} {
		code, said := stopAt(t, out, len(want)*stop.share/100, stop.signal, args(out, resume...)...)
		resume = []string{"--resume"}
		mark := readFile(t, filepath.Join(out, markName))
		again := quoted(append([]string{"memlens"}, args(out, resume...)...))
		if !strings.Contains(mark, "\n    "+again+"\n") {
			t.Errorf("%d: %s does not say how to go on: %s", i, markName, mark)
		}
		there := filesIn(out)
		for _, name := range there {
			if a, b := readFile(t, filepath.Join(out, name)), readFile(t, filepath.Join(whole, name)); a != b {
				t.Errorf("%d: %s is not whole", i, name)
			}
		}
		if stop.signal == syscall.SIGKILL {
			continue
		}
		if code != 1 || !strings.Contains(said, "memlens: interrupted: ") || !strings.HasSuffix(said, "to go on: "+again+"\n") {
			t.Errorf("%d: status %d, %s", i, code, said)
		}
		_, missing, _ := strings.Cut(mark, "Not here yet:\n")
		for _, name := range want {
			if slices.Contains(there, name) == slices.Contains(strings.Split(missing, "\n"), name) {
				t.Errorf("%d: that %s is there: %v, and the mark says otherwise", i, name, slices.Contains(there, name))
			}
		}
	}
	kept := "; " // followed by the number of files kept
	if said := succeeds(t, args(out, resume...)...); !strings.Contains(said, kept) {
		t.Errorf("it says %q", said)
	}
	tool(t, "diff", "-r", whole, out)
	const attributes = `find . -printf '%p %T+ %s %m\n' | grep -v ' [0-9]* 755$' | sort; find . -type d -printf '%p %T+ %m\n' | sort`
	if a, b := shell(t, whole, attributes), shell(t, out, attributes); a != b {
		t.Errorf("times or modes differ:\n%s\n%s", a, b)
	}
	if said := succeeds(t, args(out, "--resume")...); !strings.Contains(said, "nothing is missing") {
		t.Errorf("it says %q", said)
	}
}

// TestResumeRefuses tries to continue with something that is not part of the same extraction.
func TestResumeRefuses(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	image, _ := demo(t)
	other := write(t, hostileNames())
	out := filepath.Join(t.TempDir(), "out")
	args := func(image string, more ...string) []string {
		return append([]string{"extract", image, "--out", out, "--pid", "3256"}, more...)
	}
	stopAt(t, out, 1, syscall.SIGKILL, args(image)...)
	refused(t, []string{"give --resume to go on with it"}, args(image)...)
	refused(t, []string{"it was begun with another image: with demo.raw of 67108864 bytes, and this is built.raw", "whose memory is another"}, args(other, "--resume")...)
	refused(t, []string{"it was begun with other options: with --pid=3256, and now --pid=3256 --width=99"}, args(image, "--resume", "--width", "99")...)
	again, _ := demo(t) // a copy of the image elsewhere is the same image
	succeeds(t, args(again, "--resume")...)

	if err := os.WriteFile(filepath.Join(out, markName), []byte("text"), 0o666); err != nil {
		t.Fatal(err)
	}
	refused(t, []string{markName + " is not as the program writes it"}, args(image, "--resume")...)
	if err := os.WriteFile(filepath.Join(out, markName), []byte(markPrefix+`{"program":"memlens 0"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	refused(t, []string{"it was begun with another image"}, args(image, "--resume")...)
}

// TestResumeOfChangedFiles changes the image, a reference and the folder between two runs. What cannot be continued is
// refused by its name, nothing is written outside of the folder, and a file that was cut short is made anew.
func TestResumeOfChangedFiles(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	image, originals := demo(t)
	dir := t.TempDir()
	whole, out, outside := filepath.Join(dir, "whole"), filepath.Join(dir, "out"), t.TempDir()
	args := func(out, pids string, more ...string) []string {
		return append([]string{"extract", image, "--out", out, "--pid", pids, "--reference", originals}, more...)
	}
	succeeds(t, args(whole, "3256,368")...)
	stopAt(t, out, len(filesIn(whole))/3, syscall.SIGKILL, args(out, "3256,368")...)
	resume := args(out, "368,3256", "--resume")

	for file, says := range map[string]string{
		image:                               "the image " + image + " has changed since it was begun",
		filepath.Join(originals, "cmd.exe"): "files have changed since it was begun, those of --reference=" + originals + ": give another folder",
	} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		later := info.ModTime().Add(time.Second)
		if err := os.Chtimes(file, later, later); err != nil {
			t.Fatal(err)
		}
		refused(t, []string{says}, resume...)
		if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}

	there := filesIn(out)
	cut := slices.IndexFunc(there, func(name string) bool {
		return strings.HasPrefix(name, "3256-") && len(readFile(t, filepath.Join(out, name))) > 100
	})
	if cut < 0 {
		t.Fatalf("of %q none can be cut short", there)
	}
	if err := os.Truncate(filepath.Join(out, there[cut]), 100); err != nil {
		t.Fatal(err)
	}
	link, folder, file := filepath.Join(out, "3256-cmd.exe"), filepath.Join(out, "image.json"), filepath.Join(out, "368-smss.exe")
	moved := filepath.Join(dir, "moved")
	for _, err := range []error{os.Rename(link, moved), os.Symlink(outside, link), os.RemoveAll(folder), os.Mkdir(folder, 0o777), os.RemoveAll(file), os.WriteFile(file, nil, 0o666)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r := memlens(t, resume...)
	lines := strings.Split(strings.TrimSuffix(r.stderr, "\n"), "\n")
	slices.Sort(lines)
	want := []string{
		"memlens: --resume: " + link + " is a symbolic link in the place of a folder, and nothing is written through it: remove it",
		"memlens: --resume: " + file + " is a file in the place of a folder: remove it",
		"memlens: --resume: " + folder + " is a folder in the place of a file: remove it",
	}
	if r.code != 1 || r.stdout != "" || !slices.Equal(lines, want) {
		t.Errorf("status %d, %q, %s", r.code, r.stdout, r.stderr)
	}
	if names := filesIn(outside); len(names) > 0 {
		t.Errorf("it writes %q outside of its folder", names)
	}

	for _, err := range []error{os.Remove(link), os.Rename(moved, link), os.Remove(folder), os.Remove(file)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	succeeds(t, resume...)
	tool(t, "diff", "-r", whole, out)
}

// TestInputsAreCompared checks what of files and folders changes their digests.
func TestInputsAreCompared(t *testing.T) {
	dir := t.TempDir()
	page, set, refs := writeFile(t, "p.sys", []byte("page")), writeFile(t, "set", []byte("hash")), filepath.Join(dir, "refs")
	out, ref := filepath.Join(refs, "out"), filepath.Join(refs, "a", "b")
	for _, err := range []error{os.MkdirAll(out, 0o777), os.Mkdir(filepath.Dir(ref), 0o777), os.WriteFile(ref, []byte("file"), 0o666)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := extractCommand()
	if err := cmd.ParseFlags([]string{"--pagefile", "1=" + page, "--known", set, "-r", refs, "-r", "https://h/b", "--width", "9"}); err != nil {
		t.Fatal(err)
	}
	before := &mark{Inputs: inputs(cmd.Flags(), out)}
	if n := len(before.Inputs); n != 3 {
		t.Errorf("it notes %d inputs: %v", n, before.Inputs)
	}
	differs := func() string {
		err := (&mark{Inputs: inputs(cmd.Flags(), out)}).goesOn(before)
		if err == nil {
			return ""
		}
		return err.Error()
	}
	if err := os.WriteFile(filepath.Join(out, "copied"), nil, 0o666); err != nil || differs() != "" {
		t.Errorf("its own copies count: %v, %s", err, differs())
	}
	for _, change := range []struct{ file, option string }{{page, "--pagefile=1=" + page}, {set, "--known=" + set}, {ref, "--reference=" + refs}, {filepath.Join(refs, "new"), "--reference=" + refs}} {
		if err := os.WriteFile(change.file, []byte("something else"), 0o666); err != nil {
			t.Fatal(err)
		}
		if got := differs(); !strings.Contains(got, "those of "+change.option+":") {
			t.Errorf("%s: %q", change.file, got)
		}
		before.Inputs = inputs(cmd.Flags(), out)
	}
}

// TestResumeBegins gives --resume with a folder that does not exist, with an empty folder, and with a folder that was
// left before a file was copied.
func TestResumeBegins(t *testing.T) {
	corpus.Long(t)
	image, _ := demo(t)
	for name, content := range map[string][]string{"missing": nil, "empty": {}, "begun": {temporaryPrefix + "7"}} {
		out := filepath.Join(t.TempDir(), name)
		for i, file := range content {
			if err := os.MkdirAll(out, 0o777); err == nil && i == 0 {
				os.WriteFile(filepath.Join(out, file), []byte("half"), 0o666)
			}
		}
		succeeds(t, "extract", image, "--out", out, "--pid", "2284", "--resume")
		if matches(t, filepath.Join(out, ".*")) != nil || matches(t, filepath.Join(out, markName)) != nil {
			t.Errorf("%s: it leaves something behind", name)
		}
	}
}

// TestCommandsAreQuoted lets a shell read the quoted words.
func TestCommandsAreQuoted(t *testing.T) {
	words := []string{"memlens", "it's", "", "a b", "$HOME", "ntdll*", "-o", "ä", "x;y", "`"}
	out, err := exec.Command("sh", "-c", `printf '%s\n' `+quoted(words)).Output()
	if got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"); err != nil || !slices.Equal(got, words) {
		t.Errorf("%q is read as %q: %v", quoted(words), got, err)
	}
}

// TestLastingOptions checks which flags change the copied files.
func TestLastingOptions(t *testing.T) {
	cmd := extractCommand()
	if err := cmd.ParseFlags([]string{"-o", "x", "--pagefile", "1=p.sys", "--pid", "2,1,2", "--what", "pictures,drivers", "-r", "a", "-r", "https://h/b", "--cache", "c", "--resume"}); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	want := []string{"--pagefile=1=" + here + "/p.sys", "--pid=1", "--pid=2", "--reference=" + here + "/a", "--reference=https://h/b", "--what=drivers", "--what=pictures"}
	if got := lasting(cmd.Flags()); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestCommandToResumeHasNoSecrets checks that the folder of an extraction does not hold the signature or password of a URL.
func TestCommandToResumeHasNoSecrets(t *testing.T) {
	for arg, want := range map[string]string{
		"https://host/a.raw?X-Amz-Signature=secret":         "https://host/a.raw",
		"https://user:secret@host/a.raw":                    "https://host/a.raw",
		"s3://secret@bucket/key?x":                          "'s3://bucket/key?x'",
		"--reference=https://host/b?sig=secret":             "--reference=https://host/b",
		"--pagefile=0=https://host/pagefile.sys?sig=secret": "--pagefile=0=https://host/pagefile.sys",
		"0=https://host/pagefile.sys?sig=secret":            "0=https://host/pagefile.sys",
		"--out=a?b":                                         "'--out=a?b'",
		"a=b?c":                                             "'a=b?c'",
	} {
		got := commandToResume([]string{"extract", arg})
		if strings.Contains(got, "secret") || want != "" && got != "memlens extract "+want+" --resume" {
			t.Errorf("%s: %s, want %s", arg, got, want)
		}
		if hidden := strings.Contains(arg, "secret"); hasSecrets([]string{arg}) != hidden {
			t.Errorf("%s: has secrets: %v, want %v", arg, !hidden, hidden)
		}
		if got := wholePath(arg); !strings.HasPrefix(arg, "-") && strings.Contains(got, "secret") {
			t.Errorf("%s: %s", arg, got)
		}
	}
}

// TestMarkThatIsNoFile: a pipe, a device, or a file of any size with the name of a file that is read. None is read, and the program ends.
func TestMarkThatIsNoFile(t *testing.T) {
	image, _ := demo(t)
	for name, place := range map[string]func(path string) error{
		"pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"device": func(path string) error { return os.Symlink("/dev/zero", path) },
		"large":  func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<40)) },
	} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			if err := place(filepath.Join(out, markName)); err != nil {
				t.Skip(err)
			}
			for _, more := range [][]string{nil, {"--resume"}} {
				refused(t, []string{markName, "give another folder"}, append([]string{"extract", image, "--out", out}, more...)...)
			}
		})
	}
}

// TestSamples compares images by samples of their pages; a page that could not be read decides nothing.
func TestSamples(t *testing.T) {
	for _, c := range []struct {
		a, b samples
		like bool
	}{
		{"a b c", "a b c", true}, {"a b c", "a b d", false}, {"a - c", "a b c", true}, {"a - c", "a b d", false}, {"a b c", "a b", false}, {"a b", "- -", true},
	} {
		if c.a.like(c.b) != c.like || c.b.like(c.a) != c.like {
			t.Errorf("%q and %q: alike: %v", c.a, c.b, !c.like)
		}
	}
}

// TestExtractFromABrokenDisk has a page that cannot be read, which is one of the pages that an image is recognized by. It
// costs no file that is not made of it.
func TestExtractFromABrokenDisk(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	image, _ := demo(t)
	info, err := os.Stat(image)
	if err != nil {
		t.Fatal(err)
	}
	file, disk := brokenFolder(t, image, sparse.Run{Off: info.Size() / sampled * (sampled - 1), Len: 4096}) // nothing is there
	args := []string{"--pid", "3256", "--what", "executables"}
	sound, out := filepath.Join(t.TempDir(), "sound"), filepath.Join(t.TempDir(), "out")
	succeeds(t, append([]string{"extract", file, "--out", sound}, args...)...)
	disk.Break(true)
	if r := memlens(t, append([]string{"extract", file, "--out", out}, args...)...); r.code != 1 || !strings.Contains(r.stderr, "scanned: ") || strings.Contains(r.stderr, "3256-cmd.exe") {
		t.Errorf("status %d, and it says:\n%s", r.code, r.stderr) // there may be more in scanned/
	}
	if disk.Failed() == 0 {
		t.Error("the page was not read")
	}
	tool(t, "diff", "-r", filepath.Join(sound, "3256-cmd.exe"), filepath.Join(out, "3256-cmd.exe"))
}
