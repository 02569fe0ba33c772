package main

import (
	"fmt"
	"io"
	iofs "io/fs"
	"path"
	"slices"

	"memlens/fs"
	"memlens/memimage/sparse"
)

// measure counts a file that is to be copied. How many bytes of a picture are not zero is known only after it is
// drawn. A picture that is large because a header claims much has few such bytes, so at most maxPicture is counted.
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

// writeSparse writes p into a file of zeros. It does not write blocks of zeros, so they stay holes.
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

// blockEnd returns the end of the block that holds the byte at index at, as an index in p. p begins at offset off of a file.
func blockEnd(p []byte, at int, off int64) int {
	return min(len(p), at+blockSize-int((off+int64(at))%blockSize))
}

func zeroBlockAt(p []byte, at int, off int64) bool { return sparse.AllZero(p[at:blockEnd(p, at, off)]) }

// blockSize is the unit in which most file systems give out space.
const blockSize = 4096

// checkSpace returns an error if the files do not fit on the disk. Only present bytes count, not the sizes that headers claim.
func (e *extraction) checkSpace() error {
	free, ok := freeSpace(e.out)
	if !ok || e.present <= free {
		return nil
	}
	return fmt.Errorf("--out %s: the files need %d MiB, and %d MiB are free there; copy less with --pid, or to another disk",
		e.out, (e.present+1<<20-1)>>20, free>>20)
}

// leaveOut notes what of the tree is not copied, and how to get it. Without --what, people expect all of the tree; with it,
// they have said themselves what they want.
func (e *extraction) leaveOut(name string) {
	if len(e.what) > 0 && !e.has() && name != "memory.raw" {
		return
	}
	base, text := path.Base(name), ""
	switch base {
	case "memory.raw":
		text = base + " (copied with --memory)"
	case fs.MinidumpName:
		text = base + " of each process (copied with --what " + minidumps + ")"
	case "modules", "drivers", "regions":
		text = base + "/ (copied with --what " + base + ")"
	case "digests.csv":
		text = base + " of each process (copied with --what modules)"
	case "drivers-digests.csv":
		text = base + " (copied with --what drivers)"
	default:
		return
	}
	if !slices.Contains(e.leftOut, text) {
		e.leftOut = append(e.leftOut, text)
	}
}
