// Package output writes the files of a run: completely or not at all, and with the same bytes each time. It writes to
// a folder or a bucket.
package output

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"memlens/memimage/remote"
)

// Folder is the place where files are written.
type Folder struct {
	dir    string         // empty: a bucket
	bucket *remote.Bucket // nil: a folder
	prefix string         // of the keys
}

// Open opens a folder, which it makes if needed, or the place in a bucket that a URL s3://BUCKET/… names.
func Open(ctx context.Context, location string, o remote.Options) (*Folder, error) {
	if !remote.IsURL(location) {
		if err := os.MkdirAll(location, 0o777); err != nil {
			return nil, fmt.Errorf("output: %w", err)
		}
		return &Folder{dir: location}, nil
	}
	bucket, key, err := remote.OpenBucket(ctx, location, o)
	if err != nil {
		return nil, fmt.Errorf("output: %w", err)
	}
	if key != "" && !strings.HasSuffix(key, "/") {
		key += "/"
	}
	return &Folder{bucket: bucket, prefix: key}, nil
}

// Names lists the files in order.
func (f *Folder) Names(ctx context.Context) (names []string, err error) {
	if f.bucket == nil {
		entries, err := os.ReadDir(f.dir)
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names, err
	}
	for key, err := range f.bucket.Keys(ctx, f.prefix) {
		if err != nil {
			return nil, err
		}
		names = append(names, strings.TrimPrefix(key, f.prefix))
	}
	slices.Sort(names)
	return names, nil
}

// Write lets write write a file with that name. Others see either the old file or the complete new one in the folder.
func (f *Folder) Write(ctx context.Context, name string, write func(io.Writer) error) error {
	tmp, err := os.CreateTemp(f.dir, ".unfinished-*-"+name)
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	defer os.Remove(tmp.Name())
	err = write(tmp)
	if err == nil && f.bucket != nil {
		err = f.put(ctx, name, tmp)
	}
	if err = errors.Join(err, tmp.Close()); err == nil && f.bucket == nil {
		err = errors.Join(os.Chmod(tmp.Name(), 0o644), os.Rename(tmp.Name(), filepath.Join(f.dir, name)))
	}
	if err != nil {
		return fmt.Errorf("output: %s: %w", name, err)
	}
	return nil
}

// put stores a file in the bucket.
func (f *Folder) put(ctx context.Context, name string, file *os.File) error {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	return f.bucket.Put(ctx, f.prefix+name, io.NewSectionReader(file, 0, size))
}

// maxRead bounds a file that is read back, in bytes.
const maxRead = 1 << 20

// Read reads a small file back.
func (f *Folder) Read(ctx context.Context, name string) ([]byte, error) {
	if f.bucket == nil {
		return os.ReadFile(filepath.Join(f.dir, name))
	}
	return f.bucket.Get(ctx, f.prefix+name, maxRead)
}

// Close ends all work under way.
func (f *Folder) Close() error {
	if f.bucket == nil {
		return nil
	}
	return f.bucket.Close()
}
