package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path"
	"reflect"
	"slices"
)

// imageFile is the file in the tree that describes the image.
const imageFile = "image.json"

// compareFinished compares a folder that has no mark with what would be copied to it: the names and sizes of all files, and what
// image.json says. Nothing is written. The error says what is missing or differs.
func (e *extraction) compareFinished(ctx context.Context, tree bound, paths []string) error {
	var differs []error
	files := 0
	reported := map[string]bool{} // what is in such a folder is not named, too
	for _, name := range paths {
		if reported[path.Dir(name)] {
			reported[name] = true
		} else if err := e.compared(tree, name); err != nil {
			reported[name] = true
			differs = append(differs, err)
		} else if !e.dirs[name] {
			files++
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	differs = append(e.failed, differs...)
	if len(differs) == 0 {
		fmt.Fprintf(e.bars.stdout(), "memlens: nothing is missing in %s: the names and sizes of %d files are those of the image (exact); that their bytes are, too, is assumed\n",
			e.out, files)
		return nil
	}
	n := len(differs)
	if differs = slices.Clip(differs[:min(n, maxDiffering)]); n > maxDiffering {
		differs = append(differs, fmt.Errorf("and %d more", n-maxDiffering))
	}
	return errors.Join(append(differs, fmt.Errorf("--resume: %s has no %s and is not what would be copied to it: it was made of another image or with other options, or was changed; nothing was written: give another folder", e.out, markName))...)
}

// maxDiffering is how many files and folders are named in a message.
const maxDiffering = 20

// compared returns an error if a file or folder is not there, or is another than in the tree.
func (e *extraction) compared(tree bound, name string) error {
	info, err := os.Lstat(e.at(name))
	switch {
	case errors.Is(err, iofs.ErrNotExist):
		return fmt.Errorf("%s is missing", e.at(name))
	case err != nil:
		return err
	case e.dirs[name] && !info.IsDir():
		return fmt.Errorf("%s is no folder", e.at(name))
	case e.dirs[name]:
		return nil
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file", e.at(name))
	case name == imageFile:
		return e.comparedImage(tree)
	case !e.keep[name]:
		return fmt.Errorf("%s has another size than in the image: %d bytes", e.at(name), info.Size())
	}
	return nil
}

// comparedImage returns an error if image.json in the folder describes another image. The time of the image's file does not count,
// because a copy of the file has another.
func (e *extraction) comparedImage(tree bound) error {
	var want, got map[string]any
	text, err := iofs.ReadFile(tree, imageFile)
	if err == nil {
		err = json.Unmarshal(text, &want)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", imageFile, err)
	}
	there, err := readSmall(e.at(imageFile))
	if err != nil {
		return err
	}
	err = json.Unmarshal(there, &got)
	delete(want, "modified")
	delete(got, "modified")
	if err != nil || !reflect.DeepEqual(want, got) {
		return fmt.Errorf("%s describes another image, or the same image as another version of the program saw it", e.at(imageFile))
	}
	return nil
}
