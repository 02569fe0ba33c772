package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"

	"memlens/memimage/synth"
)

// writeDemo writes the demo's memory as an image, and the files that were on its disk.
func writeDemo(mem *synth.Memory, image, originals string) error {
	if err := mem.WriteFile(image); err != nil {
		return err
	}
	return writeOriginals(originals)
}

// writeOriginals writes the files that were on the disk of the demo to a folder.
func writeOriginals(originals string) error {
	if err := os.MkdirAll(originals, 0o777); err != nil {
		return err
	}
	for name, data := range synth.DemoOriginals() {
		if err := os.WriteFile(filepath.Join(originals, name), data, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// writeDemoOnce writes the demo to a place that a user named. It overwrites no file: a file that is there must be the demo's.
func writeDemoOnce(ctx context.Context, image string) error {
	dir, err := os.MkdirTemp("", "memlens-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	mem, err := synth.Build(synth.Demo())
	if err != nil {
		return err
	}
	own, originals := filepath.Join(dir, "demo.raw"), image+".originals"
	if err := writeDemo(mem, own, filepath.Join(dir, "originals")); err != nil {
		return err
	}
	there, err := isThere(image, own)
	for name := range synth.DemoOriginals() {
		_, other := isThere(filepath.Join(originals, name), filepath.Join(dir, "originals", name))
		err = errors.Join(err, other)
	}
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case there:
		fmt.Fprintf(barsOf(ctx), "memlens: %s is the demo's image already\n", plain(image))
		return writeOriginals(originals)
	}
	return writeDemo(mem, image, originals)
}

// isThere reports whether there is a file at path. It fails if that file has other bytes than the file own.
func isThere(path, own string) (bool, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, iofs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		info, err = os.Stat(path) // a link is followed; one that leads nowhere is not written through
	}
	if err != nil {
		return false, err
	}
	if info.Mode().IsRegular() {
		if same, err := sameBytes(path, own); same || err != nil {
			return same, err
		}
	}
	return false, fmt.Errorf("%s exists and is not the demo's: remove it, or name another file", path)
}

// sameBytes reports whether two files have the same bytes.
func sameBytes(a, b string) (bool, error) {
	f, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer f.Close()
	g, err := os.Open(b)
	if err != nil {
		return false, err
	}
	defer g.Close()
	p, q := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, errF := io.ReadFull(f, p)
		m, errG := io.ReadFull(g, q)
		switch {
		case !bytes.Equal(p[:n], q[:m]):
			return false, nil
		case errF == io.EOF || errF == io.ErrUnexpectedEOF:
			return true, nil // both have given as many bytes, so that both have ended
		case errF != nil || errG != nil:
			return false, errors.Join(errF, errG)
		}
	}
}
