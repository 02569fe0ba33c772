package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/metrics"

	"memlens/cmd/memlens-fleet/internal/output"
)

// Run runs the pipeline by a runner of the engine, and checks its counters: each image that went in has come out, or
// is a problem. The functions of the pipeline check that, too, for runners without counters.
func Run(ctx context.Context, runner string, images []string, o Options) (Traffic, error) {
	defer shared.close()
	if err := o.checkOutput(ctx); err != nil {
		return Traffic{}, err
	}
	p, s := beam.NewPipelineWithRoot()
	Build(s, images, o)
	result, err := beam.Run(ctx, runner, p)
	if err != nil || result == nil { // without a result the run continues on other machines
		return Traffic{}, err
	}
	count := counted(result.Metrics())
	return Traffic{count[Requests], count[Bytes]}, checkCounters(count, len(images))
}

// Traffic counts the requests and the bytes over the network.
type Traffic struct{ Requests, Bytes int64 }

// counted returns a runner's counters, without failed attempts; none if the runner does not report them.
func counted(m metrics.Results) map[string]int64 {
	count := map[string]int64{}
	for _, c := range m.AllMetrics().Counters() {
		if c.Key.Namespace == Namespace {
			count[c.Name()] += c.Committed
		}
	}
	return count
}

// checkCounters checks a runner's counters.
func checkCounters(count map[string]int64, images int) error {
	in, out, failed := count[ImagesIn], count[ImagesOut], count[ImagesFailed]
	if in != 0 && (in != int64(images) || in != out+failed) {
		return fmt.Errorf("fleet: of %d images %d went in, %d came out and %d failed, by the engine's counters", images, in, out, failed)
	}
	return nil
}

// checkOutput refuses a place with records of a run that had another number of shards: a reader of all records would
// count images twice.
func (o *Options) checkOutput(ctx context.Context) error {
	return o.write(ctx, func(out *output.Folder) error {
		names, err := out.Names(ctx)
		if err != nil {
			return err
		}
		ours := fmt.Sprintf("-of-%05d.", o.Shards)
		for _, name := range names {
			if strings.HasPrefix(name, "records-") && !strings.Contains(name, ours) {
				return errors.New("the output has records of another run, in another number of files (" + name + "): take another place, or remove them")
			}
		}
		return nil
	})
}
