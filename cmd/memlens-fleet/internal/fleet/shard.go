package fleet

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"memlens/cmd/memlens-fleet/internal/output"
	"memlens/memimage/report"
)

// writeShard writes the records of a shard: one file of JSON lines, and one of Parquet for each kind of record.
type writeShard struct{ Options Options }

// ProcessElement writes a shard. What it writes depends on the images alone: to do it again does no harm.
func (f *writeShard) ProcessElement(ctx context.Context, shard int, next func(*Records) bool) error {
	var all []Records
	for r := (Records{}); next(&r); r = (Records{}) {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Records) int { return cmp.Compare(a.Number, b.Number) })
	return f.Options.write(ctx, func(out *output.Folder) error {
		at := fmt.Sprintf("%05d-of-%05d", shard, f.Options.Shards)
		err := out.Write(ctx, "records-"+at+".jsonl", func(w io.Writer) error { return copyLines(w, all) })
		for _, kind := range f.Options.kinds() {
			if err != nil {
				return err
			}
			err = out.Write(ctx, fmt.Sprintf("records-%s-%s.parquet", kind, at), func(w io.Writer) error { return tableOf(kind)(w, kind, all) })
		}
		return err
	})
}

// write opens the folder that the run writes to.
func (o *Options) write(ctx context.Context, write func(*output.Folder) error) error {
	out, err := output.Open(ctx, o.Output, o.Walk.Remote())
	if err != nil {
		return err
	}
	return errors.Join(write(out), out.Close())
}

func copyLines(w io.Writer, all []Records) error {
	for _, r := range all {
		if err := r.unpack(func(lines io.Reader) error { _, err := io.Copy(w, lines); return err }); err != nil {
			return err
		}
	}
	return nil
}

// kinds are the kinds of records that a run may have.
func (o *Options) kinds() []report.Kind {
	out := []report.Kind{report.KindImage, report.KindProcess, report.KindChange, report.KindProblem}
	if o.Walk.Modules || o.Walk.Drivers {
		out = append(out, report.KindModule)
	}
	if o.Walk.Regions {
		out = append(out, report.KindRegion)
	}
	return out
}

// tableOf returns what writes the records of a kind.
func tableOf(kind report.Kind) func(io.Writer, report.Kind, []Records) error {
	switch kind {
	case report.KindImage:
		return writeTable[report.Image]
	case report.KindProcess:
		return writeTable[report.Process]
	case report.KindModule:
		return writeTable[report.Module]
	case report.KindRegion:
		return writeTable[report.Region]
	case report.KindChange:
		return writeTable[report.Change]
	}
	return writeTable[report.Problem]
}

// writeTable writes the records of a kind, which T is the type of.
func writeTable[T any](w io.Writer, kind report.Kind, all []Records) error {
	t := output.NewTable[T](w)
	mark := []byte(`{"record":"` + string(kind) + `",`)
	for _, r := range all {
		err := r.unpack(func(lines io.Reader) error {
			return eachLine(lines, func(line []byte) error {
				if !bytes.HasPrefix(line, mark) {
					return nil
				}
				row := new(T)
				if err := json.Unmarshal(line, row); err != nil {
					return err
				}
				return t.Add(row)
			})
		})
		if err != nil {
			return err
		}
	}
	return t.Close()
}
