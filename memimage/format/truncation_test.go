package format

import (
	"fmt"
	"strings"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// cutTo returns a file with only its first n bytes, and with its siblings whole.
func cutTo(src *memSource, n int64) *memSource {
	whole := make([]byte, src.Size())
	_, _ = src.ReadAt(whole, 0)
	return &memSource{sparse.Bytes(whole[:n]), src.name, src.siblings}
}

// TestTruncationSaysOfHowMuch cuts each format before the last of its pages and checks the numbers: how many bytes
// there are, and how many the headers promise, which is the size of the whole file if they have it.
func TestTruncationSaysOfHowMuch(t *testing.T) {
	corpus.Long(t)
	const cut = 2*pageSize + 100
	all := map[string]wrapping{}
	for _, w := range wrappings() {
		all[w.name] = w
	}
	promising := []string{"crash dump, 64-bit, full", "crash dump, 32-bit, full", "crash dump, 64-bit, full bitmap", "crash dump, 32-bit, full bitmap",
		"crash dump, 64-bit, active", "crash dump, 64-bit, kernel", "crash dump, 32-bit, kernel", "crash dump, 64-bit, ranges", "QEMU",
		"ELF, 32-bit", "ELF, 32-bit, big endian", "LiME"}
	for _, name := range promising {
		src := all[name].write(t, testMemory())
		want := Truncation{What: "the file", Have: uint64(src.Size() - cut), Promised: uint64(src.Size())}
		checkTruncation(t, name, cutTo(src, src.Size()-cut), want.String())
	}
	for name, want := range map[string]string{
		"gzip":              "the file is truncated: it ends after %s, within its gzip data, which unpack to",
		"zstd":              "the file is truncated: it ends after %s, within its zstd data",
		"zstd, many frames": "the file is truncated: it ends after %s, within its zstd data",
		"xz":                "the file is truncated: it ends after %s, within its xz data",
		"xz, many blocks":   "the file is truncated: it ends after %s, within its xz data",
		"zip, stored":       "the file is truncated: it ends after %s, before the directory of the archive",
		"zip, deflated":     "the file is truncated: it ends after %s, before the directory of the archive",
		"AVML":              "the file is truncated: it ends after %s, within the compressed range at physical address 0x4000000",
		"savevm":            "the file is truncated: it ends after %s, before the end of the memory",
		"kdump":             "the file is truncated: it ends after %s, within its last pages",
		"kdump, flattened":  "the file is truncated: it holds %s of at least ",
	} {
		src := all[name].write(t, testMemory())
		checkTruncation(t, name, cutTo(src, src.Size()-cut), fmt.Sprintf(want, sizeText(uint64(src.Size()-cut))))
	}
}

func checkTruncation(t *testing.T, name string, src *memSource, want string) {
	t.Helper()
	im, err := Open(src, Options{SpoolDir: t.TempDir()})
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	defer im.Close()
	if len(im.Truncated) == 0 || !strings.Contains(im.Truncated[0].String(), want) {
		t.Errorf("%s: truncated %q, want %q", name, im.Truncated, want)
	}
	if len(im.Truncated) > 0 && im.Notes[0] != im.Truncated[0].Note() {
		t.Errorf("%s: the first note is %q", name, im.Notes[0])
	}
}

// TestTruncationOfOtherFiles opens a file that is whole; the truncated file is beside it or in it.
func TestTruncationOfOtherFiles(t *testing.T) {
	vmem := vmwareSource(".vmss", ".vmem", testMemory())
	memory := vmem.siblings[".vmem"]
	vmem.siblings[".vmem"] = memory[:len(memory)-5000]
	checkTruncation(t, "memory beside a state", vmem, Truncation{What: "the memory file Win 7.vmem", Have: uint64(len(memory) - 5000), Promised: uint64(len(memory)),
		By: "the VMware state promises"}.String())

	lime := writeLiME(testMemory())
	checkTruncation(t, "in a whole gzip file", newMemSource("a.lime.gz", packGzip(t, lime[:len(lime)-5000])),
		Truncation{What: `the content "a.lime"`, Have: uint64(len(lime) - 5000), Promised: uint64(len(lime))}.String())

	split := splitSource("a", lime, 3)
	second := split.siblings[".002"]
	split.siblings[".002"] = second[:len(second)-77]
	checkTruncation(t, "a piece", split, Truncation{What: "a.002", Have: uint64(len(second) - 77), Promised: uint64(len(second)), By: "the other pieces have"}.String())
}

// TestWholeFilesAreNotTruncated checks that no format is said to be truncated when it is whole.
func TestWholeFilesAreNotTruncated(t *testing.T) {
	corpus.Long(t)
	for _, w := range wrappings() {
		im, err := Open(w.write(t, testMemory()), Options{SpoolDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if len(im.Truncated) > 0 || noteWith(im, "truncated") {
			t.Errorf("%s: %q", w.name, im.Notes)
		}
		if err := im.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestErrorsSayThatAFileIsTruncated has files in which no memory is left to serve.
func TestErrorsSayThatAFileIsTruncated(t *testing.T) {
	c64 := crashLayouts()[0]
	full, ranges := writeCrashFull(c64, testMemory()), writeCrashRanges(c64, testMemory())
	for name, c := range map[string]struct {
		src  *memSource
		want []string
	}{
		"header of a dump, cut":    {newMemSource("a.dmp", full[:1000]), []string{"a 64-bit crash dump that is truncated: it ends after 1000 bytes, within its header"}},
		"nothing but the header":   {newMemSource("a.dmp", full[:0x2000]), []string{"the file is truncated: it holds 8192 bytes (8 KiB) of the", "has no readable memory in it"}},
		"list of ranges, cut":      {newMemSource("a.dmp", ranges[:0x2002]), []string{"the file is truncated", "before the list of its pages"}},
		"gzip of a header, cut":    {newMemSource("a.dmp.gz", packGzip(t, full[:0x2000])[:100]), []string{"the file is truncated: it ends after 100 bytes, within its gzip data"}},
		"lz4, one block, cut":      {newMemSource("a.lz4", packLZ4(t, full)[:9000]), []string{"the file is truncated: it ends after 9000 bytes (8.789 KiB), within its lz4 data", "nothing that can be unpacked"}},
		"LiME, within its header":  {newMemSource("a.lime", writeLiME(testMemory())[:20]), []string{"a LiME file that is truncated"}},
		"LiME, without its memory": {newMemSource("a.lime", writeLiME(testMemory())[:32]), []string{"the file is truncated: it holds 32 bytes of the", "no readable memory"}},
	} {
		_, err := Open(c.src, Options{SpoolDir: t.TempDir()})
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want %q", name, err, want)
			}
		}
	}
}

// TestDamageIsNoTruncation damages the last block of a packed LiME file, in which a header of a range lies: the file
// is as long as it should be, and no message may say that it ends there.
func TestDamageIsNoTruncation(t *testing.T) {
	corpus.Long(t)
	for _, w := range packedWrappings() {
		if w.name != "zstd, many frames" && w.name != "xz, many blocks" {
			continue
		}
		src := w.write(t, testMemory())
		whole := content(t, src)
		for at := len(whole) / 2; at < len(whole)*9/10; at += len(whole) / 20 {
			whole[at] ^= 0x55
			im, err := Open(newMemSource(src.name, whole), Options{})
			if err != nil {
				t.Fatalf("%s: %v", w.name, err)
			}
			readAll(im)
			if len(im.Truncated) > 0 || noteWith(im, "ends within") || len(im.Damage()) == 0 {
				t.Errorf("%s, damaged at %#x: %v, %q, damage %q", w.name, at, im.Truncated, im.Notes, im.Damage())
			}
			whole[at] ^= 0x55
		}
	}
}
