package main

import (
	"bytes"
	"image"
	"image/draw"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/image/bmp"

	"memlens/memimage/synth/corpus"
)

// layout is a geometry of pictures, in our flags and in colorize's.
type layout struct {
	name           string
	ours, colorize []string
}

// layouts are some of all geometries; package render tests many more. colorize damages pictures with -d and without
// -o if three times the width is no multiple of four.
var layouts = []layout{
	{"by default", nil, []string{"-o", "-w", "512"}},
	{"reversed", []string{"--direction", "reverse"}, []string{"-o", "-w", "512", "-d"}},
	{"an odd width", []string{"--width", "513"}, []string{"-o", "-w", "513"}},
	{"narrow", []string{"--width", "7"}, []string{"-o", "-w", "7"}},
	{"vertical", []string{"--orientation", "vertical", "--width", "511"}, []string{"-w", "511"}},
	{"vertical, reversed", []string{"--orientation=vertical", "--direction=reverse", "--width=100"}, []string{"-w", "100", "-d"}},
}

// TestPicturesAreThoseOfTheRealTools compares pictures in a mount with the pictures that colorize makes of the same
// files, after filecompare where two files are compared.
func TestPicturesAreThoseOfTheRealTools(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	needTool(t, "colorize")
	needTool(t, "filecompare")
	raw, originals := demo(t)
	short := writeFile(t, "short", []byte{1})
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			m := mounted(t, raw, append(l.ours, "--reference", originals, "--reference", short)...)
			process := m.path("3256-cmd.exe")
			for picture, data := range map[string]string{
				"colorized.bmp": "procexedump.exe", "colorized-procmemdump.bmp": "procmemdump.exe", "colorized-restored.bmp": "restored.exe",
			} {
				samePixels(t, filepath.Join(process, picture), l.draw(t, filepath.Join(process, data)))
			}
			for _, reference := range []string{filepath.Join(originals, "cmd.exe"), filepath.Join(originals, "explorer.exe"), short} {
				cells := writeFile(t, "cells", compare(t, reference, filepath.Join(process, "procexedump.exe")))
				samePixels(t, filepath.Join(process, "diff-vs", filepath.Base(reference)+".bmp"), l.draw(t, cells))
			}
		})
	}
}

// compare returns filecompare's output for two files: one byte per byte.
func compare(t *testing.T, a, b string) []byte {
	t.Helper()
	out, err := exec.Command("filecompare", "-b", "1", a, b).Output()
	if err != nil {
		t.Fatalf("filecompare %s %s: %v", a, b, err)
	}
	return out
}

// draw lets colorize draw a file and returns the picture's path.
func (l layout) draw(t *testing.T, path string) string {
	t.Helper()
	copied := writeFile(t, "data", []byte(readFile(t, path)))
	toolIn(t, filepath.Dir(copied), "colorize", append(l.colorize, copied)...)
	return copied + ".bmp"
}

// samePixels compares two pictures.
func samePixels(t *testing.T, got, want string) {
	t.Helper()
	g, w := decode(t, got), decode(t, want)
	if g.Bounds() != w.Bounds() || !bytes.Equal(g.Pix, w.Pix) {
		t.Errorf("%s (%v) is not the picture that the real tool draws (%v)", got, g.Bounds(), w.Bounds())
	}
}

func decode(t *testing.T, path string) *image.RGBA {
	t.Helper()
	picture, err := bmp.Decode(strings.NewReader(readFile(t, path)))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	out := image.NewRGBA(picture.Bounds())
	draw.Draw(out, out.Bounds(), picture, picture.Bounds().Min, draw.Src)
	return out
}
