package volume

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ulikunitz/xz"

	"memlens/memimage/rescue"
	"memlens/memimage/synth/corpus"
)

var update = flag.Bool("update", false, "make testdata/small.ntfs.xz anew")

// smallPaths are the files of the small volume, of all forms.
var smallPaths = []string{`\Windows\System32\ntdll.dll`, `\Windows\System32\small.dll`, `\Windows\packed.dll\holes.dll`, `\Windows\xpress.dll`,
	`\Windows\lzx.dll`, `\Junction\System32\ntdll.dll`, `\WINDOW~1\pieces.dll`, `\link.dll`, `\Windows\System32\Microsoft.Windows.Component-00077.dll`}

// smallVolume returns a volume of 2 MiB with files of all forms. With -update mkntfs, ntfs-3g and wimlib make it.
func smallVolume(t testing.TB) []byte {
	t.Helper()
	const path = "testdata/small.ntfs.xz"
	if *update {
		makeSmall(t, path)
	}
	return corpus.ReadXZ(t, path)
}

func makeSmall(t testing.TB, path string) {
	t.Helper()
	data := code(t, 20_000)
	xpress := wimPacked(t, data, "--compress=XPRESS", "--chunk-size=4096")
	lzx := wimPacked(t, data, "--compress=LZX", "--chunk-size=32768")
	image := newNTFS(t, 2*mib, func(dir string) {
		put(t, dir+"/Windows/System32/ntdll.dll", data)
		put(t, dir+"/Windows/System32/small.dll", noise(1, 100))
		manyNames(t, dir+"/Windows/System32", 100)
		compressedFolder(t, dir+"/Windows/packed.dll")
		put(t, dir+"/Windows/packed.dll/holes.dll", bytes.Join([][]byte{data, make([]byte, 40_000), data}, nil))
		wofCompressed(t, dir+"/Windows/xpress.dll", len(data), xpress, 2, 0)
		wofCompressed(t, dir+"/Windows/lzx.dll", len(data), lzx, 2, 1)
		put(t, dir+"/Windows Long/pieces.dll", nil)
		if err := os.Mkdir(dir+"/Junction", 0o700); err != nil {
			t.Fatal(err)
		}
		attr(t, dir+"/Junction", "reparse_data", junction(`C:\Windows`))
		attr(t, dir+"/Windows Long", "dos_name", []byte("WINDOW~1"))
		put(t, dir+"/link.dll", nil)
		attr(t, dir+"/link.dll", "reparse_data", symlink(`Windows\System32\ntdll.dll`, true))
		if err := os.Mkdir(dir+"/fill", 0o700); err != nil {
			t.Fatal(err)
		}
		inPieces(t, dir+"/fill", dir+"/Windows Long/pieces.dll")
	}, "-c", "512")
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	z, err := xz.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	put(t, path, out.Bytes())
}

// visitSmall opens a volume and reads all that it can. It returns an error that shows a mistake of the program.
func visitSmall(ctx context.Context, disk io.ReaderAt, size int64) error {
	v, err := OpenDisk(ctx, disk, size, "")
	if v == nil {
		return mistake(err)
	}
	for _, path := range smallPaths {
		f, err := v.Lookup(ctx, Path{Name: path})
		if err == nil {
			err = readSome(f)
		}
		if err := mistake(err); err != nil {
			return err
		}
	}
	for _, err := range v.Named(ctx, "ntdll.dll") {
		if err := mistake(err); err != nil {
			return err
		}
	}
	return nil
}

// mistake returns err if it is a mistake of the program.
func mistake(err error) error {
	var e *rescue.PanicError
	if errors.As(err, &e) {
		return errors.New(err.Error() + "\n" + string(e.Stack()))
	}
	return nil
}

// readSome reads the beginning and the end of a file, which may say that it is very large.
func readSome(f *File) error {
	c, err := f.Open()
	if err != nil {
		return err
	}
	defer c.Close()
	b := make([]byte, 64<<10)
	_, err = c.ReadAt(b, 0)
	_, err2 := c.ReadAt(b, max(0, f.Size-int64(len(b))))
	return errors.Join(err, err2)
}

// recorder notes which sectors are read.
type recorder struct {
	io.ReaderAt
	mu      sync.Mutex
	sectors map[int64]bool
}

func (r *recorder) ReadAt(p []byte, off int64) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := off / 512; s*512 < off+int64(len(p)); s++ {
		r.sectors[s] = true
	}
	return r.ReaderAt.ReadAt(p, off)
}

// readSectors returns the sectors of a volume that are read and not all zeros.
func readSectors(t testing.TB, volume []byte) []int64 {
	t.Helper()
	r := &recorder{ReaderAt: bytes.NewReader(volume), sectors: map[int64]bool{}}
	if err := visitSmall(t.Context(), r, int64(len(volume))); err != nil {
		t.Fatal(err)
	}
	var out []int64
	for s := range r.sectors {
		if b := volume[s*512:][:512]; len(bytes.Trim(b, "\x00")) > 0 {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out
}

// mutate changes a volume in the places that are read: each five bytes choose a sector, a byte of it and its value.
func mutate(volume []byte, sectors []int64, how []byte) {
	for ; len(how) >= 5; how = how[5:] {
		s := sectors[int(binary.LittleEndian.Uint16(how))%len(sectors)]
		volume[s*512+int64(binary.LittleEndian.Uint16(how[2:])%512)] = how[4]
	}
}

// TestSmall reads the small volume as it is, so that the tests of its mutants are meaningful.
func TestSmall(t *testing.T) {
	b := smallVolume(t)
	v, err := OpenDisk(t.Context(), bytes.NewReader(b), int64(len(b)), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range smallPaths {
		f, err := v.Lookup(t.Context(), Path{Name: path})
		if err != nil {
			t.Error(err)
			continue
		}
		contentOf(t, f)
	}
}

// TestMutants opens damaged volumes: none makes the program panic, hang or take much memory.
func TestMutants(t *testing.T) {
	corpus.Long(t)
	whole := smallVolume(t)
	sectors := readSectors(t, whole)
	src := rand.New(rand.NewPCG(15, 1))
	const n = 600
	volume := bytes.Clone(whole)
	for i := range n {
		how := make([]byte, 5*(1+src.IntN(8)))
		for j := range how {
			how[j] = byte(src.Uint32())
			if j%5 == 4 && src.IntN(2) == 0 {
				how[j] = []byte{0, 0xff, 0x80, 0x7f, 1}[src.IntN(5)]
			}
		}
		mutate(volume, sectors, how)
		checkMutant(t, volume, i)
		copy(volume, whole)
	}
}

func checkMutant(t testing.TB, volume []byte, i int) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	if err := visitSmall(t.Context(), bytes.NewReader(volume), int64(len(volume))); err != nil {
		t.Fatalf("mutant %d: %v", i, err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 256*mib {
		t.Errorf("mutant %d: %d MiB are allocated", i, n/mib)
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("mutant %d: %v", i, d)
	}
}

// TestHostileGPT refuses partition tables whose numbers would make the library allocate or loop without limit.
func TestHostileGPT(t *testing.T) {
	tests := []struct {
		name        string
		n, size     uint32
		at          uint64
		start, last uint64
	}{
		{"entries without bytes", 128, 0, 2, 40, 50},
		{"no entries", 0, 128, 2, 40, 50},
		{"4 Gi entries", 1<<32 - 1, 128, 2, 40, 50},
		{"large entries", 128, 1 << 31, 2, 40, 50},
		{"entries of 256 bytes", 64, 256, 2, 40, 50},
		{"entries behind the disk", 4, 128, 1 << 60, 40, 50},
		{"entries at the end of all", 4, 128, 1<<64 - 1, 40, 50},
		{"a partition backwards", 4, 128, 2, 50, 40},
		{"a partition without end", 4, 128, 2, 40, 1<<64 - 1},
		{"a partition behind all", 4, 128, 2, 1<<64 - 9, 1<<64 - 2},
	}
	for _, tt := range tests {
		d := make([]byte, mib)
		entries := d[1024 : 1024+512]
		copy(entries, "\xa2\xa0\xd0\xeb\xe5\xb9\x33\x44\x87\xc0\x68\xb6\xb7\x26\x99\xc7")
		binary.LittleEndian.PutUint64(entries[32:], tt.start)
		binary.LittleEndian.PutUint64(entries[40:], tt.last)
		h := d[512:604]
		copy(h, "EFI PART\x00\x00\x01\x00\x5c\x00\x00\x00")
		binary.LittleEndian.PutUint64(h[24:], 1)
		binary.LittleEndian.PutUint64(h[72:], tt.at)
		binary.LittleEndian.PutUint32(h[80:], tt.n)
		binary.LittleEndian.PutUint32(h[84:], tt.size)
		binary.LittleEndian.PutUint32(h[88:], crc32.ChecksumIEEE(d[1024:][:min(int64(tt.n)*int64(tt.size), 512)]))
		binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h))
		if _, err := OpenDisk(t.Context(), bytes.NewReader(d), int64(len(d)), ""); err == nil || mistake(err) != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestHostileMBR ends a chain of extended partitions that leads back to its beginning.
func TestHostileMBR(t *testing.T) {
	d := make([]byte, mib)
	table := func(sector int, entries ...[3]uint32) {
		b := d[sector*512:][:512]
		copy(b[510:], "\x55\xaa")
		for i, e := range entries {
			b[446+16*i+4] = byte(e[0])
			binary.LittleEndian.PutUint32(b[446+16*i+8:], e[1])
			binary.LittleEndian.PutUint32(b[446+16*i+12:], e[2])
		}
	}
	table(0, [3]uint32{7, 8, 8}, [3]uint32{5, 100, 100})
	table(100, [3]uint32{7, 8, 8}, [3]uint32{5, 50, 50})
	table(150, [3]uint32{7, 8, 8}, [3]uint32{5, 0, 50})
	copy(d[8*512:], bootable(82, "FAT32   "))
	_, err := OpenDisk(t.Context(), bytes.NewReader(d), int64(len(d)), "")
	if err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%v", err)
	}
}

// FuzzVolume changes bytes of a volume of NTFS.
func FuzzVolume(f *testing.F) {
	whole := smallVolume(f)
	sectors := readSectors(f, whole)
	f.Add([]byte{0, 0, 13, 0, 1})
	f.Add([]byte{1, 0, 20, 0, 255, 2, 0, 40, 0, 0})
	f.Fuzz(func(t *testing.T, how []byte) {
		volume := bytes.Clone(whole)
		mutate(volume, sectors, how)
		if err := visitSmall(t.Context(), bytes.NewReader(volume), int64(len(volume))); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzDisk opens a disk that begins with any bytes.
func FuzzDisk(f *testing.F) {
	f.Add(bootable(3, "NTFS    "))
	f.Add(append(bootable(450, "\x07\x00\x00\x00\x01\x00\x00\x00\x09"), make([]byte, 4096)...))
	f.Add(append(append(bootable(450, "\xee"), "EFI PART\x00\x00\x01\x00\x5c\x00\x00\x00"...), make([]byte, 20_000)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := visitSmall(t.Context(), bytes.NewReader(b), int64(len(b))); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzPath takes apart any path. None of its names leads up or to another folder.
func FuzzPath(f *testing.F) {
	for _, s := range []string{`\Device\HarddiskVolume2\Windows\a.dll`, `\??\C:\a`, `%SystemRoot%\..\a`, `C:a`, `\\?\UNC\a\b`, `\Device\`, `\Device\\`, `a`} {
		f.Add(s, `C:\Windows`, true)
	}
	f.Fuzz(func(t *testing.T, name, root string, redirected bool) {
		places, err := Path{Name: name, SystemRoot: root, Redirected: redirected}.places()
		if err != nil {
			return
		}
		for _, where := range places {
			for _, part := range where.parts {
				if part == "" || strings.ContainsAny(part, `\/`) && !strings.Contains(root, "/") {
					t.Errorf("%q: %q", name, where.parts)
				}
			}
		}
	})
}
