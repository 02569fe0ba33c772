package volume

import (
	"bytes"
	"context"
	"errors"

	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"www.velocidex.com/golang/go-ntfs/parser"

	"memlens/memimage/format"
	"memlens/memimage/sparse"
)

// bootable returns the first sectors of a volume of another kind.
func bootable(off int, magic string) []byte {
	b := make([]byte, 2048)
	copy(b[510:], "\x55\xaa")
	copy(b[off:], magic)
	return b
}

// TestOthers checks that parts of a disk that are not read are named.
func TestOthers(t *testing.T) {
	windows := newNTFS(t, 16*mib, func(dir string) { windowsFiles(t, dir) })
	empty := newNTFS(t, 8*mib, func(string) {})
	path := disk(t, 64*mib, "label: gpt\n1:start=2048,size=1MiB\n2:start=4096,size=1MiB\n3:start=6144,size=1MiB\n4:start=8192,size=8MiB\n"+
		"5:start=24576,size=1MiB,type=E3C9E316-0B5C-4DB8-817D-F92DF00215AE\n6:start=26624,size=1MiB\n7:start=32768,size=16MiB\n8:start=67584,size=8MiB\n9:start=83968,size=8MiB\n",
		map[int64]string{8192: empty, 32768: windows, 67584: empty})
	for sector, b := range map[int64][]byte{2048: bootable(3, "-FVE-FS-"), 4096: bootable(82, "FAT32   "), 6144: bootable(3, "ReFS\x00\x00\x00\x00"),
		83968: bootable(3, "NTFS    ")} {
		patch(t, path, sector*512, b)
	}
	damageMFT(t, path, 67584*512)
	v := mustOpen(t, path)
	if want := []string{"partition 7", "partition 4"}; !slices.Equal(v.Names(), want) {
		t.Errorf("%q, want %q", v.Names(), want)
	}
	all := strings.Join(v.Notes, "\n")
	for _, want := range []string{"partition 1: is BitLocker: unlock it", "partition 2: is FAT32", "partition 3: is ReFS", "partition 5: is reserved by Windows",
		"partition 6: holds nothing that is known", "partition 8: is NTFS, and is not read: volume: the file system is damaged: record 0 of $MFT",
		"partition 9: is NTFS, and is not read: volume: the file system is damaged: its boot sector"} {
		if !strings.Contains(all, want) {
			t.Errorf("no note says %q:\n%s", want, all)
		}
	}
}

func patch(t testing.TB, path string, off int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// damageMFT overwrites the first record of $MFT of the volume at off, and its copy.
func damageMFT(t testing.TB, path string, off int64) {
	t.Helper()
	mft, mirror := mftPlaces(t, path, off)
	patch(t, path, mft, []byte("BAAD"))
	patch(t, path, mirror, []byte("BAAD"))
}

func mftPlaces(t testing.TB, path string, off int64) (mft, mirror int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v := &ntfs{src: sparse.Bytes(b[off:]), profile: parser.NewNTFSProfile()}
	first, second, err := v.readBoot()
	if err != nil {
		t.Fatal(err)
	}
	return off + first*v.cluster, off + second*v.cluster
}

// TestNotADisk checks that the error says why something is no disk with Windows on it.
func TestNotADisk(t *testing.T) {
	tests := []struct {
		name string
		data []byte
		is   error
		say  string
	}{
		{"nothing", nil, ErrNoDisk, "no partition table"},
		{"a sector", make([]byte, 512), ErrNoDisk, "no partition table"},
		{"zeros", make([]byte, mib), ErrNoDisk, "no partition table"},
		{"noise", noise(1, mib), ErrNoDisk, "no partition table"},
		{"VHDX", append([]byte("vhdxfile"), make([]byte, mib)...), ErrNoDisk, "qemu-img convert -f vhdx"},
		{"BitLocker alone", append(bootable(3, "-FVE-FS-"), make([]byte, mib)...), ErrNoWindows, "the volume: is BitLocker: unlock it"},
		{"FAT alone", append(bootable(54, "FAT16   "), make([]byte, mib)...), ErrNoWindows, "the volume: is FAT16"},
	}
	for _, tt := range tests {
		_, err := OpenDisk(t.Context(), bytes.NewReader(tt.data), int64(len(tt.data)), "")
		if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.say) {
			t.Errorf("%s: %v, want %v: %s", tt.name, err, tt.is, tt.say)
		}
	}
	image := newNTFS(t, 8*mib, func(dir string) { put(t, dir+"/Users/a.exe", nil) })
	if _, err := openImage(t, image); !errors.Is(err, ErrNoWindows) || !strings.Contains(err.Error(), "the volume is NTFS without Windows") {
		t.Error(err)
	}
}

// TestLostGPT checks that a missing table of a GPT is reported.
func TestLostGPT(t *testing.T) {
	b := append(bootable(450, "\xee\xff\xff\xff\x01\x00\x00\x00\xff\x07\x00\x00"), make([]byte, mib)...)
	if _, err := OpenDisk(t.Context(), bytes.NewReader(b), int64(len(b)), ""); !errors.Is(err, ErrNoWindows) || !strings.Contains(err.Error(), "GPT") {
		t.Error(err)
	}
}

// TestManyVolumes opens no more volumes of a disk than it says.
func TestManyVolumes(t *testing.T) {
	const n = 40
	b := smallVolume(t)
	disk := make([]byte, 2048*512+len(b))
	copy(disk[2048*512:], b)
	f, err := os.Create(t.TempDir() + "/disk")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(disk); err != nil {
		t.Fatal(err)
	}
	table := &gpt.Table{LogicalSectorSize: 512, PhysicalSectorSize: 512}
	for i := range n {
		table.Partitions = append(table.Partitions, &gpt.Partition{Index: i + 1, Start: 2048, End: 2048 + uint64(len(b)/512) - 64, Type: gpt.MicrosoftBasicData,
			GUID: "01234567-89AB-CDEF-0123-456789ABCDEF"})
	}
	w, err := file.New(f, false).Writable()
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Write(w, int64(len(disk))); err != nil {
		t.Fatal(err)
	}
	v := mustOpen(t, f.Name())
	if len(v.Names()) != maxVolumes || !strings.Contains(strings.Join(v.Notes, "\n"), "partition 40: is not read: the disk has more than") {
		t.Errorf("%d volumes, %q", len(v.Names()), v.Notes)
	}
}

// TestBigSectors finds a volume on a disk with sectors of 4096 bytes.
func TestBigSectors(t *testing.T) {
	var files map[string][]byte
	windows := newNTFS(t, 32*mib, func(dir string) { files = windowsFiles(t, dir) }, "-s", "4096")
	t.Run("GPT", func(t *testing.T) {
		path := sparseFile(t, 40*mib)
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		table := &gpt.Table{LogicalSectorSize: 4096, PhysicalSectorSize: 4096, ProtectiveMBR: true, Partitions: []*gpt.Partition{
			{Index: 3, Start: 256, End: 256 + 32*mib/4096 - 1, Type: gpt.MicrosoftBasicData, Name: "Windows", GUID: "01234567-89AB-CDEF-0123-456789ABCDEF"}}}
		w, err := file.New(f, false).Writable()
		if err != nil {
			t.Fatal(err)
		}
		if err := table.Write(w, 40*mib); err != nil {
			t.Fatal(err)
		}
		placeVolume(t, path, windows, 256*4096)
		checkFiles(t, mustOpen(t, path), files, "partition 3")
		patch(t, path, 4096, make([]byte, 92)) // the header
		v := mustOpen(t, path)
		checkFiles(t, v, files, "partition 3")
		if !strings.Contains(strings.Join(v.Notes, ""), "copy at the end of the disk") {
			t.Errorf("%q", v.Notes)
		}
	})
	t.Run("MBR", func(t *testing.T) {
		path := disk(t, 300*mib, "label: dos\n1:start=256,size=8192,type=7\n", nil)
		placeVolume(t, path, windows, 256*4096)
		checkFiles(t, mustOpen(t, path), files, "partition 1")
	})
}

func checkFiles(t testing.TB, v *Volumes, files map[string][]byte, label string) {
	t.Helper()
	for path, want := range files {
		if f := wantFile(t, v, Path{Name: path}, path, want); f.Volume != label {
			t.Errorf("%s is on %s", path, f.Volume)
		}
	}
}

// TestTruncated reads the bytes that a truncated image still has, and fails for the rest.
func TestTruncated(t *testing.T) {
	var files map[string][]byte
	image := newNTFS(t, 16*mib, func(dir string) { files = windowsFiles(t, dir) })
	whole, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	for size := int64(512); size < 16*mib; size = size*5/4 + 512 {
		v, err := OpenDisk(t.Context(), bytes.NewReader(whole[:size]), size, "")
		if err != nil {
			continue
		}
		for path, want := range files {
			f, err := v.Lookup(t.Context(), Path{Name: path})
			if errors.Is(err, ErrNotFound) {
				t.Errorf("%d bytes: %s is not there: %v", size, path, err)
			}
			if err == nil {
				partOf(t, f, want)
			}
		}
	}
}

// partOf checks that all readable bytes of a file are right.
func partOf(t testing.TB, f *File, want []byte) {
	t.Helper()
	c, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, f.Size)
	if n, _ := c.ReadAt(b, 0); !bytes.Equal(b[:n], want[:n]) {
		t.Errorf("%s: wrong bytes", f.Path)
	}
}

// TestFaults checks that each failed read of a disk is reported as such, and never as a missing file or as other
// bytes.
func TestFaults(t *testing.T) {
	var files map[string][]byte
	image := newNTFS(t, 16*mib, func(dir string) {
		files = windowsFiles(t, dir)
		manyNames(t, dir+"/Windows/System32", 200)
	})
	whole, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	count := &failing{data: whole, at: -1}
	visit := func() error {
		v, err := OpenDisk(t.Context(), count, int64(len(whole)), "")
		if err != nil {
			return err
		}
		for path, want := range files {
			f, err := v.Lookup(t.Context(), Path{Name: path})
			if err != nil {
				return err
			}
			c, err := f.Open()
			if err != nil {
				return err
			}
			b := make([]byte, f.Size)
			if n, err := c.ReadAt(b, 0); n < len(b) {
				return err
			}
			if !bytes.Equal(b, want) {
				t.Errorf("%s has other bytes", path)
			}
		}
		return nil
	}
	if err := visit(); err != nil {
		t.Fatal(err)
	}
	places := slices.Compact(slices.Sorted(slices.Values(count.reads)))
	failed := 0
	for _, count.at = range places {
		err := visit()
		if err != nil && !sparse.Failed(err) {
			t.Errorf("a read at %#x fails: %v", count.at, err)
		}
		if err != nil {
			failed++
		}
	}
	if failed < len(places)/2 {
		t.Errorf("%d of %d failing reads are reported", failed, len(places))
	}
}

// failing is a disk that cannot be read at a place.
type failing struct {
	data  []byte
	at    int64
	reads []int64
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if f.at < 0 {
		f.reads = append(f.reads, off)
	}
	if off <= f.at && f.at < off+int64(len(p)) {
		return 0, errors.New("the disk is bad")
	}
	return bytes.NewReader(f.data).ReadAt(p, off)
}

// TestConcurrent looks up and reads all files at once.
func TestConcurrent(t *testing.T) {
	var files map[string][]byte
	image := newNTFS(t, 16*mib, func(dir string) {
		files = windowsFiles(t, dir)
		compressedFolder(t, dir+"/Windows/packed")
		files[`\Windows\packed\a.dll`] = code(t, 200_000)
		put(t, dir+"/Windows/packed/a.dll", files[`\Windows\packed\a.dll`])
	})
	v := mustOpen(t, image)
	var all sync.WaitGroup
	for range 4 {
		for path, want := range files {
			all.Go(func() {
				f, err := v.Lookup(t.Context(), Path{Name: path})
				if err != nil {
					t.Error(err)
					return
				}
				if got := contentOf(t, f); !bytes.Equal(got, want) {
					t.Errorf("%s differs", path)
				}
			})
		}
	}
	all.Wait()
}

// TestCanceled checks that the work ends when the caller cancels it.
func TestCanceled(t *testing.T) {
	b := smallVolume(t)
	v, err := OpenDisk(t.Context(), bytes.NewReader(b), int64(len(b)), "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := OpenDisk(ctx, bytes.NewReader(b), int64(len(b)), ""); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := v.Lookup(ctx, Path{Name: smallPaths[0]}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, err := range v.Named(ctx, "ntdll.dll") {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	found := 0
	for f, err := range v.Named(t.Context(), "ntdll.dll") {
		if err != nil {
			t.Error(f, err)
		}
		found++
	}
	if found != 1 {
		t.Errorf("%d files, after a search that was given up", found)
	}
}

// TestNamed finds all files of a name, in the order in which Windows would.
func TestNamed(t *testing.T) {
	image := newNTFS(t, 16*mib, func(dir string) {
		windowsFiles(t, dir)
		put(t, dir+"/Windows/System32/comctl32.dll", []byte("system32"))
		put(t, dir+"/Windows/System32/DriverStore/FileRepository/a.inf_1/comctl32.dll", []byte("store"))
	})
	want := []string{`\Windows\System32\comctl32.dll`, `\Windows\System32\DriverStore\FileRepository\a.inf_1\comctl32.dll`,
		`\Windows\WinSxS\amd64_a_1\comctl32.dll`, `\Windows\WinSxS\amd64_b_2\comctl32.dll`}
	check := func(v *Volumes) {
		var got []string
		for f, err := range v.Named(t.Context(), "COMCTL32.DLL") {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, f.Path)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		for f := range v.Named(t.Context(), "comctl32.dll") {
			if f.Path != want[0] {
				t.Error(f.Path)
			}
			break
		}
		for _, name := range []string{"", ".", "..", `..\a`, "a:b", "nothing.dll"} {
			for f, err := range v.Named(t.Context(), name) {
				t.Errorf("%q: %v, %v", name, f, err)
			}
		}
	}
	check(mustOpen(t, image))
	mounted(t, image, "ro", func(dir string) {
		v, err := OpenFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		check(v)
	})
}

// TestE01 finds the files of a disk in the container that ewfacquire writes.
func TestE01(t *testing.T) {
	var files map[string][]byte
	windows := newNTFS(t, 16*mib, func(dir string) { files = windowsFiles(t, dir) })
	path := disk(t, 24*mib, "label: gpt\n1:start=2048,size=16MiB\n", map[int64]string{2048: windows})
	dir := t.TempDir()
	cmd := exec.Command(tool(t, "ewfacquire"), "-u", "-q", "-c", "deflate:fast", "-f", "encase6", "-t", dir+"/disk", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	im, err := format.OpenFile(dir+"/disk.E01", format.Options{Disks: true})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	v, err := OpenDisk(t.Context(), im.Memory, im.Memory.Size(), "disk.E01")
	if err != nil {
		t.Fatal(err)
	}
	checkFiles(t, v, files, "partition 1")
}
