package format

import (
	"archive/zip"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

// TestAFF4MissingVolume opens one of two striped volumes alone: the data in the other volume are named as missing,
// and the rest is served.
func TestAFF4MissingVolume(t *testing.T) {
	corpus.Long(t)
	var form aff4Form
	for _, f := range aff4Forms() {
		if f.striped {
			form = f
		}
	}
	runs := testMemory()
	src := form.write(t, runs)
	src.siblings = nil
	im := openTest(t, src)
	if got := checkSubset(t, im, flat(runs)); got == 0 || got >= testMemorySize {
		t.Errorf("%#x bytes of %#x", got, testMemorySize)
	}
	if !noteWith(im, aff4URN2+", which is not beside a_1.aff4") || !noteWith(im, "of the memory are holes") {
		t.Errorf("what is missing is not named: %q", im.Notes)
	}
}

// TestAFF4Refusals opens volumes without memory: the error names the kind of each.
func TestAFF4Refusals(t *testing.T) {
	for _, c := range []struct {
		name, want string
		make       func(v *aff4Writer)
	}{
		{"encrypted", "an AFF4 volume that is encrypted", func(v *aff4Writer) {
			v.stream(aff4URN+"/e", testPages(0, 2))
			v.say(aff4URN+"/e", "a aff4:EncryptedStream ; aff4:keyBag <aff4://k>")
		}},
		{"files", "an AFF4 volume of 1 file (dream.txt) without an image of memory", func(v *aff4Writer) {
			v.add("dream.txt", []byte("I have a dream"))
			v.say(aff4URN+"/dream.txt", "a aff4:FileImage, aff4:Image, aff4:zip_segment ; aff4:size 14")
		}},
		{"elsewhere", "; that is stored in " + aff4URN2, func(v *aff4Writer) {
			v.say(aff4URN+"/m", "a aff4:Map, aff4:PhysicalMemoryImage ; aff4:stored <%s>", aff4URN2)
		}},
		{"nothing", "without an image in it", func(v *aff4Writer) { v.say(aff4URN, "a aff4:ZipVolume") }},
		{"a page file alone", "without an image of memory", func(v *aff4Writer) {
			v.stream(aff4URN+"/C:/pagefile.sys", testPages(0, 2))
			v.say(aff4URN+"/C:/pagefile.sys", "aff4:category <%spagefile>", aff4Memory)
		}},
	} {
		_, err := Open(aff4Of(t, c.make), Options{})
		var not *NotMemoryError
		if !errors.As(err, &not) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "information.turtle"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFile(dir, Options{}); err == nil || !strings.Contains(err.Error(), "an AFF4 volume that is a folder") {
		t.Errorf("a folder: %v", err)
	}
}

// TestAFF4SeveralImages opens the memory, or the largest of images that are not said to be it, and names the others.
func TestAFF4SeveralImages(t *testing.T) {
	small, large := testPages(0, 2), testPages(0, 9)
	for _, c := range []struct {
		memory string
		want   int
		note   string
	}{
		{"", len(large), "The AFF4 volume holds 2 images; large is opened. The others: small."},
		{"small", len(small), "Beside the memory the AFF4 volume holds 1 stream: large."},
	} {
		im := openTest(t, aff4Of(t, func(v *aff4Writer) {
			v.stream(aff4URN+"/small", small)
			v.stream(aff4URN+"/large", large)
			if c.memory != "" {
				v.say(aff4URN+"/"+c.memory, "aff4:category memory:physical")
			}
		}))
		if im.Memory.Size() != int64(c.want) || !noteWith(im, c.note) {
			t.Errorf("%d bytes, want %d; %q", im.Memory.Size(), c.want, im.Notes)
		}
	}
}

// TestAFF4WithoutAMethod reads packed chunks of a stream that does not say how: the checksum of zlib shows that they
// are zlib data.
func TestAFF4WithoutAMethod(t *testing.T) {
	data := testPages(0, 7)
	src := aff4Of(t, func(v *aff4Writer) {
		v.form.method = "zlib"
		v.stream(aff4URN+"/m", data)
	})
	written := bytes.Replace(content(t, src), []byte("compressionMethod <zlib>"), []byte("compressionMissed <zlib>"), 1)
	im := openTest(t, newMemSource("a.aff4", written))
	if got := checkSubset(t, im, data); got != int64(len(data)) {
		t.Errorf("%d bytes of %d", got, len(data))
	}
}

// TestAFF4FileOfTheArchive opens memory that is a file of the archive, stored or packed.
func TestAFF4FileOfTheArchive(t *testing.T) {
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		im := openTest(t, aff4Of(t, func(v *aff4Writer) {
			v.files = append(v.files, zipEntry{"PhysicalMemory", testPages(0, 9), method})
			v.say(aff4URN+"/PhysicalMemory", "aff4:category memory:physical")
		}))
		if got := checkSubset(t, im, testPages(0, 9)); im.Format != "AFF4: raw" || got != 9*pageSize {
			t.Errorf("%s, %d bytes", im.Format, got)
		}
	}
}
