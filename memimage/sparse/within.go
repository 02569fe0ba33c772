package sparse

import (
	"context"
	"io"
)

// Within returns r for work that ends with ctx: when ctx has ended, each read fails. It knows the zeros that r knows.
func Within(ctx context.Context, r io.ReaderAt) io.ReaderAt { return within{ctx, r} }

type within struct {
	ctx context.Context
	io.ReaderAt
}

// ReadAt implements [io.ReaderAt].
func (w within) ReadAt(p []byte, off int64) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.ReaderAt.ReadAt(p, off)
}

// Zeros implements [Zeroer]. When the context has ended it knows of none, so that a read fails.
func (w within) Zeros(off int64) int64 {
	if w.ctx.Err() != nil {
		return 0
	}
	return Zeros(w.ReaderAt, off)
}
