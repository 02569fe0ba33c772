package main

import (
	"archive/zip"
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

// random is data without any order, the same in every run.
func random(n int) []byte {
	out := make([]byte, n)
	source := rand.NewChaCha8([32]byte{1})
	source.Read(out)
	return out
}

func zipOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, data := range files {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		f.Write([]byte(data))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// placed is data at an offset of a file of zeros.
func placed(size, off int, data string) []byte {
	out := make([]byte, size)
	copy(out[off:], data)
	return out
}

// TestFilesThatAreNoImage opens files that are no Windows memory. The error must name the kind of each file.
func TestFilesThatAreNoImage(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Skip(err)
	}
	for _, test := range []struct {
		name string
		data []byte
		says []string
	}{
		{"empty", nil, []string{"empty is empty"}},
		{"noise", random(1 << 10), []string{"noise: no Windows system found", "(raw, 1024 bytes)"}},
		{"much-noise", random(5 << 20), []string{"compressed, encrypted or random data"}},
		{"zeros", make([]byte, 1<<20), []string{"nothing but zeros", "acquisition failed"}},
		{"notes.txt", []byte(strings.Repeat("a line of text\n", 1000)), []string{"looks like text"}},
		{"paper.pdf", append([]byte("%PDF-1.4\n"), random(5000)...), []string{"paper.pdf is a PDF document, not a memory image"}},
		{"program", program, []string{"program is an ELF program, not a memory image"}},
		{"empty.zip", zipOf(t, nil), []string{"empty.zip is an empty zip archive"}},
		{"linux.raw", placed(8<<20, 0x600100, "Linux version 6.1.0-18-amd64 (gcc-12)\n"), []string{"the memory of a Linux system", `"Linux version 6.1.0-18-amd64 (gcc-12)" at 0x600100`}},
	} {
		t.Run(test.name, func(t *testing.T) { refused(t, test.says, "info", writeFile(t, test.name, test.data)) })
	}
}

// refused runs the program. It must fail with one line on standard error that says something, and print nothing.
func refused(t *testing.T, says []string, args ...string) {
	t.Helper()
	r := memlens(t, args...)
	if r.code != 1 || r.stdout != "" {
		t.Errorf("memlens %q exits with %d and prints %q", args, r.code, r.stdout)
	}
	for _, want := range says {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("memlens %q does not say %q, but:\n%s", args, want, r.stderr)
		}
	}
	if !strings.HasPrefix(r.stderr, "memlens: ") || strings.Count(r.stderr, "\n") != 1 || strings.ContainsAny(strings.TrimSuffix(r.stderr, "\n"), "\x00\x1b\r") {
		t.Errorf("memlens %q does not say one line that is safe to print: %q", args, r.stderr)
	}
}

// TestRefusals gives wrong arguments, flags, folders and files beside the image.
func TestRefusals(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	image, _ := demo(t)
	dir := t.TempDir()
	full, text := filepath.Join(dir, "full"), filepath.Join(dir, "text.txt")
	if err := os.MkdirAll(filepath.Join(full, "something"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(text, []byte("text"), 0o666); err != nil {
		t.Fatal(err)
	}
	none, out := filepath.Join(dir, "none"), filepath.Join(dir, "out")
	for _, test := range []struct {
		name string
		says string
		args []string
	}{
		{"no image", "no such file", []string{"info", none}},
		{"a folder", "is a directory: give the image file in it", []string{"info", dir}},
		{"a device", "acquire it to a file first", []string{"info", "/dev/null"}},
		{"no arguments", "memlens mount IMAGE FOLDER", []string{"mount"}},
		{"image twice", "memlens info IMAGE", []string{"info", image, image}},
		{"unknown command", `unknown command "open"`, []string{"open", image}},
		{"help with an unknown command", `unknown command "nosuch"`, []string{"help", "nosuch"}},
		{"help with a command of a command", `memlens info has no command "nosuch"`, []string{"help", "info", "nosuch"}},
		{"unknown flag", "unknown flag: --fast", []string{"info", image, "--fast"}},
		{"unknown profile", "memlens info --profiles lists all", []string{"info", image, "--profile", "WinME"}},
		{"wrong profile", "Win7SP1x64: no page-table entry format for x86", []string{"info", image, "--profile", "Win7SP1x64"}},
		{"no symbols", "--symbols: stat " + none, []string{"info", image, "--symbols", none}},
		{"symbols in a text", "--symbols: " + text + " is neither a PDB file nor a symbol table of Volatility 3", []string{"info", image, "--symbols", text}},
		{"symbols in a device", "--symbols: /dev/null is neither", []string{"info", image, "--symbols", "/dev/null"}},
		{"no page file", "page file 0: open " + none, []string{"info", image, "--pagefile", none}},
		{"page file is a folder", "give the pagefile.sys in it", []string{"info", image, "--pagefile", full}},
		{"page file number", "the numbers 0 to 15", []string{"info", image, "--pagefile", "16=" + text}},
		{"pages", `--pages is table or all, not "some"`, []string{"info", image, "--pages", "some"}},
		{"no memmap", "--memmap: open " + none, []string{"info", image, "--memmap", none}},
		{"memmap of text", `line 1: "text" is not: start end offset`, []string{"info", image, "--memmap", text}},
		{"width", "--width is 1 to 1048576, not 0", []string{"extract", image, "--out", out, "--width", "0"}},
		{"width is no number", `--width wants a whole number, not "wide"`, []string{"extract", image, "--out", out, "--width", "wide"}},
		{"orientation", `--orientation is horizontal or vertical, not "up"`, []string{"extract", image, "--out", out, "--orientation", "up"}},
		{"direction", `--direction is forward or reverse, not "back"`, []string{"extract", image, "--out", out, "--direction", "back"}},
		{"no reference", "reference: stat " + none, []string{"extract", image, "--out", out, "--reference", none}},
		{"empty reference", "--reference: there is no file in the folder " + filepath.Join(full, "something"), []string{"extract", image, "--out", out, "--reference", filepath.Join(full, "something")}},
		{"flags before image", "--width is 1", []string{"extract", none, "--out", out, "--width", "-1"}},
		{"no out", "give --out FOLDER", []string{"extract", image}},
		{"out is full", "is not empty: give a folder that is", []string{"extract", image, "--out", full}},
		{"out is a file", "text.txt is not a folder", []string{"extract", image, "--out", text}},
		{"no such name", "--name nothing*: none of the files asked for has such a name", []string{"extract", image, "--out", out, "--name", "nothing*"}},
		{"no such process", "no process has the id 77", []string{"extract", image, "--out", out, "--pid", "77"}},
	} {
		t.Run(test.name, func(t *testing.T) { refused(t, []string{test.says}, test.args...) })
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("extract leaves a folder behind where there is nothing to copy: %v", err)
	}
}

// TestMountPointsThatAreNone gives folders on which nothing can be mounted.
func TestMountPointsThatAreNone(t *testing.T) {
	corpus.Long(t)
	needFUSE(t)
	image, _ := demo(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	m := mounted(t, image)
	for _, test := range []struct{ name, dir, says string }{
		{"missing", filepath.Join(dir, "a b"), "make it with: mkdir -p '" + filepath.Join(dir, "a b") + "'"},
		{"a file", filepath.Join(dir, "file"), "is not a directory"},
		{"not empty", dir, `is not empty (it holds "file")`},
		{"mounted", m.dir, "is already mounted: " + image},
		{"the image", image, "is not a directory"},
	} {
		t.Run(test.name, func(t *testing.T) { refused(t, []string{test.says}, "mount", image, test.dir) })
	}
	second := mounted(t, image) // it may be mounted a second time on another folder
	second.unmount()
	m.unmount()
}

// TestMountWithoutFUSE runs in a namespace without the device.
func TestMountWithoutFUSE(t *testing.T) {
	needMounts(t)
	image, _ := demo(t)
	cmd := program(t, "mount", image, t.TempDir())
	ownMounts(t, cmd, `mount -t tmpfs none /dev && exec "$0" "$@"`)
	r := finish(t, cmd)
	if r.code != 1 || !strings.Contains(r.stderr, "/dev/fuse is missing") || !strings.Contains(r.stderr, "memlens extract") {
		t.Errorf("it exits with %d and says %q", r.code, r.stderr)
	}
}
