// Memlens-fleet reads many memory images at once, on one machine or by an engine on many, and says which executables are on few of
// them, and where memory differs from its file. See the README beside it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/exec/optimized" // quicker ways for common types
	beamlog "github.com/apache/beam/sdks/v2/go/pkg/beam/log"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/dataflow" // each registers itself as a runner
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/flink"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/spark"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/universal"

	"memlens/cmd/memlens-fleet/internal/fleet"
	"memlens/cmd/memlens-fleet/internal/walk"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == fleet.WorkerCommand { // this program calls itself so
		if err := walk.Serve(os.Stdin, os.Stdout); err != nil {
			fail(err)
		}
		return
	}
	if len(os.Args) > 1 && os.Args[1] == corpusCommand {
		if err := buildCorpus(os.Args[2:]); err != nil {
			fail(err)
		}
		return
	}
	var c command
	c.flags(flag.CommandLine)
	flag.Usage = usage
	flag.Parse()
	beamlog.SetupLogging(c.logLevel, "text")
	fleet.Register()
	beam.Init() // on another machine, this is where the engine's work is done
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := c.run(ctx, flag.Args()); err != nil {
		stop()
		fail(err)
	}
}

// fail says why and ends with the status for it.
func fail(err error) {
	fmt.Fprintln(os.Stderr, "memlens-fleet:", err)
	if errors.As(err, new(*problemsError)) {
		os.Exit(3)
	}
	os.Exit(1)
}

// runner returns the runner that is asked for, by the flag that all programs of the engine have.
func runner() string {
	if *runners.Runner == "" {
		return "prism"
	}
	return *runners.Runner
}
