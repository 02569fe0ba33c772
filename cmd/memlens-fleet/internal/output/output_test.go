package output

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"memlens/memimage/remote"
)

type row struct {
	Name  string     `json:"name" parquet:"name"`
	Seen  *time.Time `json:"seen" parquet:"seen,optional,timestamp(nanosecond)"`
	Hosts []string   `json:"hosts" parquet:"hosts,list"`
}

func rows() []row {
	seen := time.Date(2026, 11, 26, 1, 2, 3, 4, time.UTC)
	return []row{{"a <b>", &seen, []string{"x", "y"}}, {"c", nil, nil}}
}

func TestRows(t *testing.T) {
	ctx, dir := context.Background(), filepath.Join(t.TempDir(), "out", "run")
	f, err := Open(ctx, dir, remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var before [2][]byte
	for i := range 2 {
		if err := WriteRows(ctx, f, "stack", rows()); err != nil {
			t.Fatal(err)
		}
		for n, name := range []string{"stack.jsonl", "stack.parquet"} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if i > 0 && !bytes.Equal(b, before[n]) {
				t.Errorf("%s differs the second time", name)
			}
			before[n] = b
		}
	}
	if want := `{"name":"a <b>","seen":"2026-11-26T01:02:03.000000004Z","hosts":["x","y"]}` + "\n" + `{"name":"c","seen":null,"hosts":null}` + "\n"; string(before[0]) != want {
		t.Errorf("%s", before[0])
	}
	got, err := parquet.Read[row](bytes.NewReader(before[1]), int64(len(before[1])))
	if err != nil || len(got) != 2 || got[0].Name != "a <b>" || !got[0].Seen.Equal(*rows()[0].Seen) || !slices.Equal(got[0].Hosts, []string{"x", "y"}) || got[1].Seen != nil {
		t.Errorf("%v, %v", got, err)
	}
	if names, err := f.Names(ctx); err != nil || !slices.Equal(names, []string{"stack.jsonl", "stack.parquet"}) {
		t.Errorf("%v, %v", names, err)
	}
}

func TestWholeOrNotAtAll(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	f, err := Open(ctx, dir, remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Write(ctx, "a", func(w io.Writer) error { _, err := io.WriteString(w, "whole"); return err }); err != nil {
		t.Fatal(err)
	}
	full := errors.New("the disk is full")
	if err := f.Write(ctx, "a", func(w io.Writer) error { _, err := io.WriteString(w, "ha"); return errors.Join(err, full) }); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "a")); string(b) != "whole" {
		t.Errorf("%q, %v", b, err)
	}
	if names, err := f.Names(ctx); err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
}
