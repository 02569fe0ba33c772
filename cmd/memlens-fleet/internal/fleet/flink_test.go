package fleet

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/options/jobopts"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/flink"
)

// TestFlink runs the pipeline by a job server of Flink. The server must reach this machine, for the functions run in
// this process. The results must equal the results of the embedded runner.
func TestFlink(t *testing.T) {
	endpoint := os.Getenv("MEMLENS_FLINK_ENDPOINT")
	if endpoint == "" {
		t.Skip("there is no job server of Flink: MEMLENS_FLINK_ENDPOINT=localhost:8099 names one")
	}
	all, _ := images(t)
	o := options(t)
	run(t, all, o)
	want := outputs(t, o)
	beforeEndpoint, beforeType := *jobopts.Endpoint, *jobopts.EnvironmentType
	defer func() { *jobopts.Endpoint, *jobopts.EnvironmentType = beforeEndpoint, beforeType }()
	*jobopts.Endpoint, *jobopts.EnvironmentType = endpoint, "LOOPBACK"
	o.Output = filepath.Join(t.TempDir(), "out")
	runBy(t, "flink", all, o)
	same(t, outputs(t, o), want)
}
