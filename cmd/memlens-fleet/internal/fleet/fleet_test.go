package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	beamlog "github.com/apache/beam/sdks/v2/go/pkg/beam/log"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"
	"github.com/parquet-go/parquet-go"

	"memlens/cmd/memlens-fleet/internal/corpus"
	"memlens/cmd/memlens-fleet/internal/stack"
	"memlens/cmd/memlens-fleet/internal/walk"
	"memlens/cmd/memlens-fleet/internal/worker"
	"memlens/memimage/report"
)

// TestMain is also the process that reads images.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == WorkerCommand {
		if err := worker.Serve(os.Stdin, os.Stdout, misbehave); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	beamlog.SetupLogging("error", "text")
	Register()
	beam.Init()
	code := m.Run()
	os.RemoveAll(testDir)
	os.Exit(code)
}

// swollen is the memory that a request keeps.
var swollen [][]byte

// misbehave crashes, hangs or uses up memory if the name of the image says so, and otherwise reads the image.
func misbehave(ctx context.Context, request []byte, line func([]byte) error) []byte {
	switch {
	case bytes.Contains(request, []byte("crashes.raw")):
		_ = line([]byte(`{"record":"image","half":true}`))
		os.Exit(7)
	case bytes.Contains(request, []byte("hangs.raw")):
		select {}
	case bytes.Contains(request, []byte("swells.raw")):
		for {
			swollen = append(swollen, bytes.Repeat([]byte{1}, 1<<20))
		}
	}
	return new(walk.Handler).Answer(ctx, request, line)
}

// testDir has the corpus of all tests.
var testDir string

// built builds the corpus once: a small one, or with MEMLENS_FLEET_IMAGES=500 so many images of 16 to 64 MiB.
var built = sync.OnceValues(func() (*corpus.Truth, error) {
	dir, err := os.MkdirTemp("", "memlens-fleet-")
	if err != nil {
		return nil, err
	}
	testDir = dir
	if n, err := strconv.Atoi(os.Getenv("MEMLENS_FLEET_IMAGES")); err == nil {
		return corpus.Build(dir, corpus.Corpus{Images: n})
	}
	return corpus.Build(dir, corpus.Corpus{Images: corpus.Least, Small: true})
})

// images returns the images of the corpus, and its truth.
func images(t *testing.T) ([]string, *corpus.Truth) {
	t.Helper()
	truth, err := built()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range truth.Images {
		out = append(out, filepath.Join(testDir, name))
	}
	return out, truth
}

func options(t *testing.T) Options {
	return Options{
		Output: filepath.Join(t.TempDir(), "out"), Shards: 3, Workers: 2, Deadline: time.Minute, Memory: 512 << 20, Attempts: 3, Pictures: 4,
		Walk: walk.Options{Modules: true},
	}
}

// run runs the pipeline on the embedded runner.
func run(t *testing.T, images []string, o Options) {
	t.Helper()
	runBy(t, "prism", images, o)
}

func runBy(t *testing.T, runner string, images []string, o Options) {
	t.Helper()
	if _, err := Run(context.Background(), runner, images, o); err != nil {
		t.Fatal(err)
	}
}

// outputs returns the files of a run.
func outputs(t *testing.T, o Options) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(o.Output)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(o.Output, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(b)
	}
	return out
}

// same reports a difference between the files of two runs.
func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
		t.Fatalf("files %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s differs: %d bytes and %d", name, len(got[name]), len(want[name]))
		}
	}
}

func rows[T any](t *testing.T, o Options, name string) []T {
	t.Helper()
	out, err := parquet.ReadFile[T](filepath.Join(o.Output, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

// TestPipeline compares the results with the content that was put into the images.
func TestPipeline(t *testing.T) {
	all, truth := images(t)
	o := options(t)
	run(t, all, o)
	want := outputs(t, o)
	t.Run("stack", func(t *testing.T) { checkStack(t, rows[stack.Row](t, o, "stack.parquet"), truth) })
	t.Run("changes", func(t *testing.T) { checkChanges(t, rows[stack.ChangeRow](t, o, "changes.parquet"), truth) })
	t.Run("problems", func(t *testing.T) { checkProblems(t, rows[tableRow](t, o, "problems.parquet"), truth) })
	t.Run("records", func(t *testing.T) { checkRecords(t, o, want, all) })
	t.Run("page", func(t *testing.T) { checkPage(t, want["stack.html"]) })
	t.Run("again into the same folder, by 8 processes", func(t *testing.T) {
		o := o
		o.Workers = 8
		run(t, all, o)
		same(t, outputs(t, o), want)
	})
	t.Run("by one process, which is killed", func(t *testing.T) {
		o := o
		o.Output, o.Workers = filepath.Join(t.TempDir(), "out"), 1
		killed := killWorkers(t, 3)
		run(t, all, o)
		if n := killed(); n == 0 {
			t.Error("no process was killed")
		}
		same(t, outputs(t, o), want)
	})
}

func checkStack(t *testing.T, rows []stack.Row, truth *corpus.Truth) {
	type seen struct {
		name  string
		hosts int64
		whole string
	}
	var got, want []string
	for _, r := range rows {
		s := seen{strings.Join(r.Names, "/"), r.Hosts, ""}
		if r.Kind == stack.BySHA256 {
			s.whole = r.Identity
		}
		got = append(got, fmt.Sprint(s, inCorpus(r.Images)))
	}
	by := map[string]stack.Kind{}
	for _, r := range rows {
		by[r.Names[0]] = r.Kind
	}
	for _, f := range truth.Files {
		s := seen{f.Name, int64(len(f.Images) + len(f.Partly)), f.SHA256}
		if by[f.Name] != stack.BySHA256 {
			s.whole = ""
		}
		all := sorted(f.Images, f.Partly)
		want = append(want, fmt.Sprint(s, all[:min(len(all), 100)])) // a row has the first hundred
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the stack is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for i := range rows[1:] {
		if rows[i].Hosts > rows[i+1].Hosts {
			t.Error("the rarest are not first")
		}
	}
	if by["beacon.exe"] != stack.BySHA256 || by["sidebar64.exe"] != stack.ByTLSH || by["ntdll.dll"] != stack.ByAuthentihash {
		t.Errorf("identified by %v", by)
	}
}

// inCorpus returns the names of images in the form of the corpus.
func inCorpus(images []string) []string {
	out := []string{}
	for _, name := range images {
		out = append(out, strings.TrimPrefix(name, testDir+"/"))
	}
	return sorted(out)
}

func sorted(lists ...[]string) []string {
	out := slices.Concat(lists...)
	slices.Sort(out)
	return out
}

func checkChanges(t *testing.T, rows []stack.ChangeRow, truth *corpus.Truth) {
	if len(rows) != len(truth.Hooks) {
		t.Fatalf("%d changes, want %d: %+v", len(rows), len(truth.Hooks), rows)
	}
	for i, r := range rows {
		h := truth.Hooks[i]
		if r.Modules[0] != h.Module || !slices.Equal(inCorpus(r.Images), sorted(h.Images)) || r.Hosts != int64(len(h.Images)) {
			t.Errorf("%+v, want %+v", r, h)
		}
		if !strings.HasPrefix(r.Where[0], fmt.Sprintf("%#x+", h.RVA)) || !strings.Contains(r.Where[0], h.Is) {
			t.Errorf("%s, want %+v", r.Where[0], h)
		}
	}
}

func checkProblems(t *testing.T, rows []tableRow, truth *corpus.Truth) {
	by := map[string]tableRow{}
	for _, r := range rows {
		by[strings.TrimPrefix(r.Image, testDir+"/")] = r
	}
	if len(by) != 12 || len(truth.Problems) != 12 {
		t.Errorf("%d images have problems, want 12", len(by))
	}
	for _, p := range truth.Problems {
		got, ok := by[p.Image]
		if !ok || got.Code == "" || got.Text == "" || (got.Stage != string(report.StageOpen)) != p.Opens {
			t.Errorf("%s (%s): %+v", p.Image, p.What, got)
		}
	}
}

// tableRow has columns of the table of all records.
type tableRow struct {
	Record report.Kind `parquet:"record"`
	Image  string      `parquet:"image"`
	Code   string      `parquet:"code,optional"`
	Text   string      `parquet:"text,optional"`
	Stage  string      `parquet:"stage,optional"`
}

// checkRecords checks that the files of records have all images, and the same in JSON as in Parquet.
func checkRecords(t *testing.T, o Options, files map[string]string, all []string) {
	n := map[report.Kind]int{}
	var order []string
	for shard := range o.Shards {
		for line := range strings.Lines(files[fmt.Sprintf("records-%05d-of-%05d.jsonl", shard, o.Shards)]) {
			var r struct {
				Record report.Kind
				Image  string
			}
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			n[r.Record]++
			order = append(order, r.Image)
		}
	}
	if !slices.IsSorted(order) || !slices.Equal(slices.Compact(order), all) {
		t.Errorf("the records are of %d images, want %d, in order", len(slices.Compact(order)), len(all))
	}
	for shard := range o.Shards {
		for _, r := range rows[tableRow](t, o, fmt.Sprintf("records-%05d-of-%05d.parquet", shard, o.Shards)) {
			n[r.Record]--
		}
	}
	for kind, left := range n {
		if left != 0 {
			t.Errorf("%d more records %q in JSON than in Parquet", left, kind)
		}
	}
}

func checkPage(t *testing.T, text string) {
	if n := strings.Count(text, "data:image/png;base64,"); n != 4 {
		t.Errorf("%d pictures, want 4", n)
	}
	for _, s := range []string{"http://", "https://", "src=\"/", "<script"} {
		if strings.Contains(text, s) {
			t.Errorf("the page has %s", s)
		}
	}
}
