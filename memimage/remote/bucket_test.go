package remote

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestBucket(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"evidence/a.raw", "evidence/2026/11/b.raw", "evidence/2026/c.raw", "evidence/2027/d.raw"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	b, key, err := OpenBucket(ctx, "s3://evidence/2026/x", Options{Endpoint: serveS3(t, dir)})
	if err != nil || key != "2026/x" {
		t.Fatal(key, err)
	}
	defer b.Close()
	for _, content := range []string{"first", "second, and longer"} {
		if err := b.Put(ctx, "2026/out/e.json", text(content)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := b.Get(ctx, "2026/out/e.json", 100); err != nil || string(got) != "second, and longer" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := b.Get(ctx, "2026/out/e.json", 10); err == nil {
		t.Error("no error of an object that is too large")
	}
	for prefix, want := range map[string][]string{
		"2026/":   {"2026/11/b.raw", "2026/c.raw", "2026/out/e.json"},
		"2027":    {"2027/d.raw"},
		"nothing": nil,
	} {
		var got []string
		for key, err := range b.Keys(ctx, prefix) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, key)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", prefix, got, want)
		}
	}
}

func text(s string) *io.SectionReader {
	return io.NewSectionReader(strings.NewReader(s), 0, int64(len(s)))
}

func TestBucketThatIsNotThere(t *testing.T) {
	ctx := context.Background()
	b, _, err := OpenBucket(ctx, "s3://nothing/", Options{Endpoint: serveS3(t, t.TempDir())})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Put(ctx, "a", text("a")); err == nil {
		t.Error("put: no error")
	}
	for _, err := range b.Keys(ctx, "") {
		if err == nil {
			t.Error("list: no error")
		}
	}
	for _, location := range []string{"s3://", "https://host/a", "s3://user:secret@bucket/a"} {
		if _, _, err := OpenBucket(ctx, location, Options{}); err == nil {
			t.Errorf("%s: no error", location)
		}
	}
}
