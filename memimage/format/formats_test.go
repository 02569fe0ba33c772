package format

import (
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// wrapping is a format with its writer.
type wrapping struct {
	name   string
	format string // the expected Image.Format
	write  func(t testing.TB, runs []run) *memSource
}

func file(name string, write func(runs []run) []byte) func(testing.TB, []run) *memSource {
	return func(_ testing.TB, runs []run) *memSource { return newMemSource(name, write(runs)) }
}

// keptFiles are small files that the wrappings wrote, by wrapping and memory: many tests use the same, and some writers,
// those that compress, take long.
var keptFiles sync.Map

// keptSize is the size up to which files are kept.
const keptSize = 1 << 20

// kept returns a wrapping that writes each memory once. The caller may change what the file lies beside, not its bytes.
func kept(w wrapping) wrapping {
	write := w.write
	w.write = func(t testing.TB, runs []run) *memSource {
		sum := md5.New()
		for _, r := range runs {
			fmt.Fprintf(sum, "%x %x ", r.addr, len(r.data))
			sum.Write(r.data)
		}
		key := fmt.Sprintf("%s %x", w.name, sum.Sum(nil))
		file, ok := keptFiles.Load(key)
		if !ok {
			src := write(t, runs)
			if src.Size() > keptSize {
				return src
			}
			file, _ = keptFiles.LoadOrStore(key, src)
		}
		src := file.(*memSource)
		return &memSource{src.Source, src.name, maps.Clone(src.siblings)}
	}
	return w
}

// wrappings lists every format that has a writer here.
func wrappings() []wrapping {
	all := packedWrappings()
	for _, w := range otherWrappings() {
		all = append(all, kept(w))
	}
	return all
}

func otherWrappings() []wrapping {
	c64, c32 := crashLayouts()[0], crashLayouts()[1]
	return append(slices.Concat(hiberWrappings(), aff4Wrappings(), hpakWrappings(), affWrappings(), minidumpWrappings()), []wrapping{
		{name: "crash dump, 64-bit, full", format: "Microsoft crash dump, 64-bit, full", write: file("a.dmp", func(r []run) []byte { return writeCrashFull(c64, r) })},
		{name: "crash dump, 32-bit, full", format: "Microsoft crash dump, 32-bit, full", write: file("a.dmp", func(r []run) []byte { return writeCrashFull(c32, r) })},
		{name: "crash dump, 64-bit, full bitmap", format: "Microsoft crash dump, 64-bit, full by bitmap", write: file("a.dmp", func(r []run) []byte { return writeCrashBitmap(c64, crashBitmapFull, false, r) })},
		{name: "crash dump, 32-bit, full bitmap", format: "Microsoft crash dump, 32-bit, full by bitmap", write: file("a.dmp", func(r []run) []byte { return writeCrashBitmap(c32, crashBitmapFull, false, r) })},
		{name: "crash dump, 64-bit, active", format: "Microsoft crash dump, 64-bit, active memory", write: file("a.dmp", func(r []run) []byte { return writeCrashBitmap(c64, crashBitmapKernel, false, r) })},
		{name: "crash dump, 64-bit, kernel", format: "Microsoft crash dump, 64-bit, kernel memory", write: file("a.dmp", func(r []run) []byte { return writeCrashBitmap(c64, crashSummary, true, r) })},
		{name: "crash dump, 32-bit, kernel", format: "Microsoft crash dump, 32-bit, kernel memory", write: file("a.dmp", func(r []run) []byte { return writeCrashBitmap(c32, crashSummary, true, r) })},
		{name: "crash dump, 64-bit, ranges", format: "Microsoft crash dump, 64-bit, full by bitmap", write: file("a.dmp", func(r []run) []byte { return writeCrashRanges(c64, r) })},
		{name: "QEMU", format: "ELF core, 64-bit, QEMU", write: file("a.elf", writeQEMU)},
		{name: "ELF, 32-bit", format: "ELF core, 32-bit", write: file("a.elf", func(r []run) []byte { return writeELF(binary.LittleEndian, false, nil, r) })},
		{name: "ELF, 32-bit, big endian", format: "ELF core, 32-bit", write: file("a.elf", func(r []run) []byte { return writeELF(binary.BigEndian, false, nil, r) })},
		{name: "VirtualBox", format: "ELF core, 64-bit, VirtualBox", write: file("a.elf", func(r []run) []byte { return writeVBox(true, r) })},
		{name: "VirtualBox, 32-bit", format: "ELF core, 32-bit, VirtualBox", write: file("a.elf", func(r []run) []byte { return writeVBox(false, r) })},
		{name: "Xen", format: "ELF core, 64-bit, Xen", write: file("core", func(r []run) []byte { return writeXenCore(".xen_pfn", r) })},
		{name: "Xen, PV", format: "ELF core, 64-bit, Xen", write: file("core", func(r []run) []byte { return writeXenCore(".xen_p2m", r) })},
		{name: "LiME", format: "LiME", write: file("a.lime", writeLiME)},
		{name: "vmem and vmss", format: "VMware .vmem with .vmss", write: func(_ testing.TB, r []run) *memSource { return vmwareSource(".vmem", ".vmss", r) }},
		{name: "vmsn and vmem", format: "VMware .vmem with .vmsn", write: func(_ testing.TB, r []run) *memSource { return vmwareSource(".vmsn", ".vmem", r) }},
		{name: "vmss alone", format: "VMware .vmss with the memory", write: file("a.vmss", func(r []run) []byte { s, _ := writeVMware(0xbed3bed3, true, r); return s })},
		{name: "vmss alone, 32-bit", format: "VMware .vmss with the memory", write: file("a.vmss", func(r []run) []byte { s, _ := writeVMware(0xbed0bed0, true, r); return s })},
		{name: "E01 of LiME", format: "EWF (E01): LiME", write: func(_ testing.TB, r []run) *memSource {
			lime := writeLiME(r)
			return writeEWF(append(lime, make([]byte, -len(lime)&511)...), 4)
		}},
		{name: "zdmp", format: "DumpIt .zdmp: Microsoft crash dump, 64-bit, full", write: file("a.zdmp", func(r []run) []byte { return writeZdmp(writeCrashFull(c64, r)) })},
		{name: "kdump", format: "kdump-compressed", write: file("a.kdump", writeKdump)},
		{name: "kdump, flattened", format: "makedumpfile flattened: kdump-compressed", write: file("a.kdump", func(r []run) []byte { return writeFlattened(writeKdump(r)) })},
		{name: "savevm", format: "QEMU migration stream", write: file("a.savevm", func(r []run) []byte { return writeSaveVM("pc", 256<<20, r) })},
		{name: "libvirt", format: "libvirt save: QEMU migration stream", write: file("a.save", func(r []run) []byte { return writeLibvirt(writeSaveVM("pc", 256<<20, r)) })},
		{name: "split", format: "split: LiME", write: func(_ testing.TB, r []run) *memSource { return splitSource("a", writeLiME(r), 3) }},
		{name: "split, letters", format: "split: LiME", write: func(_ testing.TB, r []run) *memSource { return splitNamed(writeLiME(r), "xaa", "xab", "xac") }},
		{name: "split, numbers behind", format: "split: LiME", write: func(_ testing.TB, r []run) *memSource { return splitNamed(writeLiME(r), "a.raw", "a.raw.1", "a.raw.2") }},
		{name: "AVML", format: "AVML", write: file("a.avml", func(r []run) []byte { return writeAVML(1, r) })},
	}...)
}

// splitSource cuts a file into n pieces with numbers for extensions.
func splitSource(name string, data []byte, n int) *memSource {
	src := newMemSource(name+".001", nil)
	src.siblings = map[string][]byte{}
	step := len(data)/n + 1
	for i := range n {
		src.siblings[fmt.Sprintf(".%03d", i+1)] = data[i*step : min((i+1)*step, len(data))]
	}
	src.Source = sparse.Bytes(src.siblings[".001"])
	return src
}

func TestSameMemoryFromEveryFormat(t *testing.T) {
	corpus.Long(t)
	runs := testMemory()
	for _, w := range wrappings() {
		t.Run(w.name, func(t *testing.T) {
			im, err := Open(w.write(t, runs), Options{SpoolDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer im.Close()
			if !strings.Contains(im.Format, w.format) {
				t.Errorf("format %q, want %q", im.Format, w.format)
			}
			checkMemory(t, im, runs)
		})
	}
}

// TestTruncated cuts every format at many places: bytes that are served must be true, and the notes must name the
// rest as missing.
func TestTruncated(t *testing.T) {
	corpus.Long(t)
	runs := testMemory()
	want := flat(runs)
	for _, w := range wrappings() {
		t.Run(w.name, func(t *testing.T) {
			src := w.write(t, runs)
			whole := make([]byte, src.Size())
			if _, err := src.ReadAt(whole, 0); err != nil {
				t.Fatal(err)
			}
			last := int64(math.MaxInt64)
			for _, cut := range cuts(len(whole)) {
				short := &memSource{sparse.Bytes(whole[:cut]), src.name, src.siblings}
				got := checkTruncated(t, short, want, cut, len(whole))
				if got > last {
					t.Errorf("cut at %#x: %d bytes served, more than of a longer file (%d)", cut, got, last)
				}
				last = got
			}
		})
	}
}

// checkTruncated opens a cut file and returns how many bytes of memory it serves.
func checkTruncated(t *testing.T, src *memSource, want []byte, cut, whole int) int64 {
	t.Helper()
	im, err := Open(src, Options{SpoolDir: t.TempDir()})
	if err != nil {
		if !strings.Contains(err.Error(), "truncated") {
			t.Errorf("cut at %#x: the error does not say that the file is truncated: %v", cut, err)
		}
		return 0
	}
	defer im.Close()
	if im.Format == "raw" || strings.HasSuffix(im.Format, ": raw") {
		if cut > 16 {
			t.Errorf("cut at %#x: taken for %s", cut, im.Format)
		}
		return 0
	}
	got := checkSubset(t, im, want)
	for _, tr := range im.Truncated {
		if tr.What == "the file" && (tr.Have != uint64(cut) || tr.Promised != 0 && (tr.Promised <= uint64(cut) || tr.Promised > uint64(whole))) {
			t.Errorf("cut at %d of %d: %s", cut, whole, tr)
		}
	}
	if got < testMemorySize && (len(im.Truncated) == 0 || !noteWith(im, "truncated")) {
		t.Errorf("cut at %#x: %d bytes are missing, and it is not said that the file is truncated: %q", cut, testMemorySize-got, im.Notes)
	}
	return got
}

// cuts returns lengths to cut a file of n bytes to, falling: near the end, in the headers and in between.
func cuts(n int) []int {
	var out []int
	for i := 1; i < n; i += max(n/40, 1) {
		out = append(out, n-i)
	}
	for _, i := range []int{8192, 4097, 4096, 4000, 200, 100, 65, 33, 32, 17, 9, 4} {
		if i < out[len(out)-1] {
			out = append(out, i)
		}
	}
	return out
}

// fuzzOpener runs an opener on any bytes, and reads the image that it returns. The opener must not panic or hang, and
// may return only bytes, gaps and errors. The other tests check the results for good files.
func fuzzOpener(f *testing.F, open opener) {
	addWritten(f, open)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<20 {
			return
		}
		dir := ""
		in := newInput(newMemSource("fuzz.bin", data), Options{SpoolDir: dir})
		im, err := open(in)
		if err != nil {
			_ = in.closeAll()
			return
		}
		im.closers = append(im.closers, in.closers...)
		defer im.Close()
		readSome(t, im.Memory)
	})
}

// readSome reads the beginning of the first runs of r.
func readSome(t *testing.T, r *sparse.Reader) {
	t.Helper()
	buf := make([]byte, 3*pageSize)
	n := 0
	for run := range sparse.Runs(r) {
		if n++; n > 64 {
			return
		}
		if run.Err != nil {
			continue
		}
		m, err := r.ReadAt(buf[:min(run.Len, int64(len(buf)))], run.Off)
		var gap sparse.Gap
		if err == nil && m == 0 || errors.As(err, &gap) && gap.Gap() < 1 {
			t.Fatalf("reading %#x: %d bytes, %v", run.Off, m, err)
		}
	}
}

// sharedImage returns the path of an image that is shared with other tests, or skips.
func sharedImage(t testing.TB, name string) string {
	t.Helper()
	path := "../../../shared/images/" + name
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not there", name)
	}
	return path
}
