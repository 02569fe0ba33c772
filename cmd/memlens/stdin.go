package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"memlens/memimage"
	"memlens/memimage/remote"
)

// stdinArg means that the image is read from standard input. stdinName is its name, in the tree, too.
const stdinArg, stdinName = "-", "stdin"

// imageName is the name of an image in messages: as given, but without the secrets of a URL.
func imageName(arg string) string {
	if arg == stdinArg {
		return stdinName
	}
	return remote.Shown(arg)
}

// openImage opens the image of an argument.
func openImage(ctx context.Context, arg string, o memimage.Options, said io.Writer) (*memimage.Image, error) {
	if arg == stdinArg {
		return openStdin(ctx, os.Stdin, o, said)
	}
	return memimage.Open(ctx, arg, o)
}

// openStdin opens the image in standard input. An image from a pipe is copied to a temporary file, and its size is
// printed. A file that a shell has opened needs no copy.
func openStdin(ctx context.Context, in *os.File, o memimage.Options, said io.Writer) (*memimage.Image, error) {
	if term.IsTerminal(int(in.Fd())) {
		return nil, errors.New("standard input is a terminal: let a program write an image to it, as in: xzcat image.xz | memlens info -")
	}
	info, err := in.Stat()
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	if info.Mode().IsRegular() {
		return memimage.OpenStream(ctx, stdinName, in, o, nil)
	}
	dir := o.Container.SpoolDir
	if dir == "" {
		dir = os.TempDir()
	}
	fmt.Fprintf(said, "memlens: copying standard input to a temporary file in %s\n", plain(dir))
	im, err := memimage.OpenStream(ctx, stdinName, untilDone(ctx, in), o, func(size int64) {
		fmt.Fprintf(said, "memlens: standard input has %d bytes%s\n", size, ofSize(size))
	})
	if im == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return im, err
}

// untilDone reads r until it ends or ctx ends, so that waiting for a pipe can be interrupted.
func untilDone(ctx context.Context, r io.Reader) io.Reader {
	out, in := io.Pipe()
	context.AfterFunc(ctx, func() { in.CloseWithError(ctx.Err()) })
	go func() {
		buf := make([]byte, 1<<20)
		_, err := io.CopyBuffer(struct{ io.Writer }{in}, struct{ io.Reader }{r}, buf)
		in.CloseWithError(err)
	}()
	return out
}
