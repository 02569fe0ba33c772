package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"memlens/cmd/memlens-fleet/internal/output"
	"memlens/memimage/report"
)

// writeShard writes the records of a shard as JSON lines and as Parquet.
type writeShard struct{ Options Options }

// ProcessElement writes a shard. The result depends only on the images, so writing it again does no harm.
func (f *writeShard) ProcessElement(ctx context.Context, shard int, next func(*Records) bool) error {
	var all []Records
	for r := (Records{}); next(&r); r = (Records{}) {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Records) int { return cmp.Compare(a.Number, b.Number) })
	name := fmt.Sprintf("records-%05d-of-%05d", shard, f.Options.Shards)
	return f.Options.write(ctx, func(out *output.Folder) error {
		err := out.Write(ctx, name+".jsonl", func(w io.Writer) error { return copyLines(w, all) })
		if err != nil {
			return err
		}
		return out.Write(ctx, name+".parquet", func(w io.Writer) error { return writeTable(w, f.Options.kinds(), all) })
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

// copyLines writes the unchanged lines of the processes.
func copyLines(w io.Writer, all []Records) error {
	for _, r := range all {
		if err := r.unpack(func(lines io.Reader) error { _, err := io.Copy(w, lines); return err }); err != nil {
			return err
		}
	}
	return nil
}

// kinds are the kinds of records that a run may have.
func (o *Options) kinds() (out []report.Kind) {
	for _, k := range report.Kinds {
		if k == report.KindModule && !o.Walk.Modules && !o.Walk.Drivers || k == report.KindRegion && !o.Walk.Regions {
			continue
		}
		out = append(out, k)
	}
	return out
}

// writeTable writes a table of all records.
func writeTable(w io.Writer, kinds []report.Kind, all []Records) error {
	t, err := report.NewWriter("parquet", w, kinds)
	if err != nil {
		return err
	}
	for _, r := range all {
		err := r.unpack(func(lines io.Reader) error {
			return eachLine(lines, func(line []byte) error {
				row, err := decodeRecord(line)
				if err != nil {
					return err
				}
				return t.Write(row)
			})
		})
		if err != nil {
			return err
		}
	}
	return t.Close()
}
