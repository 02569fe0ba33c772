package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"

	"memlens/cmd/memlens-fleet/internal/expand"
	"memlens/cmd/memlens-fleet/internal/fleet"
	"memlens/cmd/memlens-fleet/internal/output"
	"memlens/cmd/memlens-fleet/internal/page"
	"memlens/cmd/memlens-fleet/internal/walk"
	"memlens/memimage/report"
)

// command holds the values of the flags.
type command struct {
	images   texts
	known    texts
	symbols  texts
	digests  string
	memory   string
	pieces   bool
	logLevel string
	options  fleet.Options
}

// texts is a flag that may be given more than once.
type texts []string

func (t *texts) String() string { return strings.Join(*t, " ") }

// Set implements [flag.Value].
func (t *texts) Set(s string) error {
	*t = append(*t, s)
	return nil
}

func (c *command) flags(f *flag.FlagSet) {
	o := &c.options
	f.Var(&c.images, "images", "a `pattern` of images: a path or s3://BUCKET/KEY, in which * stands for any letters but the slash and ** for any, a URL, or a list of such (a file or URL that ends in .txt); may be given more than once")
	f.StringVar(&o.Output, "output", "", "the `folder` for the results, or s3://BUCKET/PREFIX")
	f.BoolVar(&o.Walk.Modules, "modules", false, "report the modules of all processes, too")
	f.BoolVar(&o.Walk.Drivers, "drivers", false, "report the drivers, too")
	f.BoolVar(&o.Walk.Regions, "regions", false, "report the regions of all processes, too")
	f.BoolVar(&o.Walk.Scan, "scan", false, "report processes and drivers that the lists lack, too, which reads all of each image")
	f.StringVar(&c.digests, "digest", "", "`digests` to make beside sha256, authentihash and tlsh, with commas: "+strings.Join(report.DigestNames, ", ")+", or all")
	f.Var(&c.known, "known", "a `file` of the hashes of known files, which every worker must have; may be given more than once")
	f.Var(&c.symbols, "symbols", "a PDB `file`, a Volatility 3 symbol table, or a folder or URL of one; may be given more than once")
	f.IntVar(&o.Workers, "workers", 0, "how many images are read at the same time on each machine; 0: one more than there are processors")
	f.DurationVar(&o.Deadline, "deadline", 10*time.Minute, "how long an image may take")
	f.StringVar(&c.memory, "memory", "1GiB", "how much memory a process that reads an image may have")
	f.IntVar(&o.Attempts, "attempts", 3, "how often an image is tried whose process crashes, or that cannot be read")
	f.IntVar(&o.Shards, "shards", 0, "in how many `files` the records are; 0: one for every 32 images")
	f.IntVar(&o.Pictures, "pictures", 24, "how many of the rarest files are on the page, with their pictures")
	f.BoolVar(&c.pieces, "each-file", false, "take each file for an image of its own, even if its name is like the name of a piece of an image")
	f.StringVar(&o.Walk.Endpoint, "s3-endpoint", "", "the `URL` of the S3 server; by default the URL in the environment, else Amazon's")
	f.StringVar(&o.Walk.Region, "s3-region", "", "the `region` of the bucket")
	f.StringVar(&o.Walk.CacheDir, "cache", "", "a `folder` on each machine to keep blocks of remote images in")
	f.Int64Var(&o.Walk.CacheMiB, "cache-size", 8192, "how large that folder may become, in `MiB`")
	f.StringVar(&o.Walk.SpoolDir, "spool-dir", "", "the `folder` for unpacking compressed images that allow no random access")
	f.StringVar(&c.logLevel, "log-level", "warn", "what the engine says: debug, info, warn or error")
}

func usage() {
	fmt.Fprintln(os.Stderr, `memlens-fleet reads many memory images, and says which executables are on few of them.

  memlens-fleet --images 's3://evidence/2026/**.raw' --known rds.csv --output s3://evidence/out
  memlens-fleet --modules --output out --runner flink --endpoint localhost:8099 images/*.raw

Flags, of which those with an underscore and --runner, --endpoint and the like are of Apache Beam:`)
	flag.PrintDefaults()
}

// problemsError says that some images could not be opened: all others were processed.
type problemsError struct{ page.Summary }

func (e *problemsError) Error() string {
	return fmt.Sprintf("%d of %d images could not be opened: problems.jsonl says why", e.Failed, e.Images)
}

// run runs the pipeline. Arguments that are no flags are patterns, too.
func (c *command) run(ctx context.Context, args []string) error {
	if err := c.check(); err != nil {
		return err
	}
	found, err := expand.Expand(ctx, slices.Concat(c.images, args), expand.Options{Remote: c.options.Walk.Remote(), WholePieces: c.pieces})
	if err != nil {
		return err
	}
	if len(found.Images) == 0 {
		return fmt.Errorf("there are no images: give patterns with --images (--help says more)")
	}
	tellPieces(found.Pieces)
	if c.options.Shards <= 0 {
		c.options.Shards = fleet.DefaultShards(len(found.Images))
	}
	c.options.Shards = min(c.options.Shards, len(found.Images))
	fmt.Fprintf(os.Stderr, "memlens-fleet: %d images\n", len(found.Images))
	start := time.Now()
	traffic, err := fleet.Run(ctx, runner(), found.Images, c.options)
	if err != nil {
		return err
	}
	if traffic.Requests > 0 {
		fmt.Fprintf(os.Stderr, "memlens-fleet: %d requests, %d bytes came\n", traffic.Requests, traffic.Bytes)
	}
	return c.tell(ctx, time.Since(start))
}

// check reads the flags that are texts, and checks the things that every image needs.
func (c *command) check() (err error) {
	o := &c.options
	if o.Output == "" {
		return fmt.Errorf("--output is missing: the folder for the results")
	}
	if o.Memory, err = units.RAMInBytes(c.memory); err != nil || o.Memory < 64<<20 {
		return fmt.Errorf("--memory is 64MiB or more, not %q", c.memory)
	}
	if c.digests != "" {
		if o.Walk.Digests, err = report.ParseDigests(strings.Split(c.digests, ",")); err != nil {
			return fmt.Errorf("--digest: %w", err)
		}
	}
	o.Walk.Known, o.Walk.Symbols = c.known, c.symbols
	if _, err := walk.OpenKnown(c.known); err != nil {
		return fmt.Errorf("--known: %w", err)
	}
	return nil
}

// tellPieces reports the files that are not taken for images.
func tellPieces(pieces []string) {
	if n := len(pieces); n > 0 {
		fmt.Fprintf(os.Stderr, "memlens-fleet: %d files are taken to be further pieces of images, by their names, as %s (--each-file takes them for images)\n", n, pieces[0])
	}
}

// tell reports the results of the run.
func (c *command) tell(ctx context.Context, took time.Duration) error {
	out, err := output.Open(ctx, c.options.Output, c.options.Walk.Remote())
	if err != nil {
		return err
	}
	defer out.Close()
	b, err := out.Read(ctx, fleet.SummaryName)
	if err != nil {
		return fmt.Errorf("the run is over, or goes on elsewhere, and its summary cannot be read: %w", err)
	}
	var s page.Summary
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "memlens-fleet: %d images in = %d opened + %d not opened; %d have problems; %d records; %.1f s, %.1f images/s; the results are in %s\n",
		s.Images, s.Opened, s.Failed, s.WithProblems, s.Records, took.Seconds(), float64(s.Images)/took.Seconds(), c.options.Output)
	if s.Failed > 0 {
		return &problemsError{s}
	}
	return nil
}
