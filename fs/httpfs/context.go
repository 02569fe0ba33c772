package httpfs

import (
	"context"
	"io"
	iofs "io/fs"
)

// contextFS is a tree whose methods end with a context: work ends when the client who asked for it has gone.
type contextFS interface {
	OpenContext(ctx context.Context, name string) (iofs.File, error)
	ReadDirContext(ctx context.Context, name string) ([]iofs.DirEntry, error)
}

// contextReaderAt is an open file whose reads end with a context.
type contextReaderAt interface {
	ReadAtContext(ctx context.Context, p []byte, off int64) (int, error)
}

func openFile(ctx context.Context, tree iofs.FS, name string) (iofs.File, error) {
	if c, ok := tree.(contextFS); ok {
		return c.OpenContext(ctx, name)
	}
	return tree.Open(name)
}

func readDir(ctx context.Context, tree iofs.FS, name string) ([]iofs.DirEntry, error) {
	if c, ok := tree.(contextFS); ok {
		return c.ReadDirContext(ctx, name)
	}
	return iofs.ReadDir(tree, name)
}

// readerAt returns a reader of an open file on behalf of a client; false when the file has no random access.
func readerAt(ctx context.Context, f iofs.File) (io.ReaderAt, bool) {
	if c, ok := f.(contextReaderAt); ok {
		return boundReader{ctx, c}, true
	}
	at, ok := f.(io.ReaderAt)
	return at, ok
}

type boundReader struct {
	ctx context.Context
	f   contextReaderAt
}

func (r boundReader) ReadAt(p []byte, off int64) (int, error) {
	return r.f.ReadAtContext(r.ctx, p, off)
}
