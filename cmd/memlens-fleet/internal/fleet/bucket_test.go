package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"memlens/cmd/memlens-fleet/internal/expand"
	"memlens/cmd/memlens-fleet/internal/output"
	"memlens/cmd/memlens-fleet/internal/page"
	"memlens/memimage/remote"
)

// gateway is an S3 server over a folder, which .ci/run installs.
const gateway = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

// serveS3 starts an S3 server over a folder, and sets the environment for it. The folders in it are the buckets.
func serveS3(t *testing.T, dir string) {
	t.Helper()
	program, err := exec.LookPath("versitygw")
	switch {
	case err != nil && os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1":
		t.Fatal("versitygw is not installed: go install " + gateway)
	case err != nil:
		t.Skip("versitygw is not installed: go install " + gateway)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	cmd := exec.Command(program, "--port", addr, "--access", "tester", "--secret", "secretkey", "--region", "us-east-1", "posix", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			break
		}
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secretkey", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "http://" + addr,
	} {
		t.Setenv(name, value)
	}
}

// upload puts a file into a bucket.
func upload(t *testing.T, to *output.Folder, file string) {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := to.Write(context.Background(), filepath.Base(file), func(w io.Writer) error { _, err := io.Copy(w, in); return err }); err != nil {
		t.Fatal(err)
	}
}

// TestBucket reads images of a bucket, and writes to it.
func TestBucket(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "evidence"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, truth := images(t)
	serveS3(t, dir)
	at, err := output.Open(ctx, "s3://evidence/2026/11", remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	for _, name := range append(truth.Hooks[0].Images, "damaged/text.raw") {
		upload(t, at, filepath.Join(testDir, name))
	}
	found, err := expand.Expand(ctx, []string{"s3://evidence/2026/**.raw"}, expand.Options{})
	if err != nil || len(found.Images) != 3 {
		t.Fatal(found, err)
	}
	o := options(t)
	o.Output, o.Shards = "s3://evidence/out", 1
	traffic, err := Run(ctx, "prism", found.Images, o)
	if err != nil || traffic.Requests == 0 || traffic.Bytes == 0 {
		t.Fatal(traffic, err)
	}
	t.Log(traffic)
	out, err := output.Open(ctx, o.Output, remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	b, err := out.Read(ctx, SummaryName)
	if err != nil {
		t.Fatal(err)
	}
	var s page.Summary
	if err := json.Unmarshal(b, &s); err != nil || s.Images != 3 || s.Opened != 2 || s.Failed != 1 {
		t.Errorf("%s, %v", b, err)
	}
	changes, err := out.Read(ctx, "changes.jsonl")
	if err != nil || bytes.Count(changes, []byte("\n")) != 1 || !strings.Contains(string(changes), `"hosts":2`) {
		t.Errorf("%s, %v", changes, err)
	}
}
