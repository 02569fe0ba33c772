// Memlens-fleet reads many memory images at once, on one machine or by an engine on many, and lists the executables
// that only few images have, and the places where memory differs from its file. See the README beside it.
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
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/exec/optimized" // faster code for common types
	beamlog "github.com/apache/beam/sdks/v2/go/pkg/beam/log"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/dataflow" // each import registers a runner
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/flink"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/spark"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/universal"

	"memlens/cmd/memlens-fleet/internal/fleet"
	"memlens/cmd/memlens-fleet/internal/walk"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == fleet.WorkerCommand { // this program starts itself with this argument
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
	beam.Init() // on another machine, the engine's work is done in this call
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := c.run(ctx, flag.Args()); err != nil {
		stop()
		fail(err)
	}
}

// fail reports an error and ends the program with the status for it.
func fail(err error) {
	fmt.Fprintln(os.Stderr, "memlens-fleet:", err)
	if errors.As(err, new(*problemsError)) {
		os.Exit(3)
	}
	os.Exit(1)
}

// runner returns the wanted runner, from the flag that all programs of the engine have.
func runner() string {
	if *runners.Runner == "" {
		return "prism"
	}
	return *runners.Runner
}
