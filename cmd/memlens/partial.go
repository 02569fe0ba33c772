package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"memlens/fs/fusefs"
	"memlens/memimage"
	"memlens/memimage/remote"
	"memlens/memimage/sparse"
)

// markName is the file in the folder of an extraction that has not come to its end.
const markName = "PARTIAL.txt"

// mark says with which image and options a folder is filled. With --resume they must be the same.
type mark struct {
	Program string   `json:"program"`
	Name    string   `json:"image"`
	Size    int64    `json:"size"`
	Memory  samples  `json:"memory_samples"`
	Options []string `json:"options"` // the options that decide what is copied

	Path     string            `json:"path,omitempty"`    // the image's absolute path; empty for an image that is no local file
	Modified time.Time         `json:"modified,omitzero"` // the time of the file at Path
	Inputs   map[string]string `json:"inputs,omitempty"`  // digests of the local files that the options name, by option

	command string // the command that continues
	secrets bool   // secrets are left out of it
	folder  string // the folder in which to give the command
}

// markPrefix begins the line of the file that the program reads.
const markPrefix = "For memlens: "

// mayGoOn returns an error for a folder that is not empty, unless --resume is given: it goes on with an extraction that was
// interrupted there, and compares a folder without a mark.
func (e *extraction) mayGoOn() error {
	_, err := readMark(e.out)
	switch {
	case err == nil && e.resume:
		return nil
	case err == nil:
		return fmt.Errorf("--out %s holds a part of an extraction that was interrupted: give --resume to go on with it, or another folder (%s in it says more)", e.out, markName)
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("--out %s: %w", e.out, err)
	case e.resume:
		e.finished = true
		return nil
	}
	return fmt.Errorf("--out %s is not empty: give a folder that is, or one that does not exist", e.out)
}

// identify sets the mark of this extraction. It returns an error if the folder has the copy of something else.
func (e *extraction) identify(cmd *cobra.Command, im *memimage.Image) error {
	e.mark = &mark{Program: versionText(), Name: im.Name(), Size: im.Size, Memory: sampleMemory(im), Options: lasting(cmd.Flags()), command: commandToResume(os.Args[1:]), secrets: hasSecrets(os.Args[1:])}
	e.mark.folder, _ = os.Getwd()
	e.mark.Inputs = inputs(cmd.Flags(), e.out)
	if arg := cmd.Flags().Arg(0); arg != stdinArg && !remote.IsURL(arg) {
		path, err := filepath.Abs(arg)
		if err != nil {
			return err
		}
		e.mark.Path = path
		e.mark.Modified = im.ModTime
	}
	if !e.resume {
		return nil
	}
	before, err := readMark(e.out)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = e.mark.goesOn(before)
	}
	if err != nil {
		return fmt.Errorf("--resume: %s: %w", e.out, err)
	}
	return nil
}

// goesOn returns an error if this extraction differs from the extraction that it is to continue.
func (m *mark) goesOn(before *mark) error {
	switch {
	case m.Size != before.Size || !m.Memory.like(before.Memory) || m.Name != before.Name:
		return fmt.Errorf("it was begun with another image: with %s of %d bytes, and this is %s of %d bytes%s", before.Name, before.Size, m.Name, m.Size,
			map[bool]string{true: "", false: ", whose memory is another"}[m.Memory.like(before.Memory)])
	case !slices.Equal(m.Options, before.Options):
		return fmt.Errorf("it was begun with other options: with %s, and now %s", optionText(before.Options), optionText(m.Options))
	case m.Program != before.Program:
		return fmt.Errorf("it was begun by another version, memlens %s, and this is %s: give another folder", before.Program, m.Program)
	case m.Path != "" && m.Path == before.Path && !m.Modified.Equal(before.Modified):
		return fmt.Errorf("the image %s has changed since it was begun: it was of %s, and is of %s: give another folder", m.Path,
			before.Modified.Format(time.RFC3339Nano), m.Modified.Format(time.RFC3339Nano))
	}
	var changed []string
	for _, option := range slices.Sorted(maps.Keys(m.Inputs)) {
		if m.Inputs[option] != before.Inputs[option] {
			changed = append(changed, option)
		}
	}
	if len(changed) > 0 {
		return fmt.Errorf("files have changed since it was begun, those of %s: give another folder", quoted(changed))
	}
	return nil
}

func optionText(options []string) string {
	if len(options) == 0 {
		return "none"
	}
	return quoted(options)
}

// sampled is how many pages of an image are read to distinguish it from other images.
const sampled = 64

// samples are the beginnings of SHA-256 digests in hexadecimal, separated by blanks: of facts about the system, and of pages
// that lie all over physical memory. A page that could not be read is a hyphen.
type samples string

// sampleMemory samples an image. Missing bytes count as zeros.
func sampleMemory(im *memimage.Image) samples {
	digest := func(p []byte) string {
		sum := sha256.Sum256(p)
		return hex.EncodeToString(sum[:4])
	}
	out := []string{digest(fmt.Append(nil, im.Time().UTC(), im.Kernel.Version, im.Kernel.Root))}
	if mem := im.Container.Memory; mem != nil {
		r, page := sparse.ZeroFill(mem, nil), make([]byte, 4096)
		for i := range int64(sampled) {
			off := mem.Size() / sampled * i
			n, err := r.ReadAt(page[:min(int64(len(page)), mem.Size()-off)], off)
			if sparse.Failed(err) {
				out = append(out, "-")
				continue
			}
			out = append(out, digest(page[:n]))
		}
	}
	return samples(strings.Join(out, " "))
}

// like reports whether all samples are equal that could be read both times.
func (s samples) like(other samples) bool {
	a, b := strings.Fields(string(s)), strings.Fields(string(other))
	return slices.EqualFunc(a, b, func(a, b string) bool { return a == b || a == "-" || b == "-" })
}

// passingFlags are the flags that do not change the copied files.
var passingFlags = []string{"out", "resume", "verbose", "spool-dir", "cache", "cache-size", "s3-endpoint", "s3-region", "scan"}

// lasting returns the given flags that change the copied files. Files are named by their absolute paths.
func lasting(flags *pflag.FlagSet) []string {
	out := []string{}
	flags.Visit(func(f *pflag.Flag) {
		if slices.Contains(passingFlags, f.Name) {
			return
		}
		values := valuesOf(f)
		if slices.Contains(setFlags, f.Name) {
			values = slices.Compact(slices.Sorted(slices.Values(values)))
		}
		for _, v := range values {
			if slices.Contains(pathFlags, f.Name) {
				v = wholePath(v)
			}
			out = append(out, "--"+f.Name+"="+v)
		}
	})
	return out
}

var (
	setFlags  = []string{"pid", "what"}                                         // the flags whose values have no order
	pathFlags = []string{"reference", "known", "symbols", "pagefile", "memmap"} // the flags whose values are files or folders
)

// valuesOf returns the values of a flag that may have several.
func valuesOf(f *pflag.Flag) []string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	return []string{f.Value.String()}
}

// inputs returns, by option, a digest of the local files that the options name. What is in the folder out does not count.
func inputs(flags *pflag.FlagSet, out string) map[string]string {
	own := []string{digestCache()}
	for _, dir := range []string{out, flags.Lookup("cache").Value.String()} {
		if abs, err := filepath.Abs(dir); err == nil && dir != "" {
			own = append(own, abs)
		}
	}
	digests := map[string]string{}
	flags.Visit(func(f *pflag.Flag) {
		if !slices.Contains(pathFlags, f.Name) {
			return
		}
		for _, v := range valuesOf(f) {
			v = wholePath(v)
			if _, file := cutNumber(v); !remote.IsURL(file) {
				digests["--"+f.Name+"="+v] = statDigest(file, own)
			}
		}
	})
	return digests
}

// maxInputs is how many files and folders of a folder count for its digest.
const maxInputs = 100_000

// statDigest returns a digest of the names, sizes and times of a file, or of the files in a folder without those in the folders own.
// What cannot be read counts by its name.
func statDigest(root string, own []string) string {
	h, n := sha256.New(), 0
	if resolved, err := filepath.EvalSymlinks(root); err == nil {
		root = resolved
	}
	filepath.WalkDir(root, func(name string, d iofs.DirEntry, err error) error {
		if n++; n > maxInputs {
			return iofs.SkipAll
		}
		if err == nil && d.IsDir() {
			if name != root && slices.Contains(own, name) {
				return iofs.SkipDir
			}
			return nil
		}
		fmt.Fprintf(h, "%q", name)
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			fmt.Fprint(h, " ", info.Size(), " ", info.ModTime().UnixNano())
		}
		fmt.Fprintln(h)
		return nil
	})
	return hex.EncodeToString(h.Sum(nil))
}

// cutNumber splits the number off that a path may have before it (see --pagefile).
func cutNumber(path string) (number, rest string) {
	number, rest, ok := strings.Cut(path, "=")
	if !ok || strings.Trim(number, "0123456789") != "" {
		return "", path
	}
	return number, rest
}

// wholePath makes the path of a file absolute. It may have a number before it.
func wholePath(path string) string {
	number, rest := cutNumber(path)
	abs, err := filepath.Abs(rest)
	if err != nil {
		return path
	}
	if remote.IsURL(rest) {
		abs = remote.Shown(rest) // the text stays in the folder, which others may read
	}
	if number != "" {
		return number + "=" + abs
	}
	return abs
}

// commandToResume is the command that continues an extraction which was begun with these arguments. The secrets of URLs are
// left out.
func commandToResume(args []string) string {
	all := []string{"memlens"}
	for _, arg := range args {
		all = append(all, withoutSecrets(arg))
	}
	if !slices.Contains(all, "--resume") {
		all = append(all, "--resume")
	}
	return quoted(all)
}

// withoutSecrets is an argument without the secrets of a URL that it is, or that is the value of its flag.
func withoutSecrets(arg string) string {
	flag, value, ok := strings.Cut(arg, "=")
	if ok && strings.HasPrefix(flag, "-") {
		return flag + "=" + withoutSecrets(value)
	}
	if number, rest := cutNumber(arg); number != "" {
		return number + "=" + remote.Shown(rest)
	}
	return remote.Shown(arg)
}

// hasSecrets reports whether secrets of URLs are left out of the arguments.
func hasSecrets(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool { return withoutSecrets(arg) != arg })
}

// quoted writes words for a shell.
func quoted(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = fusefs.ShellQuote(w)
	}
	return strings.Join(out, " ")
}

// from says what the command needs in addition.
func (m *mark) from() string {
	switch {
	case m.Name == stdinName:
		return ", with the same image in standard input"
	case m.secrets:
		return ", with the secret part of the URL, which is left out here"
	}
	return ""
}

// maxListed is how many missing files are listed by name.
const maxListed = 1000

// text is the content of the file. left are the paths that are not copied yet; nil while the program is at work, when they are not known.
func (m *mark) text(files int, left []string) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "This folder holds a part of what memlens extract is to copy: it is at work here, or it was interrupted.\n\n")
	fmt.Fprintf(&out, "Every file that is here under its own name is whole. To go on, in the folder %s%s:\n\n    %s\n\n", plain(m.folder), m.from(), plain(m.command))
	fmt.Fprintf(&out, "It keeps the files that are here, makes a file anew whose size was changed, and removes this one in the end. Only after a crash of the\nmachine itself begin in another folder: what it had not yet written to the disk may be missing in files.\n\n")
	raw, _ := json.Marshal(m)
	fmt.Fprintf(&out, "%s%s\n", markPrefix, raw)
	if len(left) > 0 {
		fmt.Fprintf(&out, "\n%d files are here. Not here yet:\n", files)
		for _, name := range left[:min(len(left), maxListed)] {
			fmt.Fprintln(&out, name)
		}
		if n := len(left) - maxListed; n > 0 {
			fmt.Fprintf(&out, "and %d more\n", n)
		}
	}
	return out.Bytes()
}

// readMark reads the file in a folder. The error is [os.ErrNotExist] if there is none.
func readMark(folder string) (*mark, error) {
	raw, err := readSmall(filepath.Join(folder, markName))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(raw)) {
		if line, ok := strings.CutPrefix(line, markPrefix); ok {
			m := new(mark)
			if err := json.Unmarshal([]byte(line), m); err == nil {
				return m, nil
			}
		}
	}
	return nil, fmt.Errorf("%s is not as the program writes it: give another folder", markName)
}

// maxSmall is the largest size of a file in the folder that is read whole. A mark has at most maxListed paths and one command.
const maxSmall = 16 << 20

// readSmall reads a file in the folder. It fails if this is something else that has the file's name, such as a pipe, which would
// never end, or if it has more than maxSmall bytes.
func readSmall(name string) ([]byte, error) {
	info, err := os.Lstat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file: remove it, or give another folder", name)
	case info.Size() > maxSmall:
		return nil, fmt.Errorf("%s has %d bytes, and is not as the program writes it: give another folder", name, info.Size())
	}
	return os.ReadFile(name)
}

// begin writes the mark to the folder, and removes the files that the run before has not completed.
func (e *extraction) begin() error {
	if e.mark == nil {
		return nil
	}
	entries, err := os.ReadDir(e.out)
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	for _, d := range entries {
		if !isTemporary(d.Name()) || d.Name() == lockName {
			continue
		}
		if err := removeIfThere(filepath.Join(e.out, d.Name())); err != nil {
			return fmt.Errorf("--out: %w", err)
		}
	}
	if err := e.leaveMark(nil); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	return nil
}

// leaveMark writes the mark. The folder never has a part of a mark.
func (e *extraction) leaveMark(left []string) error {
	if err := os.WriteFile(e.temporary(), e.mark.text(e.files, left), 0o666); err != nil {
		return errors.Join(err, removeIfThere(e.temporary()))
	}
	return os.Rename(e.temporary(), filepath.Join(e.out, markName))
}

// end removes the mark if all is copied. Otherwise it writes the missing paths to the mark.
func (e *extraction) end(left []string) error {
	if e.mark == nil {
		return nil
	}
	if len(left) > 0 || len(e.failed) > 0 {
		return e.leaveMark(left)
	}
	return os.Remove(filepath.Join(e.out, markName))
}

// interrupted adds to the error of an interrupted extraction how to continue it.
func (e *extraction) interrupted(err error) error {
	if e.mark == nil || !errors.Is(err, context.Canceled) {
		return err
	}
	if _, unmarked := readMark(e.out); unmarked != nil {
		return err // there is nothing to continue
	}
	return fmt.Errorf("%w: every file in %s is whole, and %s there says which are missing; to go on%s: %s", err, e.out, markName, e.mark.from(), e.mark.command)
}
