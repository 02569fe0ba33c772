package main

import (
	"bytes"
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"memlens/memimage/reason"
	"memlens/memimage/report"
	"memlens/memimage/synth/corpus"
)

// records reads JSON lines.
func records(t *testing.T, text string) (out []report.Record) {
	t.Helper()
	for line := range strings.Lines(text) {
		r, err := report.Decode([]byte(line))
		if err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		out = append(out, r)
	}
	return out
}

func demoPath(t *testing.T) string {
	image, _ := demo(t)
	return image
}

func matches(t *testing.T, pattern string) []string {
	t.Helper()
	out, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// badImages makes files that are no images, among copies of a good image.
func badImages(t *testing.T) (paths []string, bad map[string]reason.Code) {
	t.Helper()
	dir := t.TempDir()
	raw := []byte(readFile(t, demoPath(t)))
	bad = map[string]reason.Code{}
	for _, f := range []struct {
		name string
		data []byte
		code reason.Code
	}{
		{"a.raw", raw, ""}, {"empty.raw", nil, reason.Empty}, {"b.raw", raw, ""}, {"text.pdf", []byte("%PDF-1.7 no memory"), reason.NotMemory},
		{"zeros.raw", make([]byte, 1<<20), reason.NoWindows}, {"c.raw", raw, ""},
	} {
		path := filepath.Join(dir, f.name)
		if err := os.WriteFile(path, f.data, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
		if f.code != "" {
			bad[path] = f.code
		}
	}
	gone := filepath.Join(dir, "gone.raw")
	bad[gone] = reason.NoSuchFile
	return append(paths, gone), bad
}

// TestReport reports images. Some cannot be opened: each of these is a problem record in its place, and the exit
// status is 3. The output does not depend on how many images are read at a time.
func TestReport(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	paths, bad := badImages(t)
	var before string
	for _, jobs := range []string{"1", "8"} {
		r := memlens(t, append([]string{"report", "-j", jobs}, paths...)...)
		if r.code != exitProblems || !strings.Contains(r.stderr, "4 of 7 images could not be opened") {
			t.Fatalf("-j %s: status %d: %s", jobs, r.code, r.stderr)
		}
		if before != "" && r.stdout != before {
			t.Error("with 8 images at a time the output is another")
		}
		before = r.stdout
	}
	var order []string
	processes := map[string]int{}
	for _, r := range records(t, before) {
		image := report.ImageNameOf(r)
		if len(order) == 0 || order[len(order)-1] != image {
			order = append(order, image)
		}
		switch r := r.(type) {
		case *report.Process:
			processes[image]++
		case *report.Problem:
			if r.Stage != report.StageOpen || r.Code != bad[image] || bad[image] == "" {
				t.Errorf("%s: %+v, want %q", image, r, bad[image])
			}
		}
	}
	if !slices.Equal(order, paths) {
		t.Errorf("the images are told of in the order %q", order)
	}
	if n := processes[paths[0]]; n < 10 || n != processes[paths[2]] || n != processes[paths[5]] {
		t.Errorf("processes: %v", processes)
	}
	if r := memlens(t, "report", paths[0]); r.code != 0 || r.stderr != "" {
		t.Errorf("a sound image: status %d, %q", r.code, r.stderr)
	}
}

// TestReportAgreesWithTools compares digests of the records with md5sum of the files in the tree.
func TestReportAgreesWithTools(t *testing.T) {
	corpus.Long(t)
	image := demoPath(t)
	out := t.TempDir()
	succeeds(t, "extract", image, "--out", filepath.Join(out, "x"), "--what", "executables")
	byPID := map[string]*report.Process{}
	for _, r := range records(t, succeeds(t, "report", image, "--digest", "md5,sha256", "--records", "process")) {
		p := r.(*report.Process)
		byPID[strings.TrimSuffix(p.MD5+" "+p.SHA256+" "+p.DumpMD5+" "+p.DumpSHA256, " ")] = p
	}
	n := 0
	for _, dir := range matches(t, filepath.Join(out, "x", "*-*.exe")) {
		var want []string
		for _, tool := range []string{"md5sum", "sha256sum"} {
			for _, file := range []string{"restored.exe", "procexedump.exe"} {
				sum, err := exec.Command(tool, filepath.Join(dir, file)).Output()
				if err != nil {
					continue // it has no file
				}
				want = append(want, strings.Fields(string(sum))[0])
			}
		}
		if len(want) != 4 {
			continue
		}
		n++
		if byPID[want[0]+" "+want[2]+" "+want[1]+" "+want[3]] == nil {
			t.Errorf("no process has the digests of %s: %q", dir, want)
		}
	}
	if n < 5 {
		t.Errorf("%d processes were compared", n)
	}
}

// TestReportFormats: all formats have the same records.
func TestReportFormats(t *testing.T) {
	corpus.Long(t)
	image := demoPath(t)
	want := len(records(t, succeeds(t, "report", image, "--modules", "--drivers", "--regions", "--scan")))
	rows, err := csv.NewReader(strings.NewReader(succeeds(t, "report", image, "--modules", "--drivers", "--regions", "--scan", "--format", "csv"))).ReadAll()
	if err != nil || len(rows) != want+1 {
		t.Errorf("%d rows of %d records: %v", len(rows)-1, want, err)
	}
	raw := []byte(succeeds(t, "report", image, "--modules", "--drivers", "--regions", "--scan", "--format", "parquet"))
	if !bytes.HasPrefix(raw, []byte("PAR1")) || !bytes.HasSuffix(raw, []byte("PAR1")) {
		t.Error("no Parquet file")
	}
	if text := succeeds(t, "report", "--schema"); text != report.SchemaText() {
		t.Error("--schema prints something else")
	}
}

// TestReportRefuses: wrong values are reported before an image is opened, with status 1.
func TestReportRefuses(t *testing.T) {
	corpus.Long(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "no image is given"},
		{[]string{"x", "--schema"}, "--schema is of no image"},
		{[]string{"x", "--digest", "crc32"}, "there is no digest"},
		{[]string{"x", "--records", "cat"}, "there is no record"},
		{[]string{"x", "--format", "xml"}, "there is no format"},
		{[]string{"x", "-j", "0"}, "--jobs is 1 to"},
		{[]string{"x", "y", "--pagefile", "p"}, "--pagefile is of one system"},
		{[]string{"x", "--known", "/nowhere"}, "--known"},
		{[]string{"x", "--profile", "Win99"}, "--profile"},
	} {
		if r := memlens(t, append([]string{"report"}, c.args...)...); r.code != 1 || !strings.Contains(r.stderr, c.want) || r.stdout != "" {
			t.Errorf("%q: status %d, %q, %q", c.args, r.code, r.stderr, r.stdout)
		}
	}
}

// TestReportIntoAFullDisk: records that cannot be written are an error.
func TestReportIntoAFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	cmd := program(t, "report", demoPath(t))
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = full, &stderr
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 1 || strings.Count(stderr.String(), "no space left") != 1 {
		t.Errorf("%v: %s", err, stderr.String())
	}
}

// TestReportHoldsFewImages: while an image is not written, only some images behind it are begun, and in the end all are.
func TestReportHoldsFewImages(t *testing.T) {
	const images, most = 100, 2 * imagesAhead
	r := reporting{jobs: 2}
	all := r.begin(t.Context(), slices.Repeat([]string{filepath.Join(t.TempDir(), "gone")}, images))
	eventually(t, "images are begun", func() bool { return len(all) == most })
	time.Sleep(20 * time.Millisecond)
	if n := len(all); n > most {
		t.Errorf("%d images are begun", n)
	}
	n := 0
	for records := range all {
		for range records {
			n++
		}
	}
	if n != images {
		t.Errorf("%d records of %d images", n, images)
	}
}
