package memimage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/format"
	"memlens/memimage/nt"
	"memlens/memimage/profile"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// dividedFile builds a system of a machine with a hole below 4 GiB, all of it right below or above the hole, and writes
// its memory as a raw file without the hole.
func dividedFile(t *testing.T, gap, size int64) (path string, built *synth.Memory) {
	t.Helper()
	p, err := profile.Builtin().ByName("Win10x64_19041")
	if err != nil {
		t.Fatal(err)
	}
	sys := builtSystem(p)
	sys.RAM, sys.Gap, sys.Lowest, sys.LowStub = size, gap, gap-24<<20, true
	built = buildMemory(t, sys)
	path = filepath.Join(t.TempDir(), "memory.raw")
	if err := built.WriteDivided(path, gap); err != nil {
		t.Fatal(err)
	}
	return path, built
}

// TestDividedRawFiles are raw files of machines with a hole below 4 GiB, which they leave out.
func TestDividedRawFiles(t *testing.T) {
	corpus.Long(t)
	const top = 4 << 30
	for _, c := range []struct {
		name      string
		gap, size int64
	}{
		{"VMware", 0xc0000000, top + 24<<20},
		{"QEMU q35", 0x80000000, top + 24<<20},
		{"VirtualBox", 0xe0000000, top + 24<<20},
		{"Hyper-V, a file larger than 4 GiB", 0xf8000000, top + 150<<20},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, built := dividedFile(t, c.gap, c.size)
			im, err := Open(context.Background(), path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer im.Close()
			checkDivided(t, im, c.gap, built)
		})
	}
}

func checkDivided(t *testing.T, im *Image, gap int64, built *synth.Memory) {
	t.Helper()
	notes := strings.Join(im.Container.Notes, "\n")
	for _, want := range []string{"It is assumed", fmt.Sprintf("above offset %#x begin at physical address 4 GiB", gap), "--memmap"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes do not say %q: %q", want, im.Container.Notes)
		}
	}
	if strings.Contains(notes, "without gaps") || im.Container.Memory.Size() != built.Reader.Size() {
		t.Errorf("memory of %#x bytes, want %#x, notes %q", im.Container.Memory.Size(), built.Reader.Size(), im.Container.Notes)
	}
	var listed []uint64
	for _, p := range built.Truth.Processes {
		if p.Listed {
			listed = append(listed, p.PID)
		}
	}
	var got []uint64
	processes, damage := im.Processes()
	for _, p := range processes {
		got = append(got, p.PID)
	}
	slices.Sort(got)
	slices.Sort(listed)
	if !slices.Equal(got, listed) || len(damage) > 0 {
		t.Errorf("processes %v, want %v; damage %v", got, listed, damage)
	}
}

// TestDividedFileWithTheKernelBelow has all that leads to the kernel below the hole, and the page tables of two
// processes above it. Read without a division, the file has the tables of other processes there, or none.
func TestDividedFileWithTheKernelBelow(t *testing.T) {
	const gap, above, dtbOffset = 0xc0000000, 4 << 30, 0x28 // _KPROCESS.DirectoryTableBase
	p, err := profile.Builtin().ByName("Win10x64_19041")
	if err != nil {
		t.Fatal(err)
	}
	built := buildMemory(t, builtSystem(p))
	path := filepath.Join(t.TempDir(), "memory.raw")
	if err := built.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	moved := 0
	for _, p := range built.Truth.Processes {
		if p.PID != 368 && p.PID != 404 {
			continue
		}
		table := make([]byte, 4096)
		if _, err := f.ReadAt(table, int64(p.DTB)); err != nil {
			t.Fatal(err)
		}
		to := uint64(moved)<<12 | above
		for i := 256 * 8; i < len(table); i += 8 {
			if e := binary.LittleEndian.Uint64(table[i:]); e&0xffffffffff000 == p.DTB {
				binary.LittleEndian.PutUint64(table[i:], e-p.DTB+to)
			}
		}
		_, err1 := f.WriteAt(table, int64(to)-above+gap)
		_, err2 := f.WriteAt(make([]byte, 4096), int64(p.DTB))
		_, err3 := f.WriteAt(binary.LittleEndian.AppendUint64(nil, to), p.EPROCESSPhys+dtbOffset)
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		moved++
	}
	im, err := Open(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if notes := strings.Join(im.Container.Notes, "\n"); moved != 2 || !strings.Contains(notes, "above offset 0xc0000000 begin at physical address 4 GiB") {
		t.Errorf("%d page directories were moved, notes %q", moved, im.Container.Notes)
	}
	processes, _ := im.Processes()
	for _, p := range processes {
		if err := p.CheckSpace(); (p.PID == 368 || p.PID == 404) && err != nil {
			t.Errorf("process %d: %v", p.PID, err)
		}
	}
}

// TestDividedFileThatNoDivisionFits must name the map of memory that would help.
func TestDividedFileThatNoDivisionFits(t *testing.T) {
	path, _ := dividedFile(t, 0xd0000000, 4<<30+24<<20)
	_, err := Open(context.Background(), path, Options{})
	if err == nil {
		t.Fatal("it opens")
	}
	for _, want := range []string{"above 4 GiB", "--memmap", `["0x0 0xbfffffff 0x0" "0x100000000 0x1117fffff 0xc0000000"] as VMware and QEMU (pc) has it`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	memmap, err := format.ParseMemmap(strings.NewReader("0x0 0xcfffffff 0x0\n0x100000000 0x1017fffff 0xd0000000\n"))
	if err != nil {
		t.Fatal(err)
	}
	im, err := Open(context.Background(), path, Options{Container: format.Options{Memmap: memmap}})
	if err != nil {
		t.Fatal(err)
	}
	if err := im.Close(); err != nil {
		t.Error(err)
	}
}

// TestDivisionThatIsNotSure has two divisions under which a kernel is found: both must be named, and no other.
func TestDivisionThatIsNotSure(t *testing.T) {
	all := []format.Division{{Low: 0xc0000000, Who: "one"}, {Low: 0xe0000000, Who: "two"}, {Low: 0x80000000, Who: "three"}}
	said := (&dividedError{err: errors.New("nothing"), size: 4 << 30, tried: all, works: all[:2]}).Error()
	for _, want := range []string{"nothing; ", "under 2 divisions of it, and it is not known which is right", "--memmap",
		`["0x0 0xbfffffff 0x0" "0x100000000 0x13fffffff 0xc0000000"] as one has it, or ["0x0 0xdfffffff 0x0" "0x100000000 0x11fffffff 0xe0000000"] as two has it`} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q: %s", want, said)
		}
	}
	packed := (&dividedError{err: errors.New("nothing"), size: 4 << 30, in: "gzip", tried: all}).Error()
	if !strings.Contains(packed, "take the raw file out of its container (gzip), and say so with --memmap") || strings.Contains(said, "container") {
		t.Errorf("it says %s, and of a raw file in another %s", said, packed)
	}
	if strings.Contains(said, "three") {
		t.Errorf("it names a division that does not work: %s", said)
	}
}

// TestSearchWithoutPageDirectories has nothing to try divisions with: the error stays as it is.
func TestSearchWithoutPageDirectories(t *testing.T) {
	s := &divisionSearch{im: &Image{Container: &format.Image{}}, ctx: context.Background()}
	if s.try(nt.Astray{}) {
		t.Error("there is a division")
	}
	err := errors.New("nothing was found")
	if _, got := s.outcome(err); got != err {
		t.Errorf("error %v", got)
	}
}

// TestRenamedVmem is a memory file of VMware with 4 GiB that was renamed.
func TestRenamedVmem(t *testing.T) {
	path := corpus.UnpackCase(t, "renamed-vmem", "memory.raw")
	im, err := Open(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	processes, damage := im.Processes()
	if len(processes) != 8 || len(damage) > 0 || im.Kernel.Version.Build != 19041 || im.Container.Memory.Size() != 5<<30 {
		t.Errorf("%d processes, damage %v, build %d, memory of %#x bytes", len(processes), damage, im.Kernel.Version.Build, im.Container.Memory.Size())
	}
	if notes := strings.Join(im.Container.Notes, "\n"); !strings.Contains(notes, "above offset 0xc0000000") {
		t.Errorf("notes %q", notes)
	}
}
