package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

// TestCommandsTakeURLs runs each command on an image and other files by their URLs. The output is the same as with the local files.
func TestCommandsTakeURLs(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	image, originals := demo(t)
	dir := filepath.Dir(image)
	memmap := filepath.Join(dir, "map.txt")
	if err := os.WriteFile(memmap, []byte("0x0 0x3ffffff 0x0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	symbols := filepath.Join(dir, "kernel_x64.pdb")
	if err := os.Link("../../memimage/profile/testdata/kernel_x64.pdb", symbols); err != nil {
		if err := os.WriteFile(symbols, []byte(readFile(t, "../../memimage/profile/testdata/kernel_x64.pdb")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	handler, _ := tagged(t, dir, 0)
	server := httptest.NewServer(handler)
	defer server.Close()
	local := func(s string) string { return strings.ReplaceAll(s, server.URL, dir) }
	for _, args := range [][]string{
		{"info"}, {"info", "--json"}, {"pages"}, {"info", "--memmap", memmap}, {"info", "--symbols", symbols}, {"info", "--verify"}, {"info", "--pagefile", memmap},
	} {
		at := []string{args[0], server.URL + "/demo.raw"}
		near := []string{args[0], image}
		for _, a := range args[1:] {
			near, at = append(near, a), append(at, strings.ReplaceAll(a, dir, server.URL))
		}
		want, got := memlens(t, near...), memlens(t, at...)
		if got.code != want.code || undated(local(got.stdout)) != undated(want.stdout) || local(got.stderr) != want.stderr {
			t.Errorf("%v: exit %d\n%s%s\nlocally %d\n%s%s", args, got.code, got.stdout, got.stderr, want.code, want.stdout, want.stderr)
		}
	}
	one := filepath.Join(originals, "cmd.exe")
	here, there := filepath.Join(t.TempDir(), "here"), filepath.Join(t.TempDir(), "there")
	succeeds(t, "extract", image, "--out", here, "--pid", "3256", "--reference", one)
	succeeds(t, "extract", server.URL+"/demo.raw", "--out", there, "--pid", "3256", "--reference", strings.ReplaceAll(one, dir, server.URL))
	shell(t, dir, "diff -r "+filepath.Join(here, "3256-cmd.exe")+" "+filepath.Join(there, "3256-cmd.exe")+" | grep -v '^diff\\|^[<>] .*/cmd.exe\\|^[0-9c,]*$\\|^---$' > differences || true; cat differences; test ! -s differences")
	url, _ := served(t, server.URL+"/demo.raw")
	if r, got := fetched(t, request(t, url+"3256-cmd.exe/procexedump.exe")); r.StatusCode != http.StatusOK || got != readFile(t, filepath.Join(here, "3256-cmd.exe", "procexedump.exe")) {
		t.Errorf("served: %s, %d bytes", r.Status, len(got))
	}
}

// undated removes the image's time of change, because servers do not give fractions of a second.
func undated(s string) string {
	var out []string
	for line := range strings.Lines(s) {
		if !strings.Contains(line, `"modified"`) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// TestReferencesInABucket compares with files in a folder of a bucket, and with one of these files, as with local files.
func TestReferencesInABucket(t *testing.T) {
	corpus.Long(t)
	image, originals := demo(t)
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "case7"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(root, "case7", "files"), os.DirFS(originals)); err != nil {
		t.Fatal(err)
	}
	endpoint := s3Server(t, root)
	want := mounted(t, image, "--reference", originals)
	got := mounted(t, image, "--reference", "s3://case7/files/", "--s3-endpoint", endpoint)
	const sums = "ls */diff-vs; md5sum 3256-cmd.exe/diff-vs/*.[bgp]* */diff-vs-restored/*.png; cat 3256-cmd.exe/similar.csv 3256-cmd.exe/diff-vs/cmd.exe.json | sed 's/ *$//; /^$/d'"
	if a, b := shell(t, want.dir, sums), strings.ReplaceAll(shell(t, got.dir, sums), "s3://case7/files", originals); a != b || !strings.Contains(a, "diff-vs/cmd.exe.bmp") {
		t.Errorf("in a bucket\n%slocally\n%s", b, a)
	}
	got.unmount()
	r := memlens(t, "extract", image, "--out", t.TempDir(), "--reference", "s3://case7/none/", "--s3-endpoint", endpoint)
	if r.code == 0 || !strings.Contains(r.stderr, "there are no files there") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
	r = memlens(t, "extract", image, "--out", t.TempDir(), "--reference", "https://server.invalid/files/?sig=topsecret")
	if r.code == 0 || !strings.Contains(r.stderr, "give each file by its URL") || strings.Contains(r.stderr, "topsecret") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}

// TestSegmentsInABucket opens an E01 image in several segments, and a split image. The segments are listed in a
// bucket, or found by their names on a web server.
func TestSegmentsInABucket(t *testing.T) {
	corpus.Long(t)
	needTool(t, "ewfacquire")
	image, _ := demo(t)
	root := t.TempDir()
	dir := filepath.Join(root, "case7")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	toolIn(t, dir, "ewfacquire", "-u", "-q", "-t", "host", "-S", "1MiB", "-m", "memory", image)
	shell(t, dir, "test -e host.E03; split -b 20M -a 3 -d --numeric-suffixes=1 "+image+" split.raw.")
	handler, _ := tagged(t, dir, 0)
	web := httptest.NewServer(handler)
	defer web.Close()
	endpoint := s3Server(t, root)
	for _, name := range []string{"host.E01", "split.raw.001"} {
		want := succeeds(t, "pages", filepath.Join(dir, name))
		if got := succeeds(t, "pages", "s3://case7/"+name, "--s3-endpoint", endpoint); got != want {
			t.Errorf("%s in a bucket:\n%slocally\n%s", name, got, want)
		}
		if got := succeeds(t, "pages", web.URL+"/"+name); got != want {
			t.Errorf("%s on a web server:\n%slocally\n%s", name, got, want)
		}
	}
}
