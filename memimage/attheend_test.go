package memimage

import (
	"context"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"memlens/memimage/format"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"
)

var endImage = flag.String("endimage", "", "write the image of TestSystemAtTheEndOfASparseFile to this file")

// writeEndImage writes a sparse file of 64 GiB. Only its last GiB has a system, with the data around it.
func writeEndImage(t testing.TB, name string) {
	t.Helper()
	p, err := profile.Builtin().ByName("Win7SP1x64")
	if err != nil {
		t.Fatal(err)
	}
	exe := synth.NewProgram(synth.Program{Name: "one.exe", Base: 0x140000000, Code: 0x6000, Data: 0x2800, Bits: 64})
	m, err := synth.Build(synth.System{Profile: p, RAM: 64 << 30, Lowest: 63 << 30, Processes: []synth.Process{
		{PID: 368, PPID: 4, Name: "one.exe", Image: exe}, {PID: 400, PPID: 368, Name: "two.exe", Image: exe},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.WriteFile(name); err != nil {
		t.Fatal(err)
	}
}

// countedFile is a file whose reads are counted, in bytes.
type countedFile struct {
	sparse.Source
	file *os.File
	read atomic.Int64
}

func openCounted(t testing.TB, name string) *countedFile {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return &countedFile{Source: sparse.Whole(f, info.Size()), file: f}
}

func (f *countedFile) Name() string                         { return filepath.Base(f.file.Name()) }
func (f *countedFile) Beside(string) (format.Source, error) { return nil, fs.ErrNotExist }
func (f *countedFile) Names() ([]string, error)             { return nil, nil }
func (f *countedFile) Zeros(off int64) int64                { return sparse.FileZeros(f.file, off, f.Size()) }
func (f *countedFile) ReadAt(p []byte, off int64) (int, error) {
	f.read.Add(int64(len(p)))
	return f.Source.ReadAt(p, off)
}

// TestSystemAtTheEndOfASparseFile opens a sparse file of 64 GiB with a system in its last GiB. It must read hardly
// anything of the holes.
func TestSystemAtTheEndOfASparseFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "end.raw")
	if *endImage != "" {
		name = *endImage
	}
	writeEndImage(t, name)
	f := openCounted(t, name)
	if f.Zeros(0) < 1<<30 {
		t.Skip("this file system does not tell of its holes")
	}
	im, err := OpenSource(context.Background(), f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if listed, damage := im.Processes(); len(listed) != 3 || damage != nil {
		t.Errorf("%d processes, %v", len(listed), damage)
	}
	const most = 32 << 20
	if read := f.read.Load(); read > most {
		t.Errorf("%d bytes were read, want at most %d", read, most)
	} else {
		t.Logf("%d KiB of %d GiB were read", read>>10, f.Size()>>30)
	}
}

// BenchmarkOpenAtTheEnd opens the same file.
func BenchmarkOpenAtTheEnd(b *testing.B) {
	name := filepath.Join(b.TempDir(), "end.raw")
	writeEndImage(b, name)
	f := openCounted(b, name)
	for b.Loop() {
		im, err := OpenSource(context.Background(), f, Options{})
		if err != nil {
			b.Fatal(err)
		}
		im.Close()
	}
	b.ReportMetric(float64(f.read.Load())/float64(b.N)/(1<<20), "MiB-read/op")
}
