package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"memlens/fs"
	"memlens/memimage"
	"memlens/memimage/format"
	"memlens/memimage/known"
	"memlens/memimage/profile"
	"memlens/memimage/reference"
	"memlens/memimage/remote"
	"memlens/render"
)

// imageFlags are the flags of all commands that open an image.
type imageFlags struct {
	profile   string
	symbols   []string
	pageFiles []string
	pages     string
	memmap    string
	spoolDir  string
	verify    bool // check the digests that the container carries
	remote    remoteFlags
}

func (o *imageFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.profile, "profile", "", "the `name` of the kernel profile to use, instead of choosing one (memlens info --profiles lists them)")
	f.StringArrayVar(&o.symbols, "symbols", nil, "a `file` with the kernel's symbols, or a folder of such files: PDB, or symbol tables of Volatility 3; may be given more than once")
	f.StringArrayVar(&o.pageFiles, "pagefile", nil, "a page `file` of the system, its URL, or the AFF4 volume that holds it; may be given more than once. NUMBER=FILE gives its number; without one, the name of the file decides, or else the order from 0 on")
	f.StringVar(&o.pages, "pages", "table", "the `source` of the pages of procmemdump.exe and procexedump.exe: table (the process's own page table, as Volatility does) or all (page files, prototypes and others, too)")
	f.StringVar(&o.memmap, "memmap", "", "a `file` that says where in physical memory the parts of a raw image are: lines of start, end, offset")
	f.StringVar(&o.spoolDir, "spool-dir", "", "the `folder` for temporary files, to which standard input and some compressed images are copied (default: $TMPDIR or /tmp)")
	o.remote.add(f)
	choices(cmd, "profile", profileNames()...)
	choices(cmd, "pages", "table", "all")
}

// options translates the flags. progress may be nil.
func (o *imageFlags) options(progress func(what string, done, total int64)) (memimage.Options, error) {
	if o.profile != "" {
		if _, err := profile.Builtin().ByName(o.profile); err != nil {
			return memimage.Options{}, fmt.Errorf("--profile: %w (memlens info --profiles lists all)", err)
		}
	}
	for _, path := range o.symbols {
		if remote.IsURL(path) {
			continue
		}
		if err := profile.CheckSymbols(path); err != nil {
			return memimage.Options{}, fmt.Errorf("--symbols: %w", err)
		}
	}
	out := memimage.Options{Profile: o.profile, Symbols: o.symbols, Progress: progress, Container: format.Options{SpoolDir: o.spoolDir}}
	switch o.pages {
	case "table":
	case "all":
		out.AllPages = true
	default:
		return out, fmt.Errorf("--pages is table or all, not %q", o.pages)
	}
	for _, arg := range o.pageFiles {
		given := memimage.GivenPageFile{Path: arg, Number: -1}
		if number, rest, ok := strings.Cut(arg, "="); ok {
			if n, err := strconv.Atoi(number); err == nil && n >= 0 {
				given = memimage.GivenPageFile{Path: rest, Number: n}
			}
		}
		out.PageFiles = append(out.PageFiles, given)
	}
	return out, nil
}

// open opens an image. Long work shows a progress bar on standard error.
func (o *imageFlags) open(ctx context.Context, path string) (*memimage.Image, error) {
	bars := barsOf(ctx)
	defer bars.finish()
	return o.openWith(ctx, path, bars)
}

// openWith opens an image. bars shows the progress of long work.
func (o *imageFlags) openWith(ctx context.Context, path string, bars *bars) (*memimage.Image, error) {
	options, err := o.options(bars.progress)
	if err != nil {
		return nil, err
	}
	options.Verify = o.verify
	if options.Remote, err = o.remote.options(bars); err != nil {
		return nil, err
	}
	if options.Container.Memmap, err = readMemmap(ctx, o.memmap, options.Remote); err != nil {
		return nil, fmt.Errorf("--memmap: %w", err)
	}
	options.Container.Spool = tellSpool(bars)
	slog.Debug("opening " + imageName(path))
	start := time.Now()
	im, err := openImage(ctx, path, options, bars)
	if err == nil {
		logOpened(im, time.Since(start))
		logTraffic(im, "the image is open")
	}
	return im, err
}

// logOpened logs the kind of the image, and how its kernel was found.
func logOpened(im *memimage.Image, took time.Duration) {
	slog.Debug("it is "+im.Container.Format, "bytes", im.Size)
	for _, s := range im.Kernel.Found {
		slog.Debug("found: " + s)
	}
	slog.Debug("the profile is "+im.Kernel.Profile.Name(), "of this very kernel", im.Kernel.Exact)
	listed, damage := im.Processes()
	slog.Debug(processes(len(listed))+" in the list", "errors in it", len(damage), "took", took.Round(time.Millisecond))
}

// readMemmap reads the file that says where the bytes of a raw image lie. The file may be at a URL. The result is nil when there is none.
func readMemmap(ctx context.Context, path string, o remote.Options) ([]format.Range, error) {
	if path == "" {
		return nil, nil
	}
	var r io.ReadCloser
	if remote.IsURL(path) {
		src, err := remote.Open(ctx, path, o)
		if err != nil {
			return nil, err
		}
		defer src.Close()
		r = io.NopCloser(io.NewSectionReader(src, 0, src.Size()))
	} else {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		r = f
	}
	defer r.Close()
	ranges, err := format.ParseMemmap(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", remote.Shown(path), err)
	}
	return ranges, nil
}

// tellSpool returns a function that prints a message when an image is unpacked to a file.
func tellSpool(bars *bars) func(path string, size int64) error {
	return func(path string, size int64) error {
		fmt.Fprintf(bars, "memlens: unpacking the image to %s%s\n", path, ofSize(size))
		return nil
	}
}

func ofSize(n int64) string {
	if n < 1<<20 {
		return ""
	}
	return fmt.Sprintf(", %d MiB", n>>20)
}

// arguments returns a check that a command has n arguments.
func arguments(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return fmt.Errorf("wrong number of arguments; the usage is: %s (%s --help says more)", cmd.UseLine(), cmd.CommandPath())
	}
}

// treeFlags are the flags of all commands that show the tree.
type treeFlags struct {
	image       *imageFlags // the same command's flags; nil: the command has none
	references  []string
	known       []string
	width       int
	orientation string
	direction   string
	scan        bool
}

// add adds the flags. Wrong values are reported before an image is opened, because opening may take long.
func (o *treeFlags) add(cmd *cobra.Command, image *imageFlags) {
	o.image = image
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if _, err := o.options(); err != nil {
			return err
		}
		if _, err := openKnown(o.known, known.Options{}); err != nil {
			return err
		}
		if err := reference.Check(o.references); err != nil {
			return fmt.Errorf("--reference: %w", err)
		}
		return nil
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.references, "reference", "r", nil, "a `file` to compare with, or a folder of files, the machine's own disk (a mounted Windows volume or a disk image), another memory image, or the URL of one of these (the URL of a folder ends in /); may be given more than once")
	f.StringArrayVar(&o.known, "known", nil, "a `file` of hashes of known files, to look restored files up in: the output of hashdeep, md5deep, md5sum or sha256sum, NSRL's RDS (CSV), or a hash per line; may be given more than once")
	f.IntVar(&o.width, "width", 512, "the width of pictures in `pixels`, as colorize -w")
	f.StringVar(&o.orientation, "orientation", "horizontal", "the `way` that rows of pixels go: horizontal (as colorize -o) or vertical")
	f.StringVar(&o.direction, "direction", "forward", "the `end` of the data at which pictures begin: forward, or reverse (as colorize -d)")
	f.BoolVar(&o.scan, "scan", false, "scan for processes that are not in the list at the start, and not when scanned/ is first listed")
	choices(cmd, "orientation", "horizontal", "vertical")
	choices(cmd, "direction", "forward", "reverse")
}

// maxWidth bounds the pictures' width.
const maxWidth = 1 << 20

func (o *treeFlags) options() (fs.Options, error) {
	out := fs.Options{Geometry: render.Geometry{Width: o.width}}
	if o.width < 1 || o.width > maxWidth {
		return out, fmt.Errorf("--width is 1 to %d, not %d", maxWidth, o.width)
	}
	switch o.orientation {
	case "horizontal":
		out.Geometry.Horizontal = true
	case "vertical":
	default:
		return out, fmt.Errorf("--orientation is horizontal or vertical, not %q", o.orientation)
	}
	switch o.direction {
	case "forward":
	case "reverse":
		out.Geometry.Reversed = true
	default:
		return out, fmt.Errorf("--direction is forward or reverse, not %q", o.direction)
	}
	return out, nil
}

// openKnown opens sets of known files.
func openKnown(paths []string, options known.Options) (out []*known.Set, err error) {
	for _, path := range paths {
		set, err := known.Open(path, options)
		if err != nil {
			return nil, fmt.Errorf("--known: %w", err)
		}
		out = append(out, set)
	}
	return out, nil
}

// tree makes the tree of an image. The files that the references are read from stay open until done is called.
func (o *treeFlags) tree(ctx context.Context, im *memimage.Image) (tree *fs.FS, done func(), err error) {
	options, err := o.options()
	if err != nil {
		return nil, nil, err
	}
	options.CacheDir, options.Progress = digestCache(), passing(barsOf(ctx))
	if options.Known, err = openKnown(o.known, known.Options{CacheDir: options.CacheDir, Progress: options.Progress, Opened: noteSkipped(barsOf(ctx))}); err != nil {
		return nil, nil, err
	}
	if options.References, err = o.openReferences(ctx); err != nil {
		return nil, nil, err
	}
	done = func() { options.References.Close() }
	for _, note := range options.References.Notes {
		fmt.Fprintln(barsOf(ctx), "memlens: note:", plain(note))
	}
	for _, r := range options.References.TooLarge() {
		fmt.Fprintf(barsOf(ctx), "memlens: note: the reference %s is larger than 1 GiB and is left out.\n", plain(r.Path))
	}
	if o.scan {
		if _, err := im.Scanned(ctx); err != nil {
			done()
			return nil, nil, err
		}
	}
	return fs.New(im, options), done, nil
}

// openReferences opens the references that the user has given.
func (o *treeFlags) openReferences(ctx context.Context) (*reference.Set, error) {
	bars := barsOf(ctx)
	defer bars.finish()
	image := imageFlags{remote: remoteFlags{cacheMiB: defaultCacheMiB}}
	if o.image != nil {
		image = *o.image
	}
	remote, err := image.remote.options(bars)
	if err != nil {
		return nil, err
	}
	return reference.Open(ctx, o.references, reference.Options{Memory: memimage.Options{
		Symbols: image.symbols, Remote: remote, Progress: bars.progress, Container: format.Options{SpoolDir: image.spoolDir, Spool: tellSpool(bars)},
	}})
}

// noteSkipped returns a function that prints how many lines of a set of known files are not understood. These lines are ignored.
func noteSkipped(out io.Writer) func(*known.Set, known.Stats) {
	return func(s *known.Set, stats known.Stats) {
		if stats.Skipped > 0 {
			fmt.Fprintf(out, "memlens: note: %s: of %d lines %d are not understood, the first is line %d.\n", plain(s.Name()), stats.Lines, stats.Skipped, stats.First)
		}
	}
}

// digestCache is the folder in which digests of references and indexes of known files are kept; empty where the user has none.
func digestCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "memlens", "digests")
}

// passing returns a function that shows the progress of work while the tree is read. It takes the bar away when the work is done.
func passing(b *bars) func(what string, done, total int64) {
	return func(what string, done, total int64) {
		b.progress(what, done, total)
		if done >= total {
			b.finish()
		}
	}
}

// profileNames returns the names of the profiles built in.
func profileNames() []string {
	var out []string
	for p := range profile.Builtin().All() {
		out = append(out, p.Name())
	}
	return out
}
