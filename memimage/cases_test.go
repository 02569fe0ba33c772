package memimage

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"memlens/memimage/restore"
	"memlens/memimage/synth/corpus"
)

// TestImageBaseIsKnownByEvidence restores seven programs. All their pages are in memory, and a loader of another author
// has mapped them.
func TestImageBaseIsKnownByEvidence(t *testing.T) {
	dir := corpus.Case(t, "image-base")
	im, err := Open(t.Context(), corpus.UnpackCase(t, "image-base", "image.raw"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	want := map[string]struct {
		base      uint64
		evidence  restore.Evidence
		certainty restore.Certainty
		differ    [2]int64 // the only offsets that may
	}{
		"signed40.exe": {0x140000000, restore.LinkerDefault, restore.Assumed, [2]int64{}},
		"signed41.exe": {0x140000000, restore.LinkerDefault, restore.Assumed, [2]int64{}},
		"guard40.exe":  {0x140000000, restore.LinkerDefault, restore.Assumed, [2]int64{0xc00, 0xc10}}, // section .00cfg
		"written.exe":  {0x140000000, restore.LinkerDefault, restore.Assumed, [2]int64{0x800, 0xa00}}, // section .data
		"kept.exe":     {0x140000000, restore.KeptHeader, restore.Assumed, [2]int64{}},
		"nodyn.exe":    {0x1000000, restore.NotDynamic, restore.Assumed, [2]int64{}},
		"control.exe":  {0x140000000, restore.CheckSum, restore.Assumed, [2]int64{}},
	}
	processes, _ := im.Processes()
	for _, p := range processes {
		w, ok := want[p.LongName()]
		if !ok {
			continue
		}
		delete(want, p.LongName())
		original, err := os.ReadFile(filepath.Join(dir, "originals", p.LongName()))
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Restored()
		if err != nil {
			t.Fatal(err)
		}
		if r.ImageBase != w.base || r.BaseEvidence != w.evidence || r.BaseCertainty != w.certainty {
			t.Errorf("%s: base %#x, %s, %s", p.LongName(), r.ImageBase, r.BaseEvidence, r.BaseCertainty)
		}
		checkRows(t, p.LongName(), r, original, w.differ)
	}
	if len(want) > 0 {
		t.Errorf("not among the processes: %v", want)
	}
}

// checkRows compares the restored file with the original: exact rows must equal it, and only from differ[0] to
// differ[1] may any row differ.
func checkRows(t *testing.T, name string, r *restore.Result, original []byte, differ [2]int64) {
	t.Helper()
	got := allBytes(t, r.Reader)
	for i := range r.Rows {
		row := &r.Rows[i]
		end := min(row.FileOffset+row.Length, int64(len(original)))
		for off := row.FileOffset; off < end && row.Kind != restore.Missing; off++ {
			if got[off] == original[off] {
				continue
			}
			if inside := off >= differ[0] && off < differ[1]; !inside || row.Certainty() != restore.Left {
				t.Errorf("%s: byte %#x differs, in a row that is %s: %+v", name, off, row.Certainty(), row)
				break
			}
		}
	}
}

// TestExactRowsOfARealSystem compares the executables of a system that ran with the files on its disk. Its image
// sections are not laid out as in Windows, so there are only pages that processes may have written to. The bases are
// right but not proved, and no row that differs is exact.
func TestExactRowsOfARealSystem(t *testing.T) {
	corpus.Long(t)
	packed := filepath.Join(corpus.Dir(t), "ReactOS0413x86.originals.tar.xz")
	dir := t.TempDir()
	if out, err := exec.Command("tar", "-xJf", packed, "-C", dir).CombinedOutput(); err != nil {
		t.Skipf("tar: %v: %s", err, out)
	}
	originals := map[string][]byte{}
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			originals[filepath.Base(path)], err = os.ReadFile(path)
		}
		return err
	})
	compared := 0
	for _, p := range allProcesses(t, openReference(t, "ReactOS0413x86", Options{})) {
		original, ok := originals[p.LongName()]
		r, err := p.Restored()
		if !ok || err != nil {
			continue
		}
		compared++
		at := binary.LittleEndian.Uint32(original[60:]) + 24 + 28
		if base := binary.LittleEndian.Uint32(original[at:]); r.ImageBase != uint64(base) || r.BaseCertainty != restore.Assumed {
			t.Errorf("process %d %s: base %#x, %s, want %#x", p.PID, p.LongName(), r.ImageBase, r.BaseCertainty, base)
		}
		got := allBytes(t, r.Reader)
		for _, row := range r.Rows {
			end := min(row.FileOffset+row.Length, int64(len(original)))
			if row.Exact() && !bytes.Equal(got[row.FileOffset:end], original[row.FileOffset:end]) {
				t.Errorf("process %d %s: exact row differs: %+v", p.PID, p.LongName(), row)
			}
		}
	}
	if compared < 10 {
		t.Errorf("%d executables were compared", compared)
	}
}
