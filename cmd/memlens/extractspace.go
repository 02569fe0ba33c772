package main

import (
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path"
	"slices"

	"memlens/fs"
	"memlens/memimage/sparse"
)

// measure counts a file that is to be copied. How much of the picture of a file is other than zeros is not known before it
// is drawn: of one that is large because a header claims much it is little, so no more than maxPicture counts.
func (e *extraction) measure(info iofs.FileInfo) {
	e.total += info.Size()
	n := info.Size()
	if attr, ok := info.Sys().(*fs.Attr); ok {
		n = min(n, attr.Blocks*512)
	}
	if path.Ext(info.Name()) == ".bmp" {
		n = min(n, maxPicture)
	}
	e.present += (n + blockSize - 1) &^ (blockSize - 1)
}

const maxPicture = 16 << 20

// writeSparse writes p into a file of zeros. Blocks of zeros are left as they are, so that they stay holes.
func writeSparse(out io.WriterAt, p []byte, off int64) error {
	for start, at := 0, 0; start < len(p); {
		for at < len(p) && !zeroBlockAt(p, at, off) {
			at = blockEnd(p, at, off)
		}
		if at > start {
			if _, err := out.WriteAt(p[start:at], off+int64(start)); err != nil {
				return err
			}
		}
		for at < len(p) && zeroBlockAt(p, at, off) {
			at = blockEnd(p, at, off)
		}
		start = at
	}
	return nil
}

// blockEnd returns the index in p, which begins at off of a file, at which the block of the byte at index at ends.
func blockEnd(p []byte, at int, off int64) int {
	return min(len(p), at+blockSize-int((off+int64(at))%blockSize))
}

func zeroBlockAt(p []byte, at int, off int64) bool { return sparse.AllZero(p[at:blockEnd(p, at, off)]) }

// blockSize is the unit in which most file systems give out space.
const blockSize = 4096

// checkSpace refuses to begin what does not fit. What is there counts, not what headers claim.
func (e *extraction) checkSpace() error {
	free, ok := freeSpace(e.out)
	if !ok || e.present <= free {
		return nil
	}
	os.Remove(e.out) // if it is empty: nothing was copied
	return fmt.Errorf("--out %s: the files need %d MiB, and %d MiB are free there; copy less with --pid, or to another disk",
		e.out, (e.present+1<<20-1)>>20, free>>20)
}

// leaveOut notes what is not copied although it is in the tree, and how to get it.
func (e *extraction) leaveOut(name string) {
	text := "memory.raw (copied with --memory)"
	if name == fs.MinidumpName {
		text = name + " of each process (copied with --what " + minidumps + ")"
	}
	if !slices.Contains(e.leftOut, text) {
		e.leftOut = append(e.leftOut, text)
	}
}
